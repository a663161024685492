import Glibc
import Testing

/// Sources that are not children.
@Suite("Sources", .ownThread)
struct SourceTests {
    private let frames = Frames(unit: 4)

    private func play(
        _ source: String, input: Process.Input = .nothing, _ body: (Daemon) throws -> Void
    ) throws {
        try Daemon.run("live: { stations: [{ name: tape, source: \(source) }] }\n", input: input, body)
    }

    // MARK: fifo

    @Test("fifo: a writer comes, leaves, and another comes; the listener stays")
    func writers() throws {
        let scratch = try Scratch()
        let pipe = try NamedPipe(scratch.path + "/pipe")
        try play("{ kind: fifo, path: \(pipe.path), stall_timeout: 1h }") { weir in
            try weir.wait("tape", is: "starting")
            try pipe.enter()
            try pipe.write(frames.bytes(0, 100))
            try weir.wait("tape", is: "live")
            let (client, head) = try weir.listen("/live/tape")
            #expect(head["X-Weir-Position"] == "400")
            for writer in 1...3 {
                try pipe.write(frames.bytes(writer * 100, 100))
                try weir.wait("tape", hasHad: UInt64(writer + 1) * 400)
                pipe.leave()
                // No failure, no backoff: the next one is waited for.
                #expect(try weir.wait("tape", is: "starting")["last_error"] == .null)
                try pipe.enter()
            }
            try pipe.write(frames.bytes(400, 100))
            #expect(try frames.runs(try client.receive(1600)) == [100..<500])
            let station = try weir.wait("tape", is: "live")
            #expect(station["restarts"]?.integer == 0)
            #expect(station["position"]?.integer == 2000)
        }
    }

    @Test("fifo: a frame that a writer cut in two never reaches a listener")
    func cutFrame() throws {
        let scratch = try Scratch()
        let pipe = try NamedPipe(scratch.path + "/pipe")
        try play("{ kind: fifo, path: \(pipe.path), stall_timeout: 1h }") { weir in
            try pipe.enter()
            try pipe.write(frames.bytes(0, 100))
            try weir.wait("tape", is: "live")
            let client = try weir.listen("/live/tape").client
            try pipe.write(frames.bytes(100, 100) + [9, 9, 9])
            try weir.wait("tape", hasHad: 800)
            pipe.leave()
            try weir.wait("tape", is: "starting")
            try pipe.enter()
            try pipe.write(frames.bytes(200, 100))
            #expect(try frames.runs(try client.receive(800)) == [100..<300])
        }
    }

    @Test(
        "fifo: a header is taken off; one of another format, once somebody has heard the first, is an error with both")
    func changedFormat() throws {
        let scratch = try Scratch()
        let pipe = try NamedPipe(scratch.path + "/pipe")
        try play("{ kind: fifo, path: \(pipe.path), stall_timeout: 1h }") { weir in
            try pipe.enter()
            try pipe.write(WAV.header(rate: 32000, channels: 2) + frames.bytes(0, 100))
            // It wins over the configuration: 48000 Hz.
            #expect(try weir.wait("tape", is: "live")["bitrate"]?.integer == 1_024_000)
            let client = try weir.listen("/live/tape").client
            for first in [100, 200] {
                // The same header again is no change.
                pipe.leave()
                try weir.wait("tape", is: "starting")
                try pipe.enter()
                try pipe.write(WAV.header(rate: 32000, channels: 2) + frames.bytes(first, 100))
                try weir.wait("tape", hasHad: UInt64(first + 100) * 4)
            }
            #expect(try frames.runs(try client.receive(800)) == [100..<300])
            pipe.leave()
            try weir.wait("tape", is: "starting")
            try pipe.enter()
            try pipe.write(WAV.header(rate: 44100, channels: 1) + frames.bytes(300, 100))
            let error = try #require(try weir.wait("tape", is: "failed")["last_error"]?.text)
            #expect(error.contains("32000") && error.contains("44100"), "\(error)")
            #expect(try weir.station("tape")["position"]?.integer == 1200)
        }
    }

    @Test("fifo: a path that is none is said so")
    func noPipe() throws {
        let scratch = try Scratch()
        try Disk.write(scratch.path + "/file", [1, 2, 3])
        for (path, words) in [("/none", "none"), ("/file", "not a named pipe")] {
            try play("{ kind: fifo, path: \(scratch.path)\(path) }") { weir in
                let error = try #require(try weir.wait("tape", is: "failed")["last_error"]?.text)
                #expect(error.contains(words), "\(error)")
            }
        }
    }

