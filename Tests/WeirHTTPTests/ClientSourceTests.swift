import Glibc
import Testing
import WeirHTTP
import WeirLoop

/// Gives a body as a function of C does, and says what it is told to. The loop's.
private final class Spring: @unchecked Sendable {
    private(set) var given = 0
    /// It has nothing from so many bytes on.
    var has = Int.max
    /// It fails from so many bytes on.
    var limit = Int.max
    /// Bytes that it gives at once, at most.
    var piece = Int.max
    private(set) var isHolding = false
    private(set) var calls = 0

    static let give: ClientSource.Give = { data, to, room in
        let spring = Unmanaged<Spring>.fromOpaque(data!).takeUnretainedValue()
        return spring.give(UnsafeMutableRawBufferPointer(start: to, count: room))
    }

    private func give(_ room: UnsafeMutableRawBufferPointer) -> Int64 {
        calls += 1
        isHolding = given >= has
        if isHolding { return ClientSource.held }
        if given >= limit { return ClientSource.failed }
        let offset = given & (Blocks.one.count - 1)
        let count = min(room.count, piece, Blocks.one.count - offset, has - given, limit - given)
        Blocks.one.withUnsafeBytes { room.copyMemory(from: .init(rebasing: $0[offset..<(offset + count)])) }
        given += count
        return Int64(count)
    }

    @LoopActor
    func source() -> ClientSource { ClientSource(Spring.give, Unmanaged.passUnretained(self).toOpaque()) }
}

@Suite("Sources of requests")
struct ClientSourceTests {
    /// Reads a body of that length, and says whether it is right.
    private static func serve(_ length: Int) -> RawServer {
        RawServer { connection in
            while let head = connection.head() {
                var check = BlockCheck()
                while check.count < length {
                    let piece = connection.read(min(65_536, length - check.count))
                    if piece.isEmpty { return }
                    check.add(piece)
                }
                let isRight = check.isRight && head.lowercased().contains("content-length: \(length)\r\n")
                connection.send("HTTP/1.1 \(isRight ? 200 : 400) OK\r\nContent-Length: 0\r\n\r\n")
            }
        }
    }

    private func put(_ server: RawServer, _ source: ClientSource, _ length: Int) -> ClientRequest {
        ClientRequest(.put, server.url(), body: .source(source, length: UInt64(length)))
    }

    @Test("every byte goes out, whatever the source gives at once", arguments: [Int.max, 65_537, 1000])
    func all(piece: Int) throws {
        for length in [0, 1, 65_535, 65_536, 65_537, 3 << 20] {
            let server = Self.serve(length)
            defer { server.close() }
            try withPoolAlone { pool in
                for _ in 0..<2 {
                    let spring = Spring()
                    spring.piece = piece
                    let response = try await pool.send(put(server, spring.source(), length))
                    #expect(response.status == 200, "\(length) bytes")
                    _ = try await response.collect(limit: 0)
                    #expect(spring.given == length)
                }
                #expect(pool.metrics.sentBytes == UInt64(2 * length))
                #expect(server.accepted.value == 1)
            }
        }
    }

    @Test("a source that has nothing is waited for, and the peer is not blamed")
    func held() throws {
        let server = Self.serve(1 << 20)
        defer { server.close() }
        let clock = LoopClock.manual()
        try withPoolAlone(clock: clock) { pool in
            let spring = Spring()
            spring.has = 0
            let source = spring.source()
            let sending = spawn { try await pool.send(put(server, source, 1 << 20)) }
            for has in [100_000, 300_000, 1 << 20] {
                try await eventually("it holds") { spring.isHolding }
                let calls = spring.calls
                await clock.advance(seconds: 300)
                try await LoopClock.monotonic.sleep(for: 0.005)
                #expect(spring.calls == calls)
                spring.has = has
                source.resume()
                try await eventually("it has gone on") { spring.given == has }
            }
            #expect(try await sending.value.status == 200)
        }
    }

    @Test("a source that fails ends the request with its connection", arguments: [0, 100_000])
    func fails(limit: Int) throws {
        let server = Self.serve(1 << 20)
        defer { server.close() }
        try withPoolAlone { pool in
            let spring = Spring()
            spring.limit = limit
            let request = put(server, spring.source(), 1 << 20)
            let kind = await clientError { () async throws(ClientError) in try await pool.send(request) }
            #expect(kind == .upload)
            try await eventually("the peer sees its end") { server.ended.value == 1 }
        }
    }

    @Test("a peer that answers before the body's end is heard while the source has nothing")
    func early() throws {
        let server = RawServer { connection in
            guard connection.head() != nil else { return }
            connection.send("HTTP/1.1 403 No\r\nContent-Length: 4\r\nConnection: close\r\n\r\nwhat")
            connection.waitForEnd()
        }
        defer { server.close() }
        try withPoolAlone { pool in
            let spring = Spring()
            spring.has = 1000
            let source = spring.source()
            let response = try await pool.send(put(server, source, 1 << 20))
            #expect(response.status == 403)
            response.cancel()
            let calls = spring.calls
            source.resume()
            #expect(spring.calls == calls)
        }
    }

    @Test("a task that is cancelled while its source has nothing takes the request back")
    func cancelled() throws {
        let server = Self.serve(1 << 20)
        defer { server.close() }
        try withPoolAlone { pool in
            let spring = Spring()
            spring.has = 1000
            let source = spring.source()
            let request = put(server, source, 1 << 20)
            let sending = spawn { await clientError { () async throws(ClientError) in try await pool.send(request) } }
            try await eventually("it holds") { spring.isHolding }
            sending.cancel()
            #expect(await sending.value == .cancelled)
            let calls = spring.calls
            source.resume()
            #expect(spring.calls == calls)
        }
    }
}
