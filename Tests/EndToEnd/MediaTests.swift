import Glibc
import Testing

/// `weir serve`, `weir media` and a stand-in for Telegram's Bot API.
@Suite("Media", .ownThread)
struct MediaTests {
    static let token = "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"

    @Test("files that `weir media add` sends are uploaded once each, and sent by one call with their identifier")
    func addAndSend() throws {
        let count = 40 * Pace.scale
        try StandIn.run { telegram in
            try Daemon.run(MediaTests.configuration(telegram)) { weir in
                let scratch = try Scratch()
                let files = try MediaTests.files(count, in: scratch.path)
                let added = try MediaTests.weir(weir, ["add", "--wait"] + files)
                #expect(added.exit == .code(0), "\(added.errors)")
                #expect(added.text.split(separator: "\n").count == count)
                let media = try MediaTests.media(weir)
                #expect(media.count == count)
                #expect(media.allSatisfy { $0["status"]?.text ?? "" == "ready" })
                let digests = media.compactMap { $0["sha256"]?.text }
                let calls = try telegram.calls()
                #expect(calls.compactMap { $0["sha256"]?.text }.sorted() == digests.sorted())
                #expect(calls.allSatisfy { $0["way"]?.text ?? "" == "upload" && $0["status"]?.number ?? -1 == 200 })
                #expect(Set(calls.compactMap { $0["method"]?.text }).count == 5)

                for medium in media {
                    let digest = try #require(medium["sha256"]?.text)
                    let before = try telegram.calls().count
                    let body = #"{"chat":4711,"media":"\#(digest)"}"#
                    let reply = try weir.request(
                        "POST", "/send",
                        ["Authorization: Bearer \(try weir.token)", "Content-Type: application/json"], body: body)
                    let answer = try #require(reply.json)
                    #expect(reply.status == 200 && answer["via"]?.text ?? "" == "file_id", "\(reply.text)")
                    let made = try telegram.calls().dropFirst(before)
                    #expect(made.compactMap { $0["way"]?.text } == ["id"])
                    #expect(made.compactMap { $0["file_id"]?.text } == [try #require(medium["file_id"]?.text)])
                    #expect(made.compactMap { $0["chat"]?.text } == ["4711"])
                }
                let metrics = try weir.metrics()
                #expect(metrics["media_send_total{result=\"file_id\"}"] ?? -1 == Double(count))
                #expect(metrics["media_prewarm_jobs_total{result=\"ready\"}"] ?? -1 == Double(count))
                try weir.event("[MEDIA][PREWARM][WORKER][START]")
                // 5 chats, 10 000 a second each, of 100 000 that the bot may.
                #expect(try #require(try weir.event("bot").number("media_per_minute")) == 3_000_000)
                #expect(weir.events("[MEDIA][PREWARM][ENQUEUE]").count == count)
                let status = try #require(try weir.get("/prewarm").json)
                #expect(status["ready"]?.number ?? -1 == Double(count))
                #expect(status["active_workers"]?.number ?? -1 == 0)
                let checks = try #require(try weir.get("/health").json?["checks"]?.items)
                for name in ["database", "prewarm"] {
                    let check = try #require(checks.first { $0["name"]?.text ?? "" == name })
                    #expect(check["status"]?.text ?? "" == "ok")
                }

                let digest = try #require(digests.first)
                #expect(try MediaTests.weir(weir, ["rm", digest]).exit == .code(0))
                #expect(try weir.get("/media/\(digest)").status == 404)
                #expect(try MediaTests.weir(weir, ["rm", digest]).exit == .code(1))
                let list = try MediaTests.weir(weir, ["ls"]).text.split(separator: "\n")
                #expect(list.count == count - 1)
                // The token is a secret wherever it passes.
                #expect(!weir.process.state.lines.contains { $0.contains(MediaTests.token) })
            }
        }
    }

