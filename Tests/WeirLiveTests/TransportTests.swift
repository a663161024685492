import Glibc
import Testing
import WeirLoop

@testable import WeirLive

/// Stations that carry a transport stream. What a source would deliver is written into a pipe.
@Suite struct TransportTests {
    /// A station that reads a named pipe, and keeps what it reads.
    private func withStation(
        _ change: (inout StationOptions) -> Void = { _ in },
        _ body: @escaping @LoopActor (Station, Journal, Writer, LoopClock) async throws -> Void
    ) throws {
        try withDirectory { directory in
            #expect(mkfifo("\(directory)/pipe", 0o600) == 0)
            var options = StationOptions(name: "tv")
            options.format = .ts
            options.source = .fifo(path: "\(directory)/pipe")
            options.join = 6
            options.window = .fixed(milliseconds: 20)
            change(&options)
            try LoopActor.runInTurn { [options] in
                let clock = LoopClock.manual()
                let caches = try WarmCaches(directory: "\(directory)/cache", clock: clock)
                let station = try Station(
                    options, seats: Seats(limit: 1000), caches: caches, clock: clock, random: { 0.999_999 })
                let journal = Journal()
                station.onEvent = { journal.events.append($0) }
                let outcome: Result<Void, any Error>
                do {
                    station.begin()
                    let writer = try Writer("\(directory)/pipe", station)
                    try await eventually("the files are there") { station.cache == nil || station.log.hasFiles }
                    try await body(station, journal, writer, clock)
                    writer.close()
                    outcome = .success(())
                } catch {
                    outcome = .failure(error)
                }
                await station.close()
                await caches.close()
                try outcome.get()
            }
            #expect(entries("\(directory)/cache").isEmpty)
            #expect(descriptors(below: directory).isEmpty)
            rmdir("\(directory)/cache")
        }
    }

    /// A listener of a station, on the other end of a socket.
    @LoopActor
    private final class Viewer {
        let seat: Seat
        let id: UInt64
        private let pair: SocketPair
        private(set) var bytes: [UInt8] = []

        init(_ station: Station, warm: Warm? = nil) async throws {
            seat = try await station.join(.ts, warm: warm, address: "viewer", path: "/live/tv.ts")
            pair = try SocketPair()
            id = try station.attach(seat, descriptor: pair.station)
        }

        /// Moves the clock, and reads what comes meanwhile. The loop must poll to find a socket that was full writable.
        func play(_ clock: LoopClock, _ station: Station, seconds: Double) async throws {
            for _ in 0..<Int((seconds / 0.02).rounded()) {
                await clock.play(station, seconds: 0.02)
                bytes += pair.read().bytes
                try await LoopClock.monotonic.sleep(for: 0.0005)
            }
        }

        func close() { pair.close() }

        /// What came of the stream, behind the tables that came first.
        var stream: [UInt8] { Array(bytes.dropFirst(seat.body.preamble.count)) }
    }

    @Test func `a joiner gets the tables, and the stream from a key picture on`() throws {
        try withStation { station, journal, writer, clock in
            var muxer = Muxer()
            var all: [UInt8] = []
            // Ten groups of half a second.
            for _ in 0..<10 { all += muxer.group(packets: 2660) }
            try await writer.write(all)
            #expect(station.state == .live)
            #expect(station.report.position == UInt64(all.count))
            let viewer = try await Viewer(station, warm: .seconds(1.2))
            #expect(viewer.seat.join.position == UInt64(7 * 2660 * 188 + 2 * 188))
            #expect(abs(viewer.seat.join.seconds - 1.5) < 0.01)
            #expect(viewer.seat.body.contentType == "video/mp2t")
            try await viewer.play(clock, station, seconds: 1)
            let more = muxer.group(packets: 2660)
            try await writer.write(more)
            try await viewer.play(clock, station, seconds: 1)
            let preamble = Packets(Array(viewer.bytes.prefix(viewer.seat.body.preamble.count)))
            #expect(preamble.pids == [0, Muxer.pmtPID])
            let isWhole = viewer.stream == Array((all + more)[Int(viewer.seat.join.position)...])
            #expect(isWhole, "\(viewer.stream.count) bytes")
            #expect(Packets.isAccess(viewer.stream[..<188]))
            viewer.close()
        }
    }

