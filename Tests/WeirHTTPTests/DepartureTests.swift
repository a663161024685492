import Glibc
import Testing
import WeirLoop

@testable import WeirHTTP

@Suite("Peers that leave while a handler runs")
struct DepartureTests {
    @LoopActor
    private final class Handled {
        var began = 0
        var cancelled = 0
        var answered = 0
    }

    /// `/patient` heeds its cancellation, `/stubborn` does not, and both take `clock`'s ten seconds.
    private func withHandlers(
        _ body: @escaping @LoopActor (Server, UInt16, LoopClock, Handled) async throws -> Void
    ) throws {
        let clock = LoopClock.manual()
        try LoopActor.runInTurn {
            let handled = Handled()
            let router = Router()
            for method in [Method.get, .post] {
                router.on(method, "/patient", audience: .anyone) { _ in
                    handled.began += 1
                    do {
                        try await clock.sleep(for: 10)
                    } catch {
                        handled.cancelled += 1
                        throw error
                    }
                    handled.answered += 1
                    return .text("patient")
                }
            }
            router.get("/stubborn") { _ in
                handled.began += 1
                await spawn { try? await clock.sleep(for: 10) }.value
                return .text("stubborn")
            }
            var options = ServerOptions()
            options.addresses = [.internet(host: "127.0.0.1", port: 0)]
            let server = Server(options: options, router: router, clock: clock)
            try server.start()
            try await body(server, server.addresses[0].port, clock, handled)
            let stopping = spawn { await server.stop(grace: 0) }
            await clock.advance(seconds: 1)
            await stopping.value
            #expect(server.counters.active == 0)
        }
    }

    @Test("a reset or an end cancels the handler, and the place is free", arguments: [true, false])
    func leaves(byReset: Bool) throws {
        try withHandlers { server, port, clock, handled in
            let client = Client(port: port)
            client.send(get("/patient"))
            try await eventually("it is handled") { handled.began == 1 }
            await clock.advance(seconds: 1)
            #expect(handled.cancelled == 0)
            if byReset { client.reset() } else { client.shutdownWriting() }
            await clock.advance(seconds: 1)
            try await eventually("it is cancelled") { handled.cancelled == 1 }
            try await eventually("its place is free") { server.counters.active == 0 }
        }
    }

    @Test("a peer that ended its side gets what a handler answers all the same")
    func halfClosed() throws {
        try withHandlers { _, port, clock, handled in
            let client = Client(port: port)
            client.send(get("/stubborn"))
            client.shutdownWriting()
            try await eventually("it is handled") { handled.began == 1 }
            await clock.advance(seconds: 11)
            let answer = await elsewhere { client.answer() }
            #expect(answer.text == "stubborn")
            #expect(answer.field("Connection") == "close")
        }
    }

    @Test("a peer with a request or a body that is not read yet has not left")
    func hasMoreToSay() throws {
        try withHandlers { _, port, clock, handled in
            let pipelined = Client(port: port)
            pipelined.send(get("/patient") + get("/patient"))
            pipelined.shutdownWriting()
            try await eventually("the first is handled") { handled.began == 1 }
            await clock.advance(seconds: 5)
            #expect(handled.cancelled == 0)
            await clock.advance(seconds: 6)
            #expect(await elsewhere { pipelined.answer() }.text == "patient")
            try await eventually("the second is handled") { handled.began == 2 }
            // Behind the second nothing comes.
            await clock.advance(seconds: 1)
            try await eventually("the second is cancelled") { handled.cancelled == 1 }
        }
        try withHandlers { _, port, clock, handled in
            let client = Client(port: port)
            client.send("POST /patient HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf")
            client.shutdownWriting()
            try await eventually("it is handled") { handled.began == 1 }
            await clock.advance(seconds: 5)
            #expect(handled.cancelled == 0)
            client.reset()
            await clock.advance(seconds: 1)
            try await eventually("it is cancelled") { handled.cancelled == 1 }
        }
    }

    @Test("an unread body has five seconds in all, however it trickles")
    func trickle() throws {
        let clock = LoopClock.manual()
        try withServer(clock: clock, routes: { _ in }) { server, port in
            let client = Client(port: port)
            client.send("POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
            #expect(await elsewhere { client.answer() }.status == 404)
            for _ in 0..<5 {
                #expect(server.counters.active == 1)
                client.send("x")
                await clock.advance(seconds: 0.9)
            }
            #expect(server.counters.active == 1)
            client.send("x")
            await clock.advance(seconds: 1)
            try await eventually("it is closed") { server.counters.active == 0 }
            #expect(server.counters.sendTimeouts == 1)
        }
    }
}
