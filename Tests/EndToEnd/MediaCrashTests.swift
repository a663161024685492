import Glibc
import Testing

/// `weir serve` killed at random moments of its work, on both databases.
@Suite("Media and crashes", .ownThread, .enabled(if: Peer.has("python3") && PostgreSQL.isThere))
struct MediaCrashTests {
    enum Store: String, CaseIterable, CustomTestStringConvertible, Sendable {
        case sqlite, postgresql
        var testDescription: String { rawValue }
    }

    /// 2000 jobs and 200 kills with `WEIR_SCALE=34`.
    static let kills = min(200, 6 * Pace.scale)
    static let files = min(2000, 60 * Pace.scale)

    @Test(
        "killed at any moment, it loses no job, and what it uploads twice was under way then",
        arguments: Store.allCases)
    func killed(store: Store) throws {
        try MediaCrashTests.withDatabase(store) { database, url in
            try StandIn.run(#"{"rates":null,"latency":[0.001,0.05]}"#) { telegram in
                let scratch = try Scratch()
                let data = scratch.path + "/data"
                let configuration = scratch.path + "/weir.yml"
                try Disk.write(configuration, MediaCrashTests.configuration(telegram, database: url).utf8)
                let files = try MediaTests.files(MediaCrashTests.files, in: scratch.path)
                let seed = Pace.variable("WEIR_SEED").flatMap { UInt64($0) } ?? UInt64(getpid())
                var random = SplitMix(state: seed)
                var acknowledged: Set<String> = []
                var weir = try Node(data: data, configuration: configuration)
                for kill in 0..<MediaCrashTests.kills {
                    // Some files more, whatever becomes of them, and some calls more; then some milliseconds, so that the
                    // moment is none of those that a test can wait for.
                    let part = files[(files.count * kill / MediaCrashTests.kills)...].prefix(
                        files.count / MediaCrashTests.kills)
                    let adding = try Process(MediaTests.words(weir.port, data, ["add"] + part))
                    defer { adding.end() }
                    let moment = try telegram.count() + Int(random.next() % UInt64(part.count + 1))
                    try eventually("some calls were made, or there is nothing to do") { () -> Bool? in
                        if try telegram.count() >= moment { return true }
                        return adding.state.isOver ? true : nil
                    }
                    usleep(UInt32(random.next() % 30_000))
                    weir.process.signal(SIGKILL)
                    _ = try weir.process.waitForExit()
                    _ = try adding.waitForExit()
                    // What it was told is there has to stay there.
                    acknowledged.formUnion(MediaCrashTests.digests(adding.state.text))
                    try database.checkIntegrity("seed \(seed), kill \(kill)")
                    weir = try Node(data: data, configuration: configuration)
                }
                #expect(!acknowledged.isEmpty)
                // Nobody adds anything any more: what is left is what the database has. A job that a dead worker held is
                // free after its lease, and found by the next sweep.
                let began = Pace.now
                let ready = try eventually("all that was acknowledged is ready, seed \(seed)") { () -> Set<String>? in
                    let listed = MediaCrashTests.digests(
                        try Peer.run(MediaTests.words(weir.port, data, ["ls", "--status", "ready"])).text)
                    return listed.isSuperset(of: acknowledged) ? listed : nil
                }
                let seconds = Double(Pace.now - began) / 1e9
                // Most of what was taken in without anybody hearing of it is there too, and is treated alike.
                let all = MediaCrashTests.digests(
                    try Peer.run(MediaTests.words(weir.port, data, ["ls"])).text)
                try eventually("nothing is warming") {
                    try weir.get("/prewarm")["warming"]?.number ?? -1 == 0 ? true : nil
                }
                let taken = try telegram.taken()
                #expect(Set(taken).isSuperset(of: ready))
                #expect(Set(taken).isSubset(of: all), "nothing is uploaded that nobody knows")
                // At least once: what had been answered and was not written down. No more can have been under way than
                // there are slots, and as many whose end was being written down.
                let twice = taken.count - Set(taken).count
                #expect(twice <= MediaCrashTests.kills * 10)
                print(
                    "\(store): \(MediaCrashTests.kills) kills, \(acknowledged.count) acknowledged, \(all.count) kept, "
                        + "\(taken.count) uploads, \(twice) of them again; all ready \(seconds) s after the last start")
                let rows = try database.count()
                #expect(rows.media == all.count && rows.jobs == all.count && rows.leased == 0)
                weir.process.signal(SIGTERM)
                #expect(try weir.process.waitForExit() == .code(0), "\(weir.process.state.lines.suffix(5))")
                try database.checkIntegrity("seed \(seed)")
            }
        }
    }

