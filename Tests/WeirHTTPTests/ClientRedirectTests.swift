import Testing
import WeirHTTP
import WeirLoop

@Suite("Redirects")
struct ClientRedirectTests {
    @LoopActor
    private static func routes(_ router: Router) {
        router.get("/end", audience: .anyone) { request in
            .text("end \(request.fields["Authorization"] ?? "-")")
        }
        router.get("/hop/:left", audience: .anyone) { request in
            let left = Int(request.parameter("left"))!
            var response = Response.text("a body that nobody reads", status: 302)
            response.fields["Location"] = left == 0 ? "/end" : "\(left - 1)"
            return response
        }
        router.get("/elsewhere", audience: .anyone) { request in
            Response(307, fields: ["Location": "http://localhost:\(request.query["port"]!)/end"])
        }
        router.get("/file", audience: .anyone) { _ in Response(302, fields: ["Location": "file:///etc/passwd"]) }
        router.get("/lost", audience: .anyone) { _ in Response(302, body: .bytes(Array("lost".utf8))) }
        for code in [303, 307] {
            router.on(.put, "/put/\(code)", audience: .anyone, bodyLimit: 1 << 20) { request in
                _ = try await request.body.collect()
                return Response(code, fields: ["Location": "/target"])
            }
        }
        router.get("/target", audience: .anyone) { _ in .text("got") }
        router.on(.put, "/target", audience: .anyone) { request in
            .text("put \(try await request.body.collect())")
        }
    }

    @Test("are followed up to the limit; the effective URL is the last")
    func followed() throws {
        try withServer(routes: Self.routes) { server, port in
            try await withPool { pool in
                let base = "http://127.0.0.1:\(port)"
                var request = ClientRequest(.get, base + "/hop/4", fields: ["Authorization": "Bearer x"])
                let response = try await pool.send(request)
                #expect(response.status == 200)
                #expect(response.effectiveURL == base + "/end")
                #expect(try await response.collect(limit: 100) == Array("end Bearer x".utf8))
                #expect(server.counters.accepted == 1)
                request.url = base + "/hop/5"
                let kind = await clientError { () async throws(ClientError) in try await pool.send(request) }
                #expect(kind == .tooManyRedirects)
                request.redirectLimit = 0
                let first = try await pool.send(request)
                #expect(first.status == 302)
                #expect(first.fields["Location"] == "4")
                #expect(try await first.collect(limit: 100) == Array("a body that nobody reads".utf8))
                #expect(try await pool.text(base + "/lost") == "lost")
            }
        }
    }

    @Test("credentials do not go to another host, and only http and https are followed")
    func elsewhere() throws {
        try withServer(routes: Self.routes) { _, port in
            try await withPool { pool in
                let url = "http://127.0.0.1:\(port)/elsewhere?port=\(port)"
                let response = try await pool.send(ClientRequest(.get, url, fields: ["Authorization": "Bearer x"]))
                #expect(response.effectiveURL == "http://localhost:\(port)/end")
                #expect(try await response.collect(limit: 100) == Array("end -".utf8))
                let kind = await clientError { () async throws(ClientError) in
                    try await pool.get("http://127.0.0.1:\(port)/file")
                }
                #expect(kind == .url)
            }
        }
    }

    @Test("303 becomes a GET; 307 sends the bytes again, and is an error for a body that is gone")
    func bodies() throws {
        try withServer(routes: Self.routes) { _, port in
            try await withPool { pool in
                func put(_ code: Int, _ body: ClientRequest.Body) async throws(ClientError) -> String {
                    let response = try await pool.send(
                        ClientRequest(.put, "http://127.0.0.1:\(port)/put/\(code)", body: body))
                    return String(decoding: try await response.collect(limit: 100), as: UTF8.self)
                }
                let got = try await put(303, .bytes([1, 2]))
                #expect(got == "got")
                let again = try await put(307, .bytes([1, 2]))
                #expect(again == "put [1, 2]")
                let kind = await clientError { () async throws(ClientError) in
                    try await put(307, .stream(length: 2) { try await $0.write([1, 2]) })
                }
                #expect(kind == .unrepeatable)
            }
        }
    }
}
