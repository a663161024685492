import Glibc
import Testing

/// Clients that send a station its stream.
@Suite("Sending", .ownThread)
struct SendingTests {
    private static let password = "a-password-of-a-source"
    private let frames = Frames(unit: 4)
    private var user: String { "source:\(Self.password)" }
    /// `source:a-password-of-a-source`
    private let basic = "Authorization: Basic c291cmNlOmEtcGFzc3dvcmQtb2YtYS1zb3VyY2U="

    private func run(_ more: String = "", _ body: (Daemon) throws -> Void) throws {
        try Daemon.run(
            """
            live:
              stations:
                - { name: x, source: { kind: push, password: \(Self.password), stall_timeout: 1h }, ring: 4MiB\(more) }
                - { name: tv, format: ts, source: { kind: push, password: \(Self.password) }, warm: { seconds: 0 }, join: 0 }
                - { name: tone, source: { kind: tone } }

            """, body)
    }

    /// A listener that was there before the first byte that a client sends next.
    private func listener(_ weir: Daemon, _ target: String = "/live/x", _ fields: [String] = []) throws -> (
        Client, Client
    ) {
        let first = try weir.client()
        try first.send("SOURCE /live/x HTTP/1.0\r\n\(basic)\r\n\r\n")
        #expect(String(decoding: try first.receive(19), as: UTF8.self) == "HTTP/1.0 200 OK\r\n\r\n")
        try first.send(frames.bytes(0, 1))
        try weir.wait("x", is: "live")
        return (try weir.listen(target, fields).client, first)
    }

    private func leave(_ client: Client, _ weir: Daemon) throws {
        client.close()
        try weir.wait("x", is: "idle")
    }

    // MARK: Clients

    @Test("a SOURCE client feeds a station, and the listener gets the same bytes")
    func source() throws {
        try run { weir in
            let (client, first) = try listener(weir)
            try first.send(frames.bytes(1, 50_000))
            #expect(try frames.runs(try client.receive(200_000)) == [1..<50_001])
            try leave(first, weir)
            // The listener is still there for the next one, whose first bytes come with its head.
            let next = try weir.client()
            try next.send(
                Array("SOURCE /live/x.pcm ICE/1.0\r\n\(basic)\r\nice-name: Night\r\n\r\n".utf8)
                    + frames.bytes(50_001, 300))
            #expect(try frames.runs(try client.receive(1200)) == [50_001..<50_301])
            let source = try #require(try weir.wait("x", is: "live")["source"])
            #expect(source["name"]?.text == "Night")
            #expect(source["bytes"]?.integer == 1200)
            try leave(next, weir)
            let left = try weir.event("source left") { $0.number("bytes") == 1200 }
            #expect(left["reason"] == "finished")
        }
    }

    @Test("a SOURCE client whose connection is reset has not finished")
    func reset() throws {
        try run { weir in
            let (client, first) = try listener(weir)
            try first.send(frames.bytes(1, 300))
            #expect(try frames.runs(try client.receive(1200)) == [1..<301])
            first.reset()
            #expect(try weir.event("source left")["reason"] == "reset")
            try weir.wait("x", is: "idle")
            #expect(try weir.station("x")["last_error"]?.text == nil)
        }
    }

    @Test(
        "curl sends what it reads, in chunks or with a length, and is answered at the end",
        .enabled(if: Peer.has("curl")))
    func curl() throws {
        try run { weir in
            let (client, first) = try listener(weir)
            try leave(first, weir)
            let url = "http://127.0.0.1:\(weir.port)/live/x"
            let scratch = try Scratch()
            try Disk.write(scratch.path + "/file", frames.bytes(100_000, 100_000))
            let chunked = try Peer.run(
                ["curl", "-sS", "-u", user, "-T", "-", url], input: frames.bytes(1, 99_999))
            #expect(JSON(chunked.text)?["bytes"]?.integer == 399_996, "\(chunked.text) \(chunked.errors)")
            let whole = try Peer.run(
                ["curl", "-sS", "-H", "Expect:", "-u", user, "-T", scratch.path + "/file", url])
            #expect(JSON(whole.text)?["bytes"]?.integer == 400_000, "\(whole.text) \(whole.errors)")
            #expect(try frames.runs(try client.receive(799_996)) == [1..<200_000])
        }
    }

