import Glibc
import Testing
import WeirHTTP
import WeirLoop

@Suite("Timeouts of requests")
struct ClientTimeoutTests {
    /// Runs `request` against a script on a clock that is moved: when it has gone `quiet`, by `seconds` less half of one,
    /// after which it must still be there, and then past the end.
    private func expire(
        _ expected: ClientError.Phase, after seconds: Double, _ method: WeirHTTP.Method = .get,
        body: ClientRequest.Body = .none,
        timeout: Double? = nil,
        quiet: @escaping @LoopActor (ClientPool, RawServer) -> Bool,
        script: @escaping @Sendable (RawConnection) -> Void
    ) throws {
        let server = RawServer(script)
        defer { server.close() }
        let clock = LoopClock.manual()
        try withPoolAlone(clock: clock) { pool in
            let done = Flag()
            let task = spawn { () -> ClientError.Kind? in
                defer { done.isSet = true }
                return await clientError { () async throws(ClientError) in
                    var request = ClientRequest(method, server.url(), body: body)
                    request.timeout = timeout
                    let response = try await pool.send(request)
                    return try await response.collect(limit: 1 << 20)
                }
            }
            try await eventually("it is quiet") { quiet(pool, server) }
            for _ in 0..<5 { try await LoopClock.monotonic.sleep(for: 0.002) }
            await clock.advance(seconds: seconds - 0.5)
            #expect(!done.isSet)
            await clock.advance(seconds: 1)
            #expect(await task.value == .timeout(expected))
            #expect(pool.metrics.open == 0)
            #expect(pool.metrics.errors == ["timeout_\(expected.rawValue)": 1])
        }
    }

    @Test("no head within 30 s")
    func head() throws {
        try expire(.head, after: 30, quiet: { $1.accepted.value == 1 }) { connection in
            _ = connection.head()
            connection.waitForEnd()
        }
    }

    @Test("nothing of the body for 60 s")
    func body() throws {
        try expire(.body, after: 60, quiet: { pool, _ in pool.metrics.receivedBytes == 4 }) { connection in
            _ = connection.head()
            connection.send("HTTP/1.1 200 OK\r\n\r\nhalf")
            connection.waitForEnd()
        }
    }

    @Test("a loop that was away for longer than the limit looks at what came meanwhile")
    func away() throws {
        let isSent = Flag()
        let gate = ThreadGate()
        let server = RawServer { connection in
            guard connection.head() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
            gate.wait()
            connection.send("more")
            isSent.isSet = true
            connection.waitForEnd()
        }
        defer { server.close() }
        let clock = LoopClock.manual()
        try withPoolAlone(clock: clock) { pool in
            let response = try await pool.get(server.url())
            var bytes = try await response.body.next() ?? []
            #expect(bytes == Array("half".utf8))
            let rest = spawn { try await response.collect(limit: 100) }
            for _ in 0..<5 { try await LoopClock.monotonic.sleep(for: 0.002) }
            await clock.advance(seconds: 59)
            gate.open()
            // The loop stands still, as when the process or the machine was stopped.
            while !isSent.isSet { usleep(1000) }
            clock.advance(by: 1_500_000_000)
            bytes = try await rest.value
            #expect(bytes == Array("more".utf8))
            #expect(pool.metrics.errors == [:])
        }
    }

    @Test("a peer that takes nothing of the request for 60 s")
    func send() throws {
        let stuck = Flag()
        let last = Flag.Count()
        let endless = ClientRequest.Body.stream(length: nil) { while true { try await $0.write(pattern(65536)) } }
        try expire(
            .send, after: 60, .put, body: endless,
            quiet: { pool, _ in
                let sent = Int(pool.metrics.sentBytes)
                defer { last.add(sent - last.value) }
                return sent > 0 && sent == last.value
            }
        ) { connection in
            _ = connection.head()
            while !stuck.isSet && recv(connection.descriptor, nil, 0, Int32(MSG_PEEK)) == 0 { usleep(1000) }
        }
        stuck.isSet = true
    }

    @Test("the request's own limit")
    func request() throws {
        try expire(.request, after: 7, timeout: 7, quiet: { pool, _ in pool.metrics.receivedBytes == 4 }) {
            connection in
            _ = connection.head()
            connection.send("HTTP/1.1 200 OK\r\n\r\nhalf")
            connection.waitForEnd()
        }
    }

    @Test("no connection within 10 s: the peer's queue is full, or it says nothing to TLS")
    func connect() throws {
        let clock = LoopClock.manual()
        // A listening socket that nobody accepts from: its queue takes the first, and the handshake of TLS never ends.
        let hello = Flag()
        let silent = RawServer { connection in
            hello.isSet = connection.read(1).count == 1
            connection.waitForEnd()
        }
        defer { silent.close() }
        try withPoolAlone(clock: clock) { pool in
            let tls = spawn { () -> ClientError.Kind? in
                await clientError { () async throws(ClientError) in
                    try await pool.get("https://127.0.0.1:\(silent.port)/")
                }
            }
            try await eventually("it has said hello") { hello.isSet }
            await clock.advance(seconds: 11)
            let kind = await tls.value
            #expect(kind == .timeout(.tls))

            let (listener, port) = try fullListener()
            defer { for descriptor in listener { close(descriptor) } }
            let full = spawn { () -> ClientError.Kind? in
                await clientError { () async throws(ClientError) in try await pool.get("http://127.0.0.1:\(port)/") }
            }
            try await eventually("it connects") { pool.metrics.open == 1 }
            await clock.advance(seconds: 11)
            #expect(await full.value == .timeout(.connect))
        }
    }

    /// A listening socket whose queue is full: a further connection is never answered.
    private func fullListener() throws -> ([Int32], UInt16) {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        var descriptors = [listener]
        withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                precondition(bind(listener, $0, length) == 0 && listen(listener, 0) == 0)
                getsockname(listener, $0, &length)
                for _ in 0..<4 {
                    let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
                    _ = Glibc.connect(client, $0, length)
                    descriptors.append(client)
                }
            }
        }
        return (descriptors, UInt16(bigEndian: address.sin_port))
    }

    @Test("a consumer that reads slowly is not the peer's fault, however long it takes")
    func held() throws {
        let clock = LoopClock.manual()
        let server = RawServer { connection in
            _ = connection.head()
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 20971520\r\n\r\n")
            connection.sendBlocks(20)
            connection.waitForEnd()
        }
        defer { server.close() }
        try withPoolAlone(clock: clock) { pool in
            let response = try await pool.get(server.url())
            try await eventually("the buffer is full") { pool.metrics.receivedBytes > 262_144 - 16384 }
            for _ in 0..<5 { try await LoopClock.monotonic.sleep(for: 0.002) }
            await clock.advance(seconds: 300)
            var count = 0
            while let piece = try await response.body.next() { count += piece.count }
            #expect(count == 20 << 20)
            #expect(pool.metrics.errors == [:])
        }
    }
}
