import Testing

/// Where a listener starts.
@Suite("Joining", .ownThread)
struct JoiningTests {
    private let frames = Frames(unit: 4)

    /// A station that has played so many frames, and stands still.
    private func play(_ count: Int, _ settings: String = "", _ body: (Daemon, NamedPipe) throws -> Void) throws {
        let scratch = try Scratch()
        let pipe = try NamedPipe(scratch.path + "/pipe")
        let source = "{ kind: fifo, path: \(pipe.path), stall_timeout: 1h }"
        try Daemon.run("live: { stations: [{ name: tape, source: \(source)\(settings) }] }\n") { weir in
            try pipe.enter()
            try pipe.write(frames.bytes(0, count))
            try weir.wait("tape", hasHad: UInt64(count * 4))
            try body(weir, pipe)
        }
    }

    @Test(
        "?warm= gives the past from the ring, from a frame on, and says how much",
        arguments: [
            ("", 24_000, "0"), ("?warm=0", 24_000, "0"), ("?warm=250ms", 12_000, "0.25"),
            ("?warm=0.25", 12_000, "0.25"),
            ("?warm=max", 0, "0.5"), ("?warm=60s", 0, "0.5"),
        ])
    func warm(_ query: String, _ first: Int, _ seconds: String) throws {
        try play(24_000) { weir, pipe in
            let (client, head) = try weir.listen("/live/tape\(query)")
            #expect(head["X-Weir-Position"] == "\(first * 4)")
            #expect(head["X-Weir-Warm-Seconds"] == seconds)
            try pipe.write(frames.bytes(24_000, 1000))
            #expect(try frames.runs(try client.receive((25_000 - first) * 4)) == [first..<25_000])
        }
    }

    @Test("no further than the ring reaches")
    func reach() throws {
        try play(500_000) { weir, pipe in
            let (client, head) = try weir.listen("/live/tape?warm=max")
            let position = try #require(head["X-Weir-Position"].flatMap { Int($0) })
            #expect(position % 4 == 0)
            #expect((500_000 * 4 - (1 << 20)...1_200_000).contains(position))
            try pipe.write(frames.bytes(500_000, 100))
            let body = try client.receive(500_100 * 4 - position)
            #expect(try frames.runs(body) == [position / 4..<500_100])
        }
    }

    @Test("a station can give some of the past to everyone")
    func join() throws {
        try play(24_000, ", join: 100ms") { weir, _ in
            let plain = try weir.listen("/live/tape").head
            #expect(plain["X-Weir-Position"] == "\((24_000 - 4800) * 4)")
            let newest = try weir.listen("/live/tape?warm=0").head
            #expect(newest["X-Weir-Position"] == "\(24_000 * 4)")
        }
    }

    @Test("what is no time is refused", arguments: ["-1", "x", "1h", "", "1e3"])
    func nonsense(_ warm: String) throws {
        try Daemon.run { weir in
            let reply = try weir.get("/live/demo.wav?warm=\(warm)")
            #expect(reply.status == 400)
            #expect(reply.code == "BAD_WARM")
        }
    }
}
