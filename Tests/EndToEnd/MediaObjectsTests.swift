import Glibc
import Testing

/// `weir serve` between a real S3 server and the stand-in for Telegram.
@Suite("Media in an object store", .ownThread, .enabled(if: S3.isThere))
struct MediaObjectsTests {
    @Test("go by a presigned URL that Telegram fetches from the store, and no byte of them passes through Weir")
    func byURL() throws {
        try S3.run { s3 in
            try StandIn.run { telegram in
                let environment = MediaObjectsTests.environment(s3)
                try Daemon.run(MediaTests.configuration(telegram), environment: environment) { weir in
                    let scratch = try Scratch()
                    let files = try MediaTests.files(10 * Pace.scale, in: scratch.path)
                    let added = try MediaTests.weir(weir, ["add", "--wait"] + files)
                    #expect(added.exit == .code(0), "\(added.errors)")
                    let calls = try telegram.calls()
                    #expect(calls.count == files.count)
                    #expect(calls.allSatisfy { $0["way"]?.text ?? "" == "url" && $0["status"]?.number ?? 0 == 200 })
                    // What it fetched is what was added.
                    let digests = try MediaTests.media(weir).compactMap { $0["sha256"]?.text }
                    #expect(calls.compactMap { $0["sha256"]?.text }.sorted() == digests.sorted())
                    let metrics = try weir.metrics()
                    #expect(metrics["media_prewarm_uploads_total{way=\"url\"}"] ?? -1 == Double(files.count))
                    #expect(metrics["media_prewarm_uploads_total{way=\"bytes\"}"] ?? -1 == 0)
                    #expect(metrics["media_prewarm_uploaded_bytes_total"] ?? -1 == 0)
                    #expect(metrics["media_prewarm_download_cache_hit_total"] ?? -1 == 0)
                    #expect(metrics["media_prewarm_download_cache_miss_total"] ?? -1 == 0)
                    // The URL is a secret for as long as it holds.
                    #expect(!weir.process.state.lines.contains { $0.contains("X-Amz-Signature") })
                }
            }
        }
    }

    @Test("that Telegram cannot fetch from their URL are uploaded, each once, from the cache that they came into")
    func fallback() throws {
        try S3.run { s3 in
            try StandIn.run { telegram in
                // Nobody listens there.
                let environment = MediaObjectsTests.environment(s3).merging(
                    ["WEIR_STORAGE_PUBLIC_BASE_URL": "http://127.0.0.1:1"]
                ) { $1 }
                try Daemon.run(MediaTests.configuration(telegram), environment: environment) { weir in
                    let scratch = try Scratch()
                    let files = try MediaTests.files(10, in: scratch.path)
                    let added = try MediaTests.weir(weir, ["add", "--wait"] + files)
                    #expect(added.exit == .code(0), "\(added.errors)")
                    let calls = try telegram.calls()
                    let fetched = calls.filter { $0["way"]?.text ?? "" == "url" }
                    #expect(fetched.count == files.count)
                    #expect(
                        fetched.allSatisfy {
                            $0["description"]?.text ?? "" == "Bad Request: failed to get HTTP URL content"
                        })
                    let uploaded = calls.filter { $0["way"]?.text ?? "" == "upload" }
                    let digests = try MediaTests.media(weir).compactMap { $0["sha256"]?.text }
                    #expect(uploaded.allSatisfy { $0["status"]?.number ?? 0 == 200 })
                    #expect(uploaded.compactMap { $0["sha256"]?.text }.sorted() == digests.sorted())
                    // A refusal of the URL is no failed attempt.
                    #expect(try MediaTests.media(weir).allSatisfy { $0["attempts"]?.number ?? 0 == 1 })
                    let metrics = try weir.metrics()
                    #expect(metrics["media_prewarm_uploads_total{way=\"bytes\"}"] ?? -1 == Double(files.count))
                    #expect(metrics["media_prewarm_download_cache_hit_total"] ?? -1 == Double(files.count))
                    #expect(metrics["media_prewarm_download_cache_miss_total"] ?? -1 == 0)
                }
            }
        }
    }

    /// 50 objects with `WEIR_SCALE=10`.
    @Test("of 40 MB pass through, in and out, in little memory")
    func memory() throws {
        let count = min(50, 5 * Pace.scale)
        try S3.run { s3 in
            try StandIn.run { telegram in
                // Nothing is kept, so that all of it comes from the store.
                let text = """
                    telegram:
                      api: \(telegram.api)
                      limits: { chat: 10000, group: 1000000, bot: 100000 }
                      bots: [ { slug: shop, token: "\(MediaTests.token)", warmup_chats: [1, 2, 3], by_url: never } ]
                    prewarm: { retries: 100, download_cache: { entries: 0 } }
                    """
                try Daemon.run(text, environment: MediaObjectsTests.environment(s3)) { weir in
                    let scratch = try Scratch()
                    // One small one, so that everything has been done once.
                    let small = try MediaTests.weir(weir, ["add", "--wait"] + MediaTests.files(1, in: scratch.path))
                    #expect(small.exit == .code(0), "\(small.errors)")
                    let idle = try MediaObjectsTests.memory("VmRSS", of: weir.process.pid)
                    for index in 0..<count {
                        let file = scratch.path + "/\(index).bin"
                        try Peer.demand("sh", "-c", "head -c 40000000 /dev/urandom >\(file)")
                        let added = try MediaTests.weir(weir, ["add"] + [file])
                        #expect(added.exit == .code(0), "\(added.errors)")
                        unlink(file)
                    }
                    try eventually("all are ready", within: 4 * Pace.patience) {
                        try weir.get("/prewarm").json?["ready"]?.number ?? 0 == Double(count + 1) ? true : nil
                    }
                    let most = try MediaObjectsTests.memory("VmHWM", of: weir.process.pid)
                    let metrics = try weir.metrics()
                    #expect(metrics["media_prewarm_uploaded_bytes_total"] ?? 0 >= Double(count) * 40e6)
                    #expect(metrics["media_prewarm_download_cache_miss_total"] ?? 0 == Double(count + 1))
                    #expect(try telegram.taken().count == count + 1)
                    print("\(count) objects of 40 MB: \(idle) KiB idle, \(most) KiB at most")
                    if !Pace.isSanitized { #expect(most - idle <= 32 << 10, "\(idle) KiB idle, \(most) KiB at most") }
                }
            }
        }
    }

    // MARK: What they share

    private static func environment(_ s3: S3) -> [String: String] {
        [
            "WEIR_R2_ACCESS_KEY_ID": S3.access, "WEIR_R2_SECRET_ACCESS_KEY": S3.secret, "WEIR_STORAGE_KIND": "r2",
            "WEIR_STORAGE_BUCKET": "media", "WEIR_STORAGE_ENDPOINT": s3.endpoint,
        ]
    }

    /// KiB of `VmRSS`, or at most so far of `VmHWM`.
    private static func memory(_ name: String, of pid: pid_t) throws -> Int {
        let line = try Disk.text("/proc/\(pid)/status").split(separator: "\n").first { $0.hasPrefix(name + ":") }
        let words = line?.split { $0 == " " || $0 == "\t" } ?? []
        guard words.count > 1, let kibibytes = Int(words[1]) else { throw Failure("no \(name)") }
        return kibibytes
    }
}
