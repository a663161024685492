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
    private(set) var ends = 0
    private(set) var frames: [UInt32] = []
    /// Where a frame lies; none is written twice.
    private(set) var places: [UInt32: Int] = [:]
    private(set) var broken: String?
    /// Whether somebody has sent a frame.
    var isSent: (UInt32) -> Bool = { _ in true }
    /// What excuses a frame that is missing: the fallback was begun anew, or could not be followed.
    private var excuses: UInt64 = 0

    init(_ station: Station) {
        self.station = station
        station.onEvent = { [weak self] in if case .left = $0 { self?.ends += 1 } }
    }

    /// Takes what is new in the log, and looks whether it can be there.
    func capture() {
        if station.fanout.isClosed || broken != nil { return }
        let from = UInt64(frames.count * 4)
        let head = station.log.head
        if head == from { return }
        guard let bytes = try? station.log.bytes(from: from, limit: Int(head - from)), bytes.count % 4 == 0 else {
            broken = "\(station.name): \(head - from) bytes of the log were missed"
            return
        }
        for at in stride(from: 0, to: bytes.count, by: 4) {
            let frame = bytes[at..<at + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            if !isSent(frame) { broken = "\(station.name): frame \(Observed.text(frame)), which nobody sent" }
            // The sender is the lowest byte.
            let excuses = station.fallbackSwitches + (station.fallback.feed?.skipped ?? 0)
            if let last = frames.last, last & 0xFF == frame & 0xFF,
                frame >> 8 != last >> 8 + 1 && (frame < last || excuses == self.excuses)
            {
                broken = "\(station.name): frame \(Observed.text(frame)) after \(Observed.text(last))"
            }
            if places.updateValue(frames.count, forKey: frame) != nil {
                broken = "\(station.name): frame \(Observed.text(frame)) twice"
            }
            frames.append(frame)
            self.excuses = excuses
        }
    }

    static func text(_ frame: UInt32) -> String { "\(frame & 0xFF):\(frame >> 8)" }
}

/// A listener that checks what it hears against the log that it hears it from.
@LoopActor
final class Witness {
    let observed: Observed
    let hearer: Hearer
    let start: Int
    /// It takes nothing from its socket.
    var isDeaf = false
    /// The manual clock's nanoseconds since when it does not.
    var deafSince: UInt64 = 0
    var isGone = false
    private var runs = 0
    /// Frames heard of the last run, and the place that is next.
    private var heard = 0
    private var next: Int
    private var missed = 0
    private(set) var jumps = 0

    init(_ observed: Observed, _ seat: Seat) throws {
        self.observed = observed
        start = Int(seat.join.position / 4)
        next = start
        hearer = try Hearer(observed.station, seat)
        // The ring may have moved on before it sat down.
        if let listener = observed.station.report.listeners.first(where: { $0.id == hearer.id }) {
            next = Int(listener.position / 4)
        }
    }

    /// Nil: what was heard is a slice of the log, but for what was skipped.
    func check() -> String? {
        if !isDeaf && !isGone { hearer.hear() }
        // The last run is still growing.
        while runs < hearer.runs.count {
            let run = hearer.runs[runs]
            while heard < run.count {
                let frame = (run.first + UInt32(heard)) << 8 | UInt32(run.tag)
                guard let place = observed.places[frame] else {
                    return "a listener of \(observed.station.name) heard \(Observed.text(frame)), which was never there"
                }
                if place < next {
                    return "a listener of \(observed.station.name) heard \(Observed.text(frame)) out of its turn"
                }
                if place > next { jumps += 1 }
                missed += place - next
                next = place + 1
                heard += 1
            }
            if runs == hearer.runs.count - 1 { break }
            runs += 1
            heard = 0
        }
        if let report = hearer.report {
            if report.skippedBytes < UInt64(missed * 4) || report.skips < UInt64(jumps) {
                return "\(missed * 4) bytes missed in \(jumps) jumps, \(report.skippedBytes) in \(report.skips) counted"
            }
            if report.position != UInt64(nextStart * 4) + report.sentBytes + report.skippedBytes {
                return "position \(report.position), of \(nextStart * 4) + \(report.sentBytes) + \(report.skippedBytes)"
            }
            if hearer.isOver && hearer.begun != 0 && report.position % 4 == 0 && hearer.reason == "shutdown" && !isDeaf
            {
                return "a listener was left with \(hearer.begun) bytes of a frame"
            }
        }
        return nil
    }

    /// Where it sat down.
    private lazy var nextStart: Int = next

    func settle() { _ = nextStart }
}
