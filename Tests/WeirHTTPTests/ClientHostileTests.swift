import Glibc
import Testing
import WeirHTTP
import WeirLoop

/// Servers that mean no good, or do not know better: what each comes to, as a kind of error and with what came before.
@Suite("Hostile servers")
struct ClientHostileTests {
    private static let ok = "HTTP/1.1 200 OK\r\n"
    private static let chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"

    /// One server for each text, which it sends and then waits: only what the text says can end the request.
    private func expect(
        _ text: String, _ expected: ClientError.Kind, after body: String = "",
        location: SourceLocation = #_sourceLocation
    ) throws {
        let server = RawServer { connection in
            guard connection.head() != nil else { return }
            connection.send(text)
            connection.waitForEnd()
        }
        defer { server.close() }
        try withPoolAlone { pool in
            var bytes: [UInt8] = []
            let kind = await clientError { () async throws(ClientError) in
                let response = try await pool.get(server.url())
                while let piece = try await response.body.next() { bytes += piece }
            }
            #expect(kind == expected, "\(text.prefix(80))", sourceLocation: location)
            #expect(String(decoding: bytes, as: UTF8.self) == body, sourceLocation: location)
            #expect(pool.metrics.errors == [expected.name: 1], sourceLocation: location)
            #expect(pool.metrics.open == 0, sourceLocation: location)
        }
    }

    private func repeated(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }

    @Test("a head that is too large, in many fields or in one without an end")
    func largeHead() throws {
        try expect(Self.ok + repeated("X-Long: \(repeated("x", 1000))\r\n", 70) + "\r\n", .headTooLarge)
        try expect(Self.ok + "X-Long: \(repeated("x", 70_000))\r\n\r\n", .headTooLarge)
        try expect(Self.ok + "X-Long: \(repeated("x", 200_000))", .headTooLarge)
    }

