import Glibc
import Testing

/// What a well-behaved client may do.
@Suite("HTTP", .ownThread)
struct HTTPTests {
    @Test("a connection serves one request after another, pipelined ones in their order")
    func pipelining() throws {
        try Daemon.run { weir in
            let client = try weir.client()
            let token = try weir.token
            let requests = [
                "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n",
                "HEAD /live HTTP/1.1\r\nHost: localhost\r\n\r\n",
                "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n",
                "POST /live/demo/start HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(token)\r\n"
                    + "Content-Length: 5\r\n\r\nhello",
                "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
            ]
            try client.send(requests.joined())
            var replies: [Reply] = []
            for index in requests.indices { replies.append(try client.reply(bodiless: index == 1)) }
            #expect(replies.map(\.status) == [200, 200, 404, 200, 200])
            #expect(replies[0].json?["stations"]?.items?.count == 1)
            #expect(replies[1]["Content-Type"] == replies[0]["Content-Type"])
            #expect(replies[3].json?["name"]?.text == "demo")
            #expect(replies[4].json?["checks"] != nil)
            // And it is still there; in whatever pieces the next one comes.
            for byte in Array("GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8) {
                try client.send([byte])
            }
            #expect(try client.reply().status == 200)
            _ = try client.receiveAll()
            #expect(client.ending == .end)
        }
    }

