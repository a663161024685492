import Glibc
import Testing
import WeirHTTP
import WeirLoop

/// Takes a body as a function of C does, and says what it is told to. The loop's.
private final class Basin: @unchecked Sendable {
    private(set) var check = BlockCheck()
    private(set) var calls = 0
    private(set) var most = 0
    /// Every so many calls it has no room, once each.
    var holdsEvery = Int.max
    /// It has no room from so many bytes on.
    var room = Int.max
    /// It fails from so many bytes on.
    var limit = Int.max
    private var hasHeld = false
    private(set) var isHolding = false
    private(set) var hasFailed = false
    /// Calls after it has failed.
    private(set) var late = 0

    static let take: ClientSink.Take = { data, bytes, count in
        let basin = Unmanaged<Basin>.fromOpaque(data!).takeUnretainedValue()
        return basin.take(UnsafeRawBufferPointer(start: bytes, count: count))
    }

    private func take(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        if hasFailed { late += 1 }
        calls += 1
        most = max(most, bytes.count)
        isHolding = check.count >= room || (calls % holdsEvery == 0 && !hasHeld)
        hasHeld = isHolding
        if isHolding { return ClientSink.held }
        hasFailed = hasFailed || check.count + bytes.count > limit
        if hasFailed { return ClientSink.failed }
        check.add(Array(bytes))
        return ClientSink.taken
    }

    @LoopActor
    func sink() -> ClientSink { ClientSink(Basin.take, Unmanaged.passUnretained(self).toOpaque()) }
}

@Suite("Sinks of responses")
struct ClientSinkTests {
    private static func serve(_ size: Int, _ form: Int) -> RawServer {
        RawServer { connection in
            while connection.head() != nil {
                switch form {
                case 0: connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
                case 1: connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                default: connection.send("HTTP/1.1 200 OK\r\n\r\n")
                }
                for at in stride(from: 0, to: size, by: 50_000) {
                    let count = min(50_000, size - at)
                    let piece = (at..<(at + count)).map { Blocks.one[$0 & (Blocks.one.count - 1)] }
                    if form == 1 { connection.send(String(count, radix: 16) + "\r\n") }
                    connection.send(piece)
                    if form == 1 { connection.send("\r\n") }
                }
                if form == 1 { connection.send("0\r\n\r\n") }
                if form > 1 { return }
            }
        }
    }

    @Test(
        "a sink has every byte, in pieces of 16 KiB at most, though it has no room time and again",
        arguments: [Int.max, 3, 2])
    func all(holdsEvery: Int) throws {
        for form in 0..<3 {
            for size in [0, 1, 16_384, 16_385, 65_536, 262_144, 300_001, 1_500_000] {
                let server = Self.serve(size, form)
                defer { server.close() }
                try withPoolAlone { pool in
                    let basin = Basin()
                    basin.holdsEvery = holdsEvery
                    let sink = basin.sink()
                    let response = try await pool.get(server.url())
                    let done = Flag()
                    let resuming = spawn {
                        while !done.isSet {
                            if basin.isHolding { sink.resume() }
                            try await LoopClock.monotonic.sleep(for: 0.0005)
                        }
                    }
                    try await response.body.drain(into: sink)
                    done.isSet = true
                    try await resuming.value
                    #expect(basin.check.count == size && basin.check.isRight, "\(size) bytes, form \(form)")
                    #expect(basin.most <= 16_384)
                    #expect(pool.metrics.completed == 1)
                    #expect(pool.metrics.receivedBytes == UInt64(size))
                    #expect(try await response.body.next() == nil)
                }
            }
        }
    }

    @Test("what was read before is not given to the sink, and all that follows is")
    func afterPieces() throws {
        let server = Self.serve(1_000_000, 0)
        defer { server.close() }
        try withPoolAlone { pool in
            let response = try await pool.get(server.url())
            let first = try #require(try await response.body.next())
            let rest = Basin()
            try await response.body.drain(into: rest.sink())
            #expect(first.count + rest.check.count == 1_000_000)
            #expect(first == Array(Blocks.one.prefix(first.count)))
        }
    }

    @Test("a sink without room holds the peer, not against it; one that goes on has every byte")
    func held() throws {
        let server = RawServer { connection in
            guard connection.head() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(64 << 20)\r\n\r\n")
            connection.sendBlocks(64)
        }
        defer { server.close() }
        let clock = LoopClock.manual()
        try withPoolAlone(clock: clock) { pool in
            let basin = Basin()
            basin.room = 3 << 20
            let sink = basin.sink()
            let response = try await pool.get(server.url())
            let draining = spawn { try await response.body.drain(into: sink) }
            try await eventually("it holds") { basin.isHolding }
            let calls = basin.calls
            for _ in 0..<10 {
                await clock.advance(seconds: 60)
                try await LoopClock.monotonic.sleep(for: 0.002)
            }
            // libcurl has what it read at once, and no more.
            #expect(pool.metrics.receivedBytes <= UInt64(basin.check.count) + 65_536)
            #expect(basin.calls <= calls + 1)
            #expect(server.ended.value == 0)
            basin.room = .max
            sink.resume()
            try await draining.value
            #expect(basin.check.count == 64 << 20 && basin.check.isRight)
        }
    }

