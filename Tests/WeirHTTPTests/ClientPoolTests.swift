import Glibc
import Testing
import WeirHTTP
import WeirLoop

@Suite("Client pools")
struct ClientPoolTests {
    @LoopActor
    private final class Gate {
        private(set) var inside = 0
        private(set) var most = 0
        private var waiters: [UnsafeContinuation<Void, Never>] = []
        private var isOpen = false

        /// Waits until it is opened.
        func enter() async {
            inside += 1
            most = max(most, inside)
            if !isOpen { await withUnsafeContinuation { waiters.append($0) } }
            inside -= 1
        }

        func open() {
            isOpen = true
            for waiter in waiters { waiter.resume() }
            waiters = []
        }
    }

    @Test("500 at once go through 50 connections, never more, and nearly all over one that is there")
    func crowd() throws {
        let gate = try LoopActor.runInTurn { Gate() }
        let rounds = 4 * scale
        try withServer(
            { $0.connectionsPerAddress = 1000 },
            routes: { router in
                router.get("/", audience: .anyone) { _ in
                    await gate.enter()
                    return .text("answer")
                }
            }
        ) { server, port in
            try await withPool { pool in
                let tasks = (0..<500).map { _ in
                    spawn {
                        var good = 0
                        for _ in 0..<rounds where try await pool.text("http://127.0.0.1:\(port)/") == "answer" {
                            good += 1
                        }
                        return good
                    }
                }
                try await eventually("50 requests are answered at once") { gate.inside == 50 }
                #expect(pool.metrics.running == 50)
                #expect(pool.metrics.waiting == 450)
                #expect(pool.metrics.open == 50)
                #expect(pool.metrics.idle == 0)
                gate.open()
                for task in tasks { #expect(try await task.value == rounds) }
                #expect(gate.most == 50)
                #expect(server.counters.accepted == 50)
                let metrics = pool.metrics
                #expect(metrics.completed == UInt64(500 * rounds))
                #expect(metrics.connected == 50)
                #expect(metrics.reused == metrics.completed - 50)
                #expect(Double(metrics.reused) >= 0.95 * Double(metrics.completed))
                #expect(metrics.open == 50 && metrics.idle == 50)
            }
        }
    }

    @Test("a connection that was idle for 110 s is used again, one of 121 s is closed")
    func idle() throws {
        let clock = LoopClock.manual()
        try withServer(routes: { $0.get("/", audience: .anyone) { _ in .text("a") } }) { server, port in
            try await withPool(clock: clock) { pool in
                let url = "http://127.0.0.1:\(port)/"
                #expect(try await pool.text(url) == "a")
                await clock.advance(seconds: 110)
                #expect(pool.metrics.idle == 1)
                #expect(try await pool.text(url) == "a")
                #expect(server.counters.accepted == 1)
                #expect(pool.metrics.reused == 1)
                await clock.advance(seconds: 121)
                #expect(pool.metrics.open == 0)
                try await eventually("the server has seen it close") { server.counters.active == 0 }
                #expect(clock.waitingTimers == 0)
                #expect(try await pool.text(url) == "a")
                #expect(server.counters.accepted == 2)
            }
        }
    }

    @Test("a kept connection that is reset under its next request is replaced, and a new one's reset is said")
    func reset() throws {
        let server = RawServer { connection in
            guard let head = connection.head() else { return }
            if head.hasPrefix("GET /kept") {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
                guard connection.read(1).count == 1 else { return }
            }
            var how = linger(l_onoff: 1, l_linger: 0)
            setsockopt(connection.descriptor, SOL_SOCKET, SO_LINGER, &how, socklen_t(MemoryLayout<linger>.size))
        }
        defer { server.close() }
        try withPoolAlone { pool in
            for _ in 0..<5 {
                let text = try await pool.text(server.url("/kept"))
                #expect(text == "a")
            }
            #expect(pool.metrics.connected == 5)
            do throws(ClientError) {
                _ = try await pool.get(server.url("/reset"))
                Issue.record("no error")
            } catch {
                #expect(error.kind == .closed)
                #expect(error.reason.contains("reset"), "\(error)")
            }
        }
    }

    @Test("a kept connection that the server has closed is replaced without an error, for bytes too")
    func stale() throws {
        let server = RawServer { connection in
            guard let head = connection.head() else { return }
            if head.hasPrefix("PUT") { _ = connection.read(3) }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        }
        defer { server.close() }
        try withPoolAlone { pool in
            for number in 1...5 {
                let response = try await pool.send(ClientRequest(.put, server.url(), body: .bytes([1, 2, 3])))
                #expect(try await response.collect(limit: 2) == Array("ok".utf8))
                try await eventually("the server has closed") { server.ended.value == number }
            }
            #expect(server.accepted.value == 5)
            #expect(pool.metrics.errors == [:])
        }
    }

    @Test("a host at its limit holds no other up; one request too many waits is refused")
    func limits() throws {
        let gate = try LoopActor.runInTurn { Gate() }
        try withServer(routes: { router in
            router.get("/slow", audience: .anyone) { _ in
                await gate.enter()
                return .text("slow")
            }
            router.get("/", audience: .anyone) { _ in .text("fast") }
        }) { _, port in
            try await withPool({
                $0.connections = 4
                $0.connectionsPerHost = 2
                $0.waiting = 3
            }) { pool in
                let slow = (0..<5).map { _ in spawn { try await pool.text("http://127.0.0.1:\(port)/slow") } }
                try await eventually("two are under way") { gate.inside == 2 }
                #expect(pool.metrics.running == 2 && pool.metrics.waiting == 3)
                // By another name it is another host.
                #expect(try await pool.text("http://localhost:\(port)/") == "fast")
                let refused = await clientError { () async throws(ClientError) in
                    try await pool.text("http://127.0.0.1:\(port)/slow")
                }
                #expect(refused == .queueFull)
                gate.open()
                for task in slow { #expect(try await task.value == "slow") }
                #expect(gate.most == 2)
                #expect(pool.metrics.errors == ["queue_full": 1])
            }
        }
    }

    @Test(
        "cancelling frees the connection: before its turn, before the head, in the body; so does dropping the response")
    func cancelling() throws {
        let server = RawServer { connection in
            guard let head = connection.head() else { return }
            if head.hasPrefix("GET /body") {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
            }
            connection.waitForEnd()
        }
        defer { server.close() }
        try withPoolAlone({ $0.connections = 1 }) { pool in
            let head = spawn { () -> ClientError.Kind? in
                await clientError { () async throws(ClientError) in try await pool.get(server.url("/head")) }
            }
            try await eventually("the connection is there") { server.accepted.value == 1 }
            let waiting = spawn { () -> ClientError.Kind? in
                await clientError { () async throws(ClientError) in try await pool.get(server.url("/waiting")) }
            }
            try await eventually("one waits") { pool.metrics.waiting == 1 }
            waiting.cancel()
            #expect(await waiting.value == .cancelled)
            #expect(pool.metrics.waiting == 0 && pool.metrics.running == 1)
            head.cancel()
            #expect(await head.value == .cancelled)
            #expect(pool.metrics.running == 0 && pool.metrics.open == 0)
            try await eventually("the server has seen the end") { server.ended.value == 1 }

            let body = spawn { () -> ([UInt8]?, ClientError.Kind?) in
                do throws(ClientError) {
                    let response = try await pool.get(server.url("/body"))
                    let first = try await response.body.next()
                    return (
                        first, await clientError { () async throws(ClientError) in try await response.body.next() }
                    )
                } catch { return (nil, error.kind) }
            }
            try await eventually("the body has begun") { pool.metrics.receivedBytes == 4 }
            await LoopActor.settle()
            body.cancel()
            let (first, kind) = await body.value
            #expect(first == Array("half".utf8))
            #expect(kind == .cancelled)
            #expect(pool.metrics.running == 0 && pool.metrics.open == 0)
            try await eventually("the server has seen the end") { server.ended.value == 2 }

            let status = try await pool.get(server.url("/body")).status
            #expect(status == 200)
            try await eventually("the dropped response has gone") { pool.metrics.running == 0 }
            try await eventually("the server has seen the end") { server.ended.value == 3 }
            let already = spawn { () -> ClientError.Kind? in
                withUnsafeCurrentTask { $0?.cancel() }
                return await clientError { () async throws(ClientError) in try await pool.get(server.url("/never")) }
            }
            #expect(await already.value == .cancelled)
            #expect(server.accepted.value == 3)
            #expect(pool.metrics.errors == ["cancelled": 5])
        }
    }

    @Test("closing takes back what is under way and what waits, and leaves no handle and no descriptor")
    func closing() throws {
        // Others would open descriptors meanwhile.
        try alone("ClientPoolTests/closing") {
            let server = RawServer { connection in
                guard let head = connection.head() else { return }
                if head.hasPrefix("GET /body") {
                    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
                }
                connection.waitForEnd()
            }
            defer { server.close() }
            let before = try LoopActor.runInTurn { openDescriptors() }
            // The loop's own end says when a handle is left.
            try LoopActor.runInTurn {
                var options = ClientPoolOptions()
                options.connections = 10
                let pool = ClientPool(name: "closing", options: options)
                let heads = (0..<20).map { _ in
                    spawn { () -> ClientError.Kind? in
                        await clientError { () async throws(ClientError) in try await pool.get(server.url("/head")) }
                    }
                }
                let stream = spawn { try await pool.stream(ClientRequest(.get, server.url("/body"))) }
                let upload = ClientRequest(
                    .put, server.url("/head"), body: .stream(length: nil) { while true { try await $0.write([1]) } })
                let uploading = spawn { () -> ClientError.Kind? in
                    await clientError { () async throws(ClientError) in try await pool.send(upload) }
                }
                try await eventually("ten are under way") { server.accepted.value == 10 }
                await pool.close()
                await pool.close()
                for head in heads { #expect(await head.value == .poolClosed) }
                #expect(await uploading.value == .poolClosed)
                await #expect(throws: ClientError.self) { try await stream.value }
                let late = await clientError { () async throws(ClientError) in try await pool.get(server.url("/late")) }
                #expect(late == .poolClosed)
            }
            try LoopActor.runInTurn {
                try await eventually("the server's ends are closed") { server.ended.value == server.accepted.value }
                // The server's threads close their ends when they hear of it.
                try await eventually("every descriptor is closed") { openDescriptors() <= before }
            }
        }
    }

    @Test("a pool that is stuck on a dead peer costs another no turn of the loop")
    func stuck() throws {
        let dead = RawServer { $0.waitForEnd() }
        defer { dead.close() }
        try withServer(routes: { $0.get("/", audience: .anyone) { _ in .text("a") } }) { _, port in
            try await withPool { stuck in
                try await withPool { pool in
                    @LoopActor
                    func entries() async throws -> UInt64 {
                        let before = LoopActor.entries
                        for _ in 0..<300 { #expect(try await pool.text("http://127.0.0.1:\(port)/") == "a") }
                        return LoopActor.entries - before
                    }
                    let alone = try await entries()
                    let waiting = (0..<500).map { _ in spawn { _ = try? await stuck.get(dead.url()) } }
                    try await eventually("50 connections are stuck") { dead.accepted.value == 50 }
                    let beside = try await entries()
                    #expect(stuck.metrics.running == 50 && stuck.metrics.waiting == 450)
                    #expect(beside < 2 * alone, "entered \(alone) times alone, \(beside) times beside")
                    #expect(pool.metrics.errors == [:])
                    for task in waiting { task.cancel() }
                    for task in waiting { await task.value }
                }
            }
        }
    }
}
