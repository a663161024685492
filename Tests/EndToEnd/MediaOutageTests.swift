import Glibc
import Testing

/// `weir serve` while its database is away, or its disk is full.
@Suite("Media and outages", .ownThread)
struct MediaOutageTests {
    @Test(
        "without its database it says so, sends what it knows, refuses the rest, and goes on by itself afterwards",
        .enabled(if: PostgreSQL.isThere))
    func databaseAway() throws {
        try PostgreSQL.run { database in
            try StandIn.run { telegram in
                try Daemon.run(MediaOutageTests.configuration(telegram, database: database.url)) { weir in
                    let scratch = try Scratch()
                    let files = try MediaTests.files(8, in: scratch.path)
                    let added = try MediaTests.weir(weir, ["add", "--wait"] + files.prefix(4))
                    #expect(added.exit == .code(0), "\(added.errors)")
                    let media = try MediaTests.media(weir)
                    #expect(media.count == 4)
                    // Two that have to be warmed yet lie in the queue.
                    #expect(try weir.order("POST", "/prewarm/pause").status == 200)
                    let queued = try MediaTests.weir(weir, ["add"] + files[4..<6])
                    #expect(queued.exit == .code(0), "\(queued.errors)")
                    let before = try telegram.count()

                    try database.stop()
                    try eventually("health says that the database is away") {
                        try MediaOutageTests.check("database", of: weir) == "degraded" ? true : nil
                    }
                    for medium in media {
                        let digest = try #require(medium["sha256"]?.text)
                        let reply = try MediaOutageTests.send(digest, weir)
                        #expect(reply.status == 200 && reply.json?["via"]?.text ?? "" == "file_id", "\(reply.text)")
                    }
                    #expect(try telegram.count() == before + 4)
                    let unknown = try MediaOutageTests.send(String(repeating: "0", count: 64), weir)
                    #expect(MediaOutageTests.code(unknown) == "503 DATABASE_UNAVAILABLE")
                    let refused = try weir.request(
                        "POST", "/media", ["Authorization: Bearer \(try weir.token)", "Content-Type: image/jpeg"],
                        body: "new")
                    #expect(MediaOutageTests.code(refused) == "503 DATABASE_UNAVAILABLE")
                    #expect(try weir.get("/media").status == 503)

                    try database.start()
                    try eventually("health says that it is back") {
                        try MediaOutageTests.check("database", of: weir) == "ok" ? true : nil
                    }
                    #expect(try weir.order("POST", "/prewarm/resume").status == 200)
                    let more = try MediaTests.weir(weir, ["add", "--wait"] + files)
                    #expect(more.exit == .code(0), "\(more.errors)")
                    try eventually("all are ready") {
                        try weir.get("/prewarm").json?["ready"]?.number ?? 0 == 8 ? true : nil
                    }
                    // Once each: nothing was under way when it went.
                    let taken = try telegram.taken()
                    #expect(taken.count == 8 && Set(taken).count == 8)
                    #expect(try database.ask("SELECT count(*) FROM media_store") == "8")
                    #expect(try database.ask("SELECT count(*) FROM media_cache WHERE status = 'ready'") == "8")
                }
            }
        }
    }

    @Test(
        "what was being uploaded when the database went is written down when it is back, and not uploaded twice",
        .enabled(if: PostgreSQL.isThere))
    func databaseAwayMeanwhile() throws {
        try PostgreSQL.run { database in
            try StandIn.run(#"{"rates":null,"faults":[{"do":"delay","seconds":1,"times":3}]}"#) { telegram in
                try Daemon.run(MediaOutageTests.configuration(telegram, database: database.url)) { weir in
                    let scratch = try Scratch()
                    let files = try MediaTests.files(3, in: scratch.path)
                    let added = try MediaTests.weir(weir, ["add"] + files)
                    #expect(added.exit == .code(0), "\(added.errors)")
                    try database.stop()
                    try eventually("what was under way is answered") {
                        try telegram.counts()["under_way"]?.number ?? 1 == 0 ? true : nil
                    }
                    let taken = try telegram.taken()
                    try database.start()
                    try eventually("all are ready") {
                        try weir.get("/prewarm").json?["ready"]?.number ?? 0 == 3 ? true : nil
                    }
                    let later = try telegram.taken()
                    #expect(Set(later).count == 3)
                    // A lease is 30 s, and the worker tries again each second: who was answered is written down.
                    #expect(later.count == 3 && Set(taken).isSubset(of: later))
                }
            }
        }
    }

