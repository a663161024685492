import Glibc
import Testing

/// Several `weir serve` on one PostgreSQL and one bucket.
@Suite("Nodes", .ownThread, .enabled(if: PostgreSQL.isThere && S3.isThere && Peer.has("curl")))
struct NodesTests {
    /// Jobs: 300 on every day, 5000 at full scale, fewer where everything is slow.
    static let count = Pace.isSanitized ? 60 : min(5000, 300 * Pace.scale)
    static let concurrency = 5
    /// Seconds that all of them may take, at either end.
    static let patience = Pace.patience * Double(2 + count / 500)

    @Test("two processes on one database share the jobs: each is done by exactly one of them")
    func shared() throws {
        // Slow until both are at work: neither could do everything alone before.
        let control = #"{"rates":null,"latency":20}"#
        try PostgreSQL.run { database in
            try S3.run { s3 in
                try StandIn.run(control) { telegram in
                    let configuration = NodesTests.configuration(database, s3, telegram)
                    try Daemon.run(configuration) { one in
                        try Daemon.run(configuration) { two in
                            try NodesTests.share([one, two], database, telegram)
                        }
                    }
                }
            }
        }
    }

    private static func share(_ nodes: [Daemon], _ database: PostgreSQL, _ telegram: StandIn) throws {
        for node in nodes { #expect(try node.order("POST", "/prewarm/pause").status == 200) }
        let scratch = try Scratch()
        let files = try (0..<count).map { index in
            let path = "\(scratch.path)/\(index).jpg"
            try Disk.write(path, (0..<2000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ index &+ (index >> 8) &* $0) })
            return path
        }
        // Each takes half of them in.
        for (index, node) in nodes.enumerated() {
            let half = files[(index * count / 2)..<((index + 1) * count / 2)]
            let added = try Peer.run(MediaTests.words(node.port, node.data, ["add"] + half), within: patience)
            #expect(added.exit == .code(0), "\(added.errors)")
        }
        let media = try MediaTests.media(nodes[0])
        let digests = media.compactMap { $0["sha256"]?.text }
        #expect(Set(digests).count == count)
        #expect(try telegram.count() == 0)

        for node in nodes { #expect(try node.order("POST", "/prewarm/resume").status == 200) }
        for node in nodes {
            try eventually("it is at work") {
                try node.metrics()["media_prewarm_active_workers"] ?? 0 > 0 ? true : nil
            }
        }
        try telegram.change(#"{"latency":0}"#)
        try eventually("all are ready", within: patience) {
            try database.ask("SELECT count(*) FROM media_cache WHERE status = 'ready'") == "\(count)" ? true : nil
        }
        // What the database has, a node may not have heard of yet.
        let metrics = try eventually("they have counted them") { () -> [[String: Double]]? in
            let metrics = try nodes.map { try $0.metrics() }
            let ready = metrics.map { $0["media_prewarm_jobs_total{result=\"ready\"}"] ?? 0 }
            return ready.reduce(0, +) >= Double(count) ? metrics : nil
        }
        func total(_ result: String) -> [Int] {
            metrics.map { Int($0["media_prewarm_jobs_total{result=\"\(result)\"}"] ?? -1) }
        }
        let ready = total("ready")
        #expect(ready.reduce(0, +) == count)
        #expect(ready.allSatisfy { $0 > 0 }, "\(ready)")
        #expect(total("failed") == [0, 0] && total("retried") == [0, 0])
        let calls = try telegram.calls().filter { $0["way"]?.text ?? "" == "upload" }
        let uploads = calls.compactMap { $0["sha256"]?.text }
        #expect(Set(uploads) == Set(digests))
        // One more only for a lease that ended because its process did not run for half a minute.
        let lost = total("lost").reduce(0, +)
        #expect(uploads.count <= count + lost, "\(uploads.count) uploads of \(count) media, \(lost) leases lost")

        // What one took in and either uploaded, both send by its identifier.
        for (node, medium) in zip(nodes, [try #require(media.last), try #require(media.first)]) {
            let before = try telegram.count()
            let reply = try node.request(
                "POST", "/send", ["Authorization: Bearer \(try node.token)", "Content-Type: application/json"],
                body: #"{"chat":4711,"media":"\#(try #require(medium["sha256"]?.text))"}"#)
            #expect(reply.status == 200 && reply.json?["via"]?.text ?? "" == "file_id", "\(reply.text)")
            #expect(try telegram.count() == before + 1)
        }
    }

    private static func configuration(_ database: PostgreSQL, _ s3: S3, _ telegram: StandIn) -> String {
        """
        database: "\(database.url)"
        storage:
          kind: r2
          bucket: media
          access_key_id: \(S3.access)
          secret_access_key: \(S3.secret)
          endpoint: \(s3.endpoint)
        telegram:
          api: \(telegram.api)
          limits: { chat: 10000, group: 1000000, bot: 100000 }
          bots: [ { slug: shop, token: "\(MediaTests.token)", by_url: never, warmup_chats: [1, 2, 3, 4, 5] } ]
        prewarm: { concurrency: \(concurrency) }
        """
    }
}

extension StandIn {
    /// Changes what it does; `json` is as its `--help` says.
    fileprivate func change(_ json: String) throws {
        let answer = try Peer.demand("curl", "-sS", "--fail", "-d", json, "\(api)/control")
        #expect(JSON(answer.text)?["calls"] != nil)
    }
}
