import Glibc
import Testing
import WeirHTTP
import WeirLoop

@Suite("Requests and responses")
struct MessageTests {
    @LoopActor
    private static func routes(_ router: Router) {
        router.get("/hello") { _ in .text("hello") }
        router.get("/echo/:name") { request in
            .text("\(request.parameter("name")) \(request.query["q"] ?? "-") \(request.remote.host)")
        }
        router.get("/empty") { _ in Response(204) }
        router.get("/chunks") { _ in
            Response(
                body: .stream(length: nil, framing: .chunked) { writer in
                    for number in 0..<3 { try await writer.write("part\(number) ") }
                })
        }
        router.get("/known") { _ in
            Response(
                body: .stream(length: 300_000, framing: .chunked) { writer in
                    for _ in 0..<300 { try await writer.write([UInt8](repeating: 7, count: 1000)) }
                })
        }
        router.get("/until-close") { _ in
            Response(body: .stream(length: nil, framing: .close) { try await $0.write("all of it") })
        }
        router.get("/breaks") { _ in
            Response(
                body: .stream(length: nil, framing: .chunked) { writer in
                    try await writer.write("some")
                    throw CoreError.closed
                })
        }
        router.get("/short") { _ in
            Response(body: .stream(length: 10, framing: .chunked) { try await $0.write("some") })
        }
        router.get("/fails") { _ in throw CoreError.busy }
        router.get("/refuses") { _ in
            throw HTTPError.unavailable("FULL_HOUSE", "no \"room\"", retryAfter: 7)
        }
        router.get("/injects") { _ in Response(fields: ["X-Evil": "a\r\nSet-Cookie: b"]) }
        router.post("/only-post", audience: .anyone) { _ in .text("posted") }
    }

    @Test("a response carries what HTTP asks for")
    func plain() throws {
        try withServer(routes: Self.routes) { server, port in
            let answer = await ask(port, get("/hello"))
            #expect(answer.status == 200)
            #expect(answer.text == "hello")
            #expect(answer.field("Content-Length") == "5")
            #expect(answer.field("Content-Type") == "text/plain; charset=utf-8")
            #expect(answer.field("Server")?.hasPrefix("Weir/") == true)
            #expect(answer.field("Connection") == nil)
            #expect(answer.field("Access-Control-Allow-Origin") == "*")
            let date = try #require(answer.field("Date"))
            #expect(date.wholeMatch(of: /[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT/) != nil)
            #expect(await ask(port, get("/echo/a%20b?x=1&q=c+d%26")).text == "a b c d& 127.0.0.1")
            #expect(await ask(port, get("/empty")).field("Content-Length") == nil)
            #expect(await ask(port, get("/injects")).field("Set-Cookie") == nil)
            #expect(server.counters.responses == [2: 4])
        }
    }

    @Test("connections are kept by the rules of their version")
    func keepAlive() throws {
        try withServer(routes: Self.routes) { server, port in
            let twice = await elsewhere {
                let client = Client(port: port)
                client.send(get("/hello"))
                let first = client.answer()
                client.send(get("/hello", "Connection: close"))
                return (first.text, client.answer(), client.isClosed())
            }
            #expect(twice.0 == "hello")
            #expect(twice.1.text == "hello")
            #expect(twice.1.field("Connection") == "close")
            #expect(twice.2)
            let old = await elsewhere {
                let client = Client(port: port)
                client.send("GET /hello HTTP/1.0\r\n\r\n")
                return (client.answer(), client.isClosed())
            }
            #expect(old.0.field("Connection") == "close")
            #expect(old.1)
            let kept = await elsewhere {
                let client = Client(port: port)
                client.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                let first = client.answer()
                client.send("GET /hello HTTP/1.0\r\n\r\n")
                return (first, client.answer(), client.isClosed())
            }
            #expect(kept.0.field("Connection") == "keep-alive")
            #expect(kept.1.status == 200)
            #expect(kept.2)
            #expect(server.counters.accepted == 3)
        }
    }

    @Test("pipelined requests are answered in order, however the bytes are cut")
    func pipelining() throws {
        try withServer(routes: Self.routes) { _, port in
            let requests =
                get("/echo/one") + get("/chunks") + "\r\n" + get("/echo/two") + get("/echo/three", "Connection: close")
            let together = await elsewhere {
                let client = Client(port: port)
                client.send(requests)
                return client.rest()
            }
            let apart = await elsewhere {
                let client = Client(port: port)
                for byte in requests.utf8 { client.send([byte]) }
                return client.rest()
            }
            func bodies(_ bytes: [UInt8]) -> [Substring] {
                String(decoding: bytes, as: UTF8.self).split(separator: "\r\n")
                    .filter { $0.hasPrefix("part") || $0.contains("127.0.0.1") }
            }
            let expected = [
                "one - 127.0.0.1HTTP/1.1 200 OK", "part0 ", "part1 ", "part2 ", "two - 127.0.0.1HTTP/1.1 200 OK",
                "three - 127.0.0.1",
            ]
            #expect(bodies(together).map(String.init) == expected)
            #expect(bodies(apart).map(String.init) == expected)
        }
    }

