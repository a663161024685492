import Glibc
import Testing
import WeirHTTP
import WeirLoop

@Suite("Limits")
struct LimitTests {
    @LoopActor
    private static func routes(_ router: Router) {
        router.get("/hello") { _ in .text("hello") }
        router.post("/sum", audience: .anyone) { .text("\(try await $0.body.collect().count)") }
        router.get("/endless") { _ in
            Response(
                body: .stream(length: nil, framing: .close) { writer in
                    while true { try await writer.write([UInt8](repeating: 1, count: 100_000)) }
                })
        }
    }

    @Test("heads and targets that are too long, and what is no request at all")
    func heads() throws {
        try withServer(routes: Self.routes) { server, port in
            let cases: [(String, Int)] = [
                (get("/hello", "X: " + String(repeating: "x", count: 17_000)), 431),
                (
                    get("/hello").replacing(
                        "\r\n\r\n", with: "\r\n" + String(repeating: "a: b\r\n", count: 101) + "\r\n"), 431
                ),
                (get("/" + String(repeating: "x", count: 8192)), 414),
                ("GET /hello HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
                ("GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
                ("GET /a/../b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
                ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}", 400),
                ("\u{0}\u{0}\u{0}\u{0}", 400),
                ("hello there, is this thing on?\r\n", 400),
            ]
            for (request, status) in cases {
                let (answer, closed) = await elsewhere {
                    let client = Client(port: port)
                    client.send(request)
                    return (client.answer(), client.isClosed())
                }
                #expect(answer.status == status, "\(request.prefix(40))")
                #expect(answer.field("Connection") == "close")
                #expect(closed)
            }
            #expect(server.counters.malformed == UInt64(cases.count))
            #expect(await ask(port, get("/hello")).status == 200)
        }
    }

    @Test(
        "requests whose end could be read in two ways are refused, and nothing behind them is answered",
        arguments: [
            "Content-Length: 3\r\nContent-Length: 4", "Content-Length: 3\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: xchunked", "Transfer-Encoding : chunked", "Content-Length: +3", "Content-Length: 3 3",
            "Content-Length: 0x3", "Content-Length: -1", "Content-Length: 99999999999999999999", "X: y\r\n Folded: z",
            "Content-Length: 3, 3", "Host: localhost", "X: a\nTransfer-Encoding: chunked",
        ])
    func smuggling(field: String) throws {
        try withServer(routes: Self.routes) { server, port in
            let bytes = await elsewhere {
                let client = Client(port: port)
                client.send(
                    "POST /sum HTTP/1.1\r\nHost: localhost\r\n\(field)\r\n\r\nabcGET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
                )
                return client.rest()
            }
            let text = String(decoding: bytes, as: UTF8.self)
            #expect(text.hasPrefix("HTTP/1.1 400 ") || text.hasPrefix("HTTP/1.1 501 "), "\(text.prefix(40))")
            #expect(text.split(separator: "HTTP/1.1 ", omittingEmptySubsequences: true).count == 1)
            #expect(!text.contains("hello"))
        }
    }

    @Test("a head that trickles in has ten seconds, however often a byte comes")
    func slowloris() throws {
        let clock = LoopClock.manual()
        try withServer(clock: clock, routes: Self.routes) { server, port in
            let client = Client(port: port)
            for (number, byte) in get("/hello").utf8.prefix(20).enumerated() {
                client.send([byte])
                try await eventually("it is accepted") { server.counters.active == 1 }
                if number < 19 { await clock.advance(seconds: 0.5) }
            }
            #expect(server.counters.headTimeouts == 0)
            // Wait until the server has the last byte: the answer is for a head that was begun.
            await clock.advance(seconds: 0.75)
            #expect(server.counters.headTimeouts == 1)
            let answer = await elsewhere { client.answer() }
            #expect(answer.status == 408)
            #expect(answer.field("Connection") == "close")
            await clock.advance(seconds: 3)
            #expect(await elsewhere { client.isClosed() })
            try await eventually("it is gone") { server.counters.active == 0 }
        }
    }

    @Test("who says nothing at all is closed without a word")
    func silent() throws {
        let clock = LoopClock.manual()
        try withServer(clock: clock, routes: Self.routes) { server, port in
            let client = Client(port: port)
            try await eventually("it is accepted") { server.counters.active == 1 }
            await clock.advance(seconds: 9.5)
            #expect(server.counters.active == 1)
            await clock.advance(seconds: 1)
            #expect(await elsewhere { client.rest() } == [])
            #expect(server.counters.headTimeouts == 1)
            #expect(server.counters.responses == [:])
            try await eventually("it is gone") { server.counters.active == 0 }
        }
    }

    @Test("a kept connection may be idle for 75 seconds")
    func idle() throws {
        let clock = LoopClock.manual()
        try withServer(clock: clock, routes: Self.routes) { server, port in
            let client = Client(port: port)
            for _ in 0..<2 {
                client.send(get("/hello"))
                #expect(await elsewhere { client.answer() }.text == "hello")
                await clock.advance(seconds: 74.5)
                #expect(server.counters.idleTimeouts == 0)
            }
            await clock.advance(seconds: 1)
            #expect(server.counters.idleTimeouts == 1)
            #expect(await elsewhere { client.rest() } == [])
            #expect(server.counters.responses == [2: 2])
        }
    }

    @Test("a peer that takes no byte of a response for a minute is cut")
    func sendTimeout() throws {
        let clock = LoopClock.manual()
        try withServer(clock: clock, routes: Self.routes) { server, port in
            var events: [AccessEvent] = []
            server.onAccess = { events.append($0) }
            let client = Client(port: port, receiveBuffer: 4096)
            client.send(get("/endless"))
            // It stops growing when both sockets' buffers are full.
            var before: UInt64 = 0
            try await eventually("the response begins") { server.counters.active == 1 }
            repeat {
                before = LoopActor.entries
                try await LoopClock.monotonic.sleep(for: 0.05)
            } while LoopActor.entries - before > 8
            await clock.advance(seconds: 59)
            #expect(events.isEmpty)
            await clock.advance(seconds: 2)
            #expect(events.map(\.reason) == ["timeout"])
            #expect(server.counters.sendTimeouts == 1)
            #expect(await elsewhere { client.rest() }.count > 0)
            #expect(client.lastError == ECONNRESET)
        }
    }

    @Test("a body of which nothing comes for a minute is 408")
    func bodyTimeout() throws {
        let clock = LoopClock.manual()
        let waits = Flag()
        try withServer(
            clock: clock,
            routes: { router in
                router.post("/sum", audience: .anyone) { request in
                    var count = try await request.body.next()?.count ?? 0
                    waits.isSet = true
                    while let piece = try await request.body.next() { count += piece.count }
                    return .text("\(count)")
                }
            }
        ) { server, port in
            let client = Client(port: port)
            client.send(post("/sum", "Content-Length: 3", body: "ab"))
            try await eventually("the rest is waited for") { waits.isSet }
            await clock.advance(seconds: 61)
            let answer = await elsewhere { client.answer() }
            #expect(answer.status == 408)
            #expect(server.counters.sendTimeouts == 1)
            await clock.advance(seconds: 3)
            #expect(await elsewhere { client.isClosed() })
        }
    }

    @Test("the connection above the limit is told 503, and there is room again when one goes")
    func full() throws {
        try withServer({ $0.maxConnections = 3 }, routes: Self.routes) { server, port in
            var refused: [String] = []
            server.onRefused = { reason, _ in refused.append(reason) }
            var clients = [Client(port: port), Client(port: port), Client(port: port)]
            try await eventually("they are accepted") { server.counters.active == 3 }
            let answer = await ask(port, get("/hello"))
            #expect(answer.status == 503)
            #expect(answer.field("Retry-After") == "5")
            #expect(answer.text.contains("TOO_MANY_CONNECTIONS"))
            #expect(server.counters.refusedFull == 1)
            #expect(refused == ["full"])
            clients.removeLast()
            try await eventually("one has gone") { server.counters.active == 2 }
            #expect(await ask(port, get("/hello")).status == 200)
            clients.removeAll()
        }
    }

    @Test("one address has its share only, a trusted proxy more")
    func perAddress() throws {
        try withServer({ $0.connectionsPerAddress = 2 }, routes: Self.routes) { server, port in
            let clients = [Client(port: port), Client(port: port)]
            try await eventually("they are accepted") { server.counters.active == 2 }
            #expect(await ask(port, get("/hello")).status == 503)
            #expect(server.counters.refusedPerAddress == 1)
            withExtendedLifetime(clients) {}
        }
        try withServer(
            {
                $0.connectionsPerAddress = 2
                $0.trustedProxies = ["127.0.0.1"]
            }, routes: Self.routes
        ) { server, port in
            let clients = [Client(port: port), Client(port: port)]
            try await eventually("they are accepted") { server.counters.active == 2 }
            #expect(await ask(port, get("/hello")).status == 200)
            withExtendedLifetime(clients) {}
        }
    }

    @Test("two thousand idle connections cost a few KiB each, and nothing when they have gone")
    func manyIdle() throws {
        try withServer(
            {
                $0.connectionsPerAddress = 5000
                $0.maxConnections = 5000
            }, routes: Self.routes
        ) { server, port in
            // What the first ones warm up is not theirs.
            var clients = await elsewhere { Self.idleClients(200, port) }
            #expect(server.counters.active == 200)
            for descriptor in clients { close(descriptor) }
            try await eventually("they have gone") { server.counters.active == 0 }
            let before = residentBytes()
            clients = await elsewhere { Self.idleClients(2000, port) }
            #expect(server.counters.active == 2000)
            let each = (residentBytes() - before) / 2000
            print("an idle connection: \(each) bytes")
            #expect(each < 6000 || isSanitized)
            #expect(await ask(port, get("/hello")).status == 200)
            for descriptor in clients { close(descriptor) }
            try await eventually("they have gone") { server.counters.active == 0 }
        }
    }

    /// Connections that had one answer each: nothing but their descriptors is kept of them here.
    private static func idleClients(_ count: Int, _ port: UInt16) -> [Int32] {
        (0..<count).map { _ in
            let client = Client(port: port)
            client.send(get("/hello"))
            _ = client.answer()
            return dup(client.descriptor)
        }
    }

    @Test("without even a descriptor to refuse with, accepting pauses and goes on when there is one")
    func noReserve() throws {
        try alone("LimitTests/noReserve") {
            try withServer(routes: Self.routes) { server, port in
                let waiting = Unconnected()
                var old = rlimit()
                let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
                getrlimit(resource, &old)
                var none = rlimit(rlim_cur: 3, rlim_max: old.rlim_max)
                #expect(setrlimit(resource, &none) == 0)
                waiting.connect(port)
                try await eventually("accepting pauses") { server.counters.acceptPauses > 0 }
                let before = LoopActor.entries
                try await LoopClock.monotonic.sleep(for: 0.05)
                #expect(LoopActor.entries - before < 50)
                #expect(server.counters.accepted == 0)
                #expect(setrlimit(resource, &old) == 0)
                try await eventually("accepting goes on") { server.counters.accepted == 1 }
                #expect(await ask(port, get("/hello")).status == 200)
            }
        }
    }

    @Test("what is no HTTP at all is refused or closed, and nothing stays behind")
    func garbage() throws {
        try withServer({ $0.connectionsPerAddress = 1000 }, routes: Self.routes) { server, port in
            let statuses = await elsewhere {
                var random = Xorshift(state: 0x9e37_79b9_7f4a_7c15)
                return (0..<400).map { round -> Int in
                    let client = Client(port: port)
                    var bytes = (0..<Int(random.next() % 300) + 1).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                    // Some begin well.
                    if round % 4 == 0 { bytes = Array("GET / HTTP/1.1\r\nHost: ".utf8) + bytes + [13, 10, 13, 10] }
                    client.send(bytes)
                    client.shutdownWriting()
                    return client.answer().status
                }
            }
            // 0: closed without an answer, to what might have become a request.
            #expect(Set(statuses).isSubset(of: [0, 400, 403, 404, 405, 414, 431, 501, 505]))
            #expect(statuses.count { $0 == 400 } > 300)
            try await eventually("they have gone") { server.counters.active == 0 }
            #expect(await ask(port, get("/hello")).status == 200)
        }
    }

    @Test("neither a greedy reader, nor an endless upload, nor a flood of requests has the loop to itself")
    func fairness() throws {
        try withServer(
            { $0.connectionsPerAddress = 100 },
            routes: { router in
                Self.routes(router)
                router.post("/sink", audience: .anyone, bodyLimit: .max) { request in
                    while try await request.body.next() != nil {}
                    return .text("done")
                }
            }
        ) { server, port in
            let stop = Flag()
            let peers = Flag.Count()
            for kind in 0..<3 {
                spawn {
                    await elsewhere {
                        let client = Client(port: port)
                        peers.add(1)
                        var block = [UInt8](repeating: 0, count: 1 << 20)
                        switch kind {
                        case 0:
                            client.send(get("/endless"))
                            while !stop.isSet, recv(client.descriptor, &block, block.count, 0) > 0 {}
                        case 1:
                            client.send(post("/sink", "Content-Length: 1000000000000"))
                            while !stop.isSet, client.send(block) {}
                        default:
                            let flood = Array(String(repeating: get("/hello"), count: 100).utf8)
                            while !stop.isSet, client.send(flood) {
                                for _ in 0..<100 { _ = client.answer() }
                            }
                        }
                    }
                    peers.add(-1)
                }
            }
            try await eventually("they are at it") {
                server.counters.accepted == 3 && server.counters.responses[2, default: 0] > 1000
            }
            let watchdog = try Watchdog()
            for _ in 0..<20 {
                #expect(await ask(port, get("/hello")).text == "hello")
                try await LoopClock.monotonic.sleep(for: 0.01)
            }
            print(
                "longest turn beside greedy peers: cpu \(watchdog.cpu.max / 1000) us, wall p50 \(watchdog.wall.quantile(0.5) / 1000) us"
            )
            // Peers without end, yet every turn has one. (A hypervisor may charge it for more than it took.)
            #expect(watchdog.cpu.max < 1_000_000_000)
            watchdog.close()
            stop.isSet = true
            // What is under way ends with the server.
        }
    }

    /// A sanitizer keeps what was freed.
    private var isSanitized: Bool { dlsym(nil, "__asan_init") != nil || dlsym(nil, "__tsan_init") != nil }

    private func residentBytes() -> Int {
        let text = (try? LoopFile.readNow("/proc/self/statm")).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return (Int(text.split(separator: " ")[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    @Test("without descriptors peers are told 503, the loop does not spin, and all is well when there are some again")
    func descriptors() throws {
        try alone("LimitTests/descriptors") {
            var limit = rlimit(rlim_cur: 256, rlim_max: 256)
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            try withServer(routes: Self.routes) { server, port in
                #expect(await ask(port, get("/hello")).status == 200)
                try await eventually("it has gone") { server.counters.active == 0 }
                // Sockets that are there already when there is no descriptor left.
                let waiting = (0..<20).map { _ in Unconnected() }
                var taken: [Int32] = []
                while true {
                    let descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC)
                    if descriptor < 0 { break }
                    taken.append(descriptor)
                }
                #expect(errno == EMFILE)
                for socket in waiting { socket.connect(port) }
                try await eventually("they are refused") { server.counters.refusedDescriptors == 20 }
                let before = LoopActor.entries
                try await LoopClock.monotonic.sleep(for: 0.1)
                #expect(LoopActor.entries - before < 50)
                for socket in waiting { #expect(socket.answer().hasPrefix("HTTP/1.1 503 ")) }
                for descriptor in taken { close(descriptor) }
                #expect(await ask(port, get("/hello")).status == 200)
                #expect(server.counters.refusedDescriptors == 20)
                #expect(server.counters.acceptPauses == 0)
            }
        }
    }
}

/// A socket that is there before it is connected.
private final class Unconnected {
    private let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)

    func connect(_ port: UInt16) {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    func answer() -> String {
        var bytes = [UInt8](repeating: 0, count: 1024)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    deinit { close(descriptor) }
}

/// The same numbers in every run (G. Marsaglia, "Xorshift RNGs").
private struct Xorshift {
    var state: UInt64

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}
