import Glibc
import Testing
import WeirLoop

@testable import WeirLive

/// A client that sends frames of four bytes: who it is, and a number that counts up.
@LoopActor
final class Talker {
    let tag: UInt8
    private(set) var pair: SocketPair
    private(set) var isConnected = true
    /// Whole frames, and bytes in all.
    private(set) var sent = 0
    private let first: UInt32
    private let station: Station

    /// Connects to a station that is sent its stream.
    init(_ tag: UInt8, to station: Station, from first: UInt32 = 0) throws {
        self.tag = tag
        self.first = first
        self.station = station
        pair = try SocketPair()
        let sender = Sender(address: "192.0.2.1:\(tag)", agent: nil, name: nil, audio: nil)
        do {
            try station.send(Source.Body(descriptor: pair.station), from: sender) { _, _ in }
        } catch {
            Glibc.close(pair.station)
            pair.close()
            throw error
        }
    }

    /// Whether what it sends is listened to.
    var isHeard: Bool { isConnected && station.sender?.address == "192.0.2.1:\(tag)" }

    func isTo(_ name: String) -> Bool { station.name == name }

    /// The number of the next frame.
    var next: UInt32 { first + UInt32((sent + 3) / 4) }

    /// Sends so many bytes, whole frames or not, as far as there is room.
    func send(bytes count: Int) {
        var block: [UInt8] = []
        for at in sent..<sent + count { block.append(Talker.byte(tag, first + UInt32(at / 4), at % 4)) }
        let sent = Glibc.send(pair.test, block, block.count, Int32(MSG_NOSIGNAL))
        if sent > 0 { self.sent += sent }
    }

    func send(frames count: Int) { send(bytes: count * 4) }

    func close() {
        if isConnected { pair.close() }
        isConnected = false
    }

    nonisolated static func byte(_ tag: UInt8, _ number: UInt32, _ at: Int) -> UInt8 {
        at == 0 ? tag : UInt8(truncatingIfNeeded: number >> (8 * UInt32(at - 1)))
    }
}

/// A listener of a station of such frames.
@LoopActor
final class Hearer {
    /// Frames of one sender, one after the other.
    struct Run: Equatable {
        var tag: UInt8
        var first: UInt32
        var count: Int
    }

    let id: UInt64
    private(set) var runs: [Run] = []
    private(set) var bytes = 0
    private(set) var isOver = false
    private(set) var reason: String?
    private(set) var report: ListenerReport?
    private let pair: SocketPair
    private var rest: [UInt8] = []
    private var isClosed = false

    init(_ station: Station, _ seat: Seat) throws {
        pair = try SocketPair()
        final class Box { weak var hearer: Hearer? }
        let box = Box()
        do {
            id = try station.attach(seat, descriptor: pair.station) { report, reason in
                box.hearer?.report = report
                box.hearer?.reason = reason
            }
        } catch {
            Glibc.close(pair.station)
            pair.close()
            throw error
        }
        box.hearer = self
    }

    convenience init(_ station: Station) async throws {
        let seat = try await station.join(.own, warm: nil, address: "listener", path: "/live/\(station.name)")
        try self.init(station, seat)
    }

    /// Takes what has come: whole frames at its end, when nothing more is to come.
    func hear() {
        if isClosed { return }
        let (block, isOver) = pair.read()
        self.isOver = self.isOver || isOver
        bytes += block.count
        rest += block
        var at = 0
        while rest.count - at >= 4 {
            let number = UInt32(rest[at + 1]) | UInt32(rest[at + 2]) << 8 | UInt32(rest[at + 3]) << 16
            add(rest[at], number)
            at += 4
        }
        rest.removeFirst(at)
    }

    private func add(_ tag: UInt8, _ number: UInt32) {
        if let last = runs.last, last.tag == tag, last.first + UInt32(last.count) == number {
            runs[runs.count - 1].count += 1
        } else {
            runs.append(Run(tag: tag, first: number, count: 1))
        }
    }

    /// Bytes of a frame that has not come whole.
    var begun: Int { rest.count }

    func close() {
        if !isClosed { pair.close() }
        isClosed = true
    }
}

/// Stations among which fallbacks are found, on a loop of their own with the time in the test's hand.
func withStations(
    _ options: [StationOptions], listenersMax: Int = 100,
    _ body: @escaping @LoopActor (Stations, LoopClock) async throws -> Void
) throws {
    try LoopActor.runInTurn {
        let clock = LoopClock.manual()
        let stations = try Stations(options, listenersMax: listenersMax, clock: clock)
        stations.begin()
        do {
            try await body(stations, clock)
        } catch {
            await stations.close()
            throw error
        }
        await stations.close()
        #expect(stations.seats.taken == 0)
    }
}
