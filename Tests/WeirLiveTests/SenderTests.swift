import CWeir
import Glibc
import Testing
import WeirLoop

@testable import WeirLive

/// Stations to which clients send; the test is client and listener, and holds the clock.
@Suite struct SenderTests {
    private func options(_ change: (inout StationOptions) -> Void = { _ in }) -> StationOptions {
        var options = StationOptions(name: "x")
        options.source = .push(PushAccess(password: "secret"))
        options.window = .fixed(milliseconds: 20)
        options.stallTimeout = 10
        change(&options)
        return options
    }

    /// What became of clients, in order.
    @LoopActor
    private final class Departures {
        var all: [(ending: SenderEnding, bytes: UInt64)] = []
    }

    private let sender = Sender(address: "192.0.2.1:5", agent: "test", name: "Radio", audio: nil)

    @LoopActor
    private func connect(
        _ station: Station, _ departures: Departures, prefix: [UInt8] = [], framing: Source.Body.Framing = .close
    ) throws -> SocketPair {
        let pair = try SocketPair()
        let body = Source.Body(descriptor: pair.station, prefix: prefix, framing: framing)
        do {
            try station.send(body, from: sender) { departures.all.append(($0, $1)) }
        } catch {
            Glibc.close(pair.station)
            pair.close()
            throw error
        }
        return pair
    }

    @LoopActor
    private func listen(_ station: Station, wrapping: Wrapping = Wrapping()) async throws -> SocketPair {
        let seat = try await station.join(.own, warm: nil, address: "listener", path: "/live/x")
        let pair = try SocketPair()
        _ = try station.attach(seat, descriptor: pair.station, head: Array("HEAD".utf8), wrapping: wrapping)
        return pair
    }

