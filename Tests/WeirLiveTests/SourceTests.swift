import CWeir
import Glibc
import Testing
import WeirLoop

@testable import WeirLive

/// Stations whose source is a child, a file or a pipe.
@Suite struct SourceTests {
    private func exec(_ command: [String], _ change: (inout StationOptions) -> Void = { _ in }) -> StationOptions {
        var options = StationOptions(name: "demo")
        options.source = .exec(command: command, directory: nil, environment: [:])
        change(&options)
        return options
    }

    private func shell(_ script: String, _ change: (inout StationOptions) -> Void = { _ in }) -> StationOptions {
        exec(["/bin/sh", "-c", script], change)
    }

    private static let forever = "while :; do head -c 4000 /dev/zero; sleep 0.01; done"

    private func file(_ path: String, loop: Bool, _ change: (inout StationOptions) -> Void = { _ in }) -> StationOptions
    {
        var options = StationOptions(name: "demo")
        options.source = .file(path: path, loop: loop)
        change(&options)
        return options
    }

    /// A station that reads a named pipe.
    private func withPipe(
        _ change: (inout StationOptions) -> Void = { _ in }, clock: LoopClock = .manual(),
        _ body: @escaping @LoopActor (Station, Journal, LoopClock, _ pipe: String) async throws -> Void
    ) throws {
        try withDirectory { directory in
            let pipe = "\(directory)/pipe"
            #expect(mkfifo(pipe, 0o600) == 0)
            var options = StationOptions(name: "demo")
            options.source = .fifo(path: pipe)
            change(&options)
            try withStation(options, clock: clock) { try await body($0, $1, $2, pipe) }
        }
    }

    private func wav(_ format: PCMFormat, _ samples: [UInt8]) -> [UInt8] { WAVHeader.endless(format) + samples }

    // MARK: Children

    @Test func `a child that ends is started again on the schedule of the backoff`() throws {
        try withStation(shell("printf abcdefgh; echo out of records >&2; exit 3")) { station, journal, clock in
            station.begin()
            for step in [0.5, 1, 2, 4] {
                try await eventually("it has failed") { station.state == .failed }
                #expect(station.supervision.lastError == "the child ended with exit status 3: out of records")
                let delay = try #require(journal.delays.last)
                #expect(abs(delay - step) < 0.001)
                await clock.advance(seconds: delay - 0.01)
                #expect(station.state == .failed)
                await clock.advance(seconds: 0.02)
                #expect(station.state != .failed)
            }
            try await eventually("it has failed") { station.state == .failed }
            #expect(station.supervision.restarts == 4)
            #expect(station.receivedBytes == 5 * 8)
            #expect(journal.lines == Array(repeating: "out of records", count: 5))
            #expect(journal.states.prefix(4) == [.starting, .live, .failed, .starting])
        }
    }

    @Test func `what a source delivered is counted once and never less, whole frames or not`() throws {
        try withStation(shell("printf abcdefg; exit 3")) { station, journal, clock in
            station.begin()
            for run in 1...4 {
                try await eventually("it has failed") { station.state == .failed }
                // The log has dropped the frame that was begun.
                #expect(station.receivedBytes == UInt64(7 * run))
                #expect(station.report.position == UInt64(4 * run))
                await clock.advance(seconds: try #require(journal.delays.last) + 0.01)
                #expect(station.receivedBytes >= UInt64(7 * run))
            }
            try await eventually("it has failed") { station.state == .failed }
            await station.end()
            #expect(station.receivedBytes == 5 * 7)
        }
    }

    @Test func `a password in what a child says is neither reported nor kept`() throws {
        try withStation(shell("echo 'rtsp://me:secret@camera/1: refused' >&2; exit 1")) { station, journal, _ in
            station.begin()
            try await eventually("it has failed") { station.state == .failed }
            #expect(journal.lines == ["rtsp://camera/1: refused"])
            #expect(
                station.supervision.lastError == "the child ended with exit status 1: rtsp://camera/1: refused")
        }
    }

    @Test func `a program that does not exist is named`() throws {
        try withStation(exec(["/no/such/program"])) { station, journal, _ in
            station.begin()
            try await eventually("it has failed") { station.state == .failed }
            #expect(station.supervision.lastError == "/no/such/program: no such file or directory")
            #expect(journal.delays.count == 1)
        }
    }

