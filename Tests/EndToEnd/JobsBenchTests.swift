import Testing

/// `weir bench jobs` checks by itself that every job is claimed and completed once.
@Suite("Jobs", .ownThread)
struct JobsBenchTests {
    private static let small = ["--jobs", "70", "--batch", "5", "--workers", "3", "--wakes", "5", "--json"]

    private static func bench(_ words: [String]) throws -> Peer.Result {
        try Peer.run([Daemon.program, "bench", "jobs"] + words, within: 2 * Pace.patience)
    }

    private static func expectAll(_ result: Peer.Result) throws {
        #expect(result.exit == .code(0), "\(result.errors)")
        let figures = try #require(JSON(result.text))
        #expect(figures["filled"]?.integer ?? 0 == 70)
        #expect(figures["jobs"]?.integer ?? 0 == 70)
        #expect(figures["wakes"]?.integer ?? 0 == 5)
        for name in ["seconds", "cpu_seconds", "wake_p50_ms"] {
            let number = try #require(figures[name]?.number)
            #expect(number > 0, "\(name)")
        }
    }

    @Test("are measured in a file that goes afterwards, or that stays where --data says")
    func file() throws {
        try JobsBenchTests.expectAll(try JobsBenchTests.bench(JobsBenchTests.small))
        let scratch = try Scratch()
        let place = ["--data", scratch.path, "--database", "sqlite?synchronous=normal", "--json"]
        let filled = try JobsBenchTests.bench(["--step", "fill", "--jobs", "20"] + place)
        #expect(JSON(filled.text)?["filled"]?.integer ?? 0 == 20, "\(filled.errors)")
        #expect(Disk.exists(scratch.path + "/weir.db"))
        let drained = try JobsBenchTests.bench(["--step", "drain"] + place)
        #expect(JSON(drained.text)?["jobs"]?.integer ?? 0 == 20, "\(drained.errors)")
        let nothing = try JobsBenchTests.bench(["--step", "drain"] + place)
        #expect(nothing.exit == .code(1))
        #expect(nothing.errors == "weir bench jobs: no job is queued")
    }

    @Test("are measured on PostgreSQL, where another connection's work wakes", .enabled(if: PostgreSQL.isThere))
    func server() throws {
        try PostgreSQL.run { database in
            try JobsBenchTests.expectAll(try JobsBenchTests.bench(["--database", database.url] + JobsBenchTests.small))
            let left = try database.ask("SELECT status, count(*) FROM media_cache GROUP BY status")
            #expect(left == "ready|75")
        }
    }

    @Test("what is asked wrongly is said, with exit code 2")
    func refused() throws {
        for (words, reason) in [
            (["--jobs", "0"], "--jobs is a number from 1 to 1000000"),
            (["--batch", "1001"], "--batch is a number from 1 to 1000"),
            (["--step", "some"], "--step is one of: all, fill, drain, wake, statements"),
            (["--database", "mysql://x"], "unknown database \"mysql\""),
        ] {
            let result = try JobsBenchTests.bench(words)
            #expect(result.exit == .code(2))
            #expect(result.errors.contains(reason), "\(result.errors)")
        }
    }
}