    @Test("a form with a file is a medium, as a raw body is; what is wrong is refused with its reason")
    func forms() throws {
        try StandIn.run { telegram in
            try Daemon.run(MediaTests.configuration(telegram)) { weir in
                let token = "Authorization: Bearer \(try weir.token)"
                let form =
                    "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n"
                    + "Content-Type: image/jpeg\r\n\r\nbytes of a photo\r\n--B\r\n"
                    + "Content-Disposition: form-data; name=\"bot\"\r\n\r\nshop\r\n--B--\r\n"
                let type = "Content-Type: multipart/form-data; boundary=B"
                let added = try weir.request("POST", "/media", [token, type], body: form)
                #expect(added.status == 201, "\(added.text)")
                let medium = try #require(added.json)
                #expect(medium["kind"]?.text ?? "" == "photo")
                #expect(medium["name"]?.text ?? "" == "a.jpg")
                #expect(medium["bytes"]?.number ?? -1 == 16)
                let raw = try weir.request(
                    "POST", "/media?bot=shop&kind=photo", [token, "Content-Type: image/jpeg"],
                    body: "bytes of a photo")
                #expect(raw.status == 200, "\(raw.text)")
                let digest = try #require(medium["sha256"]?.text)
                #expect(raw.json?["sha256"]?.text ?? "" == digest)
                func refused(_ target: String, _ fields: [String], _ body: String) throws -> String {
                    let reply = try weir.request("POST", target, fields, body: body)
                    return "\(reply.status) \(reply.json?["error"]?["code"]?.text ?? reply.text)"
                }
                #expect(try refused("/media", [], "x") == "401 UNAUTHORIZED")
                #expect(try refused("/media?bot=none", [token], "x") == "404 NO_BOT")
                #expect(try refused("/media?kind=film", [token], "x") == "400 BAD_KIND")
                #expect(try refused("/media", [token, "Content-Length: 0"], "") == "400 EMPTY_MEDIUM")
                #expect(try refused("/media", [token, type], "x") == "400 BAD_MULTIPART")
                #expect(try refused("/send", [token], "{}") == "400 BAD_SEND")
                #expect(try refused("/send", [token], "{") == "400 BAD_JSON")
                let none = String(repeating: "0", count: 64)
                #expect(try refused("/send", [token], #"{"chat":1,"media":"\#(none)"}"#) == "404 NO_MEDIUM")
                #expect(try weir.get("/media?status=hot").status == 400)
                #expect(try weir.get("/media?after=x").status == 400)
            }
        }
    }

    // MARK: What they share

    /// Chats enough that nothing waits for the limits.
    static func configuration(_ telegram: StandIn) -> String {
        """
        telegram:
          api: \(telegram.api)
          limits: { chat: 10000, group: 1000000, bot: 100000 }
          bots: [ { slug: shop, token: "\(token)", warmup_chats: [1, 2, 3, 4, 5] } ]
        prewarm: { retries: 100 }
        """
    }

    /// Files of all kinds and some sizes, each with bytes of its own.
    static func files(_ count: Int, in folder: String) throws -> [String] {
        let endings = ["jpg", "mp4", "mp3", "pdf", "gif"]
        return try (0..<count).map { index in
            let path = "\(folder)/\(index).\(endings[index % endings.count])"
            let size = [500, 40_000, 300_000][index % 3] + index
            try Disk.write(path, (0..<size).map { UInt8(truncatingIfNeeded: ($0 &+ index) &* 31 &+ $0 >> 8) })
            return path
        }
    }

    static func words(_ port: UInt16, _ data: String, _ words: [String]) -> [String] {
        let place = ["--server", "http://127.0.0.1:\(port)", "--data", data]
        return [Daemon.program, "media"] + words.prefix(1) + place + words.dropFirst()
    }

    static func weir(_ daemon: Daemon, _ words: [String]) throws -> Peer.Result {
        try Peer.run(MediaTests.words(daemon.port, daemon.data, words), within: 2 * Pace.patience)
    }

    /// All of them, page by page.
    static func media(_ weir: Daemon) throws -> [JSON] {
        var media: [JSON] = []
        var after = ""
        while true {
            let page = try #require(try weir.get("/media?limit=7\(after)").json)
            media += page["media"]?.items ?? []
            guard let next = page["next"]?.text else { return media }
            after = "&after=\(next)"
        }
    }
}
