import Testing
import WeirLoop

@testable import WeirHTTP

@Suite("Pools by name")
struct ClientPoolsTests {
    @Test("a name is made once, can be closed and made again, and is refused after the end")
    func names() throws {
        let server = RawServer { connection in
            guard connection.head() != nil else { return }
            connection.waitForEnd()
        }
        defer { server.close() }
        try LoopActor.runInTurn {
            let pools = ClientPools()
            let first = pools.pool("r2", .objectStore)
            #expect(pools.pool("r2", .telegram) === first)
            #expect(first.options == .objectStore)
            let other = pools.pool("telegram", .telegram)
            #expect(pools.all.map(\.name) == ["r2", "telegram"])
            let url = server.url()
            let waiting = spawn { () -> ClientError.Kind? in
                await clientError { () async throws(ClientError) in try await first.get(url) }
            }
            try await eventually("it is asked") { server.accepted.value == 1 }
            await pools.close("r2")
            await pools.close("nobody")
            #expect(await waiting.value == .poolClosed)
            #expect(pools.all.map(\.name) == ["telegram"])
            let again = pools.pool("r2", .objectStore)
            #expect(again !== first)
            #expect(again.metrics == ClientMetrics())
            await pools.close()
            await pools.close()
            #expect(pools.all.isEmpty)
            for pool in [first, other, again, pools.pool("late", .objectStore)] {
                let kind = await clientError { () async throws(ClientError) in try await pool.get(url) }
                #expect(kind == .poolClosed)
            }
            #expect(pools.all.isEmpty)
        }
    }

    @Test("R2's and Telegram's numbers are the ones that are promised, and their idle age has a limit")
    func presets() {
        var store = ClientPoolOptions.objectStore
        #expect(store.connections == 50)
        #expect(store.idleAge == 120)
        #expect(store.headTimeout == 30)
        #expect(store.bodyTimeout == 60)
        #expect(!store.http2)
        store.idleAge = 1000
        #expect(store.clamped.idleAge == 180)
        store.idleAge = 0
        #expect(store.clamped.idleAge == 1)
        var telegram = ClientPoolOptions.telegram
        #expect(telegram.connections == 100)
        #expect(telegram.idleAge == 60)
        #expect(!telegram.http2)
        telegram.idleAge = 1000
        #expect(telegram.clamped.idleAge == 120)
    }

    @Test("every kind of error has a name of its own, and is listed")
    func kinds() {
        let names = ClientError.Kind.allCases.map(\.name)
        #expect(names.count == 25)
        #expect(Set(names).count == names.count)
    }

    @Test("the wait for a turn and the time to the head are measured by the pool's clock")
    func times() throws {
        let clock = LoopClock.manual()
        let gate = ThreadGate()
        let server = RawServer { connection in
            while connection.head() != nil {
                gate.wait()
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
            }
        }
        defer { server.close() }
        try withPoolAlone({ $0.connections = 1 }, clock: clock) { pool in
            let first = spawn { try await pool.text(server.url()) }
            let second = spawn { try await pool.text(server.url()) }
            try await eventually("one is asked, one waits") { server.accepted.value == 1 && pool.metrics.waiting == 1 }
            await clock.advance(seconds: 2)
            gate.open()
            #expect(try await first.value == "a")
            #expect(try await second.value == "a")
            #expect(pool.waits.count == 2)
            #expect(pool.waits.sum == 2_000_000_000)
            #expect(pool.latency.count == 2)
            #expect(pool.latency.sum == 2_000_000_000)
        }
    }
}
