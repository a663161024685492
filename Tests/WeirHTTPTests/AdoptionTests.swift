import Glibc
import Testing
import WeirHTTP
import WeirLoop

/// Sockets that a service manager opened, and other options for a server that runs.
@Suite("Servers that were there before")
struct AdoptionTests {
    /// A socket that listens, and its address.
    private func listener(_ host: String, family: Int32 = AF_INET) throws -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue), 0)
        var storage = sockaddr_storage()
        storage.ss_family = sa_family_t(family)
        withUnsafeMutableBytes(of: &storage) { bytes in
            _ = inet_pton(family, host, bytes.baseAddress! + (family == AF_INET ? 4 : 8))
        }
        var length = socklen_t(
            family == AF_INET ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size)
        let status = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                bind(descriptor, name, length) == 0 && Glibc.listen(descriptor, 10) == 0
                    ? getsockname(descriptor, name, &length) : -1
            }
        }
        guard status == 0 else { throw CoreError(errno: errno) }
        let port = withUnsafeBytes(of: &storage) {
            UInt16(bigEndian: $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        }
        return (descriptor, port)
    }

    private func serve(
        _ addresses: [ServerOptions.Address], on sockets: [Int32],
        _ body: @escaping @LoopActor (Server) async throws -> Void
    ) throws {
        try LoopActor.runInTurn {
            var options = ServerOptions()
            options.addresses = addresses
            let router = Router()
            router.get("/") { _ in Response(200, body: .bytes([])) }
            let server = Server(options: options, router: router)
            do {
                try server.start(on: sockets)
                try await body(server)
            } catch {
                await server.stop(grace: 0.01)
                throw error
            }
            await server.stop(grace: 0.01)
        }
    }

    @Test("an address is opened unless a socket stands for it")
    func matching() throws {
        let standard = ServerOptions().addresses
        let cases: [(host: String, family: Int32, wanted: String, opens: Bool)] = [
            ("127.0.0.1", AF_INET, "127.0.0.1", false), ("127.0.0.1", AF_INET, "127.0.0.2", true),
            ("0.0.0.0", AF_INET, "127.0.0.1", false), ("::1", AF_INET6, "::1", false),
            ("::1", AF_INET6, "127.0.0.1", true), ("::", AF_INET6, "127.0.0.1", false), ("::", AF_INET6, "::1", false),
        ]
        for (host, family, wanted, opens) in cases {
            guard let socket = try? listener(host, family: family) else { continue }
            try serve([.internet(host: wanted, port: socket.port)], on: [socket.descriptor]) { server in
                #expect(server.addresses.map(\.port) == [UInt16](repeating: socket.port, count: opens ? 2 : 1))
                let reply = await ask(
                    socket.port, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                #expect(reply.status == (host == "::1" && !opens ? 0 : 200), "\(host) \(wanted)")
            }
        }
        let socket = try listener("127.0.0.1")
        try serve(standard, on: [socket.descriptor]) { server in
            #expect(server.addresses.map(\.port) == [socket.port], "the default stands back")
        }
        let other = try listener("127.0.0.1")
        try serve([.internet(host: "127.0.0.1", port: 0)], on: [other.descriptor]) { server in
            #expect(server.addresses.count == 2, "any port is another one")
        }
    }

    @Test("what does not listen is refused, and nothing is served then")
    func unsuitable() throws {
        let silent = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(silent) }
        #expect(throws: ListenError.self) { try serve([], on: [silent]) { _ in } }
        #expect(throws: ListenError.self) { try serve([], on: [9999]) { _ in } }
    }

    @Test("a Unix socket's name stays when it is somebody else's")
    func name() throws {
        var template = Array("/tmp/weir-adopt-XXXXXX".utf8CString)
        #expect(mkdtemp(&template) != nil)
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self) + "/socket"
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(status == 0 && Glibc.listen(descriptor, 10) == 0)
        try serve([.unix(path: path)], on: [descriptor]) { server in
            #expect(server.addresses.map(\.description) == ["unix:\(path)"])
            #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0)
        }
        #expect(access(path, F_OK) == 0)
        unlink(path)
        rmdir(String(path.dropLast("/socket".count)))
    }

    @Test("other options hold from the next request on, on connections that are there too")
    func update() throws {
        let routes: @LoopActor (Router) -> Void = { router in
            router.get("/") { _ in Response(200, body: .bytes([])) }
            router.post("/order") { _ in Response(204) }
        }
        try withServer(adminToken: "first", routes: routes) { server, port in
            let client = Client(port: port)
            func order(_ token: String, host: String = "localhost") async -> Int {
                client.send(
                    "POST /order HTTP/1.1\r\nHost: \(host)\r\nAuthorization: Bearer \(token)\r\nContent-Length: 0\r\n\r\n"
                )
                return await elsewhere { client.answer().status }
            }
            #expect(await order("first") == 204)
            #expect(await order("first", host: "radio.example") == 403)
            var options = server.options
            options.addresses = []
            options.allowedHosts = ["radio.example"]
            options.maxConnections = 1
            options.bodyLimit = 2048
            server.update(options, adminToken: "second")
            #expect(server.options.addresses.count == 1, "where it listens stays")
            #expect(await order("first", host: "radio.example") == 401)
            #expect(await order("second", host: "radio.example") == 204)
            #expect(await ask(port, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 503)
            options.maxConnections = nil
            server.update(options, adminToken: "second")
            let reply = await ask(port, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            #expect(reply.status == 200)
        }
    }

    @Test("a request that has come when the server stops is answered; who was just accepted has a moment")
    func lastRequest() throws {
        try withServer(routes: { $0.get("/") { _ in Response(200, body: .bytes([])) } }) { server, port in
            let asked = Client(port: port)
            let fresh = Client(port: port)
            try await eventually("both are accepted") { server.counters.active == 2 }
            asked.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            let stopping = spawn { await server.stop(grace: 5) }
            await Task.yield()
            fresh.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(await elsewhere { asked.answer().status } == 200)
            #expect(await elsewhere { fresh.answer().status } == 200)
            await stopping.value
            #expect(server.counters.headTimeouts == 0)
        }
    }
}