    @Test(
        "with a full disk it refuses what is new, sends what is ready, and goes on when there is room",
        .enabled(if: Place.available.contains(.tmpfs) && Peer.has("python3")))
    func diskFull() throws {
        try StandIn.run { telegram in
            let scratch = try Scratch()
            // The daemon's alone: the test gets there by its process.
            let mount = try Place.tmpfs.command(scratch.path, size: "16m")
            let configuration = scratch.path + "/weir.yml"
            try Disk.write(configuration, MediaOutageTests.configuration(telegram, database: "sqlite").utf8)
            let data = scratch.path + "/cache/data"
            let weir = try Node(data: data, configuration: configuration, under: mount)
            defer { weir.process.end() }
            let root = "/proc/\(weir.process.pid)/root"
            let token = String(try Disk.text(root + data + "/admin.token").prefix { !$0.isNewline })
            func ask(_ method: String, _ target: String, _ body: String = "") throws -> Reply {
                let client = try Client(port: weir.port)
                try client.send(
                    "\(method) \(target) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                        + "Authorization: Bearer \(token)\r\nContent-Type: image/jpeg\r\n"
                        + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
                return try client.reply()
            }
            func health(_ name: String) throws -> String {
                let checks = try weir.get("/health")["checks"]?.items ?? []
                return checks.first { $0["name"]?.text ?? "" == name }?["status"]?.text ?? ""
            }
            var digests: [String] = []
            for index in 0..<5 {
                let added = try ask("POST", "/media", "photo \(index)")
                digests.append(try #require(added.json?["sha256"]?.text))
            }
            try eventually("they are ready") { try weir.get("/prewarm")["ready"]?.number ?? 0 == 5 ? true : nil }

            let filler = root + scratch.path + "/cache/filler"
            try MediaOutageTests.fill(filler)
            let large = String(repeating: "x", count: 300_000)
            let refused = try ask("POST", "/media", large)
            #expect(MediaOutageTests.code(refused) == "503 DISK_FAILED")
            // What is to be written down does not find room either, as soon as the journal has to grow.
            var codes: Set<String> = []
            for _ in 0..<2000 where !codes.contains("503 DATABASE_UNAVAILABLE") {
                codes.insert(MediaOutageTests.code(try ask("POST", "/media/\(digests[0])/warm")))
            }
            #expect(codes.contains("503 DATABASE_UNAVAILABLE"), "\(codes)")
            // A look for work that finds none needs no room, and says that all is well.
            try eventually("health says so") {
                if try health("database") == "degraded" { return true }
                _ = try ask("POST", "/media/\(digests[0])/warm")
                return nil
            }
            for digest in digests.dropFirst() {
                let reply = try ask("POST", "/send", #"{"chat":4711,"media":"\#(digest)"}"#)
                #expect(reply.status == 200 && reply.json?["via"]?.text ?? "" == "file_id", "\(reply.text)")
            }

            unlink(filler)
            try eventually("health says that there is room again") { try health("database") == "ok" ? true : nil }
            let taken = try ask("POST", "/media", large)
            #expect(taken.status == 201, "\(taken.text)")
            try eventually("all are ready") { try weir.get("/prewarm")["ready"]?.number ?? 0 == 6 ? true : nil }
            // SQLite would resolve the way through /proc to one of this process. Nothing is written at this moment.
            for name in ["weir.db", "weir.db-wal"] {
                try Disk.write(scratch.path + "/" + name, try Disk.read("\(root)\(data)/\(name)"))
            }
            let script = """
                import sqlite3, sys
                database = sqlite3.connect(sys.argv[1])
                print(database.execute("PRAGMA integrity_check").fetchone()[0])
                print(database.execute("SELECT count(*) FROM media_cache WHERE status = 'ready'").fetchone()[0])
                """
            let verdict = try Peer.demand("python3", "-c", script, scratch.path + "/weir.db").text
            #expect(verdict == "ok\n6\n")
            weir.process.signal(SIGTERM)
            #expect(try weir.process.waitForExit() == .code(0), "\(weir.process.state.lines.suffix(5))")
        }
    }

    // MARK: What they share

    private static func configuration(_ telegram: StandIn, database: String) -> String {
        """
        database: "\(database)"
        telegram:
          api: \(telegram.api)
          limits: { chat: 10000, group: 1000000, bot: 100000 }
          bots: [ { slug: shop, token: "\(MediaTests.token)", warmup_chats: [1, 2, 3, 4, 5] } ]
        prewarm: { retries: 100, interval_ms: 200 }
        """
    }

    private static func send(_ digest: String, _ weir: Daemon) throws -> Reply {
        try weir.request(
            "POST", "/send", ["Authorization: Bearer \(try weir.token)", "Content-Type: application/json"],
            body: #"{"chat":4711,"media":"\#(digest)"}"#)
    }

    /// `503 DATABASE_UNAVAILABLE`.
    private static func code(_ reply: Reply) -> String {
        "\(reply.status) \(reply.json?["error"]?["code"]?.text ?? "")"
    }

    /// The status of one of health's checks.
    private static func check(_ name: String, of weir: Daemon) throws -> String {
        let checks = try weir.get("/health").json?["checks"]?.items ?? []
        return checks.first { $0["name"]?.text ?? "" == name }?["status"]?.text ?? ""
    }

    /// A file that takes all the room that there is.
    private static func fill(_ path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure.system(path) }
        defer { close(descriptor) }
        let block = [UInt8](repeating: 1, count: 4096)
        while write(descriptor, block, block.count) > 0 {}
        guard errno == ENOSPC else { throw Failure.system(path) }
    }
}
