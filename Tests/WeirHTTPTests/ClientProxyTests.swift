import Glibc
import Testing
import WeirHTTP
import WeirLoop

@Suite("Proxies")
struct ClientProxyTests {
    @Test("the request goes to the proxy with its credentials, except for hosts that are excepted")
    func proxy() throws {
        let proxy = RawServer { connection in
            while let head = connection.head() {
                let line = head.split(separator: "\r\n")[0]
                let user = head.contains("Proxy-Authorization: Basic bWU6aHVudGVyMg==") ? "me" : "nobody"
                let body = "\(line) by \(user)"
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
            }
        }
        defer { proxy.close() }
        let direct = RawServer { connection in
            while connection.head() != nil { connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ndirect") }
        }
        defer { direct.close() }
        try withPoolAlone({
            $0.proxy = "http://me:hunter2@127.0.0.1:\(proxy.port)"
            $0.proxyExceptions = ["127.0.0.1"]
        }) { pool in
            let proxied = try await pool.text("http://host.invalid/a?b")
            #expect(proxied == "GET http://host.invalid/a?b HTTP/1.1 by me")
            let excepted = try await pool.text(direct.url())
            #expect(excepted == "direct")
            #expect(proxy.accepted.value == 1)
        }
    }

    @Test("a tunnel that is refused is the proxy's error, and its head is not taken for the response's")
    func tunnel() throws {
        let proxy = RawServer { connection in
            guard let head = connection.head(), head.hasPrefix("CONNECT host.invalid:443 ") else { return }
            connection.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            connection.waitForEnd()
        }
        defer { proxy.close() }
        try withPoolAlone({ $0.proxy = "http://127.0.0.1:\(proxy.port)" }) { pool in
            let kind = await clientError { () async throws(ClientError) in
                try await pool.get("https://host.invalid/")
            }
            #expect(kind == .proxy)
        }
    }

    @Test("the environment's proxy is not asked")
    func environment() throws {
        try alone("ClientProxyTests/environment") {
            setenv("http_proxy", "http://127.0.0.1:1", 1)
            let server = RawServer { connection in
                while connection.head() != nil { connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na") }
            }
            defer { server.close() }
            try withPoolAlone { pool in
                let text = try await pool.text(server.url())
                #expect(text == "a")
            }
        }
    }
}
