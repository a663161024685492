import Glibc
import Testing

/// Chapters and books as files, from the program.
@Suite("Downloads", .ownThread)
struct DownloadTests {
    /// Adds a chapter with pages that are made for it, and gives their bytes.
    @discardableResult
    static func add(
        _ weir: Daemon, _ id: String, title: String = "One", pages: Int = 5, side: Int = 400
    ) throws -> [[UInt8]] {
        let scratch = try Scratch()
        var files: [String] = []
        var contents: [[UInt8]] = []
        for page in 1...pages {
            let bytes = Pictures.png(width: side, height: side, page: page + id.utf8.reduce(0) { $0 + 100 * Int($1) })
            let path = "\(scratch.path)/\(page).png"
            try Disk.write(path, bytes)
            files.append(path)
            contents.append(bytes)
        }
        let words = ["chapter", "add"] + at(weir) + ["--title", title, id] + files
        let result = try Peer.run([Daemon.program] + words, within: 2 * Pace.patience)
        guard result.exit == .code(0) else { throw Failure("chapter add: \(result.errors)") }
        return contents
    }

    private static func at(_ weir: Daemon) -> [String] {
        ["--server", "http://127.0.0.1:\(weir.port)", "--data", weir.data]
    }

    /// What Python's zipfile reads: names, and whether the pages are the ones that were added.
    static func check(_ archive: [UInt8], has pages: [[UInt8]]) throws {
        let scratch = try Scratch()
        try Disk.write(scratch.path + "/a.zip", archive)
        for (index, page) in pages.enumerated() { try Disk.write("\(scratch.path)/\(index)", page) }
        let script = """
            import sys, zipfile
            d = sys.argv[1]
            z = zipfile.ZipFile(d + '/a.zip')
            assert z.testzip() is None
            names = sorted(n for n in z.namelist() if n.endswith('.png'))
            assert len(names) == int(sys.argv[2]), names
            for i, n in enumerate(names):
                assert z.read(n) == open('%s/%d' % (d, i), 'rb').read(), n
            """
        try Peer.demand("python3", "-c", script, scratch.path, "\(pages.count)")
    }

    static func cached(_ weir: Daemon, _ target: String) throws {
        try eventually("it is kept") { try weir.request("HEAD", target)["X-Cache"] == "hit" ? true : nil }
    }