    @Test("a sink that fails ends the request with its connection, and is not called again")
    func fails() throws {
        for limit in [0, 100_000, 1 << 20] {
            let server = RawServer { connection in
                guard connection.head() != nil else { return }
                connection.send("HTTP/1.1 200 OK\r\n\r\n")
                while connection.send(Blocks.one) {}
            }
            defer { server.close() }
            try withPoolAlone { pool in
                let basin = Basin()
                basin.limit = limit
                let response = try await pool.get(server.url())
                let kind = await clientError { () async throws(ClientError) in
                    try await response.body.drain(into: basin.sink())
                }
                #expect(kind == .abandoned)
                #expect(basin.hasFailed && basin.late == 0)
                try await eventually("the peer sees its end") { server.ended.value == 1 }
                #expect(pool.metrics.errors == ["abandoned": 1])
            }
        }
    }

    @Test("a body that is cut is an error, after all that came")
    func cut() throws {
        let server = RawServer { connection in
            guard connection.head() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            connection.send(pattern(400_000))
        }
        defer { server.close() }
        try withPoolAlone { pool in
            let basin = Basin()
            let response = try await pool.get(server.url())
            let kind = await clientError { () async throws(ClientError) in
                try await response.body.drain(into: basin.sink())
            }
            #expect(kind == .closed)
            #expect(basin.check.count == 400_000 && basin.check.isRight)
        }
    }

    @Test("a task that is cancelled while its sink has no room takes the request back", arguments: [100, 1 << 20])
    func cancelled(size: Int) throws {
        let server = RawServer { connection in
            guard connection.head() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
            connection.send(pattern(size))
            connection.waitForEnd()
        }
        defer { server.close() }
        try withPoolAlone { pool in
            let basin = Basin()
            basin.room = 0
            let sink = basin.sink()
            let response = try await pool.get(server.url())
            let draining = spawn {
                await clientError { () async throws(ClientError) in try await response.body.drain(into: sink) }
            }
            try await eventually("it holds") { basin.isHolding }
            draining.cancel()
            #expect(await draining.value == .cancelled)
            let calls = basin.calls
            sink.resume()
            #expect(basin.calls == calls)
            #expect(pool.metrics.running == 0)
        }
    }

    @Test("a request with a sink is over when the sink has all; what is no answer is in the response")
    func request() throws {
        let server = RawServer { connection in
            while let head = connection.head() {
                if head.hasPrefix("GET /moved") {
                    connection.send("HTTP/1.1 302 No\r\nLocation: /here\r\nContent-Length: 4\r\n\r\nover")
                } else if head.hasPrefix("GET /none") {
                    connection.send("HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\nwords")
                } else if head.hasPrefix("GET /cut") {
                    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                    connection.send(pattern(999))
                    return
                } else {
                    connection.send("HTTP/1.1 206 OK\r\nContent-Length: 700000\r\nX: 1\r\n\r\n")
                    connection.send(pattern(700_000))
                }
            }
        }
        defer { server.close() }
        try withPoolAlone { pool in
            for path in ["/", "/moved"] {
                let basin = Basin()
                let response = try await pool.send(ClientRequest(.get, server.url(path)), into: basin.sink())
                #expect(response.status == 206 && response.fields["X"] == "1")
                #expect(basin.check.count == 700_000 && basin.check.isRight)
                #expect(pool.metrics.running == 0)
                #expect(try await response.body.next() == nil)
            }
            let basin = Basin()
            let none = try await pool.send(ClientRequest(.get, server.url("/none")), into: basin.sink())
            #expect(none.status == 404)
            #expect(String(decoding: try await none.collect(limit: 10), as: UTF8.self) == "words")
            #expect(basin.calls == 0)
            let drained = try await pool.send(ClientRequest(.get, server.url("/none")), into: basin.sink())
            try await drained.body.drain(into: basin.sink())
            #expect(basin.calls == 1)
            let rest = Basin()
            let kind = await clientError { () async throws(ClientError) in
                try await pool.send(ClientRequest(.get, server.url("/cut")), into: rest.sink())
            }
            #expect(kind == .closed)
            #expect(rest.check.count == 999 && rest.check.isRight)
        }
    }

    @Test("a sink that throws away leaves the connection for the next")
    func discarding() throws {
        let server = Self.serve(300_000, 0)
        defer { server.close() }
        try withPoolAlone { pool in
            for _ in 0..<5 { try await pool.get(server.url()).body.drain(into: .discarding()) }
            #expect(pool.metrics.receivedBytes == 1_500_000)
            #expect(server.accepted.value == 1)
        }
    }
}