    // MARK: stdin

    @Test("stdin: what is written there is heard; at its end the station is over")
    func standardInput() throws {
        try play("{ kind: stdin }", input: .pipe) { weir in
            try weir.process.write(frames.bytes(0, 100))
            try weir.wait("tape", is: "live")
            let client = try weir.listen("/live/tape").client
            try weir.process.write(frames.bytes(100, 50_000))
            #expect(try frames.runs(try client.receive(200_000)) == [100..<50_100])
            weir.process.closeInput()
            let station = try weir.wait("tape", is: "stopped")
            #expect(station["last_error"]?.text == "standard input has ended")
            _ = try client.receiveAll()
            #expect(client.ending == .end)
            #expect(try weir.event("listener left")["reason"] == "shutdown")
            #expect(try weir.get("/live/tape").code == "STATION_STOPPED")
        }
    }

    // MARK: file

    @Test("file: in real time, to its end, and the station is idle again")
    func once() throws {
        let scratch = try Scratch()
        let path = scratch.path + "/tape.wav"
        let count = 36_000
        try Disk.write(path, WAV.header(rate: 48000, channels: 2, length: count * 4) + frames.bytes(0, count))
        try play("{ kind: file, path: \(path), autostart: on-demand, linger: 0 }") { weir in
            let began = Pace.now
            let (client, head) = try weir.listen("/live/tape")
            let body = try client.receiveAll()
            #expect(client.ending == .end)
            // 0.75 s of frames; what waits to be sent at the end may be early.
            #expect(Double(Pace.now - began) / 1e9 > 0.6)
            let position = try #require(head["X-Weir-Position"].flatMap { Int($0) })
            #expect(try frames.runs(body) == [position / 4..<count])
            let station = try weir.wait("tape", is: "idle")
            #expect(station["last_error"] == .null)
            #expect(station["restarts"]?.integer == 0)
            #expect(try weir.event("listener left")["reason"] == "shutdown")
        }
    }

    @Test("file: looped, without a seam")
    func looped() throws {
        let scratch = try Scratch()
        let path = scratch.path + "/tape.wav"
        let count = 9600
        try Disk.write(path, WAV.header(rate: 48000, channels: 2, length: count * 4) + frames.bytes(0, count))
        try play("{ kind: file, path: \(path), loop: true }") { weir in
            try weir.wait("tape", is: "live")
            let (client, head) = try weir.listen("/live/tape")
            let position = try #require(head["X-Weir-Position"].flatMap { Int($0) })
            // Five times 0.2 s.
            let body = try client.receive(5 * count * 4)
            let expected = frames.bytes(0, count)
            #expect(body.indices.allSatisfy { body[$0] == expected[(position + $0) % expected.count] })
            #expect(try weir.station("tape")["restarts"]?.integer == 0)
        }
    }

    // MARK: Real time

    @Test(
        "what a generated or a file source could not play while the machine slept is left out",
        arguments: [true, false])
    func slept(_ isTone: Bool) throws {
        let scratch = try Scratch()
        let path = scratch.path + "/tape.wav"
        try Disk.write(path, WAV.header(rate: 48000, channels: 2, length: 96_000) + frames.bytes(0, 24_000))
        try play(isTone ? "{ kind: tone }" : "{ kind: file, path: \(path), loop: true }") { weir in
            try weir.wait("tape", is: "live")
            let client = try weir.listen("/live/tape").client
            func position() throws -> Double { try #require(try weir.station("tape")["position"]?.number) }
            let began = Pace.now
            let before = try position()
            weir.process.signal(SIGSTOP)
            // Much more than is made up for: less than a second, which it may have been late already.
            usleep(3_000_000)
            weir.process.signal(SIGCONT)
            let played = try position() - before
            let awake = Double(Pace.now - began) / 1e9 - 3
            #expect(played / 192_000 < awake + 1.1, "\(played) bytes in \(awake) s")
            #expect(try client.receive(192_000).count == 192_000)
            #expect(try weir.station("tape")["restarts"]?.integer == 0)
        }
    }

    @Test("file: one that is not there")
    func noFile() throws {
        try play("{ kind: file, path: /nonexistent/tape.wav }") { weir in
            let error = try #require(try weir.wait("tape", is: "failed")["last_error"]?.text)
            #expect(error.contains("/nonexistent/tape.wav"), "\(error)")
        }
    }
}