    @Test("a chapter is an archive whose length, ranges and tag hold from the first request on")
    func chapter() throws {
        try Daemon.run { weir in
            let pages = try Self.add(weir, "one", title: "Käpt'n \"1/2\"")
            let target = "/downloads/chapters/one?format=cbz"
            let head = try weir.request("HEAD", target)
            #expect(head.status == 200 && head["X-Cache"] == "miss")
            #expect(head["Content-Type"] == "application/vnd.comicbook+zip")
            #expect(
                head["Content-Disposition"]
                    == "attachment; filename=\"K_pt'n \\\"1-2\\\".cbz\"; filename*=UTF-8''K%C3%A4pt%27n%20%221-2%22.cbz"
            )
            let tag = try #require(head["ETag"])
            let length = try #require(head["Content-Length"].flatMap { Int($0) })

            let whole = try weir.get(target)
            #expect(whole.status == 200 && whole.body.count == length && whole["ETag"] == tag)
            #expect(whole["Accept-Ranges"] == "bytes" && whole["Cache-Control"] == "no-cache")
            try Self.check(whole.body, has: pages)
            try Self.cached(weir, target)
            let hit = try weir.get(target)
            #expect(hit["X-Cache"] == "hit" && hit.body == whole.body && hit["ETag"] == tag)

            #expect(try weir.get(target, ["If-None-Match: W/\(tag)"]).status == 304)
            let part = try weir.get(target, ["Range: bytes=1000-200999"])
            #expect(part.status == 206 && part["Content-Range"] == "bytes 1000-200999/\(length)")
            #expect(part.body == Array(whole.body[1000..<201_000]))
            #expect(try weir.get(target, ["Range: bytes=-7"]).body == Array(whole.body.suffix(7)))
            let beyond = try weir.get(target, ["Range: bytes=\(length)-"])
            #expect(beyond.status == 416 && beyond["Content-Range"] == "bytes */\(length)")
            let several = try weir.get(target, ["Range: bytes=0-1,5-6"])
            #expect(several.status == 200 && several.body == whole.body)
            let old = try weir.get(target, ["Range: bytes=5-9", "If-Range: \"old\""])
            #expect(old.status == 200 && old.body == whole.body)
            let same = try weir.get(target, ["Range: bytes=5-9", "If-Range: \(tag)"])
            #expect(same.status == 206 && same.body == Array(whole.body[5..<10]))
            #expect(try weir.get(target, ["If-Match: \"old\""]).status == 412)
        }
    }

    @Test("any range of what nobody has asked for yet is the slice of the whole")
    func rangesOfAMiss() throws {
        try Daemon.run { weir in
            let pages = try Self.add(weir, "one")
            for (format, type) in [("zip", "application/zip"), ("pdf", "application/pdf")] {
                let target = "/downloads/chapters/one?format=\(format)"
                let length = try #require(try weir.request("HEAD", target)["Content-Length"].flatMap { Int($0) })
                let head = try weir.request("HEAD", target, ["Range: bytes=5-9"])
                #expect(head.status == 200 && head["Content-Length"] == "\(length)", "a range is for GET")
                let tail = try weir.get(target, ["Range: bytes=-100000"])
                let middle = try weir.get(target, ["Range: bytes=300001-500000"])
                #expect(tail.status == 206 && middle.status == 206 && middle["Content-Type"] == type)
                let whole = try weir.get(target).body
                #expect(whole.count == length)
                #expect(tail.body == Array(whole.suffix(100_000)) && middle.body == Array(whole[300_001...500_000]))
                if format == "zip" { try Self.check(whole, has: pages) }
            }
        }
    }

    @Test("a download that was cut is resumed, and four parts make the whole", .enabled(if: Peer.has("curl")))
    func resuming() throws {
        try Daemon.run { weir in
            try Self.add(weir, "one", pages: 8)
            let target = "/downloads/chapters/one"
            let url = "http://127.0.0.1:\(weir.port)\(target)"
            let scratch = try Scratch()
            let file = scratch.path + "/one.cbz"
            let client = try weir.client(receiveBuffer: 65536)
            try client.send("GET \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n")
            _ = try client.head()
            try Disk.write(file, try client.receive(400_000))
            client.reset()
            try Peer.demand("curl", "-sSf", "-C", "-", "-o", file, url)
            let whole = try weir.get(target).body
            #expect(try Disk.read(file) == whole)

            let total = try #require(
                try weir.request("HEAD", target + "?format=zip")["Content-Length"].flatMap { Int($0) })
            let quarter = total / 4
            var parts: [UInt8] = []
            var clients: [Client] = []
            for index in 0..<4 {
                let end = index == 3 ? total : (index + 1) * quarter
                let client = try weir.client()
                try client.send(
                    "GET \(target)?format=zip HTTP/1.1\r\nHost: localhost\r\n"
                        + "Range: bytes=\(index * quarter)-\(end - 1)\r\n\r\n")
                clients.append(client)
            }
            let other = try weir.get(target + "?format=zip").body
            for client in clients { parts += try client.reply().body }
            #expect(parts == other && parts.count == total)
        }
    }

    @Test("many who ask at once share one generation")
    func coalescing() throws {
        try Daemon.run { weir in
            try Self.add(weir, "one", pages: 7, side: 1000)
            let target = "/downloads/chapters/one"
            _ = try weir.request("HEAD", target)
            let clients = try (0..<10).map { _ in
                let client = try weir.client()
                try client.send("GET \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n")
                return client
            }
            let bodies = try clients.map { try $0.reply().body }
            #expect(bodies.allSatisfy { $0 == bodies[0] } && bodies[0].count > 7_000_000)
            try eventually("it is kept") { try weir.metrics()["weir_downloads_saved_total"] == 1 ? true : nil }
            let metrics = try weir.metrics()
            func requests(_ cache: String) -> Double {
                metrics["weir_downloads_requests_total{cache=\"\(cache)\"}"] ?? -1
            }
            #expect(metrics["weir_downloads_generations_total"] ?? -1 == 1)
            #expect(requests("miss") == 1 && requests("joined") + requests("hit") == 9)
            try weir.event("Using streaming cache strategy")
            try weir.event("Download cache threshold: 100MB")
            let checks = try #require(try weir.get("/health").json?["checks"]?.items)
            #expect(checks.contains { $0["name"]?.text == "downloads_disk" && $0["status"]?.text == "ok" })
        }
    }

    @Test(
        "a page that is missing cuts the connection, is told to who asks next, and is no matter once repaired"
    )
    func failures() throws {
        try Daemon.run { weir in
            let pages = try Self.add(weir, "one", pages: 6, side: 700)
            let target = "/downloads/chapters/one"
            let length = try #require(try weir.request("HEAD", target)["Content-Length"].flatMap { Int($0) })
            let chapter = try #require(try weir.get("/catalog/chapters/one").json?["pages"]?.items)
            let keys = chapter.compactMap { $0["key"]?.text }
            #expect(keys.count == 6)

            // In the middle: what is known of the pages is enough for a head.
            let name = String(keys[4].split(separator: "/").last ?? "")
            let found = try Peer.demand("find", weir.data + "/objects", "-type", "f", "-name", "*\(name)*").text
            let object = String(found.prefix { !$0.isNewline })
            #expect(rename(object, object + ".away") == 0)
            let client = try weir.client()
            try client.send("GET \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n")
            let head = try client.head()
            #expect(head.status == 200 && head["Content-Length"] == "\(length)")
            #expect(try client.receiveAll().count < length)
            try eventually("it is refused for now, with its reason") {
                let client = try weir.client()
                try client.send("GET \(target) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                let head = try client.head()
                let body = String(decoding: try client.receiveAll(), as: UTF8.self)
                return head.status == 502 && body.contains(keys[4]) ? true : nil
            }
            #expect(rename(object + ".away", object) == 0)
            let whole = try eventually("it is whole") { () -> Reply? in
                let client = try weir.client()
                try client.send("GET \(target) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                let head = try client.head()
                let body = try client.receiveAll()
                return head.status == 200 && body.count == length ? Reply(head: head, body: body) : nil
            }
            try Self.check(whole.body, has: pages)
            #expect(try weir.get("/downloads/chapters/none").status == 404)
            #expect(try weir.get(target + "?format=tar").code == "BAD_FORMAT")
        }
    }

    @Test("books and lists of chapters are archives of archives")
    func books() throws {
        try Daemon.run { weir in
            try Self.add(weir, "a", title: "Same")
            try Self.add(weir, "b", title: "Same")
            let token = "Authorization: Bearer \(try weir.token)"
            let put = try weir.request(
                "PUT", "/catalog/books/all", [token, "Content-Type: application/json"],
                body: #"{"title":"All 🚀","chapters":["a","b"]}"#)
            #expect(put.status == 201)
            let book = try weir.get("/downloads/books/all")
            #expect(book.status == 200 && book["Content-Type"] == "application/zip")
            #expect(try #require(book["Content-Disposition"]).hasSuffix("filename*=UTF-8''All%20%F0%9F%9A%80.zip"))
            let list = try weir.get("/downloads?chapters=b,a&format=zip")
            #expect(list.status == 200 && list.body.count > 1_000_000)
            #expect(try weir.request("HEAD", "/downloads/books/all?format=pdfs").status == 200)
            #expect(try weir.get("/downloads?chapters=a,b,a").code == "BAD_CHAPTER")
            #expect(try weir.get("/downloads").code == "NO_CHAPTERS")
            #expect(try weir.get("/downloads?chapters=a,,b").code == "BAD_CHAPTER")
        }
    }

    @Test("what is invalidated is made anew, and the reason can be asked for")
    func invalidation() throws {
        try Daemon.run { weir in
            try Self.add(weir, "one")
            let target = "/downloads/chapters/one"
            _ = try weir.get(target)
            try Self.cached(weir, target)
            let why = try #require(try weir.get("/downloads/explain?chapter=one").json)
            #expect(why["cache"]?.text == "hit" && why["pages"]?.number == 5)
            #expect(try weir.request("POST", "/downloads/invalidate", body: #"{"chapters":["one"]}"#).status == 401)
            func order(_ body: String) throws -> Reply {
                try weir.request(
                    "POST", "/downloads/invalidate",
                    ["Authorization: Bearer \(try weir.token)", "Content-Type: application/json"], body: body)
            }
            let done = try order(#"{"chapters":["one"]}"#)
            #expect(done.status == 200 && done.json?["invalidated"]?.items?.count == 1)
            #expect(try weir.request("HEAD", target)["X-Cache"] == "miss")
            for (body, code) in [
                ("[]", "BAD_JSON"), ("{}", "NO_SUBJECT"), (#"{"key":"x"}"#, "BAD_KEY"),
                (#"{"chapters":[1]}"#, "BAD_IDS"),
                (#"{"pages":["1"]}"#, "BAD_MEMBER"),
            ] {
                #expect(try order(body).code == code, "\(body)")
            }
            // Another picture makes another archive.
            let before = try #require(try weir.request("HEAD", target)["ETag"])
            try Self.add(weir, "one", pages: 4)
            #expect(try weir.request("HEAD", target)["ETag"] != before)
        }
    }

    @Test("a signed link is for one chapter and a time")
    func links() throws {
        try Daemon.run("downloads: { access: signed }\n") { weir in
            try Self.add(weir, "one")
            try Self.add(weir, "two")
            func link(_ path: String, _ expires: String = "1h") throws -> String {
                let text = try Peer.demand(Daemon.program, "link", path, "--expires", expires, "--data", weir.data).text
                return String(text.dropLast())
            }
            let good = try link("/downloads/chapters/one")
            #expect(try weir.get(good).status == 200)
            #expect(try weir.get(good + "&format=pdf").status == 200)
            let query = good.drop { $0 != "?" }
            for (target, code) in [
                ("/downloads/chapters/one", "LINK_REQUIRED"), ("/downloads/chapters/two\(query)", "LINK_INVALID"),
                (good.replacing("exp=1", with: "exp=2"), "LINK_INVALID"), (String(good.dropLast()), "LINK_INVALID"),
                (try link("/downloads") + "&chapters=one,two", "LINK_REQUIRED"),
            ] {
                let reply = try weir.get(target)
                #expect(reply.status == 403 && reply.code == code, "\(target)")
            }
            let brief = try link("/downloads/chapters/one", "1")
            try eventually("it has expired") { try weir.get(brief).code == "LINK_EXPIRED" ? true : nil }
            #expect(try weir.order("GET", "/downloads?chapters=one,two").status == 200)
        }
    }
}
