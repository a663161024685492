import CWeir
import Glibc
import Testing
import WeirLoop

@testable import WeirLive

/// A station with the tone, whose clock is the test's.
@Suite struct StationTests {
    private func tone(_ change: (inout StationOptions) -> Void = { _ in }) -> StationOptions {
        var options = StationOptions(name: "demo")
        options.source = .tone
        options.window = .fixed(milliseconds: 20)
        change(&options)
        return options
    }

    /// The tone from a position of the log on.
    private func sequence(from position: UInt64, bytes: Int) -> [UInt8] {
        var format = PCMFormat().core
        return [UInt8](unsafeUninitializedCapacity: bytes) { buffer, count in
            weir_tone_fill(&format, position / 4, bytes / 4, buffer.baseAddress)
            count = bytes
        }
    }

    @Test func `a listener gets a header and then the stream from a frame on`() throws {
        try withStation(tone()) { station, journal, clock in
            station.begin()
            #expect(station.state == .starting)
            await clock.play(station, seconds: 1)
            #expect(station.state == .live)
            #expect(journal.states == [.starting, .live])
            let seat = try await station.join(.wav, warm: nil, address: "test", path: "/live/demo.wav")
            #expect(seat.join.position == station.report.position)
            let pair = try SocketPair()
            _ = try station.attach(seat, descriptor: pair.station, head: Array("HEAD".utf8))
            var bytes: [UInt8] = []
            for _ in 0..<10 {
                await clock.play(station, seconds: 0.1)
                let (more, isOver) = pair.read()
                #expect(!isOver)
                bytes += more
            }
            #expect(bytes.prefix(4).elementsEqual("HEAD".utf8))
            #expect(bytes[4..<48].elementsEqual(seat.body.preamble))
            let stream = Array(bytes[48...])
            #expect(stream.count == 192_000)
            #expect(stream == sequence(from: seat.join.position, bytes: stream.count))
            pair.close()
        }
    }

    @Test func `a warm joiner gets the past, without a gap to the present`() throws {
        try withStation(tone()) { station, _, clock in
            station.begin()
            await clock.play(station, seconds: 3)
            let seat = try await station.join(.own, warm: .seconds(2), address: "test", path: "/")
            #expect(seat.join.seconds == 2)
            #expect(seat.join.position == station.report.position - 384_000)
            let pair = try SocketPair()
            _ = try station.attach(seat, descriptor: pair.station)
            var bytes: [UInt8] = []
            try await eventually("it has caught up, and heard more") {
                clock.advance(by: 20_000_000)
                station.turn()
                bytes += pair.read().bytes
                return bytes.count >= 384_000 + 100 * 3840
            }
            #expect(bytes == sequence(from: seat.join.position, bytes: bytes.count))
            pair.close()
        }
    }

    @Test func `L16 is in network byte order`() throws {
        try withStation(tone()) { station, _, clock in
            station.begin()
            await clock.play(station, seconds: 0.1)
            let seat = try await station.join(.pcm(endian: nil), warm: nil, address: "test", path: "/")
            let pair = try SocketPair()
            _ = try station.attach(seat, descriptor: pair.station)
            await clock.play(station, seconds: 0.1)
            let bytes = pair.read().bytes
            var native = sequence(from: seat.join.position, bytes: bytes.count)
            for index in stride(from: 0, to: native.count, by: 2) { native.swapAt(index, index + 1) }
            #expect(bytes.count == 19200)
            #expect(bytes == native)
            pair.close()
        }
    }

    @Test func `an on-demand source starts with the first joiner and lingers after the last`() throws {
        let options = tone {
            $0.autostart = .onDemand
            $0.linger = 3
        }
        try withStation(options) { station, journal, clock in
            station.begin()
            #expect(station.state == .idle)
            let joining = spawn { try? await station.join(.wav, warm: nil, address: "test", path: "/") }
            await LoopActor.settle()
            #expect(station.state == .starting)
            #expect(station.demand == 1)
            await clock.play(station, seconds: 0.02)
            let seat = try #require(await joining.value)
            #expect(station.state == .live)
            let pair = try SocketPair()
            _ = try station.attach(seat, descriptor: pair.station)
            await clock.play(station, seconds: 1)
            #expect(pair.read().bytes.count > 44)
            pair.close()
            try await eventually("the listener has left") {
                station.turn()
                return station.demand == 0
            }
            #expect(journal.left.map(\.reason) == ["closed"])
            await clock.play(station, seconds: 2.9)
            #expect(station.state == .live)
            await clock.play(station, seconds: 0.2)
            try await eventually("the source is closed") { station.state == .idle }
            #expect(journal.states == [.starting, .live, .idle])
        }
    }

