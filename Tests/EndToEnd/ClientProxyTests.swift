import Glibc
import Testing
import WeirHTTP
import WeirLoop

/// Client pools behind a real proxy, Tinyproxy, with nginx behind that.
@Suite("Client pools through a proxy", .ownThread)
struct ClientProxyTests {
    /// Tinyproxy for one user, in the foreground; it prints what it is asked.
    private struct Proxy {
        let process: Process
        let port: UInt16

        init(in path: String) throws {
            let port = LocalPort.free()
            let configuration = """
                Port \(port)
                Listen 127.0.0.1
                Allow 127.0.0.1
                BasicAuth weir hunter2
                LogLevel Info
                Timeout 600
                MaxClients 200

                """
            try Disk.write(path + "/tinyproxy.conf", Array(configuration.utf8))
            let process = try Process([Peer.place("tinyproxy"), "-d", "-c", path + "/tinyproxy.conf"])
            try eventually("tinyproxy listens") { () -> Bool? in
                if process.state.isOver { throw Failure("tinyproxy: \(process.state.lines) \(process.state.text)") }
                return LocalPort.connects(port) ? true : nil
            }
            (self.process, self.port) = (process, port)
        }

        /// How often it has connected to somebody for a client.
        var tunnels: Int { process.state.text.split(separator: "\n").count { $0.contains("Request (file descriptor") } }
    }

    @LoopActor
    private func kind(_ body: @LoopActor () async throws(ClientError) -> Void) async -> ClientError.Kind? {
        do throws(ClientError) { try await body() } catch { return error.kind }
        return nil
    }

    @Test(
        "plain requests, and HTTP/2 with a private authority in a tunnel; a wrong password is the proxy's error",
        .enabled(if: Peer.has("nginx", "tinyproxy")))
    func proxy() throws {
        let scratch = try Scratch()
        let site = try Scratch()
        let proxy = try Proxy(in: scratch.path)
        defer { proxy.process.end() }
        let authority = try Authority(in: scratch.path)
        let bytes = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 7) }
        try Disk.write(site.path + "/file", bytes)
        let (server, secure, plain) = try Nginx.start(root: site.path, authority)
        defer { server.end() }
        let file = authority.certificate
        try LoopActor.runInTurn {
            var options = ClientPoolOptions()
            options.caFile = file
            options.proxy = "http://weir:hunter2@127.0.0.1:\(proxy.port)"
            let pools = ClientPools()
            let pool = pools.pool("proxied", options)
            for _ in 0..<3 {
                let request = ClientRequest(.get, "http://127.0.0.1:\(plain)/file")
                let response = try await pool.send(request)
                #expect(response.status == 200)
                #expect(response.fields["Via"]?.contains("tinyproxy") == true)
                #expect(try await response.collect(limit: bytes.count) == bytes)
            }
            for _ in 0..<3 {
                let request = ClientRequest(.get, "https://127.0.0.1:\(secure)/file")
                let response = try await pool.send(request)
                #expect(response.status == 200)
                #expect(response.version == "2")
                #expect(try await response.collect(limit: bytes.count) == bytes)
            }
            #expect(pool.metrics.errors == [:])
            try await waited("the tunnel was one, the others requests") { proxy.tunnels == 4 }
            // nginx by another name than its certificate's.
            let name = await kind { () async throws(ClientError) in
                _ = try await pool.send(ClientRequest(.get, "https://localhost:\(secure)/file"))
            }
            #expect(name == .tls)
            options.proxy = "http://weir:wrong@127.0.0.1:\(proxy.port)"
            let stranger = pools.pool("stranger", options)
            let refused = await kind { () async throws(ClientError) in
                _ = try await stranger.send(ClientRequest(.get, "https://127.0.0.1:\(secure)/file"))
            }
            #expect(refused == .proxy)
            // Of a plain request the proxy's answer is the answer; Tinyproxy's is 401, and 407 only without a password.
            let answer = try await stranger.send(ClientRequest(.get, "http://127.0.0.1:\(plain)/file"))
            #expect(answer.status == 401)
            #expect(answer.fields["Server"]?.contains("tinyproxy") == true)
            answer.cancel()
            options.proxyExceptions = ["127.0.0.1"]
            let direct = pools.pool("direct", options)
            let response = try await direct.send(ClientRequest(.get, "http://127.0.0.1:\(plain)/file"))
            #expect(response.status == 200)
            #expect(response.fields["Via"] == nil)
            response.cancel()
            options.proxy = "http://127.0.0.1:1"
            options.proxyExceptions = []
            let nowhere = pools.pool("nowhere", options)
            let absent = await kind { () async throws(ClientError) in
                _ = try await nowhere.send(ClientRequest(.get, "http://127.0.0.1:\(plain)/file"))
            }
            #expect(absent == .connect)
            await pools.close()
        }
    }

    @LoopActor
    private func waited(_ what: Comment, _ condition: () -> Bool) async throws {
        let end = LoopClock.monotonic.deadline(after: 240)
        while !condition() {
            guard LoopClock.monotonic.now < end else {
                Issue.record(what)
                return
            }
            try await LoopClock.monotonic.sleep(for: 0.005)
        }
    }
}