    @Test("HTTP/1.0 closes after a response, and keeps on when it is asked to")
    func oldVersion() throws {
        try Daemon.run { weir in
            let client = try weir.client()
            try client.send("GET /live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(try client.reply().status == 200)
            try client.send("GET /live HTTP/1.0\r\n\r\n")
            let reply = try client.reply()
            #expect(reply.status == 200)
            #expect(reply["Transfer-Encoding"] == nil)
            _ = try client.receiveAll()
            #expect(client.ending == .end)
        }
    }

    @Test("HEAD has the head of GET and no body", arguments: ["/", "/live", "/health", "/nowhere"])
    func head(_ target: String) throws {
        try Daemon.run { weir in
            let get = try weir.get(target)
            let client = try weir.client()
            try client.send("HEAD \(target) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            let head = try client.head()
            #expect(head.status == get.status)
            #expect(head["Content-Type"] == get["Content-Type"])
            #expect(head["Content-Length"] != nil)
            #expect(try client.receiveAll().isEmpty)
        }
    }

    @Test("an unknown route is 404, a wrong method 405 with what is allowed, in JSON")
    func refusals() throws {
        try Daemon.run { weir in
            for target in [
                "/nowhere", "/live/nobody", "/live/nobody.wav", "/live/demo.mp3", "/live/demo/listeners", "/live/",
            ] {
                let reply = try weir.get(target)
                #expect(reply.status == 404, "\(target)")
                #expect(reply["Content-Type"]?.hasPrefix("application/json") == true)
                #expect(reply.code != nil)
                #expect(reply.json?["error"]?["message"]?.text?.isEmpty == false)
            }
            let reply = try weir.request("POST", "/live")
            #expect(reply.status == 405)
            #expect(reply["Allow"] == "GET, HEAD, OPTIONS")
            #expect(reply.code == "METHOD_NOT_ALLOWED")
            #expect(try weir.get("/live/demo/start")["Allow"] == "POST, OPTIONS")
            #expect(try weir.get("/live/demo.ts").code == "FORM_UNSUITABLE")
            #expect(try weir.get("/live/demo.pcm?endian=middle").status == 400)
        }
    }

    @Test("a live stream ignores Range, and says that it has no length and no ranges")
    func range() throws {
        try Daemon.run { weir in
            for range in ["bytes=0-", "bytes=100-200", "bytes=-5"] {
                let (client, head) = try weir.listen("/live/demo.wav", ["Range: \(range)"])
                #expect(head.status == 200)
                #expect(head["Accept-Ranges"] == nil && head["Content-Range"] == nil && head["Content-Length"] == nil)
                #expect(head["Transfer-Encoding"] == nil)
                #expect(head["Connection"] == "close")
                #expect(String(decoding: try client.receive(4), as: UTF8.self) == "RIFF")
            }
        }
    }

    @Test("pages of other origins may listen, and read nothing else: CORS, as it is configured")
    func crossOrigin() throws {
        let origin = ["Origin: https://player.example"]
        try Daemon.run { weir in
            for target in ["/live/demo.wav", "/live/demo", "/stream.wav", "/stream"] {
                #expect(try weir.listen(target, origin).head["Access-Control-Allow-Origin"] == "*", "\(target)")
            }
            for target in ["/", "/live", "/health", "/metrics"] {
                let reply = try weir.get(target, origin)
                #expect(reply.status == 200, "\(target)")
                #expect(reply["Access-Control-Allow-Origin"] == nil, "\(target)")
                let preflight = try weir.request(
                    "OPTIONS", target, origin + ["Access-Control-Request-Method: GET"])
                #expect(preflight.status == 204, "\(target)")
                #expect(preflight["Access-Control-Allow-Origin"] == nil, "\(target)")
            }
            let preflight = try weir.request(
                "OPTIONS", "/live/demo.wav", origin + ["Access-Control-Request-Method: GET"])
            #expect(preflight.status == 204)
            #expect(preflight["Access-Control-Allow-Origin"] == "*")
            #expect(preflight["Access-Control-Allow-Methods"] == "GET, HEAD")
            // Nothing that changes anything is opened that way.
            let guarded = try weir.request(
                "OPTIONS", "/live/demo/stop", origin + ["Access-Control-Request-Method: POST"])
            #expect(guarded["Access-Control-Allow-Origin"] == nil)
            let all = try weir.request("OPTIONS", "*")
            #expect(all.status == 204 && all["Allow"] != nil)
        }
        try Daemon.run("http: { cors: https://player.example }\n") { weir in
            let head = try weir.listen("/live/demo", origin).head
            #expect(head["Access-Control-Allow-Origin"] == "https://player.example")
            #expect(head["Vary"] == "Origin")
            #expect(try weir.get("/live", origin)["Access-Control-Allow-Origin"] == nil)
        }
        try Daemon.run("http: { cors: none }\n") { weir in
            let head = try weir.listen("/live/demo", origin).head
            #expect(head["Access-Control-Allow-Origin"] == nil)
        }
    }

    @Test("a body that is too large is refused before it is sent")
    func largeBody() throws {
        try Daemon.run { weir in
            let head =
                "POST /live/demo/start HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(try weir.token)\r\n"
            for expect in ["", "Expect: 100-continue\r\n"] {
                let client = try weir.client()
                try client.send(head + expect + "Content-Length: 100000000\r\n\r\n")
                // Not 100: nobody wants it.
                let reply = try client.reply()
                #expect(reply.status == 413)
                #expect(reply["Connection"] == "close")
                _ = try client.receiveAll()
            }
            #expect(try weir.metrics()["weir_http_refusals_total{reason=\"body_too_large\"}"] == 2)
        }
    }

    @Test("curl that waits for 100 Continue is answered", .enabled(if: Peer.has("curl")))
    func expectation() throws {
        try Daemon.run { weir in
            let result = try Peer.run([
                "curl", "-sS", "--max-time", "200", "--expect100-timeout", "1000", "-o", "/dev/null", "-w",
                "%{http_code}", "-X", "POST", "-H", "Expect: 100-continue", "-H",
                "Authorization: Bearer \(try weir.token)", "--data-binary", "hello",
                "http://127.0.0.1:\(weir.port)/live/demo/start",
            ])
            #expect(result.exit == .code(0), "\(result.errors)")
            // Without the 100 it would have waited for longer than it may.
            #expect(result.text == "200")
        }
    }

    @Test("a client that half-closes after its request is answered all the same")
    func halfClosed() throws {
        try Daemon.run { weir in
            let client = try weir.client()
            try client.send("GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            client.halfClose()
            #expect(try client.reply().status == 200)
            #expect(try client.isClosed())
        }
    }

    @Test("it answers on a socket in the file system too", .enabled(if: Peer.has("curl")))
    func unixSocket() throws {
        let scratch = try Scratch()
        let socket = scratch.path + "/weir.sock"
        try Daemon.run(options: ["--listen", "unix:\(socket)", "--log-format", "json"]) { weir in
            let result = try Peer.run(["curl", "-sS", "--unix-socket", socket, "http://localhost/live"])
            #expect(result.exit == .code(0), "\(result.errors)")
            #expect(JSON(result.text)?["stations"] != nil)
        }
        #expect(!Disk.exists(socket), "it is taken away at the end")
    }
}