    private func send(_ pair: SocketPair, _ bytes: [UInt8]) {
        let count = Glibc.send(pair.test, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        #expect(count == bytes.count)
    }

    @LoopActor
    private func turn(_ station: Station, _ clock: LoopClock, until what: Comment, _ condition: () -> Bool) async throws
    {
        try await eventually(what) {
            clock.advance(by: 20_000_000)
            station.turn()
            return condition()
        }
    }

    @Test func `a joiner who waited for the source hears it from its first byte on`() throws {
        try withStation(options { $0.join = 0 }) { station, _, clock in
            station.begin()
            let joining = spawn { try? await Hearer(station) }
            await LoopActor.settle()
            #expect(station.reserved == 1)
            let talker = try Talker(1, to: station)
            talker.send(frames: 500)
            let hearer = try #require(await joining.value)
            await clock.play(station, seconds: 0.1)
            hearer.hear()
            #expect(hearer.runs == [Hearer.Run(tag: 1, first: 0, count: 500)])
            // Who comes later hears what comes later.
            let late = try await Hearer(station)
            talker.send(frames: 100)
            try await eventually("it has come") { station.receivedBytes == 2400 }
            await clock.play(station, seconds: 0.1)
            late.hear()
            #expect(late.runs == [Hearer.Run(tag: 1, first: 500, count: 100)])
            for one in [hearer, late] { one.close() }
            talker.close()
        }
    }

    @Test func `clients come and go, and the listener hears one after the other`() throws {
        try withStation(options()) { station, journal, clock in
            #expect(throws: SenderRefusal.stopped) { try station.lookForSender() }
            station.begin()
            #expect(station.state == .idle)
            let departures = Departures()
            var listener: SocketPair?
            var heard: [UInt8] = []
            for visit in 1...3 {
                let client = try connect(station, departures, prefix: [1, 1, 1, 1])
                #expect(throws: SenderRefusal.taken(sender)) { try station.lookForSender() }
                try await eventually("live") { station.state == .live }
                if listener == nil { listener = try await listen(station) }
                #expect(station.report.sender?.sender == sender)
                send(client, [UInt8(visit), 2, 3, 4, 9])
                try await eventually("it has come") { station.receivedBytes == UInt64(visit) * 9 }
                #expect(station.report.sender?.bytes == 9)
                client.close()
                try await eventually("idle") { station.state == .idle }
                #expect(station.report.sender == nil)
            }
            let socket = try #require(listener)
            try await turn(station, clock, until: "all is heard") {
                heard += socket.read().bytes
                return heard.count >= 4 + 4 + 16
            }
            // The frame that each began and did not end is nobody's.
            #expect(heard == Array("HEAD".utf8) + [1, 2, 3, 4, 1, 1, 1, 1, 2, 2, 3, 4, 1, 1, 1, 1, 3, 2, 3, 4])
            #expect(departures.all.map(\.bytes) == [9, 9, 9])
            #expect(departures.all.map(\.ending) == [.finished, .finished, .finished])
            #expect(journal.left.isEmpty && station.supervision.lastError == nil && station.supervision.restarts == 0)
            socket.close()
        }
    }

    @Test func `a client that is silent is dropped, and the next one may come`() throws {
        try withStation(options()) { station, journal, clock in
            station.begin()
            // Nobody is there: that is no silence.
            await clock.play(station, seconds: 30)
            #expect(station.state == .idle && station.supervision.lastError == nil)
            let departures = Departures()
            let client = try connect(station, departures)
            send(client, [1, 2, 3, 4])
            try await eventually("live") { station.state == .live }
            await clock.play(station, seconds: 9.9)
            #expect(station.state == .live)
            await clock.play(station, seconds: 0.2)
            #expect(station.state == .idle)
            #expect(departures.all.map(\.ending) == [.silent("no byte for 10 s")])
            #expect(station.supervision.lastError == "no byte for 10 s")
            #expect(client.read().isOver)
            client.close()
            // One that never says anything goes the same way.
            let mute = try connect(station, departures)
            #expect(station.state == .starting && station.supervision.lastError == nil)
            await clock.play(station, seconds: 10.1)
            #expect(station.state == .idle && departures.all.count == 2)
            mute.close()
            #expect(!journal.states.contains(.stalled) && !journal.states.contains(.failed))
        }
    }

    @Test func `a stop drops the client, and until a start nobody is let in`() throws {
        try withStation(options()) { station, _, _ in
            station.begin()
            let departures = Departures()
            let client = try connect(station, departures)
            send(client, [1, 2, 3, 4])
            try await eventually("live") { station.state == .live }
            station.stop()
            try await eventually("it is gone") { client.read().isOver }
            #expect(station.state == .stopped)
            #expect(departures.all.map(\.ending) == [.stopped])
            #expect(throws: SenderRefusal.stopped) { _ = try connect(station, departures) }
            station.start()
            #expect(station.state == .idle)
            let next = try connect(station, departures)
            next.close()
            client.close()
        }
    }

    @Test(arguments: [
        ("4\r\nabcd\r\n0\r\n\r\n", SenderEnding.finished, 4), ("4\r\nabcd\r\nx", .malformed(""), 4),
        ("8\r\nabcd", .lost(""), 4),
    ])
    func `how a body in chunks ended is told`(text: String, ending: SenderEnding, bytes: UInt64) throws {
        try withStation(options()) { station, _, _ in
            station.begin()
            let departures = Departures()
            let client = try connect(station, departures, framing: .chunked)
            send(client, Array(text.utf8))
            shutdown(client.test, Int32(SHUT_WR))
            try await eventually("it has left") { !departures.all.isEmpty }
            #expect(departures.all.map(\.ending.name) == [ending.name])
            #expect(departures.all.map(\.bytes) == [bytes] || ending.name == "malformed")
            client.close()
        }
    }

    @Test func `a header of another format than is heard is refused with both`() throws {
        try withStation(options()) { station, _, _ in
            station.begin()
            let departures = Departures()
            let first = try connect(
                station, departures, prefix: WAVHeader.endless(PCMFormat(rate: 44100)) + [1, 2, 3, 4])
            try await eventually("live") { station.state == .live }
            #expect(station.format == .pcm(PCMFormat(rate: 44100)))
            first.close()
            try await eventually("idle") { station.state == .idle }
            let second = try connect(station, departures, prefix: WAVHeader.endless(PCMFormat()) + [1, 2, 3, 4])
            try await eventually("it has left") { departures.all.count == 2 }
            let error = try #require(departures.all[1].ending.error)
            #expect(departures.all[1].ending.name == "refused")
            #expect(error.contains("44100") && error.contains("48000"), "\(error)")
            #expect(station.state == .idle && station.supervision.lastError == error)
            second.close()
        }
    }

    @Test func `a title reaches listeners that asked for titles, and goes with its source`() throws {
        try withStation(options { $0.format = .raw }) { station, journal, clock in
            station.begin()
            let departures = Departures()
            let client = try connect(station, departures)
            send(client, [0])
            try await eventually("live") { station.state == .live }
            let listener = try await listen(station, wrapping: Wrapping(hasTitles: true))
            station.setTitle("One")
            station.setTitle("One")
            send(client, [UInt8](repeating: 7, count: Wrapping.titleInterval + 1))
            var heard: [UInt8] = []
            try await turn(station, clock, until: "the first title") {
                heard += listener.read().bytes
                return heard.count >= 4 + Wrapping.titleInterval + 33 + 1
            }
            let block = [2] + Array("StreamTitle='One';".utf8) + [UInt8](repeating: 0, count: 14)
            #expect(heard[..<4].elementsEqual("HEAD".utf8))
            #expect(heard[4..<16004].allSatisfy { $0 == 7 })
            #expect(heard[16004..<16037].elementsEqual(block))
            #expect(heard[16037...].elementsEqual([7]))
            #expect(station.report.title == "One")
            client.close()
            try await eventually("idle") { station.state == .idle }
            #expect(station.report.title == nil)
            let titles: [String?] = journal.events.compactMap {
                if case .title(let title) = $0 { .some(title) } else { nil }
            }
            #expect(titles == ["One", nil])
            listener.close()
        }
    }

    @Test func `chunks are whole at the end of a station`() throws {
        try withStation(options { $0.format = .raw }) { station, _, clock in
            station.begin()
            let departures = Departures()
            let client = try connect(station, departures)
            send(client, [0])
            try await eventually("live") { station.state == .live }
            let listener = try await listen(station, wrapping: Wrapping(isChunked: true))
            send(client, Array("hello".utf8))
            var heard: [UInt8] = []
            try await turn(station, clock, until: "a chunk") {
                heard += listener.read().bytes
                return heard.count >= 14
            }
            station.stop()
            try await eventually("the end") {
                let (bytes, isOver) = listener.read()
                heard += bytes
                return isOver
            }
            #expect(String(decoding: heard, as: UTF8.self) == "HEAD5\r\nhello\r\n0\r\n\r\n")
            client.close()
            listener.close()
        }
    }

    @Test func `nobody can send to a station that is not sent to`() throws {
        try withStation(options { $0.source = .tone }) { station, _, _ in
            station.begin()
            #expect(throws: SenderRefusal.unsuitable(kind: "tone")) { try station.lookForSender() }
        }
    }

    @Test func `a password is in no description`() {
        let options = options()
        guard case .push(let access) = options.source else { return }
        #expect(!"\(access)".contains("secret"))
    }
}
