import Glibc
import Synchronization
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

/// Waits until something outside of the loop has made `condition` true; two minutes at most.
@LoopActor
func eventually(
    _ what: Comment, sourceLocation: SourceLocation = #_sourceLocation, _ condition: () -> Bool
) async throws {
    let end = LoopClock.monotonic.deadline(after: 120)
    while !condition() {
        try #require(LoopClock.monotonic.now < end, what, sourceLocation: sourceLocation)
        try await LoopClock.monotonic.sleep(for: 0.002)
    }
}

/// Entries into Swift in a fifth of a second while a station plays to so many listeners, each of which is written to three
/// times at least; that takes as long as it does on a busy machine.
@LoopActor
func entries(of station: Station, listeners count: Int) async throws -> Double {
    var pairs: [SocketPair] = []
    defer { for pair in pairs { pair.close() } }
    for _ in 0..<count {
        let pair = try SocketPair()
        pairs.append(pair)
        let seat = try await station.join(.own, warm: nil, address: "x", path: "/")
        _ = try station.attach(seat, descriptor: pair.station)
    }
    let clock = LoopClock.monotonic
    try await clock.sleep(for: 0.05)
    let before = (entries: LoopActor.entries, writes: station.counters.writes)
    let began = clock.now
    let end = clock.deadline(after: 120)
    repeat {
        try await clock.sleep(for: 0.2)
    } while station.counters.writes - before.writes < UInt64(count * 3) && clock.now < end
    #expect(station.counters.writes - before.writes >= UInt64(count * 3))
    return Double(LoopActor.entries - before.entries) / (Double(clock.now - began) / 0.2e9)
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

/// `WEIR_SCALE`: how many times as many steps the tests with random input make.
let scale: Int = getenv("WEIR_SCALE").flatMap { Int(String(cString: $0)) }.map { max(1, $0) } ?? 1

/// Random numbers that a seed brings back (Marsaglia's xorshift64*).
struct Xorshift: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed | 1
    }

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 2_685_821_657_736_338_717
    }
}

/// The descriptors of this process that lead to somewhere below a path, gone or not.
func descriptors(below path: String) -> [String] {
    var target = [UInt8](repeating: 0, count: 4096)
    return entries("/proc/self/fd").compactMap { name in
        let count = target.withUnsafeMutableBytes {
            readlink("/proc/self/fd/\(name)", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
        }
        let link = String(decoding: target.prefix(max(0, count)), as: UTF8.self)
        return link.hasPrefix(path) ? link : nil
    }
}

/// What a directory has in it, but for `.` and `..`.
func entries(_ path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
}

/// Something that one thread sets and another looks at.
final class Flag: Sendable {
    private let value = Atomic<Bool>(false)

    var isSet: Bool {
        get { value.load(ordering: .acquiring) }
        set { value.store(newValue, ordering: .releasing) }
    }
}

/// A thread that runs a closure.
final class Worker: @unchecked Sendable {
    private var thread = pthread_t()
    private let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) {
        self.body = body
        let status = pthread_create(
            &thread, nil,
            { context in
                Unmanaged<Worker>.fromOpaque(context!).takeRetainedValue().body()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        precondition(status == 0)
    }

    func join() { pthread_join(thread, nil) }
}
