import Glibc
import Testing
import WeirLoop

@testable import WeirLive

/// A station on a loop of its own, with the time in the test's hand unless another clock is given; closed afterwards.
/// That nothing of it is left then is checked by the loop.
func withStation(
    _ options: StationOptions, clock: LoopClock = .manual(), listenersMax: Int = 1000,
    _ body: @escaping @LoopActor (Station, Journal, LoopClock) async throws -> Void
) throws {
    try LoopActor.runInTurn {
        let journal = Journal()
        let station = try Station(options, seats: Seats(limit: listenersMax), clock: clock, random: { 0.999_999 })
        station.onEvent = { journal.events.append($0) }
        do {
            try await body(station, journal, clock)
        } catch {
            await station.close()
            throw error
        }
        await station.close()
    }
}

/// What a station reported.
@LoopActor
final class Journal {
    var events: [StationEvent] = []

    var states: [Supervision.State] {
        events.compactMap { if case .state(_, let to, _) = $0 { to } else { nil } }
    }

    var left: [(listener: ListenerReport, reason: String)] {
        events.compactMap { if case .left(let listener, let reason, _) = $0 { (listener, reason) } else { nil } }
    }

    var lines: [String] {
        events.compactMap { if case .line(let line, _) = $0 { line } else { nil } }
    }

    var delays: [Double] {
        events.compactMap { if case .retry(let seconds) = $0 { seconds } else { nil } }
    }
}

/// The two ends of a connected stream: one for the station, one for the test.
struct SocketPair {
    let station: Int32
    let test: Int32

    init() throws {
        var ends: [Int32] = [0, 0]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw CoreError(errno: errno) }
        (station, test) = (ends[0], ends[1])
    }

    /// What has arrived, and whether that was all there will ever be.
    func read() -> (bytes: [UInt8], isOver: Bool) {
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = recv(test, &block, block.count, Int32(MSG_DONTWAIT))
            if count <= 0 { return (bytes, count == 0) }
            bytes.append(contentsOf: block[..<count])
        }
    }

    func close() { Glibc.close(test) }
}

/// Waits until something outside of the loop has made `condition` true; ten seconds at most.
@LoopActor
func eventually(
    _ what: Comment, sourceLocation: SourceLocation = #_sourceLocation, _ condition: () -> Bool
) async throws {
    let end = LoopClock.monotonic.deadline(after: 10)
    while !condition() {
        try #require(LoopClock.monotonic.now < end, what, sourceLocation: sourceLocation)
        try await LoopClock.monotonic.sleep(for: 0.002)
    }
}

extension LoopClock {
    /// Moves by 20 ms at a time, and lets the station write and send what is due.
    @LoopActor
    func play(_ station: Station, seconds: Double) async {
        for _ in 0..<Int((seconds / 0.02).rounded()) {
            await advance(seconds: 0.02)
            station.turn()
            await LoopActor.settle()
        }
    }
}

/// A directory that is gone afterwards.
func withDirectory<Value>(_ body: (String) throws -> Value) throws -> Value {
    var template = Array("/tmp/weir-live-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw CoreError(errno: errno) }
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer {
        if let directory = opendir(path) {
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                unlink("\(path)/\(name)")
            }
            closedir(directory)
        }
        rmdir(path)
    }
    return try body(path)
}