    @Test func `a child that hangs is ended and started again`() throws {
        try withStation(shell("printf abcd; exec sleep 1000") { $0.stallTimeout = 3 }) { station, journal, clock in
            station.begin()
            try await eventually("it is live") { station.state == .live }
            await clock.advance(seconds: 2.9)
            #expect(station.state == .live)
            await clock.advance(seconds: 0.2)
            #expect(journal.states.last == .stalled)
            #expect(station.supervision.lastError == "no byte for 3 s")
            try await eventually("the child is gone") { station.state == .failed }
            #expect(journal.delays.count == 1)
            await clock.advance(seconds: 0.6)
            try await eventually("it is live again") { station.state == .live }
            #expect(station.supervision.restarts == 1)
        }
    }

    @Test func `a child that never says a byte is stalled too`() throws {
        try withStation(exec(["sleep", "1000"]) { $0.stallTimeout = 2 }) { station, journal, clock in
            station.begin()
            await clock.advance(seconds: 2.1)
            try await eventually("it has failed") { station.state == .failed }
            #expect(journal.states == [.starting, .stalled, .failed])
        }
    }

    @Test func `a killed child says by which signal`() throws {
        try withStation(shell("printf abcd; kill -9 $$")) { station, _, _ in
            station.begin()
            try await eventually("it has failed") { station.state == .failed }
            #expect(station.supervision.lastError == "the child ended with signal 9")
        }
    }

