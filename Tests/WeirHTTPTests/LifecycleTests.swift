import Glibc
import Testing
import WeirHTTP
import WeirLoop

@Suite("Listening, handing over, stopping")
struct LifecycleTests {
    @Test("a socket that is handed over leaves the server, and its place stays taken until it is released")
    func takeover() throws {
        try withServer({ $0.maxConnections = 1 }, routes: { _ in }) { server, _ in }
        final class Taken {
            var descriptor: Int32 = -1
            var head: [UInt8] = []
            var ticket: ConnectionTicket?
            var label = ""
        }
        try LoopActor.runInTurn {
            let taken = Taken()
            var options = ServerOptions()
            options.addresses = [.internet(host: "127.0.0.1", port: 0)]
            options.maxConnections = 1
            let router = Router()
            router.get("/live") { _ in
                Response(
                    fields: ["Content-Type": "audio/wav", "Cache-Control": "no-store"],
                    body: .takeover { takeover in
                        taken.descriptor = takeover.descriptor
                        taken.head = takeover.head
                        taken.ticket = takeover.ticket
                        taken.label = takeover.label
                    })
            }
            let server = Server(options: options, router: router)
            var events: [AccessEvent] = []
            server.onAccess = { events.append($0) }
            try server.start()
            let port = server.addresses[0].port

            #expect(
                await ask(port, "HEAD /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", isHead: true)
                    .status == 200)
            #expect(taken.descriptor == -1)
            try await eventually("it has gone") { server.counters.active == 0 }

            let client = Client(port: port)
            client.send(get("/live"))
            try await eventually("it is taken") { taken.ticket != nil }
            #expect(taken.label.hasPrefix("127.0.0.1:"))
            let head = String(decoding: taken.head, as: UTF8.self)
            #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(head.hasSuffix("Connection: close\r\n\r\n"))
            #expect(!head.contains("Content-Length") && !head.contains("Transfer-Encoding"))
            #expect(taken.head.count < 512)
            #expect(server.counters.active == 1)
            #expect(server.counters.takenOver == 1)
            #expect(events.count == 1)
            #expect(await ask(port, get("/live")).status == 503)
            // The descriptor is free of the loop: another watcher can have it.
            let poll = try Poll(descriptor: taken.descriptor)
            poll.close()
            let bytes = taken.head + Array("music".utf8)
            #expect(send(taken.descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
            close(taken.descriptor)
            #expect(await elsewhere { client.answer() }.text == "music")

            taken.ticket?.release(bytes: 5, reason: "lag")
            taken.ticket?.release(bytes: 6, reason: "twice")
            #expect(server.counters.active == 0)
            #expect(server.counters.takenOver == 0)
            #expect(events.count == 2)
            #expect(events.last?.bytes == 5)
            #expect(events.last?.reason == "lag")
            #expect(events.last?.target == "/live")
            await server.stop(grace: 1)
        }
    }

    @Test("a hand-over that fails is answered, and the connection goes on")
    func failedTakeover() throws {
        try withServer(routes: { router in
            router.get("/live") { _ in
                Response(body: .takeover { _ in throw HTTPError.unavailable("FULL_HOUSE", "no room") })
            }
            router.get("/hello") { _ in .text("hello") }
        }) { server, port in
            var events: [AccessEvent] = []
            server.onAccess = { events.append($0) }
            let answers = await elsewhere {
                let client = Client(port: port)
                client.send(get("/live") + get("/hello"))
                return (client.answer(), client.answer().text)
            }
            #expect(answers.0.status == 503)
            #expect(answers.0.field("Retry-After") == "5")
            #expect(answers.1 == "hello")
            #expect(events.map(\.status) == [503, 200])
            #expect(server.counters.takenOver == 0)
        }
    }

    @Test("a ticket that is dropped is released")
    func droppedTicket() throws {
        try withServer(routes: { router in
            router.get("/live") { _ in Response(body: .takeover { close($0.descriptor) }) }
        }) { server, port in
            var events: [AccessEvent] = []
            server.onAccess = { events.append($0) }
            _ = await ask(port, get("/live"))
            try await eventually("it is released") { server.counters.active == 0 && server.counters.takenOver == 0 }
            #expect(events.map(\.reason) == ["dropped"])
        }
    }

    @Test("stopping closes what is idle, finishes what is under way, and ends the rest at the deadline")
    func drain() throws {
        let clock = LoopClock.manual()
        try LoopActor.runInTurn {
            var options = ServerOptions()
            options.addresses = [.internet(host: "127.0.0.1", port: 0)]
            let router = Router()
            router.get("/hello") { _ in .text("hello") }
            router.get("/slow") { _ in
                try await clock.sleep(for: 3)
                return .text("slow")
            }
            router.get("/stuck") { _ in
                try await clock.sleep(for: 1000)
                return .text("stuck")
            }
            router.get("/endless") { _ in
                Response(
                    body: .stream(length: nil, framing: .close) { writer in
                        while true { try await writer.write([UInt8](repeating: 1, count: 100_000)) }
                    })
            }
            let server = Server(options: options, router: router, clock: clock)
            var events: [AccessEvent] = []
            server.onAccess = { events.append($0) }
            try server.start()
            let port = server.addresses[0].port
            let idle = Client(port: port)
            idle.send(get("/hello"))
            #expect(await elsewhere { idle.answer() }.text == "hello")
            let silent = Client(port: port)
            let half = Client(port: port)
            half.send("GET /hello HTTP/1.1\r\nHo")
            let slow = Client(port: port)
            slow.send(get("/slow"))
            let stuck = Client(port: port)
            stuck.send(get("/stuck"))
            let endless = Client(port: port)
            endless.send(get("/endless"))
            try await eventually("they are there") { server.counters.active == 6 && clock.waitingTimers >= 3 }

            var stopped = false
            spawn {
                await server.stop(grace: 10)
                stopped = true
            }
            await LoopActor.settle()
            #expect(await elsewhere { idle.rest() } == [])
            #expect(await elsewhere { silent.rest() } == [])
            // No time has passed: half a head is not waited for.
            #expect(await elsewhere { half.rest() } == [])
            // Nobody is let in any more.
            #expect(await elsewhere { Client(port: port).answer() }.status == 0)
            await clock.advance(seconds: 3.1)
            let answer = await elsewhere { slow.answer() }
            #expect(answer.text == "slow")
            #expect(answer.field("Connection") == "close")
            #expect(await elsewhere { slow.isClosed() })
            #expect(!stopped)
            await clock.advance(seconds: 7)
            try await eventually("it has stopped") { stopped }
            #expect(server.counters.active == 0)
            #expect(events.map(\.target).sorted() == ["/endless", "/hello", "/slow", "/stuck"])
            #expect(await elsewhere { stuck.answer() }.status != 200)
            withExtendedLifetime(endless) {}
        }
    }

    @Test("a Unix socket is listened on, a stale one replaced, a live one left alone, and its own removed")
    func unixSocket() throws {
        let path = "/tmp/weir-http-\(getpid()).sock"
        unlink(path)
        var options = ServerOptions()
        options.addresses = [.unix(path: path)]
        // What a crash leaves: bound, and nobody listens.
        let stale = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(stale, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        close(stale)
        try LoopActor.runInTurn { [options] in
            let router = Router()
            router.get("/who") { .text($0.remote.host) }
            let server = Server(options: options, router: router)
            try server.start()
            #expect(server.addresses.map(\.description) == ["unix:\(path)"])
            let answer = await elsewhere {
                let client = Client(unix: path)
                client.send(get("/who"))
                return client.answer()
            }
            #expect(answer.text == "unix")
            let second = Server(options: options, router: router)
            let error = #expect(throws: ListenError.self) { try second.start() }
            #expect(error?.address == "unix:\(path)")
            await second.stop(grace: 0)
            #expect(access(path, F_OK) == 0)
            await server.stop(grace: 0)
            #expect(access(path, F_OK) != 0)
        }
        var other = ServerOptions()
        other.addresses = [.unix(path: "/proc/self/exe")]
        try LoopActor.runInTurn { [other] in
            let server = Server(options: other, router: Router())
            #expect(throws: ListenError.self) { try server.start() }
            await server.stop(grace: 0)
        }
    }

    @Test("several addresses are listened on, or none")
    func addresses() throws {
        try LoopActor.runInTurn {
            var options = ServerOptions()
            options.addresses = [.internet(host: "127.0.0.1", port: 0), .internet(host: "::1", port: 0)]
            let router = Router()
            router.get("/who") { .text($0.remote.host) }
            let server = Server(options: options, router: router)
            try server.start()
            #expect(server.addresses.count == 2)
            #expect(server.addresses.allSatisfy { $0.port > 0 })
            #expect(server.addresses[1].description.hasPrefix("[::1]:"))
            options.addresses = [
                .internet(host: "127.0.0.1", port: 0), .internet(host: "127.0.0.1", port: server.addresses[0].port),
            ]
            let second = Server(options: options, router: router)
            let error = #expect(throws: ListenError.self) { try second.start() }
            #expect(error?.reason == CoreError.addressInUse.description)
            #expect(second.addresses.isEmpty)
            await second.stop(grace: 0)
            await server.stop(grace: 0)
        }
    }
}
