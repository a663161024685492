import Testing
import WeirHTTP
import WeirLoop

@Suite("Request bodies")
struct BodyTests {
    @LoopActor
    private static func routes(_ router: Router) {
        router.post("/sum", audience: .anyone, bodyLimit: 1000) { request in
            let bytes = try await request.body.collect()
            return .text("\(bytes.count) \(bytes.reduce(0) { $0 + Int($1) })")
        }
        router.post("/ignore", audience: .anyone, bodyLimit: 10_000_000) { _ in .text("ignored") }
        router.post("/some", audience: .anyone, bodyLimit: 10_000_000) { request in
            .text("\(try await request.body.next()?.isEmpty == false)")
        }
        router.post("/count", audience: .anyone, bodyLimit: 10_000_000) { request in
            while try await request.body.next() != nil {}
            return .text("\(request.body.received)")
        }
    }

    @Test("a body with a length, in chunks, and none")
    func forms() throws {
        try withServer(routes: Self.routes) { _, port in
            #expect(await ask(port, post("/sum", "Content-Length: 3", body: "abc")).text == "3 294")
            #expect(await ask(port, post("/sum")).text == "0 0")
            let chunks = "1;ext=1\r\na\r\n2\r\nbc\r\n0\r\nTrailer: x\r\n\r\n"
            #expect(await ask(port, post("/sum", "Transfer-Encoding: chunked", body: chunks)).text == "3 294")
        }
    }

    @Test("requests behind a body are found, however the bytes are cut")
    func boundaries() throws {
        try withServer(routes: Self.routes) { _, port in
            let requests =
                post("/sum", "Content-Length: 3", body: "abc")
                + post("/sum", "Transfer-Encoding: chunked", body: "3\r\nabd\r\n0\r\n\r\n")
                + post("/ignore", "Content-Length: 5", body: "12345")
                + post("/ignore", "Transfer-Encoding: chunked", body: "3\r\nabd\r\n0\r\n\r\n")
                + post("/sum", "Content-Length: 1", "Connection: close", body: "a")
            for piece in [1, 7, 50, 10_000] {
                let answers = await elsewhere {
                    let client = Client(port: port)
                    let bytes = Array(requests.utf8)
                    for start in stride(from: 0, to: bytes.count, by: piece) {
                        client.send(Array(bytes[start..<min(start + piece, bytes.count)]))
                    }
                    return (0..<5).map { _ in client.answer().text }
                }
                #expect(answers == ["3 294", "3 295", "ignored", "ignored", "1 97"])
            }
        }
    }

    @Test("100 Continue is sent when the body is asked for, and not before")
    func expectation() throws {
        try withServer(routes: Self.routes) { _, port in
            let read = await elsewhere {
                let client = Client(port: port)
                client.send(post("/sum", "Content-Length: 3", "Expect: 100-continue"))
                let first = client.answer()
                client.send("abc")
                return (first.status, client.answer().text)
            }
            #expect(read.0 == 100)
            #expect(read.1 == "3 294")
            let refused = await elsewhere {
                let client = Client(port: port)
                client.send(post("/sum", "Content-Length: 3000", "Expect: 100-continue"))
                return client.answer()
            }
            #expect(refused.status == 413)
            #expect(refused.field("Connection") == "close")
            let ignored = await elsewhere {
                let client = Client(port: port)
                client.send(post("/ignore", "Content-Length: 3", "Expect: 100-continue"))
                let answer = client.answer()
                client.shutdownWriting()
                return (answer, client.isClosed())
            }
            #expect(ignored.0.text == "ignored")
            #expect(ignored.0.field("Connection") == "close")
            #expect(ignored.1)
            // Who sends the body without waiting gets no 100.
            let eager = await ask(port, post("/sum", "Content-Length: 3", "Expect: 100-continue", body: "abc"))
            #expect(eager.status == 200)
        }
    }

    @Test("a body above the limit is refused, by its length at once, in chunks when it gets there")
    func limits() throws {
        try withServer(routes: Self.routes) { server, port in
            let long = await ask(port, post("/sum", "Content-Length: 1001", body: String(repeating: "a", count: 1001)))
            #expect(long.status == 413)
            #expect(long.text.contains(#""detail":{"limit":1000}"#))
            let chunk = "190\r\n" + String(repeating: "a", count: 400) + "\r\n"
            let chunked = await ask(
                port, post("/sum", "Transfer-Encoding: chunked", body: chunk + chunk + chunk + "0\r\n\r\n"))
            #expect(chunked.status == 413)
            #expect(chunked.field("Connection") == "close")
            #expect(await ask(port, post("/sum", "Content-Length: 1000", body: String(repeating: "a", count: 1000))).status == 200)
            #expect(server.counters.bodyTooLarge == 2)
        }
    }

    @Test("what a handler leaves unread is drained when it is short; else the connection closes behind the response")
    func unread() throws {
        try withServer(routes: Self.routes) { _, port in
            let short = await elsewhere {
                let client = Client(port: port)
                client.send(post("/ignore", "Content-Length: 60000") + String(repeating: "a", count: 60000))
                let first = client.answer()
                client.send(post("/sum", "Content-Length: 1", body: "a"))
                return (first, client.answer().text)
            }
            #expect(short.0.field("Connection") == nil)
            #expect(short.1 == "1 97")
            for path in ["/ignore", "/some"] {
                let long = await elsewhere {
                    let client = Client(port: port)
                    client.send(post(path, "Content-Length: 900000"))
                    // The server must not reset while this is under way: the answer would be lost.
                    client.send([UInt8](repeating: 97, count: 900_000))
                    return (client.answer(), client.isClosed())
                }
                #expect(long.0.status == 200)
                #expect(long.0.field("Connection") == "close")
                #expect(long.1)
            }
        }
    }

    @Test("a large upload arrives whole")
    func large() throws {
        try withServer(routes: Self.routes) { _, port in
            let answer = await elsewhere {
                let client = Client(port: port)
                client.send(post("/count", "Content-Length: 9000000"))
                client.send([UInt8](repeating: 97, count: 9_000_000))
                return client.answer()
            }
            #expect(answer.text == "9000000")
        }
    }

    @Test("a broken chunk is 400 and the end; a body that ends before its time is reported")
    func broken() throws {
        try withServer(routes: Self.routes) { server, port in
            var events: [AccessEvent] = []
            server.onAccess = { events.append($0) }
            let bad = await ask(port, post("/sum", "Transfer-Encoding: chunked", body: "zz\r\nabc\r\n0\r\n\r\n"))
            #expect(bad.status == 400)
            #expect(bad.field("Connection") == "close")
            let cut = await elsewhere {
                let client = Client(port: port)
                client.send(post("/sum", "Content-Length: 10", body: "abc"))
                client.shutdownWriting()
                return client.answer()
            }
            #expect(cut.status == 400)
            #expect(cut.text.contains("BODY_ABORTED"))
            #expect(events.map(\.status) == [400, 400])
        }
    }
}