    @Test("interim responses without an end, and trailers without an end")
    func floods() throws {
        try expect(repeated("HTTP/1.1 100 Continue\r\n\r\n", 10_000), .headTooLarge)
        try expect(repeated("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 10_000), .headTooLarge)
        try expect(Self.chunked + "1\r\na\r\n0\r\n" + repeated("X: y\r\n", 20_000), .headTooLarge, after: "a")
    }

    @Test("chunks whose size is no number, is too large, or is not what came")
    func chunks() throws {
        try expect(Self.chunked + "1\r\na\r\nzz\r\n", .malformed, after: "a")
        try expect(Self.chunked + "-1\r\na\r\n", .malformed)
        try expect(Self.chunked + "ffffffffffffffffff\r\na\r\n", .malformed)
        try expect(Self.chunked + "1\r\nabc\r\n0\r\n\r\n", .malformed, after: "a")
    }

    @Test("lengths that differ, or are no numbers")
    func lengths() throws {
        try expect(Self.ok + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", .malformed)
        try expect(Self.ok + "Content-Length: -3\r\n\r\nabc", .malformed)
        try expect(Self.ok + "Content-Length: three\r\n\r\nabc", .malformed)
    }

    @Test("a transfer coding that nobody asked for is refused; a content coding is the caller's to undo")
    func codings() throws {
        try expect(Self.ok + "Transfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", .malformed)
        try expect(Self.ok + "Transfer-Encoding: deflate\r\nTransfer-Encoding: chunked\r\n\r\n", .malformed)
        let asked = Flag()
        // `printf a | gzip -n`
        let packed: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b, 4, 0, 0x43, 0xbe, 0xb7, 0xe8, 1, 0, 0, 0]
        let server = RawServer { connection in
            guard let head = connection.head() else { return }
            asked.isSet = head.lowercased().contains("accept-encoding") || head.lowercased().contains("te:")
            connection.send(Self.ok + "Content-Encoding: gzip\r\nContent-Length: \(packed.count)\r\n\r\n")
            connection.send(packed)
            connection.waitForEnd()
        }
        defer { server.close() }
        try withPoolAlone { pool in
            let response = try await pool.get(server.url())
            #expect(response.fields["Content-Encoding"] == "gzip")
            #expect(try await response.collect(limit: 100) == packed)
            #expect(!asked.isSet)
        }
    }

    @Test("a head byte by byte has no more time than another; a body byte by byte has the request's")
    func slow() throws {
        for (text, expected) in [
            (Self.ok + "X-Slow: 1\r\n", ClientError.Kind.timeout(.head)),
            ("HTTP/1.1 100 Continue\r\n\r\n" + Self.ok + "X-Slow: ", .timeout(.head)),
            (Self.ok + "\r\n", .timeout(.request)),
            // Of a chunk's size nothing is a body.
            (Self.chunked + "1;x", .timeout(.body)),
        ] {
            let pace = Flag.Count()
            let gone = Flag()
            let asked = Flag()
            let server = RawServer { connection in
                guard connection.head() != nil else { return }
                asked.isSet = true
                connection.send(text)
                var sent = 0
                while sent < 1000, !gone.isSet {
                    while pace.value <= sent && !gone.isSet { usleep(200) }
                    connection.send("x")
                    sent += 1
                }
            }
            defer { server.close() }
            let clock = LoopClock.manual()
            try withPoolAlone(clock: clock) { pool in
                let done = Flag()
                let task = spawn { () -> ClientError.Kind? in
                    defer { done.isSet = true }
                    return await clientError { () async throws(ClientError) in
                        var request = ClientRequest(.get, server.url())
                        request.timeout = 300
                        _ = try await pool.send(request).collect(limit: 1 << 20)
                    }
                }
                try await eventually("it is asked") { asked.isSet }
                if expected != .timeout(.head) { try await eventually("it is answered") { pool.latency.count == 1 } }
                var seconds = 0
                while !done.isSet && seconds < 400 {
                    pace.add(1)
                    if case .timeout(.request) = expected {
                        let want = UInt64(pace.value)
                        try await eventually("the byte has come") { pool.metrics.receivedBytes >= want || done.isSet }
                    }
                    await clock.advance(seconds: 10)
                    seconds += 10
                }
                #expect(await task.value == expected, "\(text)")
                gone.isSet = true
                switch expected {
                case .timeout(.head): #expect(seconds <= 40)
                case .timeout(.body): #expect(seconds <= 110)
                default: #expect(seconds > 280 && seconds <= 310)
                }
                #expect(pool.metrics.open == 0)
            }
        }
    }

    @Test("a connection that ends in the middle of each part, with and without a reset")
    func broken() throws {
        for isReset in [false, true] {
            for (text, expected, body) in [
                ("", ClientError.Kind.closed, ""), (Self.ok + "Content-Length: 9\r\n\r\nhalf", .closed, "half"),
                (Self.chunked + "9\r\nhalf", .closed, "half"),
                (Self.chunked + "4\r\nhalf\r\n0\r\nX: y", .closed, "half"),
            ] {
                let taken = ThreadGate()
                let server = RawServer { connection in
                    guard connection.head() != nil else { return }
                    connection.send(text)
                    guard isReset else { return }
                    // What is in the peer's socket would go with it.
                    if !text.isEmpty { taken.wait() }
                    var linger = linger(l_onoff: 1, l_linger: 0)
                    setsockopt(
                        connection.descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
                }
                defer { server.close() }
                try withPoolAlone { pool in
                    var bytes: [UInt8] = []
                    let kind = await clientError { () async throws(ClientError) in
                        let response = try await pool.get(server.url())
                        while let piece = try await response.body.next() {
                            bytes += piece
                            taken.open()
                        }
                    }
                    #expect(kind == expected, "\(text), reset: \(isReset)")
                    #expect(String(decoding: bytes, as: UTF8.self) == body)
                }
            }
        }
    }

    @Test("a redirect that is not followed is a response, wherever it leads; one that is has its limits")
    func redirects() throws {
        let server = RawServer { connection in
            while let head = connection.head() {
                let place = head.contains(" /file ") ? "file:///etc/passwd" : "/loop"
                connection.send("HTTP/1.1 302 Found\r\nLocation: \(place)\r\nContent-Length: 2\r\n\r\nno")
            }
        }
        defer { server.close() }
        try withPoolAlone { pool in
            var request = ClientRequest(.get, server.url("/file"))
            request.redirectLimit = 0
            let response = try await pool.send(request)
            #expect(response.status == 302)
            #expect(response.fields["Location"] == "file:///etc/passwd")
            #expect(try await response.collect(limit: 2) == Array("no".utf8))
            let file = await clientError { () async throws(ClientError) in try await pool.get(server.url("/file")) }
            #expect(file == .url)
            let loop = await clientError { () async throws(ClientError) in try await pool.get(server.url("/loop")) }
            #expect(loop == .tooManyRedirects)
        }
    }
}