    @Test("FFmpeg sends to icecast://, as it does now and as it did", .enabled(if: Peer.has("ffmpeg")))
    func ffmpeg() throws {
        try run { weir in
            let url = "icecast://\(user)@127.0.0.1:\(weir.port)/live/x"
            for (legacy, form, type) in [("0", "wav", "audio/wav"), ("1", "s16le", "audio/x-raw")] {
                let (client, first) = try listener(weir)
                try leave(first, weir)
                let process = try Process([
                    "ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "sine=440:duration=1:sample_rate=48000", "-ac",
                    "2", "-c:a", "pcm_s16le", "-f", form, "-content_type", type, "-legacy_icecast", legacy, url,
                ])
                let expected = try Peer.demand(
                    "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=440:duration=1:sample_rate=48000", "-ac", "2",
                    "-f", "s16le", "-"
                ).output
                // As it did: it never reads an answer, so that one would cost it its last bytes.
                #expect(try client.receive(expected.count) == expected, "legacy \(legacy)")
                #expect(try process.waitForExit() == .code(0), "\(process.state.lines)")
                try weir.wait("x", is: "idle")
            }
        }
    }

    @Test("a client that leaves without having read its answer loses no byte that it sent")
    func unread() throws {
        try run { weir in
            for round in 0..<5 {
                let client = try weir.client()
                try client.send("SOURCE /live/x HTTP/1.0\r\n\(basic)\r\n\r\n")
                for part in 1...3 {
                    try client.send(frames.bytes(0, 1000))
                    try weir.wait("x", hasHad: UInt64(round * 16_000 + part * 4000))
                }
                // Not a full segment: it goes out if what was sent before has been acknowledged.
                try client.send(frames.bytes(0, 1000))
                try leave(client, weir)
                #expect(try weir.station("x")["position"]?.integer == UInt64(round * 16_000 + 16_000), "\(round)")
            }
        }
    }

    @Test("a client that sends at once and leaves without having looked for an answer loses no byte that it sent")
    func hasty() throws {
        try run { weir in
            for (round, head) in ["SOURCE /live/x HTTP/1.0", "PUT /live/x HTTP/1.1\r\nHost: localhost"].enumerated() {
                let client = try weir.client()
                // More than the sockets hold.
                try client.send(Array("\(head)\r\n\(basic)\r\n\r\n".utf8) + frames.bytes(0, 4_000_000))
                try leave(client, weir)
                #expect(try weir.station("x")["position"]?.integer == UInt64(round + 1) * 16_000_000)
            }
            #expect(weir.events("source left").map { $0["reason"] } == ["finished", "finished"])
        }
    }

    @Test("a PUT without a length is answered when it waits for that, and runs until it closes")
    func endless() throws {
        try run { weir in
            let client = try weir.client()
            try client.send("PUT /live/x HTTP/1.1\r\nHost: localhost\r\n\(basic)\r\n\r\n")
            #expect(try client.head().status == 200)
            try client.send(frames.bytes(0, 100))
            try weir.wait("x", hasHad: 400)
            // One that asks is told to go on, and answered at the end.
            try leave(client, weir)
            let asking = try weir.client()
            try asking.send(
                "PUT /live/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(try weir.token)\r\n"
                    + "Expect: 100-continue\r\n\r\n")
            #expect(try asking.head().status == 100)
            try asking.send(frames.bytes(100, 100))
            try weir.wait("x", hasHad: 800)
            asking.halfClose()
            let reply = try asking.reply()
            #expect(reply.status == 200)
            #expect(reply.json?["bytes"]?.integer == 400)
        }
    }

    @Test("a transport stream can be sent, and something else is told what it is")
    func transport() throws {
        try run { weir in
            let client = try weir.client()
            let body = [UInt8](repeating: 0x41, count: 1_200_000)
            try client.send(
                "PUT /live/tv.ts HTTP/1.1\r\nHost: localhost\r\n\(basic)\r\nContent-Type: video/mp2t\r\n"
                    + "Content-Length: \(body.count)\r\n\r\n")
            try client.send(body)
            let left = try weir.event("source left")
            #expect(left["reason"] == "refused")
            #expect(try weir.station("tv")["last_error"]?.text?.contains("not a transport stream") == true)
        }
    }