    @Test(
        "a node that stalls past its lease finds its job done by another, and cannot undo it")
    func stalled() throws {
        try PostgreSQL.run { database in
            // The first call is answered late, the others at once.
            let control = #"{"rates":null,"faults":[{"do":"delay","seconds":3600,"times":1}]}"#
            try StandIn.run(control) { telegram in
                let scratch = try Scratch()
                let configuration = scratch.path + "/weir.yml"
                try Disk.write(configuration, MediaCrashTests.configuration(telegram, database: database.url).utf8)
                let first = try Node(data: scratch.path + "/one", configuration: configuration)
                defer { first.process.end() }
                let file = try MediaTests.files(1, in: scratch.path)
                let words = MediaTests.words(first.port, scratch.path + "/one", ["add"] + file)
                #expect(try Peer.run(words).exit == .code(0))
                try eventually("it is being uploaded") {
                    try telegram.counts()["under_way"]?.number ?? 0 == 1 ? true : nil
                }
                first.process.signal(SIGSTOP)
                // The objects are in one place for both.
                let second = try Node(data: scratch.path + "/one", configuration: configuration)
                defer { second.process.end() }
                try eventually("the other one has done it") {
                    try second.get("/prewarm")["ready"]?.number ?? 0 == 1 ? true : nil
                }
                let before = try database.ask("SELECT file_id, fence FROM media_cache")
                first.process.signal(SIGCONT)
                let heard = first.process.wait { printed in
                    printed.lines.contains { $0.contains("taken over meanwhile") } ? true : nil
                }
                #expect(heard ?? false, "\(first.process.state.lines.suffix(5))")
                #expect(try database.ask("SELECT file_id, fence FROM media_cache") == before)
                for weir in [first, second] {
                    weir.process.signal(SIGTERM)
                    #expect(try weir.process.waitForExit() == .code(0), "\(weir.process.state.lines.suffix(5))")
                }
            }
        }
    }

    // MARK: What they share

    /// What a database says of itself, asked past Weir.
    private struct Ask {
        let store: Store
        let ask: (String) throws -> String

        func count() throws -> (media: Int, jobs: Int, leased: Int) {
            let text = try ask(
                "SELECT (SELECT count(*) FROM media_store), (SELECT count(*) FROM media_cache), "
                    + "(SELECT count(*) FROM media_cache WHERE phase = 'leased')")
            let numbers = text.split(separator: "|").compactMap { Int($0) }
            guard numbers.count == 3 else { throw Failure("counts: \(text)") }
            return (numbers[0], numbers[1], numbers[2])
        }

        /// After a kill; PostgreSQL itself was not killed, and its constraints hold anyway.
        func checkIntegrity(_ comment: Comment) throws {
            guard store == .sqlite else { return }
            #expect(try ask("PRAGMA integrity_check") == "ok", comment)
            #expect(try ask("PRAGMA foreign_key_check") == "", comment)
        }
    }

    /// Chats enough, attempts enough for every kill, and leases as short as they may be.
    private static func configuration(_ telegram: StandIn, database: String) -> String {
        """
        database: "\(database)"
        telegram:
          api: \(telegram.api)
          limits: { chat: 10000, group: 1000000, bot: 100000 }
          bots: [ { slug: shop, token: "\(MediaTests.token)", warmup_chats: [1, 2, 3, 4, 5] } ]
        prewarm: { retries: 100, lease: 5, interval_ms: 500 }
        """
    }

    /// The first words of the lines of `weir media`.
    private static func digests(_ text: String) -> Set<String> {
        Set(text.split(separator: "\n").compactMap { $0.split(separator: " ").first.map { String($0) } })
    }

    private static func withDatabase(_ store: Store, _ body: (Ask, String) throws -> Void) throws {
        switch store {
        case .sqlite:
            let scratch = try Scratch()
            let path = scratch.path + "/weir.db"
            try body(Ask(store: store) { try MediaCrashTests.sqlite(path, $0) }, "sqlite:\(path)")
        case .postgresql:
            try PostgreSQL.run { server in try body(Ask(store: store) { try server.ask($0) }, server.url) }
        }
    }

    private static func sqlite(_ path: String, _ statement: String) throws -> String {
        let script = """
            import sqlite3, sys
            rows = sqlite3.connect(sys.argv[1], timeout=60).execute(sys.argv[2]).fetchall()
            print("\\n".join("|".join(str(value) for value in row) for row in rows))
            """
        let text = try Peer.demand("python3", "-c", script, path, statement).text
        return text.split(separator: "\n").joined(separator: "\n")
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): numbers that a seed brings back.
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