    @Test func `the tables before the stream are numbered such that those in it go on`() throws {
        try withStation { station, _, writer, clock in
            var muxer = Muxer()
            var all: [UInt8] = []
            for _ in 0..<5 { all += muxer.group(packets: 100) }
            try await writer.write(all)
            let viewer = try await Viewer(station, warm: .max)
            #expect(viewer.seat.join.position == 2 * 188)
            try await viewer.play(clock, station, seconds: 0.5)
            for pid in [0, Muxer.pmtPID] {
                let counters = Packets(viewer.bytes).all.filter { Packets.pid($0) == pid }.map { Array($0)[3] & 0x0F }
                #expect(counters.count == 5)
                #expect(zip(counters, counters.dropFirst()).allSatisfy { ($0 + 1) & 0x0F == $1 })
            }
            viewer.close()
        }
    }

    @Test func `how far back: the default, nothing, all`() throws {
        try withStation({ $0.join = 1.9 }) { station, _, writer, _ in
            var muxer = Muxer()
            for _ in 0..<20 { try await writer.write(muxer.group(packets: 2660)) }
            @LoopActor func start(_ warm: Warm?) async throws -> Int {
                let viewer = try await Viewer(station, warm: warm)
                viewer.close()
                #expect((viewer.seat.join.position - 2 * 188) % (2660 * 188) == 0)
                return Int(viewer.seat.join.position / (2660 * 188))
            }
            #expect(try await start(nil) == 16)
            #expect(try await start(.seconds(0)) == 19)
            #expect(try await start(.seconds(4.9)) == 10)
            #expect(try await start(.max) == 0)
        }
    }

    @Test func `a joiner waits for a key picture, and starts without one at the end of its patience`() throws {
        try withStation({ $0.startTimeout = 5 }) { station, _, writer, clock in
            var muxer = Muxer()
            try await writer.write(muxer.tables() + muxer.picture(packets: 50, isKey: false))
            #expect(station.state == .live)
            let waiting = spawn { try await Viewer(station) }
            await clock.advance(seconds: 2)
            #expect(station.accessWaiters.count == 1 && station.counters.listeners == 0)
            let position = UInt64(muxer.packets * 188 + 2 * 188)
            try await writer.write(muxer.group(packets: 100))
            let viewer = try await waiting.value
            #expect(viewer.seat.join.position == position)
            #expect(station.accessWaiters.isEmpty)
            viewer.close()
        }
        try withStation({ $0.startTimeout = 5 }) { station, _, writer, clock in
            var muxer = Muxer()
            try await writer.write(muxer.tables() + muxer.picture(packets: 50, isKey: false))
            let waiting = spawn { try await Viewer(station) }
            await clock.advance(seconds: 5.1)
            let viewer = try await waiting.value
            #expect(viewer.seat.join.position == station.report.position && viewer.seat.join.seconds == 0)
            viewer.close()
        }
    }

    @Test func `a joiner who waits for a key picture is refused when the station stops`() throws {
        try withStation { station, _, writer, clock in
            var muxer = Muxer()
            try await writer.write(muxer.tables() + muxer.picture(packets: 50, isKey: false))
            let waiting = spawn { () -> JoinRefusal? in
                do throws(JoinRefusal) {
                    _ = try await station.join(.ts, warm: nil, address: "a", path: "/")
                    return nil
                } catch {
                    return error
                }
            }
            await clock.advance(seconds: 1)
            station.stop()
            #expect(await waiting.value == .stopped)
            #expect(station.reserved == 0 && station.seats.taken == 0)
        }
    }

    @Test func `what was before a gap is given to nobody, and a marker precedes what comes after`() throws {
        try withStation { station, journal, writer, clock in
            var muxer = Muxer()
            let before = muxer.group(packets: 1000)
            try await writer.write(before)
            let witness = try await Viewer(station, warm: .seconds(0))
            try await writer.reopen()
            #expect(station.state == .starting)
            // Nobody is let in meanwhile.
            #expect(station.track?.join(seconds: .infinity).isAccess == false)
            muxer.start += 1000
            let after = muxer.group(packets: 1000)
            try await writer.write(after)
            #expect(station.report.position == UInt64(before.count + 188 + after.count))
            #expect(station.report.transport?.gaps == 1)
            let viewer = try await Viewer(station, warm: .max)
            #expect(viewer.seat.join.position == UInt64(before.count + 188 + 2 * 188))
            let warm = try #require(station.report.warm)
            #expect(warm.tail == UInt64(before.count) && warm.bytes == UInt64(188 + after.count))
            #expect(warm.seconds < 0.6)
            try await witness.play(clock, station, seconds: 0.5)
            let packets = Packets(witness.stream).all
            #expect(packets.filter(Packets.isDiscontinuity).count == 1)
            #expect(Packets.isDiscontinuity(packets[998]) && Packets.pid(packets[998]) == Muxer.videoPID)
            let isWhole = witness.stream == before.dropFirst(2 * 188) + packets[998] + after
            #expect(isWhole, "\(witness.stream.count) bytes")
            viewer.close()
            witness.close()
        }
    }

