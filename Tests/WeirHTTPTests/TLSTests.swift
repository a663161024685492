import COpenSSL
import Glibc
import Testing
import WeirHTTP
import WeirLoop

@Suite("TLS")
struct TLSTests {
    private static let large = [UInt8]((0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) })

    @LoopActor
    private static func routes(_ router: Router) {
        router.get("/hello") { _ in .text("hello") }
        router.get("/large") { _ in Response(body: .bytes(large)) }
        router.post("/sum", audience: .anyone, bodyLimit: 1 << 23) { .text("\(try await $0.body.collect().count)") }
        router.get("/close") { _ in
            Response(
                body: .stream(length: nil, framing: .close) { writer in
                    for _ in 0..<10 { try await writer.write([UInt8](repeating: 7, count: 50_000)) }
                })
        }
        router.get("/broken") { _ in
            Response(
                body: .stream(length: nil, framing: .close) { writer in
                    try await writer.write("begun")
                    throw CoreError.format
                })
        }
    }

    @Test(
        "requests one after the other on one connection, with bodies both ways",
        arguments: [TLS1_3_VERSION, TLS1_2_VERSION])
    func requests(version: Int32) throws {
        try withSecureServer(routes: Self.routes) { server, port, _ in
            let results = await elsewhere {
                let client = SecureClient(port: port, version: version)
                guard client.connect() else { return [(0, [UInt8]())] }
                var results: [(Int, [UInt8])] = []
                client.send(get("/hello"))
                results.append(client.answer())
                client.send(get("/large"))
                results.append(client.answer())
                client.send(post("/sum", "Content-Length: 3000000") + "")
                for start in stride(from: 0, to: Self.large.count, by: 100_000) {
                    client.send(Array(Self.large[start..<(start + 100_000)]))
                }
                results.append(client.answer())
                client.send(get("/hello") + get("/hello", "Connection: close"))
                results.append(client.answer())
                results.append(client.answer())
                results.append((0, client.rest()))
                return results + [(client.ending == .inOrder ? 1 : 0, [])]
            }
            #expect(results.map(\.0) == [200, 200, 200, 200, 200, 0, 1])
            #expect(results[0].1 == Array("hello".utf8))
            #expect(results[1].1 == Self.large)
            #expect(results[2].1 == Array("3000000".utf8))
            #expect(server.counters.handshakes == 1)
        }
    }

    @Test("a body that ends with the connection is told from one that was cut")
    func endings() throws {
        try withSecureServer(routes: Self.routes) { _, port, _ in
            let (whole, cut) = await elsewhere {
                let first = SecureClient(port: port)
                let second = SecureClient(port: port)
                guard first.connect(), second.connect() else {
                    return ((0, SecureClient.Ending.none), (0, SecureClient.Ending.none))
                }
                first.send(get("/close"))
                second.send(get("/broken"))
                let count = first.rest().count(where: { $0 == 7 })
                return ((count, first.ending), (second.rest().count, second.ending))
            }
            #expect(whole == (500_000, .inOrder))
            #expect(cut.1 == .cut)
        }
    }

    @Test("what frames a body shares its records")
    func records() throws {
        try withSecureServer(routes: { router in
            router.get("/chunks") { _ in
                Response(
                    body: .stream(length: nil, framing: .chunked) { writer in
                        for _ in 0..<2 { try await writer.write([UInt8](repeating: 7, count: 100_000)) }
                        try await writer.write("end")
                    })
            }
        }) { _, port, _ in
            let (bytes, records) = await elsewhere {
                let client = SecureClient(port: port)
                guard client.connect() else { return (0, [Int]()) }
                client.send(get("/chunks", "Connection: close"))
                return (client.rest().count { $0 == 7 }, client.records)
            }
            #expect(bytes == 200_000)
            // The head; 100 000 bytes with their length and two line ends, twice; `3`, `end`; the last chunk.
            let chunk = [16384, 16384, 16384, 16384, 16384, 16384, 100_009 - 6 * 16384]
            #expect(Array(records.dropFirst()) == chunk + chunk + [8, 5])
        }
    }

    @Test("old versions are refused, and so is what is no TLS")
    func refusals() throws {
        try withSecureServer(routes: Self.routes) { server, port, _ in
            let old = await elsewhere { SecureClient(port: port, version: TLS1_1_VERSION).connect() }
            #expect(!old)
            let plain = await ask(port, get("/hello"))
            #expect(plain.status == 400)
            #expect(plain.text.contains("TLS_REQUIRED"))
            let garbage = await elsewhere {
                let client = Client(port: port)
                client.send([UInt8](repeating: 0, count: 400))
                return client.isClosed() || client.isClosed()
            }
            #expect(garbage)
            #expect(server.counters.handshakesFailed == 3)
            let next = await elsewhere { SecureClient(port: port).connect() }
            #expect(next)
        }
    }

    @Test("a handshake has the time of a head")
    func slowHandshake() throws {
        let clock = LoopClock.manual()
        try withSecureServer({ $0.headTimeout = 10 }, clock: clock, routes: Self.routes) { server, port, _ in
            let client = Client(port: port)
            client.send([0x16, 3, 1, 2])
            try await eventually("it is accepted") { server.counters.active == 1 }
            // A byte now and then buys no time.
            for byte: UInt8 in [0, 0xFC, 1] {
                await clock.advance(seconds: 3)
                client.send([byte])
                #expect(server.counters.active == 1)
            }
            await clock.advance(seconds: 2)
            try await eventually("it is closed") { server.counters.active == 0 }
            #expect(server.counters.handshakeTimeouts == 1)
            // Its place is another's: nothing of it counts any more.
            let next = await elsewhere { SecureClient(port: port).connect() }
            #expect(next)
            #expect(server.counters.headTimeouts == 0)
            #expect(await elsewhere { client.isClosed() })
        }
    }

    @Test("a head that comes a byte at a time, each in a record of its own")
    func bytes() throws {
        try withSecureServer(routes: Self.routes) { _, port, _ in
            let status = await elsewhere {
                let client = SecureClient(port: port)
                guard client.connect() else { return 0 }
                for byte in get("/hello").utf8 { client.send([byte]) }
                return client.answer().status
            }
            #expect(status == 200)
        }
    }

    @Test("new connections see a new certificate, old ones go on, and a bad one changes nothing")
    func reload() throws {
        try withSecureServer(routes: Self.routes) { server, port, certificate in
            let old = SecureClient(port: port)
            #expect(await elsewhere { old.connect() && old.peerName == "/CN=localhost" })
            try certificate.make(name: "second")
            #expect(try server.loadTLS() != nil)
            let name = { (name: String) in
                await elsewhere {
                    let client = SecureClient(port: port)
                    return client.connect() && client.peerName == name
                }
            }
            #expect(await name("/CN=second"))
            let again = await elsewhere {
                old.send(get("/hello"))
                return old.answer().status
            }
            #expect(again == 200)
            try #require(truncate(certificate.key, 10) == 0)
            let problem = #expect(throws: TLSProblem.self) { try server.loadTLS() }
            #expect(problem?.file == .key)
            #expect(problem?.wrong == "holds no private key; expected one in PEM")
            #expect(await name("/CN=second"))
        }
    }

    @Test("a peer that leaves while a handler runs is noticed, one that asks for more is not taken for it")
    func departure() throws {
        let cancelled = Flag()
        let released = Flag()
        try withSecureServer(routes: { router in
            Self.routes(router)
            router.get("/wait") { _ in
                do {
                    while !released.isSet { try await LoopClock.monotonic.sleep(for: 0.005) }
                } catch {
                    cancelled.isSet = true
                    throw error
                }
                return .text("waited")
            }
        }) { server, port, _ in
            let client = SecureClient(port: port)
            let leaver = SecureClient(port: port)
            await elsewhere {
                _ = client.connect() && leaver.connect()
                client.send(get("/wait"))
                leaver.send(get("/wait"))
                client.send(get("/hello"))
                leaver.finish()
            }
            try await eventually("the leaver's handler is cancelled") { cancelled.isSet }
            released.isSet = true
            let statuses = await elsewhere { [client.answer().status, client.answer().status] }
            #expect(statuses == [200, 200])
        }
    }

    @Test("whoever is one too many is closed without a handshake")
    func full() throws {
        try withSecureServer({ $0.maxConnections = 1 }, routes: Self.routes) { server, port, _ in
            let first = SecureClient(port: port)
            #expect(await elsewhere { first.connect() })
            #expect(await elsewhere { !SecureClient(port: port).connect() })
            #expect(server.counters.refusedFull == 1)
        }
    }

    @Test("a socket is taken over with its sink, and the body passes through TLS")
    func takeover() throws {
        try withSecureServer(routes: { router in
            router.get("/live") { _ in
                Response(
                    body: .takeover { takeover in
                        let log = try Log(capacity: 65536, unit: 4)
                        let fanout = try Fanout(log: log)
                        _ = try fanout.add(
                            descriptor: takeover.descriptor, sink: takeover.sink, preamble: takeover.head,
                            label: takeover.label)
                        let ticket = takeover.ticket
                        fanout.onEnd = { listener, _, _ in ticket.release(bytes: listener.sentBytes, reason: "done") }
                        log.append([UInt8](repeating: 9, count: 40_000))
                        fanout.published()
                        fanout.end()
                        spawn { await fanout.close() }
                    })
            }
        }) { server, port, _ in
            let (count, ending) = await elsewhere {
                let client = SecureClient(port: port)
                guard client.connect() else { return (0, SecureClient.Ending.none) }
                client.send(get("/live"))
                return (client.rest().count(where: { $0 == 9 }), client.ending)
            }
            #expect(count == 40_000)
            #expect(ending == .inOrder)
            try await eventually("it is released") { server.counters.active == 0 }
        }
    }

    @Test("many handshakes leave nothing behind")
    func many() throws {
        try withSecureServer({ $0.connectionsPerAddress = 1000 }, routes: Self.routes) { server, port, _ in
            let done = await elsewhere {
                (0..<300).count { round in
                    let client = SecureClient(port: port)
                    if round % 3 == 0 {
                        client.socket.send([0x16, 3, 1])
                        return true
                    }
                    guard client.connect() else { return false }
                    if round % 3 == 1 { return true }
                    client.send(get("/hello"))
                    return client.answer().status == 200
                }
            }
            #expect(done == 300)
            try await eventually("all have left") { server.counters.active == 0 }
            #expect(server.counters.handshakes == 200)
        }
    }
}