    @Test func `a stop takes the child with it, and a start makes a new one`() throws {
        try withStation(shell(Self.forever)) { station, journal, _ in
            station.begin()
            try await eventually("it is live") { station.state == .live }
            let process = try #require(
                journal.events.compactMap { if case .started(let process) = $0 { process } else { nil } }.first)
            #expect(kill(process, 0) == 0)
            station.stop()
            station.start()
            try await eventually("another child is live") { station.state == .live }
            #expect(kill(process, 0) == -1)
            #expect(station.supervision.restarts == 0)
        }
    }

    @Test func `listeners stay through a gap, and hear whole frames only`() throws {
        // Five bytes of six: the last of them is half a frame, and goes with its child.
        let options = shell("printf abcde; sleep 1000") {
            $0.stallTimeout = 1
            $0.window = .fixed(milliseconds: 20)
        }
        try withStation(options) { station, journal, clock in
            station.begin()
            try await eventually("it is live") { station.state == .live }
            let pair = try SocketPair()
            let seat = try await station.join(.own, warm: .max, address: "x", path: "/")
            _ = try station.attach(seat, descriptor: pair.station)
            for run in 1...3 {
                await clock.advance(seconds: 1.1)
                station.turn()
                try await eventually("the child is gone") { station.state == .failed }
                #expect(station.report.position == UInt64(4 * run))
                await clock.advance(seconds: try #require(journal.delays.last))
                try await eventually("the next one is live") { station.state == .live }
            }
            station.turn()
            await clock.advance(seconds: 0.02)
            station.turn()
            #expect(pair.read().bytes == Array("abcdabcdabcdabcd".utf8))
            #expect(journal.left.isEmpty)
            pair.close()
        }
    }

    @Test func `the environment and the directory are the child's own`() throws {
        var options = StationOptions(name: "demo")
        options.source = .exec(
            command: ["/bin/sh", "-c", "echo $WEIR_TEST_WORD; pwd; printf abcd; sleep 1000"], directory: "/usr",
            environment: ["WEIR_TEST_WORD": "weir"])
        options.format = .raw
        try withStation(options) { station, _, _ in
            station.begin()
            try await eventually("all of it came") { station.receivedBytes == 14 }
            let seat = try await station.join(.own, warm: .max, address: "x", path: "/")
            let pair = try SocketPair()
            _ = try station.attach(seat, descriptor: pair.station)
            station.turn()
            #expect(pair.read().bytes == Array("weir\n/usr\nabcd".utf8))
            pair.close()
        }
    }

    // MARK: Formats

    @Test func `the header of a WAV stream wins over the configuration`() throws {
        let format = PCMFormat(sample: .s24le, rate: 44100, channels: 1)
        try withDirectory { directory in
            let path = "\(directory)/a.wav"
            try LoopFile.writeNow(path, wav(format, Array(repeating: 1, count: 3 * 44100)))
            try withStation(file(path, loop: true), clock: .monotonic) { station, journal, _ in
                station.begin()
                try await eventually("it is live") { station.state == .live }
                #expect(station.format == .pcm(format))
                #expect(station.report.bitrate == 1_058_400.0)
                let changes = journal.events.filter { if case .format = $0 { true } else { false } }
                #expect(changes.count == 1)
                let seat = try await station.join(.wav, warm: .max, address: "x", path: "/")
                #expect(seat.body.preamble == WAVHeader.endless(format))
                #expect(seat.join.position % 3 == 0)
            }
        }
    }

    @Test func `another format on a running station is an error that names both`() throws {
        try withPipe(clock: .monotonic) { station, journal, _, pipe in
            station.begin()
            await LoopActor.settle()
            let writer = open(pipe, O_WRONLY | O_CLOEXEC)
            #expect(write(writer, WAVHeader.endless(PCMFormat()) + [0, 0, 0, 0], 48) == 48)
            try await eventually("it is live") { station.state == .live }
            close(writer)
            try await eventually("it waits for the next writer") { station.state == .starting }
            let second = open(pipe, O_WRONLY | O_CLOEXEC)
            let other = WAVHeader.endless(PCMFormat(sample: .s16le, rate: 8000, channels: 1)) + [0, 0]
            #expect(write(second, other, other.count) == other.count)
            try await eventually("it has failed") { station.state == .failed }
            close(second)
            #expect(
                station.supervision.lastError
                    == "\(pipe): the source changed its format from s16le 48000 Hz 2 ch to s16le 8000 Hz 1 ch")
            #expect(station.format == .pcm(PCMFormat()))
            #expect(journal.delays.count == 1)
        }
    }

    // MARK: Files and pipes

    @Test func `a file that is not repeated ends its listeners and stops`() throws {
        try withDirectory { directory in
            let path = "\(directory)/a.pcm"
            let samples = (0..<48000).map { UInt8(truncatingIfNeeded: $0) }
            try LoopFile.writeNow(path, samples)
            try withStation(file(path, loop: false), clock: .monotonic) { station, journal, _ in
                station.begin()
                let pair = try SocketPair()
                // Waits for its first byte; it is over in a quarter of a second.
                let seat = try await station.join(.own, warm: .max, address: "x", path: "/")
                _ = try station.attach(seat, descriptor: pair.station)
                try await eventually("its listener has left") { !journal.left.isEmpty }
                #expect(station.state == .stopped)
                let (bytes, isOver) = pair.read()
                #expect(isOver)
                #expect(bytes == samples)
                #expect(journal.left.map(\.reason) == ["shutdown"])
                #expect(station.supervision.lastError == nil)
                // And again, from its beginning.
                station.start()
                try await eventually("it is live again") { station.receivedBytes == 2 * 48000 }
                pair.close()
            }
        }
    }

    @Test func `what is no regular file is refused as one`() throws {
        for path in ["/no/such/file", "/dev/null", "/tmp"] {
            try withStation(file(path, loop: true)) { station, _, _ in
                station.begin()
                try await eventually("it has failed") { station.state == .failed }
                #expect(station.supervision.lastError?.hasPrefix("\(path): ") == true)
            }
        }
    }

    @Test func `a raw file has no pace`() throws {
        try withDirectory { directory in
            let path = "\(directory)/a"
            try LoopFile.writeNow(path, [1, 2, 3])
            try withStation(file(path, loop: true) { $0.format = .raw }) { station, _, _ in
                station.begin()
                try await eventually("it has failed") { station.state == .failed }
                #expect(
                    station.supervision.lastError == "\(path): a file of format raw has no rate at which to play it")
            }
        }
    }

    @Test func `writers of a pipe come and go`() throws {
        try withPipe({ $0.format = .raw }, clock: .monotonic) { station, journal, clock, pipe in
            station.begin()
            #expect(station.state == .starting)
            for writer in 1...5 {
                let descriptor = open(pipe, O_WRONLY | O_CLOEXEC)
                #expect(descriptor >= 0)
                #expect(write(descriptor, "abcde", 5) == 5)
                close(descriptor)
                try await eventually("it was read") { station.receivedBytes == UInt64(5 * writer) }
                try await eventually("it waits for the next") { station.state == .starting }
            }
            #expect(station.supervision.restarts == 0)
            #expect(station.supervision.lastError == nil)
            #expect(journal.delays.isEmpty)
            // Nobody writes: the loop sleeps.
            let entries = LoopActor.entries
            try await clock.sleep(for: 0.05)
            #expect(LoopActor.entries - entries < 10)
        }
    }

    @Test func `a pipe that nobody writes refuses joiners after the start timeout`() throws {
        try withPipe({ $0.startTimeout = 5 }) { station, _, clock, pipe in
            station.begin()
            let joining = spawn { () -> JoinRefusal? in
                do throws(JoinRefusal) {
                    _ = try await station.join(.wav, warm: nil, address: "x", path: "/")
                    return nil
                } catch {
                    return error
                }
            }
            await clock.advance(seconds: 4.9)
            #expect(station.demand == 1)
            await clock.advance(seconds: 0.2)
            #expect(await joining.value == .silent(state: .starting, error: nil))
            #expect(station.demand == 0)
            #expect(station.seats.taken == 0)
        }
    }

    @Test func `a source that stops delivering without being restartable is stalled until its next byte`() throws {
        try withPipe({ $0.stallTimeout = 3 }) { station, journal, clock, pipe in
            station.begin()
            let writer = open(pipe, O_WRONLY | O_CLOEXEC)
            #expect(write(writer, "abcdabcdabcdabcd", 16) == 16)
            try await eventually("it is live") { station.state == .live }
            await clock.advance(seconds: 3.1)
            #expect(station.state == .stalled)
            #expect(write(writer, "abcd", 4) == 4)
            try await eventually("it was read") { station.receivedBytes == 20 }
            await clock.advance(seconds: 1)
            #expect(station.state == .live)
            #expect(journal.states == [.starting, .live, .stalled, .live])
            close(writer)
        }
    }

    @Test func `a pipe whose writer stays away is stalled until the next one writes`() throws {
        try withPipe({ $0.stallTimeout = 3 }) { station, journal, clock, pipe in
            station.begin()
            await clock.advance(seconds: 3.1)
            #expect(station.state == .stalled)
            for round in 1...2 {
                let writer = open(pipe, O_WRONLY | O_CLOEXEC)
                #expect(write(writer, "abcd", 4) == 4)
                try await eventually("it is live") { station.state == .live }
                #expect(station.receivedBytes == UInt64(4 * round))
                close(writer)
                try await eventually("it waits for the next") { station.state == .starting }
                await clock.advance(seconds: 4.1)
                #expect(station.state == .stalled)
                await clock.advance(seconds: 10)
                #expect(station.state == .stalled)
            }
            #expect(station.supervision.restarts == 0)
            #expect(station.supervision.lastError == nil)
            let round: [Supervision.State] = [.stalled, .live, .starting]
            #expect(journal.states == [.starting] + round + round + [.stalled])
        }
    }

    @Test func `a paused source is not taken for a silent one`() throws {
        let options = shell("while :; do head -c 65536 /dev/zero; done") {
            $0.slowPolicy = .pause
            $0.ring = 256 << 10
            $0.stallTimeout = 2
            $0.slowTimeout = 1000
            $0.window = .fixed(milliseconds: 20)
        }
        try withStation(options) { station, journal, clock in
            station.begin()
            try await eventually("it is live") { station.state == .live }
            let pair = try SocketPair()
            let seat = try await station.join(.own, warm: nil, address: "slow", path: "/")
            _ = try station.attach(seat, descriptor: pair.station)
            try await eventually("the source is held") { station.isHeld }
            let received = station.receivedBytes
            for _ in 0..<10 { await clock.advance(seconds: 1) }
            #expect(station.state == .live)
            #expect(station.receivedBytes == received)
            // Read on, and it goes on.
            try await eventually("it goes on") {
                _ = pair.read()
                station.turn()
                return station.receivedBytes > received
            }
            await clock.advance(seconds: 1)
            #expect(station.state == .live)
            #expect(journal.states == [.starting, .live])
            pair.close()
        }
    }
}