    @Test func `while no bytes come nothing is warm: a joiner would be given none of it`() throws {
        try withStation({ $0.stallTimeout = 3 }) { station, _, writer, clock in
            var muxer = Muxer()
            let before = muxer.group(packets: 1000)
            try await writer.write(before)
            let live = try #require(station.report.warm)
            #expect(live.bytes == UInt64(before.count) && live.seconds > 0.1 && live.tail == 0)
            await clock.advance(seconds: 4)
            #expect(station.state == .stalled)
            @LoopActor func expectNothing() throws {
                let warm = try #require(station.report.warm)
                #expect(warm.bytes == 0 && warm.seconds == 0)
                #expect(warm.tail == UInt64(before.count) && warm.head == UInt64(before.count))
            }
            try expectNothing()
            station.stop()
            try await eventually("it is stopped") { station.state == .stopped }
            try expectNothing()
            station.start()
            try expectNothing()
        }
    }

    @Test func `nobody starts where the next rotation cuts, in files or in the ring`() throws {
        /// Where a joiner who wants all starts, and the newest key picture that is `reach` bytes back.
        func check(
            groups: Int, _ change: @escaping (inout StationOptions) -> Void,
            reach: @escaping @LoopActor (Station) -> Int
        ) throws {
            try withStation(change) { station, _, writer, _ in
                var muxer = Muxer()
                for _ in 0..<groups { try await writer.write(muxer.group(packets: 500)) }
                #expect(station.log.filesInfo.rotations == 0)
                let limit = Int(station.log.head) - reach(station)
                let (group, first) = (500 * 188, 2 * 188)
                // There is more than that.
                #expect(limit > 2 * group && Int(station.log.tail) + group < limit)
                let wanted = first + (limit - first) / group * group
                let track = try #require(station.track)
                for warm in [Warm.max, .seconds(1000)] {
                    #expect(Int(station.startPoint(warm, in: track).position) == wanted, "\(warm), limit \(limit)")
                }
                #expect(Int(station.startPoint(.seconds(0), in: track).position) == first + (groups - 1) * group)
            }
        }
        // Of files what the next rotation leaves.
        try check(groups: 43, { $0.warm.max = 4 << 20 }, reach: { _ in 3 << 20 })
        // Of the ring seven eighths: without files, and where they hold less.
        @LoopActor func ring(_ station: Station) -> Int { station.log.capacity - station.log.capacity / 8 }
        try check(groups: 30, { $0.warm.seconds = 0 }, reach: { ring($0) })
        try check(groups: 43, { ($0.warm.max, $0.ring) = (4 << 20, 4 << 20) }, reach: { ring($0) })
    }

    @Test func `silence is a gap too`() throws {
        try withStation({ $0.stallTimeout = 3 }) { station, _, writer, clock in
            var muxer = Muxer()
            try await writer.write(muxer.group(packets: 1000))
            await clock.advance(seconds: 4)
            #expect(station.state == .stalled)
            try await writer.write(muxer.group(packets: 1000))
            await clock.advance(seconds: 1.1)
            #expect(station.state == .live)
            #expect(station.report.transport?.gaps == 1)
            let viewer = try await Viewer(station, warm: .max)
            #expect(viewer.seat.join.position == UInt64(1000 * 188 + 188 + 2 * 188))
            viewer.close()
        }
    }

    @Test func `what each joiner was given of the past is told once`() throws {
        try withStation { station, journal, writer, clock in
            var muxer = Muxer()
            for _ in 0..<4 { try await writer.write(muxer.group(packets: 2660)) }
            let first = try await Viewer(station, warm: .max)
            let second = try await Viewer(station, warm: .seconds(0))
            await clock.play(station, seconds: 1)
            try await writer.write(muxer.group(packets: 2660))
            await clock.play(station, seconds: 1)
            let sent = journal.sentWarm
            #expect(sent.map(\.id) == [first.id, second.id])
            #expect(sent.map(\.bytes) == [UInt64(4 * 2660 * 188 - 376), UInt64(2660 * 188 - 376)])
            #expect(abs(sent[0].seconds - 2) < 0.01 && abs(sent[1].seconds - 0.5) < 0.01)
            first.close()
            second.close()
        }
    }