    @Test(
        "HEAD has the fields of GET and no body",
        arguments: ["/hello", "/chunks", "/known", "/until-close", "/nothing"])
    func head(path: String) throws {
        try withServer(routes: Self.routes) { _, port in
            let got = await ask(port, get(path))
            let head = await elsewhere {
                let client = Client(port: port)
                client.send("HEAD \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                let answer = client.answer(isHead: true)
                return (answer, client.rest())
            }
            #expect(head.0.status == got.status)
            for field in ["Content-Length", "Transfer-Encoding", "Content-Type"] {
                #expect(head.0.field(field) == got.field(field))
            }
            #expect(head.1 == [])
        }
    }

    @Test("a stream is chunked, or as long as announced, or ends by closing")
    func streams() throws {
        try withServer(routes: Self.routes) { _, port in
            let chunks = await ask(port, get("/chunks"))
            #expect(chunks.text == "part0 part1 part2 ")
            #expect(chunks.field("Transfer-Encoding") == "chunked")
            #expect(chunks.field("Content-Length") == nil)
            let known = await ask(port, get("/known"))
            #expect(known.body == [UInt8](repeating: 7, count: 300_000))
            let old = await ask(port, "GET /chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(old.text == "part0 part1 part2 ")
            #expect(old.field("Transfer-Encoding") == nil)
            #expect(old.field("Connection") == "close")
            let closed = await ask(port, get("/until-close"))
            #expect(closed.text == "all of it")
            #expect(closed.isLast && !closed.isCut)
            #expect(closed.field("Connection") == "close")
        }
    }

    @Test("a stream that fails is cut, never ended as if it were whole", arguments: ["/breaks", "/short"])
    func broken(path: String) throws {
        try withServer(routes: Self.routes) { server, port in
            var events: [AccessEvent] = []
            var failures = 0
            server.onAccess = { events.append($0) }
            server.onFailure = { _ in failures += 1 }
            #expect(await ask(port, get(path)).isCut)
            #expect(events.map(\.reason) == ["error"])
            #expect(events.map(\.bytes) == [4])
            #expect(failures == 1)
        }
    }

    @Test("errors are JSON with a code, a message and the fitting status")
    func errors() throws {
        try withServer(routes: Self.routes) { server, port in
            var failures: [String] = []
            server.onFailure = { failures.append("\($0)") }
            let missing = await ask(port, get("/nothing"))
            #expect(missing.status == 404)
            #expect(missing.text == #"{"error":{"code":"NOT_FOUND","message":"there is nothing here"}}"#)
            #expect(missing.field("Content-Type") == "application/json")
            let refused = await ask(port, get("/refuses"))
            #expect(refused.status == 503)
            #expect(refused.field("Retry-After") == "7")
            #expect(refused.text == #"{"error":{"code":"FULL_HOUSE","message":"no \"room\""}}"#)
            let failed = await ask(port, get("/fails"))
            #expect(failed.status == 500)
            #expect(failed.text == #"{"error":{"code":"INTERNAL","message":"something went wrong here"}}"#)
            #expect(failures.count == 1)
            let wrong = await ask(port, get("/only-post"))
            #expect(wrong.status == 405)
            #expect(wrong.field("Allow") == "POST, OPTIONS")
            #expect(
                await ask(port, "BREW /hello HTTP/1.1\r\nHost: localhost\r\n\r\n").field("Allow")
                    == "GET, HEAD, OPTIONS")
            #expect(server.counters.responses == [4: 3, 5: 2])
        }
    }

    @Test("every response is reported once, with its bytes and its target")
    func events() throws {
        try withServer(routes: Self.routes) { server, port in
            var events: [AccessEvent] = []
            server.onAccess = { events.append($0) }
            _ = await ask(port, get("/known?x=1"))
            _ = await ask(port, "HEAD /known HTTP/1.1\r\nHost: localhost\r\n\r\n", isHead: true)
            _ = await ask(port, "nonsense\r\n\r\n")
            #expect(events.map(\.method) == ["GET", "HEAD", "-"])
            #expect(events.map(\.target) == ["/known?x=1", "/known", "-"])
            #expect(events.map(\.status) == [200, 200, 400])
            #expect(events.map(\.bytes).prefix(2) == [300_000, 0])
            #expect(events.allSatisfy { $0.reason == "done" && $0.remote.host == "127.0.0.1" && $0.seconds >= 0 })
        }
    }

    @Test("a peer that leaves in the middle of a response is seen, and nobody else notices")
    func left() throws {
        try withServer(routes: { router in
            router.get("/endless") { _ in
                Response(
                    body: .stream(length: nil, framing: .close) { writer in
                        while true { try await writer.write([UInt8](repeating: 1, count: 100_000)) }
                    })
            }
        }) { server, port in
            var events: [AccessEvent] = []
            server.onAccess = { events.append($0) }
            await elsewhere {
                let client = Client(port: port)
                client.send(get("/endless"))
                _ = recv(client.descriptor, UnsafeMutableRawPointer.allocate(byteCount: 1000, alignment: 1), 1000, 0)
            }
            try await eventually("the response ends") { events.count == 1 }
            #expect(events.first?.reason == "closed")
            #expect(events.first?.status == 200)
            try await eventually("the connection ends") { server.counters.active == 0 }
        }
    }
}
