import Glibc
import Testing
import WeirHTTP
import WeirLoop

/// Client pools and TLS, against OpenSSL's own server and nginx.
@Suite("Client pools over TLS", .ownThread)
struct ClientTLSTests {
    private func withPool(
        _ change: @escaping @Sendable (inout ClientPoolOptions) -> Void,
        _ body: @escaping @LoopActor (ClientPool) async throws -> Void
    ) throws {
        try LoopActor.runInTurn {
            var options = ClientPoolOptions()
            change(&options)
            let pool = ClientPool(name: "tls", options: options)
            do {
                try await body(pool)
            } catch {
                await pool.close()
                throw error
            }
            await pool.close()
        }
    }

    @LoopActor
    private func failure(_ pool: ClientPool, _ request: ClientRequest) async -> ClientError.Kind? {
        do throws(ClientError) {
            _ = try await pool.send(request).collect(limit: 1 << 20)
            return nil
        } catch {
            return error.kind
        }
    }

    @Test("a private authority is trusted when it is given, as a file or a directory, and only for its names")
    func trust() throws {
        guard Peer.has("openssl") else { return }
        let scratch = try Scratch()
        let authority = try Authority(in: scratch.path)
        let (server, port) = try authority.server("-www")
        defer { server.end() }
        let (file, directory) = (authority.certificate, authority.hashed)
        try withPool({ $0.caFile = file }) { pool in
            let response = try await pool.send(ClientRequest(.get, "https://127.0.0.1:\(port)/"))
            #expect(response.status == 200)
            let body = String(decoding: try await response.collect(limit: 1 << 20), as: UTF8.self)
            #expect(body.contains("TLSv1.3"))
            #expect(await failure(pool, ClientRequest(.get, "https://localhost:\(port)/")) == .tls)
        }
        try withPool({ $0.caDirectory = directory }) { pool in
            #expect(await failure(pool, ClientRequest(.get, "https://127.0.0.1:\(port)/")) == nil)
        }
        try withPool({ _ in }) { pool in
            #expect(await failure(pool, ClientRequest(.get, "https://127.0.0.1:\(port)/")) == .tls)
            #expect(pool.metrics.errors == ["tls": 1])
        }
        try withPool({ $0.caFile = "/nowhere/ca.pem" }) { pool in
            #expect(await failure(pool, ClientRequest(.get, "https://127.0.0.1:\(port)/")) == .tls)
        }
        // One that nobody writes to would be waited for, on the loop's thread.
        let pipe = scratch.path + "/pipe"
        try #require(mkfifo(pipe, 0o600) == 0)
        try withPool({ $0.caFile = pipe }) { pool in
            #expect(await failure(pool, ClientRequest(.get, "https://127.0.0.1:\(port)/")) == .tls)
        }
    }

    @Test("a peer that dies: a body short of its length is cut, and an upload ends without a SIGPIPE")
    func truncation() throws {
        guard Peer.has("openssl") else { return }
        let scratch = try Scratch()
        let authority = try Authority(in: scratch.path)
        let file = authority.certificate
        let (cut, cutPort) = try authority.server(input: .pipe)
        defer { cut.end() }
        try cut.write(Array("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf\n".utf8))
        try withPool({ $0.caFile = file }) { pool in
            let response = try await pool.send(ClientRequest(.get, "https://127.0.0.1:\(cutPort)/"))
            #expect(try await response.body.next() == Array("half\n".utf8))
            kill(cut.pid, SIGKILL)
            var kind: ClientError.Kind?
            do throws(ClientError) { _ = try await response.body.next() } catch { kind = error.kind }
            #expect(kind == .closed)
        }
        let (gone, gonePort) = try authority.server(input: .pipe)
        defer { gone.end() }
        try withPool({ $0.caFile = file }) { pool in
            let endless = ClientRequest.Body.stream(length: nil) { upload in
                let piece = [UInt8](repeating: 7, count: 65536)
                while true {
                    try await upload.write(piece)
                    if upload.written > 4 << 20 { kill(gone.pid, SIGKILL) }
                }
            }
            let kind = await failure(pool, ClientRequest(.put, "https://127.0.0.1:\(gonePort)/", body: endless))
            #expect(kind == .closed)
        }
    }

    @Test(
        "HTTP/2 where the server offers it: many requests, few connections, and every byte for a slow consumer",
        .enabled(if: Peer.has("nginx")))
    func http2() throws {
        let scratch = try Scratch()
        let authority = try Authority(in: scratch.path)
        let site = try Scratch()
        try Disk.write(site.path + "/small", [UInt8](repeating: 1, count: 4096))
        let large = (0..<(8 << 20)).map { UInt8(truncatingIfNeeded: $0 >> 3) }
        try Disk.write(site.path + "/large", large)
        let (server, port, _) = try Nginx.start(root: site.path, authority)
        defer { server.end() }
        let file = authority.certificate
        let url = "https://127.0.0.1:\(port)"
        try withPool({
            $0.caFile = file
            $0.connections = 20
        }) { pool in
            func small() async throws -> String {
                let response = try await pool.send(ClientRequest(.get, url + "/small"))
                let bytes = try await response.collect(limit: 4096)
                return "\(response.version) \(bytes.count)"
            }
            let first = try await small()
            #expect(first == "2 4096")
            let tasks = (0..<200).map { _ in spawn { try await small() } }
            for task in tasks {
                let text = try await task.value
                #expect(text == "2 4096")
            }
            #expect(pool.metrics.connected == 1)
            #expect(pool.metrics.open == 1)
            let response = try await pool.send(ClientRequest(.get, url + "/large"))
            try await LoopClock.monotonic.sleep(for: 0.05)
            #expect(pool.metrics.receivedBytes <= 201 * 4096 + 262_144)
            let other = try await small()
            #expect(other == "2 4096")
            let bytes = try await response.collect(limit: large.count)
            #expect(bytes == large)
            #expect(pool.metrics.errors == [:])
        }
        try withPool({
            $0.caFile = file
            $0.http2 = false
        }) { pool in
            let response = try await pool.send(ClientRequest(.get, url + "/small"))
            #expect(response.version == "1.1")
        }
    }
}