    @Test func `a stream counts as watched while it has a listener, or an operator says so`() throws {
        try withStation { station, journal, writer, clock in
            var muxer = Muxer()
            try await writer.write(muxer.group(packets: 1000))
            #expect(!station.isCommitted)
            let viewer = try await Viewer(station)
            #expect(station.isCommitted)
            #expect(station.kick(viewer.id))
            await clock.play(station, seconds: 0.1)
            #expect(!station.isCommitted)
            #expect(station.setCommitted(true) && station.isCommitted)
            let other = try await Viewer(station)
            #expect(station.kick(other.id))
            await clock.play(station, seconds: 0.1)
            #expect(station.isCommitted)
            #expect(station.setCommitted(false) && !station.isCommitted)
            #expect(journal.commits == [true, false, true, false])
            viewer.close()
            other.close()
        }
    }

    @Test func `the size follows the bitrate that the clock of the stream tells`() throws {
        try withStation { station, _, writer, clock in
            var muxer = Muxer(bitrate: 20e6)
            #expect(station.report.warm?.max == 25_165_824)
            for _ in 0..<4 { try await writer.write(muxer.group(packets: 6000)) }
            await clock.advance(seconds: 1.1)
            let bitrate = try #require(station.report.bitrate)
            #expect(abs(bitrate - 20e6) < 0.02 * 20e6)
            let max = Double(try #require(station.report.warm).max)
            #expect(abs(max - bitrate * 6 / 8 / 0.75) <= 1)
        }
    }

    @Test func `realtime holds a joiner back after the first picture`() throws {
        try withStation({ $0.warm.pace = .realtime }) { station, _, writer, clock in
            var muxer = Muxer()
            for _ in 0..<12 { try await writer.write(muxer.group(packets: 2660)) }
            await clock.advance(seconds: 1.1)
            let rate = try #require(station.byteRate)
            let pace = try #require(station.pace(1000))
            #expect(pace.free == UInt64(rate) && pace.byteRate == UInt64(rate * 1.5))
            #expect(station.pace(0) == nil)
            let viewer = try await Viewer(station, warm: .max)
            try await viewer.play(clock, station, seconds: 1)
            let received = Double(viewer.stream.count)
            #expect(received >= rate && received <= rate * 2.6)
            viewer.close()
        }
    }

    @Test func `facts of the stream are reported, and its programmes once`() throws {
        try withStation { station, journal, writer, _ in
            var muxer = Muxer()
            try await writer.write(muxer.group(packets: 1000))
            try await writer.write(muxer.group(packets: 1000))
            let facts = try #require(station.report.transport)
            let stream = TransportFacts.Stream(pid: Muxer.videoPID, type: 0x1B, isVideo: true, isAudio: false)
            #expect(
                facts.programs == [
                    .init(number: 1, pmtPID: Muxer.pmtPID, pcrPID: Muxer.videoPID, streams: [stream])
                ])
            #expect(stream.codec == "H.264")
            #expect(facts.state == .locked && facts.stride == 188 && facts.packets == 2000)
            #expect(facts.continuityErrors == 0 && facts.syncLosses == 0 && facts.accessPoints == 2)
            #expect(journal.programs.count == 1)
            let warm = try #require(station.report.warm)
            #expect(warm.bytes == warm.head - warm.tail && warm.head == UInt64(2000 * 188) && !warm.isOff)
        }
    }

    /// A station that plays a file of some seconds, and keeps what it plays.
    private func withFile(
        seconds: Double, loop: Bool, _ body: @escaping @LoopActor (Station, [UInt8]) async throws -> Void
    ) throws {
        try withDirectory { directory in
            var muxer = Muxer()
            var bytes: [UInt8] = []
            while Double(bytes.count) < seconds * 1e6 { bytes += muxer.group(packets: 266) }
            try LoopFile.writeNow("\(directory)/film.ts", bytes)
            var options = StationOptions(name: "film")
            options.format = .ts
            options.source = .file(path: "\(directory)/film.ts", loop: loop)
            options.listenersMax = 1000
            try LoopActor.runInTurn { [options, bytes] in
                let caches = try WarmCaches(directory: "\(directory)/cache")
                let station = try Station(options, seats: Seats(limit: 1000), caches: caches)
                let outcome: Result<Void, any Error>
                do {
                    station.begin()
                    try await eventually("it is live") { station.state == .live && station.log.hasFiles }
                    try await body(station, bytes)
                    outcome = .success(())
                } catch {
                    outcome = .failure(error)
                }
                await station.close()
                await caches.close()
                try outcome.get()
            }
            #expect(rmdir("\(directory)/cache") == 0)
        }
    }