    // MARK: Refusals

    @Test("who may not send is told why")
    func refusals() throws {
        try run { weir in
            func put(_ path: String, _ fields: [String], body: String = "abcd") throws -> Reply {
                try weir.request("PUT", path, fields, body: body)
            }
            let nobody = try put("/live/x", [])
            #expect(nobody.status == 401)
            #expect(nobody["WWW-Authenticate"]?.hasPrefix("Basic realm=") == true)
            // source:wrong
            #expect(try put("/live/x", ["Authorization: Basic c291cmNlOndyb25n"]).status == 401)
            #expect(try put("/live/x", ["Authorization: Bearer nonsense"]).status == 401)
            let unknown = try put("/live/none", [basic])
            #expect(unknown.status == 404 && unknown.code == "NO_STATION")
            let other = try put("/live/tone", [basic])
            #expect(other.status == 409 && other.text.contains("of kind tone"))
            for (path, type) in [
                ("/live/x", "audio/mpeg"), ("/live/tv", "audio/wav"), ("/live/x", "audio/L16;rate=48000"),
            ] {
                let reply = try put(path, [basic, "Content-Type: \(type)"])
                #expect(reply.status == 415 && reply.code == "TYPE_UNSUITABLE", "\(path) \(type)")
            }
            #expect(try put("/live/x.ts", [basic]).status == 415)
            #expect(try put("/live/x", [basic, "Content-Length: 0"], body: "").status == 400)
            let foreign = try put("/live/x", [basic, "Origin: http://elsewhere.example"])
            #expect(foreign.status == 403)
            #expect(try weir.station("x")["position"]?.integer == 0)

            let (client, first) = try listener(weir)
            let second = try put("/live/x", [basic])
            #expect(second.status == 409 && second.code == "SOURCE_CONNECTED")
            let since = try weir.station("x")["source"]?["since"]?.text
            #expect(second.json?["error"]?["detail"]?["since"]?.text == since)
            #expect(since != nil)
            // The one that is there does not notice.
            try first.send(frames.bytes(1, 100))
            #expect(try frames.runs(try client.receive(400)) == [1..<101])
            _ = try weir.order("POST", "/live/x/stop")
            #expect(try put("/live/x", [basic]).status == 503)
        }
    }

