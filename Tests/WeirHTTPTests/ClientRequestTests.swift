import Glibc
import Testing
import WeirHTTP
import WeirLoop

@Suite("Requests to others")
struct ClientRequestTests {
    @LoopActor
    private static func routes(_ router: Router) {
        router.get("/hello", audience: .anyone) { request in
            var response = Response.text("hello \(request.query["name"] ?? "")")
            response.fields["X-Agent"] = request.fields["User-Agent"] ?? "none"
            response.fields["X-Custom"] = request.fields.values("X-Custom").joined(separator: "|")
            response.fields["X-Authorization"] = request.fields["Authorization"] ?? ""
            return response
        }
        router.get("/status/:code", audience: .anyone) { request in
            Response(Int(request.parameter("code"))!, body: .bytes(Array("no".utf8)))
        }
        router.on(.put, "/echo", audience: .anyone, bodyLimit: 1 << 30) { request in
            var sum = 0
            var count = 0
            while let piece = try await request.body.next() {
                for byte in piece { sum = (sum &* 31 &+ Int(byte)) & 0xffff_ffff }
                count += piece.count
            }
            let length = request.fields["Content-Length"] ?? request.fields["Transfer-Encoding"] ?? ""
            let type = request.fields["Content-Type"] ?? "none"
            return .text("\(count) \(sum) \(length) \(type) \(request.fields["Expect"] ?? "-")")
        }
        router.post("/echo", audience: .anyone, bodyLimit: 1 << 30) { request in
            let bytes = try await request.body.collect()
            let type = request.fields["Content-Type"] ?? "none"
            return .text("\(bytes.count) \(request.fields["Content-Length"] ?? "-") \(type)")
        }
    }

    /// What a descriptor stands for; 0 when it is closed.
    private static func inode(_ descriptor: Int32) -> ino_t {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? status.st_ino : 0
    }

    private static func sum(_ bytes: [UInt8]) -> Int {
        bytes.reduce(0) { ($0 &* 31 &+ Int($1)) & 0xffff_ffff }
    }

    @Test("GET: status, fields in their order, body, and what was sent")
    func get() throws {
        try withServer(routes: Self.routes) { _, port in
            try await withPool { pool in
                var request = ClientRequest(.get, "http://user:pass@127.0.0.1:\(port)/hello?name=you")
                request.fields.append("X-Custom", "one")
                request.fields.append("X-Custom", "two")
                let response = try await pool.send(request)
                #expect(response.status == 200)
                #expect(response.version == "1.1")
                #expect(response.length == 9)
                #expect(response.fields["X-Agent"] == ClientPoolOptions.defaultUserAgent)
                #expect(response.fields["X-Custom"] == "one|two")
                #expect(response.fields["X-Authorization"] == "Basic dXNlcjpwYXNz")
                #expect(response.effectiveURL == "http://127.0.0.1:\(port)/hello?name=you")
                #expect(try await response.collect(limit: 9) == Array("hello you".utf8))
                #expect(try await response.body.next() == nil)
                let metrics = pool.metrics
                #expect(metrics.completed == 1)
                #expect(metrics.receivedBytes == 9)
                #expect(metrics.open == 1 && metrics.idle == 1)
            }
        }
    }

    @Test("HEAD, 204 and 304 have no body; 4xx and 5xx are responses")
    func statuses() throws {
        try withServer(routes: Self.routes) { _, port in
            try await withPool { pool in
                let head = try await pool.send(ClientRequest(.head, "http://127.0.0.1:\(port)/hello"))
                #expect(head.status == 200)
                #expect(head.length == 6)
                #expect(try await head.collect(limit: 0) == [])
                for (code, body) in [(204, ""), (304, ""), (404, "no"), (503, "no")] {
                    let response = try await pool.get("http://127.0.0.1:\(port)/status/\(code)")
                    #expect(response.status == code)
                    #expect(String(decoding: try await response.collect(limit: 2), as: UTF8.self) == body)
                }
                #expect(pool.metrics.errors == [:])
            }
        }
    }

