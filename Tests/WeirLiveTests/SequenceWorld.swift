import CLibuv
import Glibc
import WeirLoop

@testable import WeirLive

/// What a random sequence found wrong.
struct Broken: Error, CustomStringConvertible {
    let description: String
}

/// Turns of the loop, without waiting for time to pass.
@LoopActor
final class LoopTurns {
    private let idle = UnsafeMutablePointer<uv_idle_t>.allocate(capacity: 1)
    private var left = 0
    private var waiter: UnsafeContinuation<Void, Never>?

    init() {
        uv_idle_init(LoopActor.loop, idle)
        idle.pointee.data = Unmanaged.passUnretained(self).toOpaque()
    }

    func wait(_ count: Int) async {
        left = count
        uv_idle_start(idle) { handle in
            nonisolated(unsafe) let data = handle!.pointee.data!
            LoopActor.assumeIsolated { Unmanaged<LoopTurns>.fromOpaque(data).takeUnretainedValue().turned() }
        }
        await withUnsafeContinuation { waiter = $0 }
    }

    private func turned() {
        left -= 1
        guard left <= 0, let waiter else { return }
        uv_idle_stop(idle)
        self.waiter = nil
        waiter.resume()
    }

    func close() {
        UnsafeMutableRawPointer(idle).withMemoryRebound(to: uv_handle_t.self, capacity: 1) {
            uv_close($0) { $0?.deallocate() }
        }
    }
}

/// A station under observation: all that its log ever held, and who listens to it.
@LoopActor
final class Observed {
    let station: Station
    let piece: Piece
    private(set) var ends = 0
    /// The last one that has a number.
    private var last: UInt32?
    /// Where a piece lies among those with a number. Frames are written once only.
    private var places: [UInt32: [Int]] = [:]
    /// How many with a number lie before each piece of the log.
    private var numbered: [Int] = [0]
    private(set) var broken: String?
    /// Whether somebody has sent a piece.
    var isSent: (UInt32) -> Bool = { _ in true }
    /// What excuses a piece that is missing: the fallback was begun anew, or could not be followed.
    private var excuses: UInt64 = 0
    private var hasYielded = false
    private var counters = ContinuityCounters(isCommon: false)

    init(_ station: Station) {
        self.station = station
        if case .ts = station.format { piece = .packet } else { piece = .frame }
        station.onEvent = { [weak self] in if case .left = $0 { self?.ends += 1 } }
    }

    /// How many with a number lie before a position; nil: it is still to come.
    func numbered(before position: UInt64) -> Int? {
        let index = Int(position) / piece.size
        return index < numbered.count ? numbered[index] : nil
    }

    /// The first place of a piece from one on, or else one before it.
    func place(of name: UInt32, from next: Int) -> Int? {
        guard let all = places[name] else { return nil }
        return all.first { $0 >= next } ?? all.last
    }

    /// Takes what is new in the log, and looks whether it can be there.
    func capture() {
        if station.fanout.isClosed || broken != nil { return }
        if station.fallback.feed != nil { hasYielded = true }
        let from = UInt64((numbered.count - 1) * piece.size)
        let head = station.log.head
        if head == from { return }
        guard let bytes = try? station.log.bytes(from: from, limit: Int(head - from)), bytes.count % piece.size == 0
        else {
            broken = "\(station.name): \(head - from) bytes of the log were missed"
            return
        }
        for at in stride(from: 0, to: bytes.count, by: piece.size) {
            let one = bytes[at..<at + piece.size]
            if piece == .packet { counters.take(one) }
            if let (tag, number) = piece.identity(of: one) { take(number << 8 | UInt32(tag)) }
            numbered.append(numbered[numbered.count - 1] + (piece.identity(of: one) == nil ? 0 : 1))
        }
        if let wrong = counters.wrong { broken = "\(station.name): \(wrong)" }
    }

    private func take(_ name: UInt32) {
        if !isSent(name) { broken = "\(station.name): \(Observed.text(name)), which nobody sent" }
        let excuses = station.fallbackSwitches + (station.fallback.feed?.skipped ?? 0)
        // A fallback that is begun anew begins with its newest picture, which may have been heard.
        let isAnew = piece == .packet && excuses != self.excuses
        // A pipe that has yielded leaves out the one frame that it had begun.
        if hasYielded, case .fifo = station.options.source, let last, name == last + 0x200 { self.last = last + 0x100 }
        hasYielded = station.fallback.feed != nil
        if let last, last & 0xFF == name & 0xFF, !isAnew,
            name >> 8 != last >> 8 + 1 && (name < last || excuses == self.excuses)
        {
            broken = "\(station.name): \(Observed.text(name)) after \(Observed.text(last))"
        }
        if piece == .frame, places[name] != nil { broken = "\(station.name): \(Observed.text(name)) twice" }
        places[name, default: []].append(numbered[numbered.count - 1])
        last = name
        self.excuses = excuses
    }

    static func text(_ name: UInt32) -> String { "piece \(name & 0xFF):\(name >> 8)" }
}

/// A listener that checks what it hears against the log that it hears it from.
@LoopActor
final class Witness {
    let observed: Observed
    let hearer: Hearer
    /// It takes nothing from its socket.
    var isDeaf = false
    var isGone = false
    private var runs = 0
    /// Pieces heard of the last run, and the place that is next.
    private var heard = 0
    private var next: Int?
    private var missed = 0
    private(set) var jumps = 0
    /// Where it sat down.
    private let start: UInt64

    init(_ observed: Observed, _ seat: Seat) throws {
        self.observed = observed
        hearer = try Hearer(observed.station, seat)
        // The ring may have moved on before it sat down.
        let id = hearer.id
        start = observed.station.report.listeners.first { $0.id == id }?.position ?? seat.join.position
    }

    /// Nil: what was heard is a slice of the log, but for what was skipped.
    func check() -> String? {
        if !isDeaf && !isGone { hearer.hear() }
        let name = observed.station.name
        if let wrong = hearer.wrong { return "a listener of \(name) heard that \(wrong)" }
        // The last run is still growing.
        while runs < hearer.runs.count {
            let run = hearer.runs[runs]
            while heard < run.count {
                guard let next = next ?? observed.numbered(before: start) else {
                    return "a listener of \(name) heard something before it was there"
                }
                let what = (run.first + UInt32(heard)) << 8 | UInt32(run.tag)
                guard let place = observed.place(of: what, from: next) else {
                    return "a listener of \(name) heard \(Observed.text(what)), which was never there"
                }
                if place < next { return "a listener of \(name) heard \(Observed.text(what)) out of its turn" }
                if place > next { jumps += 1 }
                missed += place - next
                self.next = place + 1
                heard += 1
            }
            if runs == hearer.runs.count - 1 { break }
            runs += 1
            heard = 0
        }
        guard let report = hearer.report else { return nil }
        let size = observed.piece.size
        if report.skippedBytes < UInt64(missed * size) || report.skips < UInt64(jumps) {
            return "\(missed * size) bytes missed in \(jumps) jumps, \(report.skippedBytes) in \(report.skips) counted"
        }
        if report.position != start + report.sentBytes + report.skippedBytes {
            return "position \(report.position), of \(start) + \(report.sentBytes) + \(report.skippedBytes)"
        }
        if hearer.isOver && hearer.begun != 0 && report.position % UInt64(size) == 0 && hearer.reason == "shutdown"
            && !isDeaf
        {
            return "a listener was left with \(hearer.begun) bytes of a piece"
        }
        return nil
    }
}
