import Glibc
import Testing
import WeirHTTP
import WeirLoop

@Suite("Bodies of responses")
struct ClientBodyTests {
    private static func serve(_ text: String) -> RawServer {
        RawServer { connection in
            guard connection.head() != nil else { return }
            connection.send(text)
        }
    }

    @Test("a body that ends before its length or its last chunk is an error, after all that came")
    func cut() throws {
        let cuts = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "half"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", ""),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "half"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf", "half"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ""),
        ]
        for (text, expected) in cuts {
            let server = Self.serve(text)
            defer { server.close() }
            try withPoolAlone { pool in
                let response = try await pool.get(server.url())
                var bytes: [UInt8] = []
                let kind = await clientError { () async throws(ClientError) in
                    while let piece = try await response.body.next() { bytes += piece }
                }
                #expect(kind == .closed, "\(text)")
                #expect(String(decoding: bytes, as: UTF8.self) == expected)
                #expect(pool.metrics.errors == ["closed": 1])
                #expect(pool.metrics.completed == 0)
            }
        }
    }

    @Test("no response, half a head, and what is not HTTP are errors; so is an endless head")
    func malformed() throws {
        let long = "HTTP/1.1 200 OK\r\n" + String(repeating: "X-Long: " + pad(1000) + "\r\n", count: 70) + "\r\n"
        let cases: [(String, ClientError.Kind)] = [
            ("", .closed), ("HTTP/1.1 200 OK\r\nContent-Le", .malformed), ("SSH-2.0-OpenSSH\r\n", .malformed),
            ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", .malformed), (long, .headTooLarge),
        ]
        for (text, expected) in cases {
            let server = Self.serve(text)
            defer { server.close() }
            try withPoolAlone { pool in
                let kind = await clientError { () async throws(ClientError) in try await pool.get(server.url()) }
                #expect(kind == expected, "\(text.prefix(60))")
            }
        }
    }

    private func pad(_ count: Int) -> String { String(repeating: "x", count: count) }

    @Test("an HTTP/1.0 body ends with the connection; interim responses and trailers are passed over")
    func forms() throws {
        let old = Self.serve("HTTP/1.0 200 OK\r\nServer: old\r\n\r\nto the end")
        defer { old.close() }
        let interim = Self.serve(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                + "HTTP/1.1 200 OK\r\nX: 1\r\nX:  2 \r\nTransfer-Encoding: chunked\r\nTrailer: Y\r\n\r\n"
                + "3\r\nabc\r\n0\r\nY: 3\r\n\r\n")
        defer { interim.close() }
        try withPoolAlone { pool in
            let first = try await pool.get(old.url())
            #expect(first.version == "1.0")
            #expect(first.fields["server"] == "old")
            #expect(try await first.collect(limit: 100) == Array("to the end".utf8))
            let second = try await pool.get(interim.url())
            #expect(second.status == 200)
            #expect(second.fields.values("X") == ["1", "2"])
            #expect(second.fields["Link"] == nil && second.fields["Y"] == nil)
            #expect(try await second.collect(limit: 100) == Array("abc".utf8))
            #expect(pool.metrics.completed == 2)
        }
    }

    @Test("more than the caller takes is an error, and the request is taken back")
    func tooLarge() throws {
        let server = RawServer { connection in
            guard connection.head() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\n\r\n")
            while connection.send(pattern(65536)) {}
        }
        defer { server.close() }
        try withPoolAlone { pool in
            let response = try await pool.get(server.url())
            let kind = await clientError { () async throws(ClientError) in try await response.collect(limit: 1 << 20) }
            #expect(kind == .bodyTooLarge)
            #expect(pool.metrics.open == 0)
        }
    }

    @Test("a consumer that does not read holds the peer: 256 KiB are kept and no more, and every byte arrives")
    func slowConsumer() throws {
        let count = min(200, 20 * scale) << 20
        let sent = Flag.Count()
        let server = RawServer { connection in
            guard connection.head() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(count)\r\n\r\n")
            for _ in 0..<(count >> 20) where connection.send(Blocks.one) { sent.add(Blocks.one.count) }
        }
        defer { server.close() }
        try withPoolAlone { pool in
            let before = residentBytes()
            let response = try await pool.get(server.url())
            try await eventually("the buffer is full") { pool.metrics.receivedBytes > 262_144 - 16384 }
            for _ in 0..<5 { try await LoopClock.monotonic.sleep(for: 0.002) }
            #expect(pool.metrics.receivedBytes <= 262_144)
            // What the two sockets' buffers hold is the kernel's affair.
            #expect(sent.value < count)
            var check = BlockCheck()
            var most = 0
            var resident = before
            for try await piece in response.body {
                check.add(piece)
                most = max(most, piece.count)
                resident = max(resident, residentBytes())
                await Task.yield()
            }
            #expect(check.isRight)
            #expect(check.count == count)
            #expect(most <= 262_144)
            if dlsym(nil, "__asan_init") == nil && dlsym(nil, "__tsan_init") == nil {
                #expect(resident - before <= 16 << 20, "\((resident - before) >> 10) KiB more")
            }
        }
    }

    @Test("bodies of all sizes around the buffers' have every byte, with a length, in chunks and to the end")
    func sizes() throws {
        let edges = [16_384, 65_536, 131_072, 262_144, 524_288]
        let sizes = [0, 1] + edges.flatMap { [$0 - 1, $0, $0 + 1] } + [5_000_000]
        let server = RawServer { connection in
            while let head = connection.head() {
                let words = head.split(separator: " ")[1].split(separator: "/")
                let count = Int(words[1])!
                let bytes =
                    (0..<(count / Blocks.one.count)).flatMap { _ in Blocks.one }
                    + pattern(count % Blocks.one.count)
                switch words[0] {
                case "length": connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(count)\r\n\r\n")
                case "chunks": connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                default: connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
                }
                guard words[0] == "chunks" else {
                    connection.send(bytes)
                    if words[0] == "close" { return }
                    continue
                }
                var rest = bytes[...]
                while !rest.isEmpty {
                    let chunk = rest.prefix(1 + rest.count % 70_001)
                    connection.send("\(String(chunk.count, radix: 16))\r\n")
                    connection.send(Array(chunk))
                    connection.send("\r\n")
                    rest = rest.dropFirst(chunk.count)
                }
                connection.send("0\r\n\r\n")
            }
        }
        defer { server.close() }
        try withPoolAlone({ $0.connections = 8 }) { pool in
            let tasks = ["length", "chunks", "close"].flatMap { form in sizes.map { (form, $0) } }.map { form, size in
                spawn {
                    let response = try await pool.get(server.url("/\(form)/\(size)"))
                    var check = BlockCheck()
                    for try await piece in response.body {
                        check.add(piece)
                        // Some come while nobody waits for them.
                        if size % 2 == 0 { await Task.yield() }
                    }
                    return check.isRight && check.count == size ? "" : "\(form) \(size): \(check.count)"
                }
            }
            for task in tasks {
                let problem = try await task.value
                #expect(problem == "")
            }
            #expect(pool.metrics.errors == [:])
        }
    }

    @Test("a body that never ends and never waits leaves others their turn")
    func fairness() throws {
        let server = RawServer { connection in
            while let head = connection.head() {
                guard head.hasPrefix("GET /endless") else {
                    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
                    continue
                }
                connection.send("HTTP/1.1 200 OK\r\n\r\n")
                while connection.send(Blocks.one) {}
            }
        }
        defer { server.close() }
        try withPoolAlone { pool in
            let reader = spawn { () -> Int in
                let response = try await pool.get(server.url("/endless"))
                var count = 0
                while !Task.isCancelled, let piece = try await response.body.next() { count += piece.count }
                return count
            }
            try await eventually("it comes") { pool.metrics.receivedBytes > 1 << 20 }
            for _ in 0..<50 {
                let text = try await pool.text(server.url("/small"))
                #expect(text == "a")
            }
            let before = pool.metrics.receivedBytes
            try await eventually("it still comes") { pool.metrics.receivedBytes > before }
            reader.cancel()
            _ = try? await reader.value
            try await eventually("it is taken back") { pool.metrics.running == 0 }
        }
    }

    @Test("an upload from a sequence goes at the pace of the peer, and every byte arrives")
    func upload() throws {
        let count = min(100, 10 * scale) << 20
        let gate = ThreadGate()
        let good = Flag()
        let server = RawServer { connection in
            guard connection.head() != nil else { return }
            gate.wait()
            good.isSet = (0..<(count >> 20)).allSatisfy { _ in connection.read(1 << 20) == Blocks.one }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        }
        defer { server.close() }
        try withPoolAlone { pool in
            let made = Flag.Count()
            let pieces = AsyncStream<[UInt8]> {
                guard made.value < count >> 20 else { return nil }
                made.add(1)
                return Blocks.one
            }
            let request = ClientRequest(
                .put, server.url(), body: .sequence(pieces, length: UInt64(count)))
            let task = spawn { try await pool.send(request) }
            var before: UInt64 = .max
            try await eventually("the peer takes no more") {
                defer { before = pool.metrics.sentBytes }
                return pool.metrics.sentBytes > 0 && pool.metrics.sentBytes == before
            }
            // The sockets' buffers are the kernel's; here are 64 KiB and the piece that is being written.
            #expect(made.value < count >> 20)
            #expect(UInt64(made.value << 20) <= pool.metrics.sentBytes + 65536 + 2 << 20)
            gate.open()
            #expect(try await task.value.status == 200)
            #expect(good.isSet)
            #expect(pool.metrics.sentBytes == UInt64(count))
        }
    }

    @Test("a peer that answers before the body's end is heard")
    func earlyAnswer() throws {
        let server = RawServer { connection in
            guard connection.head() != nil else { return }
            _ = connection.read(1000)
            connection.send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
            connection.waitForEnd()
        }
        defer { server.close() }
        try withPoolAlone { pool in
            let endless = ClientRequest.Body.stream(length: nil) { upload in
                while true { try await upload.write(pattern(1000)) }
            }
            let response = try await pool.send(ClientRequest(.put, server.url(), body: endless))
            #expect(response.status == 413)
            #expect(try await response.collect(limit: 2) == Array("no".utf8))
        }
    }
}

/// A door for threads.
final class ThreadGate: @unchecked Sendable {
    private let isOpen = Flag()

    func open() { isOpen.isSet = true }

    func wait() { while !isOpen.isSet { usleep(500) } }
}