    @Test func `a file is played by its own clock, and then the station is off`() throws {
        let start = LoopClock.monotonic.now
        try withFile(seconds: 0.6, loop: false) { station, bytes in
            try await eventually("it is over") { station.state == .stopped }
            #expect(station.report.position == UInt64(bytes.count))
            #expect(LoopClock.monotonic.now - start >= 400_000_000)
            #expect(station.report.transport?.continuityErrors == 0)
        }
    }

    @Test func `Swift is entered as often for a hundred listeners of a transport stream as for one`() throws {
        func entries(_ count: Int) throws -> Double {
            nonisolated(unsafe) var entries = 0.0
            try withFile(seconds: 3, loop: true) { station, _ in
                entries = try await WeirLiveTests.entries(of: station, listeners: count)
            }
            return entries
        }
        let one = try entries(1)
        let hundred = try entries(100)
        #expect(one <= 12)
        #expect(hundred <= 12)
    }

    @Test func `what is no transport stream is said to be none`() throws {
        var options = StationOptions(name: "tv")
        options.format = .ts
        let page = "printf '<!DOCTYPE html><html>'; yes '<p>' | head -c 1100000"
        options.source = .exec(command: ["/bin/sh", "-c", page], directory: nil, environment: [:])
        try WeirLiveTests.withStation(options) { station, _, _ in
            station.begin()
            try await eventually("it has failed") { station.state == .failed }
            #expect(station.supervision.lastError == "not a transport stream, but a web page")
            #expect(station.report.position == 0 && station.report.warm == nil)
        }
    }

    @Test func `without seconds nothing is kept in files, and nobody watches`() throws {
        try LoopActor.runInTurn {
            var options = StationOptions(name: "tv")
            options.format = .ts
            options.source = .fifo(path: "/nonexistent")
            options.warm.seconds = 0
            let caches = try WarmCaches(directory: "/nonexistent")
            let station = try Station(options, seats: Seats(limit: 1), caches: caches)
            #expect(station.report.warm == nil && !station.setCommitted(true) && !station.isCommitted)
            #expect(station.report.transport == TransportFacts())
            await station.close()
            await caches.close()
        }
    }
}

/// The writing end of the pipe that a station reads.
@LoopActor
private final class Writer {
    private let path: String
    private let station: Station
    private var descriptor: Int32

    init(_ path: String, _ station: Station) throws {
        self.path = path
        self.station = station
        descriptor = Glibc.open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
        if descriptor < 0 { throw CoreError(errno: errno) }
    }

    /// Writes, and waits until the station has taken everything.
    func write(_ bytes: [UInt8]) async throws {
        let before = station.log.head
        var done = 0
        while done < bytes.count {
            // No faster than the disk: it would have the files restart.
            if station.log.hasFiles, station.log.filesInfo.head + 393_216 < station.log.head {
                try await LoopClock.monotonic.sleep(for: 0.0005)
                continue
            }
            let count = bytes[done...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 { done += count }
            try await LoopClock.monotonic.sleep(for: 0.0005)
        }
        let whole = UInt64(bytes.count)
        try await eventually("it is taken") { station.log.head >= before + whole }
        try await eventually("it is written") {
            !station.log.hasFiles || station.log.filesInfo.head + 524_288 >= station.log.head
        }
        station.turn()
    }

    /// Another writer comes.
    func reopen() async throws {
        Glibc.close(descriptor)
        try await eventually("the end is seen") { station.state == .starting }
        descriptor = Glibc.open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
        if descriptor < 0 { throw CoreError(errno: errno) }
    }

    func close() { Glibc.close(descriptor) }
}

extension Journal {
    fileprivate var sentWarm: [(id: UInt64, bytes: UInt64, seconds: Double)] {
        events.compactMap { event in
            guard case .sentWarm(let listener, let bytes, let seconds, _) = event else { return nil }
            return (listener.id, bytes, seconds)
        }
    }

    fileprivate var commits: [Bool] {
        events.compactMap { if case .warm(.committed(let committed)) = $0 { committed } else { nil } }
    }

    fileprivate var programs: [[TransportFacts.Program]] {
        events.compactMap { if case .programs(let programs) = $0 { programs } else { nil } }
    }
}
