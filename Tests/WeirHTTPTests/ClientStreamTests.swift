import Glibc
import Testing
import WeirHTTP
import WeirLoop

@Suite("Responses into a socket")
struct ClientStreamTests {
    /// Reads a descriptor up to its end, and closes it.
    @LoopActor
    private func drain(_ descriptor: Int32) async -> (first: [UInt8], check: BlockCheck) {
        await elsewhere {
            _ = fcntl(descriptor, F_SETFL, 0)
            defer { close(descriptor) }
            var first: [UInt8] = []
            var check = BlockCheck()
            var block = [UInt8](repeating: 0, count: 65536)
            while true {
                let count = read(descriptor, &block, block.count)
                if count <= 0 { return (first, check) }
                if first.isEmpty { first = Array(block[..<count]) }
                check.add(Array(block[..<count]))
            }
        }
    }

    @Test("every byte arrives in order, without Swift for each piece")
    func bytes() throws {
        let count = 8 << 20
        let server = RawServer { connection in
            _ = connection.head()
            connection.send("ICY 200 OK\r\nicy-metaint: 16000\r\nicy-name: test\r\n\r\n")
            connection.sendBlocks(count >> 20)
        }
        defer { server.close() }
        try withPoolAlone { pool in
            let stream = try await pool.stream(ClientRequest(.get, server.url(), fields: ["Icy-MetaData": "1"]))
            #expect(stream.status == 200)
            #expect(stream.fields["icy-metaint"] == "16000")
            let before = LoopActor.entries
            let (_, check) = await drain(stream.takeDescriptor())
            try await stream.ended()
            #expect(check.isRight)
            #expect(check.count == count)
            // 512 pieces of 16 KiB at least; what is left is the end, the sweeps and this test.
            #expect(LoopActor.entries - before < 100)
            #expect(stream.takeDescriptor() == -1)
            #expect(pool.metrics.completed == 1)
            #expect(pool.metrics.receivedBytes == UInt64(count))
        }
    }

    @Test("a reader that does not read holds the peer; one that goes on has every byte")
    func held() throws {
        let count = 20 << 20
        let server = RawServer { connection in
            _ = connection.head()
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(count)\r\n\r\n")
            connection.sendBlocks(count >> 20)
        }
        defer { server.close() }
        try withPoolAlone { pool in
            let stream = try await pool.stream(ClientRequest(.get, server.url()))
            var before: UInt64 = .max
            try await eventually("the socket is full") {
                defer { before = pool.metrics.receivedBytes }
                return before == pool.metrics.receivedBytes && before > 0
            }
            #expect(before < 2 << 20)
            let (_, check) = await drain(stream.takeDescriptor())
            #expect(check.isRight)
            #expect(check.count == count)
            try await stream.ended()
        }
    }

    @Test("a stream that is cut ends the socket, and says so")
    func cut() throws {
        let server = RawServer { connection in
            _ = connection.head()
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        }
        defer { server.close() }
        try withPoolAlone { pool in
            let stream = try await pool.stream(ClientRequest(.get, server.url()))
            #expect(await drain(stream.takeDescriptor()).first == Array("half".utf8))
            #expect(await clientError { () async throws(ClientError) in try await stream.ended() } == .closed)
        }
    }

    @Test("a stream that is cut while its reader is behind ends the socket after all that came")
    func cutBehind() throws {
        let server = RawServer { connection in
            guard let head = connection.head() else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
            connection.send(pattern(Int(head.split(separator: " ")[1].dropFirst())!))
        }
        defer { server.close() }
        try withPoolAlone { pool in
            // What the socket has no room for is a part of a piece at some of these sizes, and none at others.
            for (number, count) in stride(from: 8192, through: 512 << 10, by: 8192).enumerated() {
                let stream = try await pool.stream(ClientRequest(.get, server.url("/\(count)")))
                try await eventually("the server has closed") { server.ended.value == number + 1 }
                for _ in 0..<3 { try await LoopClock.monotonic.sleep(for: 0.001) }
                let (_, check) = await drain(stream.takeDescriptor())
                #expect(check.isRight)
                #expect(check.count == count)
                #expect(await clientError { () async throws(ClientError) in try await stream.ended() } == .closed)
            }
        }
    }

    @Test("the request is taken back when its reader closes, though nothing comes; and when it is closed or dropped")
    func abandoned() throws {
        let server = RawServer { connection in
            _ = connection.head()
            connection.send("HTTP/1.1 200 OK\r\n\r\n")
            connection.waitForEnd()
        }
        defer { server.close() }
        try withPoolAlone { pool in
            let first = try await pool.stream(ClientRequest(.get, server.url()))
            close(first.takeDescriptor())
            #expect(await clientError { () async throws(ClientError) in try await first.ended() } == .abandoned)
            try await eventually("the server has seen it") { server.ended.value == 1 }

            let second = try await pool.stream(ClientRequest(.get, server.url()))
            second.close()
            second.close()
            #expect(await clientError { () async throws(ClientError) in try await second.ended() } == .cancelled)
            try await eventually("the server has seen it") { server.ended.value == 2 }

            let status = try await pool.stream(ClientRequest(.get, server.url())).status
            #expect(status == 200)
            try await eventually("the server has seen it") { server.ended.value == 3 }
            #expect(pool.metrics.running == 0)
        }
    }

    @Test("a request that fails leaves no descriptor")
    func failed() throws {
        try alone("ClientStreamTests/failed") {
            try withPoolAlone { pool in
                _ = try? await pool.get("http://127.0.0.1:1/")
                let before = openDescriptors()
                for url in ["ftp://x/", "http://127.0.0.1:1/"] {
                    let kind = await clientError { () async throws(ClientError) in
                        try await pool.stream(ClientRequest(.get, url))
                    }
                    #expect(kind == .url || kind == .connect)
                }
                await LoopActor.settle()
                #expect(openDescriptors() <= before)
            }
        }
    }
}