    @Test func `a full house refuses, and lets the next one in when somebody leaves`() throws {
        try withStation(tone { $0.listenersMax = 2 }) { station, _, clock in
            station.begin()
            await clock.play(station, seconds: 0.1)
            let first = try SocketPair()
            _ = try station.attach(
                try await station.join(.wav, warm: nil, address: "1", path: "/"), descriptor: first.station)
            var second: Seat? = try await station.join(.wav, warm: nil, address: "2", path: "/")
            #expect(second != nil)
            await #expect(throws: JoinRefusal.full(limit: 2)) {
                _ = try await station.join(.wav, warm: nil, address: "3", path: "/")
            }
            #expect(throws: JoinRefusal.full(limit: 2)) { try station.look(.wav) }
            // Nobody sat down.
            second = nil
            #expect(station.demand == 1)
            _ = try station.look(.wav)
            _ = try await station.join(.wav, warm: nil, address: "4", path: "/")
            #expect(station.seats.taken == 1)
            first.close()
        }
    }

    @Test func `there is a limit for all stations together`() throws {
        try withStation(tone(), listenersMax: 1) { station, _, clock in
            station.begin()
            await clock.play(station, seconds: 0.1)
            let seat = try await station.join(.wav, warm: nil, address: "1", path: "/")
            await #expect(throws: JoinRefusal.allFull(limit: 1)) {
                _ = try await station.join(.wav, warm: nil, address: "2", path: "/")
            }
            _ = seat
        }
    }

    @Test func `a form that does not fit is refused before anything starts`() throws {
        try withStation(tone { $0.autostart = .onDemand }) { station, _, _ in
            await #expect(throws: JoinRefusal.unsuitable(station: "pcm", rendition: ".ts")) {
                _ = try await station.join(.ts, warm: nil, address: "1", path: "/")
            }
            #expect(station.state == .idle)
            #expect(station.demand == 0)
        }
    }

    @Test func `looking never starts a source`() throws {
        try withStation(tone { $0.autostart = .onDemand }) { station, _, _ in
            let (body, join) = try station.look(.wav)
            #expect(join == nil)
            #expect(body.contentType == "audio/wav")
            #expect(station.state == .idle)
        }
        try withStation(tone { $0.autostart = .manual }) { station, _, _ in
            #expect(throws: JoinRefusal.stopped) { try station.look(.wav) }
        }
    }

    @Test func `a stop ends those who listen, in an orderly way, until a start`() throws {
        try withStation(tone()) { station, journal, clock in
            station.begin()
            await clock.play(station, seconds: 0.1)
            let pair = try SocketPair()
            _ = try station.attach(
                try await station.join(.own, warm: nil, address: "1", path: "/"), descriptor: pair.station)
            await clock.play(station, seconds: 0.1)
            station.stop()
            #expect(station.state == .stopped)
            #expect(journal.left.map(\.reason) == ["shutdown"])
            let (bytes, isOver) = pair.read()
            #expect(isOver)
            #expect(bytes.count == 19200)
            await #expect(throws: JoinRefusal.stopped) {
                _ = try await station.join(.own, warm: nil, address: "2", path: "/")
            }
            await LoopActor.settle()
            let position = station.report.position
            station.start()
            try await eventually("it is live again") {
                clock.advance(by: 20_000_000)
                station.turn()
                return station.state == .live
            }
            #expect(station.report.position >= position)
            pair.close()
        }
    }

    @Test func `a kicked listener is told apart`() throws {
        try withStation(tone()) { station, journal, clock in
            station.begin()
            await clock.play(station, seconds: 0.1)
            let pair = try SocketPair()
            let id = try station.attach(
                try await station.join(.own, warm: nil, address: "somebody", path: "/live/demo"),
                descriptor: pair.station)
            await clock.play(station, seconds: 0.1)
            #expect(!station.kick(id + 1))
            #expect(station.kick(id))
            #expect(!station.kick(id))
            let left = try #require(journal.left.first)
            #expect(left.reason == "kicked")
            #expect(left.listener.address == "somebody")
            #expect(left.listener.path == "/live/demo")
            #expect(left.listener.sentBytes == 19200)
            #expect(station.counters.ended(.kicked) == 1)
            #expect(station.seats.taken == 0)
            pair.close()
        }
    }

    @Test func `a listener who takes nothing is skipped, then ended`() throws {
        let options = tone {
            $0.ring = 64 << 10
            $0.slowTimeout = 5
        }
        try withStation(options) { station, journal, clock in
            station.begin()
            await clock.play(station, seconds: 0.1)
            let pair = try SocketPair()
            _ = try station.attach(
                try await station.join(.own, warm: nil, address: "slow", path: "/"), descriptor: pair.station)
            await clock.play(station, seconds: 12)
            let left = try #require(journal.left.first)
            #expect(left.reason == "stalled")
            let skips = journal.events.filter { if case .skipped = $0 { true } else { false } }
            #expect(!skips.isEmpty && skips.count <= 12)
            #expect(left.listener.skippedBytes > 0)
            let bytes = pair.read().bytes
            #expect(bytes.count % 4 == 0)
            #expect(UInt64(bytes.count) == left.listener.sentBytes)
            pair.close()
        }
    }

    @Test func `Swift is entered as often for a hundred listeners as for one`() throws {
        func entries(_ count: Int) throws -> Double {
            var options = tone()
            options.listenersMax = 1000
            nonisolated(unsafe) var entries = 0.0
            try withStation(options, clock: .monotonic) { station, _, _ in
                station.begin()
                try await eventually("it is live") { station.state == .live }
                entries = try await WeirLiveTests.entries(of: station, listeners: count)
            }
            return entries
        }
        let one = try entries(1)
        let hundred = try entries(100)
        #expect(one <= 12)
        #expect(hundred <= 12)
    }

    @Test func `a ring that cannot hold sixteen frames is refused`() throws {
        try LoopActor.runInTurn {
            var options = StationOptions(name: "x")
            options.format = .pcm(PCMFormat(sample: .s32le, rate: 48000, channels: 255))
            options.ring = 4096
            #expect(throws: CoreError.option) { _ = try Station(options, seats: Seats(limit: 1)) }
        }
    }
}
