import Glibc
import Testing

/// Who may do what.
@Suite("Access", .ownThread)
struct AccessTests {
    /// Every route that changes something, on the station without a configuration.
    static let orders = [
        ("POST", "/live/demo/start"), ("POST", "/live/demo/stop"), ("POST", "/streaming/stop"),
        ("POST", "/streaming/start"), ("DELETE", "/live/demo/listeners/1"),
    ]

    @Test("whatever changes something needs the token")
    func token() throws {
        try Daemon.run { weir in
            let token = try weir.token
            #expect(token.count == 64)
            #expect(token.allSatisfy { $0.isHexDigit })
            for (method, target) in Self.orders {
                for fields in [
                    [], ["Authorization: Bearer"], ["Authorization: Bearer x"], ["Authorization: Basic \(token)"],
                    ["Authorization: Bearer \(token.dropLast())"], ["Authorization: Bearer \(token)0"],
                    ["Cookie: token=\(token)"],
                ] {
                    let reply = try weir.request(method, target, fields)
                    #expect(reply.status == 401, "\(method) \(target) \(fields)")
                    #expect(reply["WWW-Authenticate"]?.hasPrefix("Bearer") == true)
                }
                #expect(try weir.request(method, target + "?token=\(token)").status == 401)
                let done = try weir.order(method, target)
                #expect(done.status == (method == "DELETE" ? 404 : 200), "\(method) \(target)")
            }
            #expect(!weir.process.state.lines.contains { $0.contains("Bearer") }, "no header is logged")
        }
    }

    @Test("who left a station is told to whoever has the token, and to nobody else")
    func ends() throws {
        try Daemon.run { weir in
            let target = "/live/demo/ends"
            for fields in [[], ["Authorization: Bearer x"]] {
                let reply = try weir.request("GET", target, fields)
                #expect(reply.status == 401 && !reply.text.contains("127.0.0.1"), "\(fields)")
            }
            let bearer = "Authorization: Bearer \(try weir.token)"
            #expect(try weir.request("GET", target, [bearer, "Origin: http://elsewhere.example"]).status == 403)
            #expect(try weir.order("GET", "/live/nobody/ends").code == "NO_STATION")
            #expect(try weir.order("GET", target).json?["ends"]?.items?.isEmpty == true)

            let (first, _) = try weir.listen("/live/demo.wav?warm=0")
            _ = try first.receive(20_000)
            first.reset()
            try eventually("it has left") { try weir.station("demo")["ends"]?["closed"]?.integer == 1 ? true : nil }
            let (second, _) = try weir.listen("/stream")
            let id = try #require(try weir.station("demo")["listeners"]?[0]?["id"]?.integer)
            #expect(try weir.order("DELETE", "/live/demo/listeners/\(id)").status == 204)
            _ = try second.receiveAll()
            let reply = try weir.order("GET", target)
            #expect(reply["Cache-Control"] == "no-store" && reply.json?["limit"]?.integer == 50)
            let ends = try #require(reply.json?["ends"]?.items)
            #expect(ends.map { $0["reason"]?.text } == ["kicked", "closed"], "the newest first")
            #expect(ends.map { $0["path"]?.text } == ["/stream", "/live/demo.wav"])
            #expect(ends.first?["id"]?.integer == id)
            for end in ends {
                #expect(end["address"]?.text?.hasPrefix("127.0.0.1:") == true)
                #expect(end["until"]?.text ?? "" >= end["since"]?.text ?? "?")
                #expect(end["seconds"]?.number != nil && end["skipped_bytes"]?.integer == 0)
            }
            #expect(ends.last?["sent_bytes"]?.integer ?? 0 >= 20_000 - 44 - 1024)
            let counts = try #require(try weir.station("demo")["ends"])
            #expect(
                ["closed", "kicked", "lag", "stalled", "shutdown", "error"].map { counts[$0]?.integer }
                    == [1, 1, 0, 0, 0, 0])
        }
    }

    @Test("the token is made at the first start, for its owner only, and stays")
    func tokenFile() throws {
        let scratch = try Scratch()
        var tokens: Set<String> = []
        for _ in 0..<2 {
            // The last `--data` would be refused as given twice: the variable is another way.
            let process = try Process(
                [Daemon.program, "serve", "--listen", "127.0.0.1:0"],
                environment: ["WEIR_DATA": scratch.path + "/data"])
            defer { process.end() }
            _ = process.wait { $0.text.firstRange(of: "admin.token") }
            tokens.insert(try Disk.text(scratch.path + "/data/admin.token"))
            #expect(try Disk.mode(scratch.path + "/data/admin.token") == 0o600)
            #expect(try Disk.mode(scratch.path + "/data") == 0o700)
        }
        #expect(tokens.count == 1)
    }

    @Test("a token that is configured counts, and none is made")
    func configured() throws {
        let scratch = try Scratch()
        try Disk.write(scratch.path + "/token", "  sesame-0123456789-0123456789\n".utf8)
        try Daemon.run("auth: { admin_token_file: \(scratch.path)/token }\n") { weir in
            #expect(!Disk.exists(weir.data + "/admin.token"))
            let bearer = ["Authorization: Bearer sesame-0123456789-0123456789"]
            let accepted = try weir.request("POST", "/live/demo/stop", bearer)
            #expect(accepted.status == 200)
            let refused = try weir.request("POST", "/live/demo/stop", ["Authorization: Bearer sesame"])
            #expect(refused.status == 401)
        }
    }

    @Test("a name that is not this server's is refused, against rebinding")
    func host() throws {
        try Daemon.run("http: { allowed_hosts: [radio.example] }\n") { weir in
            let port = weir.port
            for host in ["evil.example", "localhost.evil.example", "10.0.0.1", "0.0.0.0", "127.0.0.2:\(port)"] {
                let reply = try weir.request("GET", "/live", host: host)
                #expect(reply.status == 403, "\(host)")
                #expect(reply.code == "HOST_REFUSED")
                #expect(try weir.request("GET", "/live/demo.wav", host: host).status == 403)
            }
            for host in ["localhost", "LOCALHOST:\(port)", "127.0.0.1:\(port)", "[::1]:\(port)", "radio.example:80"] {
                #expect(try weir.request("GET", "/live", host: host).status == 200, "\(host)")
            }
            #expect(try weir.get("http://evil.example/live").status != 200)
        }
    }

    @Test("a page of another origin changes nothing, even with the token")
    func origin() throws {
        try Daemon.run { weir in
            let bearer = "Authorization: Bearer \(try weir.token)"
            let port = weir.port
            for origin in [
                "https://evil.example", "null", "http://localhost:\(port + 1)", "file://", "http://localhost.x",
            ] {
                for (method, target) in Self.orders {
                    let reply = try weir.request(
                        method, target, [bearer, "Origin: \(origin)"], host: "localhost:\(port)")
                    #expect(reply.status == 403, "\(origin) \(target)")
                    #expect(reply.code == "ORIGIN_REFUSED")
                }
                #expect(try weir.get("/live", ["Origin: \(origin)"]).status == 200)
            }
            let own = try weir.request(
                "POST", "/live/demo/start", [bearer, "Origin: http://localhost:\(port)"], host: "localhost:\(port)")
            #expect(own.status == 200)
            try weir.wait("demo", is: "live")
        }
    }
}