    @Test("a stream that was refused is not taken for the next request")
    func noSmuggling() throws {
        try run { weir in
            let client = try weir.client()
            try client.send(
                "PUT /live/x HTTP/1.1\r\nHost: localhost\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            let reply = String(decoding: try client.receiveAll(), as: UTF8.self)
            #expect(reply.hasPrefix("HTTP/1.1 401 "))
            #expect(reply.components(of: "HTTP/1.1 ") == 1, "\(reply)")
        }
    }

    // MARK: Titles and chunks

    @Test("FFmpeg reads the title that was set", .enabled(if: Peer.has("ffprobe")))
    func titles() throws {
        try run { weir in
            func probe() throws -> [String] {
                try Peer.demand(
                    "ffprobe", "-v", "error", "-show_entries", "format_tags", "-of", "default=noprint_wrappers=1",
                    "http://127.0.0.1:\(weir.port)/live/tone.wav"
                ).text.split(separator: "\n").map(String.init)
            }
            let set = try weir.request(
                "POST", "/live/tone/metadata",
                ["Authorization: Bearer \(try weir.token)", "Content-Type: application/json"],
                body: "{\"title\": \"Ärger im 'Paradies'\"}")
            #expect(set.status == 200 && set.json?["title"]?.text == "Ärger im 'Paradies'")
            #expect(try weir.station("tone")["title"]?.text == "Ärger im 'Paradies'")
            let tags = try probe()
            #expect(tags.contains("TAG:StreamTitle=Ärger im 'Paradies'"), "\(tags)")
            #expect(tags.contains("TAG:icy-name=tone") && tags.contains("TAG:icy-br=1536"), "\(tags)")
            let form = try weir.request(
                "POST", "/live/tone/metadata", ["Authorization: Bearer \(try weir.token)"], body: "title=A+%26+B")
            #expect(form.json?["title"]?.text == "A & B")
            #expect(try weir.request("POST", "/live/tone/metadata", [basic], body: "title=x").status == 401)
            #expect(try weir.event("station title") { $0["title"] == "A & B" }["station"] == "tone")
        }
    }

    @Test("Icecast's clients set titles with the credentials of the source")
    func icecastTitles() throws {
        try run { weir in
            let target = "/admin/metadata?mount=/live/x&mode=updinfo&song=One+-+Two"
            #expect(try weir.get(target).status == 401)
            let reply = try weir.get(target, [basic])
            #expect(reply.status == 200 && reply.text.contains("<return>1</return>"))
            #expect(try weir.station("x")["title"]?.text == "One - Two")
            #expect(try weir.get("/admin/metadata?mount=/live/tone&mode=updinfo&song=x", [basic]).status == 401)
            #expect(try weir.get("/admin/metadata?mount=/live/none&mode=updinfo&song=x", [basic]).status == 404)
            #expect(try weir.get("/admin/metadata?mount=/live/x&mode=other&song=x", [basic]).status == 400)
        }
    }

    @Test("a listener that asks for titles finds them after every 16000 bytes, and the stream without a gap")
    func interval() throws {
        try run { weir in
            let (client, first) = try listener(weir, "/live/x", ["Icy-MetaData: 1"])
            _ = try weir.get("/admin/metadata?mount=/live/x&mode=updinfo&song=Song", [basic])
            try first.send(frames.bytes(1, 12_001))
            var stream: [UInt8] = []
            var titles: [String] = []
            for _ in 0..<3 {
                stream += try client.receive(16000)
                let length = Int(try #require(try client.receive(1).first)) * 16
                titles.append(String(decoding: try client.receive(length).prefix { $0 != 0 }, as: UTF8.self))
            }
            stream += try client.receive(4)
            #expect(try frames.runs(stream) == [1..<12_002])
            #expect(titles == ["StreamTitle='Song';", "", ""])
            // Not between the packets of a transport stream, and not for those that did not ask.
            #expect(try weir.request("HEAD", "/live/tv.ts", ["Icy-MetaData: 1"])["icy-metaint"] == nil)
            #expect(try weir.request("HEAD", "/live/tone.wav")["icy-metaint"] == nil)
            #expect(try weir.request("HEAD", "/live/tone.wav", ["Icy-MetaData: 1"])["icy-metaint"] == "16000")
        }
    }

    @Test("?chunked=1 gives the same bytes in chunks, with an end", .enabled(if: Peer.has("curl")))
    func chunks() throws {
        try run { weir in
            let (plain, first) = try listener(weir, "/live/x.wav")
            let curl = try Process([
                "curl", "-sSN", "-D", "/dev/stderr", "http://127.0.0.1:\(weir.port)/live/x.wav?chunked=1",
            ])
            try eventually("two listen") { try weir.station("x")["listeners"]?.items?.count == 2 ? true : nil }
            for part in 0..<20 { try first.send(frames.bytes(1 + part * 5000, 5000)) }
            let expected = try plain.receive(44 + 400_000)
            curl.waitForOutput(expected.count)
            _ = try weir.order("POST", "/live/x/stop")
            #expect(try curl.waitForExit() == .code(0), "a body that was cut is an error of curl's")
            #expect(curl.state.output == expected)
            #expect(try frames.runs(Array(expected[44...])) == [1..<100_001])
            #expect(curl.state.lines.contains { $0.lowercased().hasPrefix("transfer-encoding: chunked") })
            #expect(try weir.get("/live/tone?chunked=2").status == 400)
        }
    }
}

extension String {
    /// How often a part is in it.
    fileprivate func components(of part: String) -> Int { ranges(of: part).count }
}

extension Process {
    /// Waits for so many bytes of standard output.
    fileprivate func waitForOutput(_ count: Int) {
        _ = wait { $0.output.count >= count ? true : nil }
    }
}