    @Test("bodies: none, bytes, with a length, in chunks, from a descriptor")
    func bodies() throws {
        try withServer(routes: Self.routes) { _, port in
            try await withPool { pool in
                let url = "http://127.0.0.1:\(port)/echo"
                let bytes = pattern(300_000)
                let pieces = AsyncStream { continuation in
                    for start in stride(from: 0, to: bytes.count, by: 70_000) {
                        continuation.yield(Array(bytes[start..<min(start + 70_000, bytes.count)]))
                    }
                    continuation.yield([])
                    continuation.finish()
                }
                func put(_ body: ClientRequest.Body) async throws -> String {
                    let response = try await pool.send(ClientRequest(.put, url, body: body))
                    return String(decoding: try await response.collect(limit: 1000), as: UTF8.self)
                }
                let sum = Self.sum(bytes)
                #expect(try await put(.none) == "0 0 0 none -")
                #expect(try await put(.bytes([])) == "0 0 0 none -")
                #expect(try await put(.bytes(bytes)) == "300000 \(sum) 300000 none -")
                #expect(try await put(.sequence(pieces, length: 300_000)) == "300000 \(sum) 300000 none -")
                let written = ClientRequest.Body.stream(length: nil) { upload in
                    try await upload.write(Array(bytes[..<1]))
                    try await upload.write(Array(bytes[1...]))
                    #expect(upload.written == 300_000)
                }
                #expect(try await put(written) == "300000 \(sum) chunked none -")
                for length in [UInt64(300_000), nil] {
                    var ends: [Int32] = [-1, -1]
                    #expect(pipe(&ends) == 0)
                    let end = ends[1]
                    let inode = Self.inode(ends[0])
                    onThread {
                        _ = bytes.withUnsafeBytes { write(end, $0.baseAddress, $0.count) }
                        close(end)
                    }
                    #expect(
                        try await put(.descriptor(ends[0], length: length))
                            == "300000 \(sum) \(length.map { "\($0)" } ?? "chunked") none -")
                    // Another test may have got its number meanwhile.
                    #expect(Self.inode(ends[0]) != inode, "it is closed")
                }
                let none = try await pool.send(ClientRequest(.post, url))
                #expect(try await none.collect(limit: 100) == Array("0 0 none".utf8))
                let posted = try await pool.send(
                    ClientRequest(.post, url, fields: ["Content-Type": "a/b"], body: .bytes([1, 2, 3])))
                #expect(try await posted.collect(limit: 100) == Array("3 3 a/b".utf8))
                let chunked = try await pool.send(
                    ClientRequest(.post, url, body: .stream(length: nil) { try await $0.write([1, 2]) }))
                #expect(try await chunked.collect(limit: 100) == Array("2 - none".utf8))
                #expect(pool.metrics.sentBytes == 5 * 300_000 + 5)
            }
        }
    }

    @Test("a body that throws, is too short or too long is an error, and its request does not pass for whole")
    func brokenBodies() throws {
        struct Broken: Error {}
        let whole = Flag.Count()
        try withServer(routes: { router in
            router.on(.put, "/sink", audience: .anyone, bodyLimit: 1 << 30) { request in
                while try await request.body.next() != nil {}
                whole.add(1)
                return .text("whole")
            }
        }) { _, port in
            try await withPool { pool in
                let url = "http://127.0.0.1:\(port)/sink"
                let bodies: [ClientRequest.Body] = [
                    .stream(length: nil) {
                        try await $0.write([1])
                        throw Broken()
                    },
                    .stream(length: 10) { try await $0.write([1, 2, 3]) },
                    .stream(length: 2) { try await $0.write([1, 2, 3]) },
                ]
                for body in bodies {
                    let kind = await clientError { () async throws(ClientError) in
                        try await pool.send(ClientRequest(.put, url, body: body))
                    }
                    #expect(kind == .upload)
                }
                #expect(pool.metrics.errors == ["upload": 3])
            }
        }
        #expect(whole.value == 0)
    }

    @Test("what cannot be sent is refused, and says why without secrets")
    func refused() throws {
        try withPoolAlone { pool in
            func reason(_ request: ClientRequest) async -> ClientError? {
                do throws(ClientError) {
                    _ = try await pool.send(request)
                    return nil
                } catch { return error }
            }
            let urls = [
                "", "no scheme", "ftp://host/", "file:///etc/passwd", "http://", "http://a b/", "http://h\u{0}x/",
                "http://h:99999/", "http://h/\r\nX: y",
            ]
            for url in urls { #expect(await reason(ClientRequest(.get, url))?.kind == .url, "\(url)") }
            let url = "http://127.0.0.1:1/x"
            let requests = [
                ClientRequest(Method(rawValue: "GE T"), url), ClientRequest(Method(rawValue: ""), url),
                ClientRequest(.get, url, fields: ["A\r\nB": "c"]), ClientRequest(.get, url, fields: ["A": "c\nB: d"]),
                ClientRequest(.get, url, fields: ["A": "c\u{0}"]), ClientRequest(.get, url, fields: ["": "c"]),
                ClientRequest(.get, url, fields: ["content-length": "1"]),
                ClientRequest(.get, url, fields: ["Transfer-Encoding": "chunked"]),
                ClientRequest(.head, url, body: .bytes([1])),
            ]
            for request in requests { #expect(await reason(request)?.kind == .request, "\(request)") }
            let slashed = await reason(ClientRequest(.get, "http://me:hunter2/hunter2@127.0.0.1:1/"))
            #expect(slashed?.kind == .url)
            #expect(slashed.map { "\($0)".contains("hunter2") } == false)
            let secret = await reason(ClientRequest(.get, "http://me:hunter2@127.0.0.1:1/path?token=hunter2#hunter2"))
            #expect(secret?.kind == .connect)
            #expect(secret?.url == "http://127.0.0.1:1/path")
            #expect(secret.map { "\($0)".contains("hunter2") } == false)
            var labelled = ClientRequest(.get, "http://127.0.0.1:1/bothunter2/sendPhoto")
            labelled.label = "telegram sendPhoto"
            let named = await reason(labelled)
            #expect(named?.url == "telegram sendPhoto")
            #expect(named.map { "\($0)".contains("hunter2") } == false)
            // A label of more than 63 bytes is refused by the resolver itself.
            let host = String(repeating: "a", count: 64)
            #expect(await reason(ClientRequest(.get, "http://\(host).invalid/"))?.kind == .resolve)
        }
    }
}
