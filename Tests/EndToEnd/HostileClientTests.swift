import Glibc
import Testing

/// What clients must not be able to do.
@Suite("Hostile clients", .ownThread)
struct HostileClientTests {
    /// It serves others as before, and holds nothing of those who were refused.
    private func expectWell(_ weir: Daemon, connections: Double = 1) throws {
        try weir.wait("demo", is: "live")
        try eventually("\(connections) connections are left") {
            try weir.metrics()["weir_http_connections{holder=\"server\"}"] == connections ? true : nil
        }
    }

    @Test("slow heads: 408 and closed after head_timeout, however they trickle")
    func slowloris() throws {
        try Daemon.run("http: { head_timeout: 500ms }\n") { weir in
            let began = Pace.now
            let silent = try weir.client()
            let begun = try (0..<30).map { _ in try weir.client() }
            for client in begun { try client.send("GET /live HTTP/1.1\r\nHost: localhost\r\nX-Slow: ") }
            let trickling = try weir.client()
            while Pace.now - began < 400_000_000 {
                try trickling.send("G")
                #expect(try weir.get("/live").status == 200, "others are served meanwhile")
            }
            for client in begun {
                #expect(try client.reply().status == 408)
                #expect(try client.isClosed())
            }
            #expect(Double(Pace.now - began) / 1e9 >= 0.5)
            // A byte now and then buys no time.
            let reply = try trickling.reply()
            #expect(reply.status == 408 || reply.status == 400)
            #expect(try trickling.isClosed())
            // Who said nothing is told nothing.
            #expect(try silent.receiveAll().isEmpty)
            #expect(silent.ending != nil)
            #expect(try weir.metrics()["weir_http_timeouts_total{kind=\"head\"}"] ?? 0 >= 31)
            try expectWell(weir)
        }
    }

    @Test("heads and targets that are too large: 431 and 414")
    func oversize() throws {
        try Daemon.run { weir in
            let long = String(repeating: "x", count: 20_000)
            let many = (0..<200).map { "X-Field-\($0): 1\r\n" }.joined()
            let cases: [(String, Int)] = [
                ("GET /live HTTP/1.1\r\nHost: localhost\r\nX-Long: \(long)\r\n\r\n", 431),
                ("GET /live HTTP/1.1\r\nHost: localhost\r\n\(many)\r\n", 431),
                ("GET /\(long.prefix(9000)) HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
                // Without an end.
                ("GET /live HTTP/1.1\r\nHost: localhost\r\nX-Long: \(long)", 431),
                ("GET /\(long)", 414),
            ]
            for (request, status) in cases {
                let client = try weir.client()
                try client.send(request)
                #expect(try client.reply().status == status, "\(request.prefix(40))")
                #expect(try client.isClosed())
            }
            try expectWell(weir)
        }
    }

    /// The fields and the body of a request, under a name that can be printed.
    struct Shape: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let text: String

        init(_ name: String, _ text: String) { (testDescription, self.text) = (name, text) }
    }

    @Test(
        "requests that two parsers could read differently: refused, closed, and what hides behind is never served",
        arguments: [
            Shape("length and chunks", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            Shape("two lengths", "Content-Length: 0\r\nContent-Length: 44\r\n\r\n"),
            Shape("a list of lengths", "Content-Length: 0, 44\r\n\r\n"),
            Shape("a length with a sign", "Content-Length: +0\r\n\r\n"),
            Shape("a hexadecimal length", "Content-Length: 0x0\r\n\r\n"),
            Shape("a negative length", "Content-Length: -1\r\n\r\n"),
            Shape("a length of 20 digits", "Content-Length: 99999999999999999999\r\n\r\n"),
            Shape("a blank before the colon", "Content-Length : 0\r\n\r\n"),
            Shape("two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            Shape("a list of codings", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
            Shape("a coding that looks alike", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
            Shape("a coding after a blank", "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
            Shape("a vertical tab", "Transfer-Encoding:\u{b}chunked\r\n\r\n0\r\n\r\n"),
            Shape("a folded line", "X: 1\r\n Content-Length: 44\r\n\r\n"),
            Shape("bare line feeds", "X: 1\nContent-Length: 44\n\n"),
            Shape("a bare carriage return", "X: 1\rContent-Length: 44\r\n\r\n"),
            Shape("a NUL", "X: a\0b\r\n\r\n"),
            Shape("two hosts", "Host: elsewhere\r\n\r\n"),
            Shape("a blank in a name", "X Y: 1\r\n\r\n"),
            Shape("no name", ": nothing\r\n\r\n"),
        ])
    func smuggling(_ shape: Shape) throws {
        try Daemon.run { weir in
            let hidden =
                "POST /live/demo/stop HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(try weir.token)\r\n\r\n"
            let client = try weir.client()
            try client.send("GET /live HTTP/1.1\r\nHost: localhost\r\n\(shape.text)" + hidden)
            let reply = try client.reply()
            #expect(reply.status == 400 || reply.status == 501)
            #expect(reply["Connection"] == "close")
            #expect(try client.receiveAll().isEmpty)
            #expect(try weir.station("demo")["state"]?.text != "stopped")
            try expectWell(weir)
        }
    }

    @Test(
        "broken chunks end the connection",
        arguments: [
            Shape("no number", "zz\r\n"), Shape("a sign", "-1\r\n"), Shape("a bare line feed", "1\n"),
            Shape("a NUL in an extension", "5;\u{0}\r\nhello\r\n0\r\n\r\n"),
            Shape("no end of the data", "5\r\nhello0\r\n\r\n"), Shape("17 digits", "fffffffffffffffff\r\n"),
        ])
    func chunks(_ shape: Shape) throws {
        try Daemon.run { weir in
            let client = try weir.client()
            let head =
                "POST /live/demo/start HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(try weir.token)\r\n"
            let hidden = "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n"
            try client.send(head + "Transfer-Encoding: chunked\r\n\r\n" + shape.text + hidden)
            let status = try client.reply().status
            #expect(status == 200 || status == 400)
            #expect(try client.receiveAll().isEmpty, "nothing behind it is served")
            #expect(client.ending != nil)
            try expectWell(weir)
        }
    }

    @Test("requests without a Host, or with one that is none")
    func host() throws {
        try Daemon.run { weir in
            for fields in ["", "Host:\r\n", "Host: a b\r\n", "Host: user@localhost\r\n", "Host: [::1\r\n"] {
                let client = try weir.client()
                try client.send("GET /live HTTP/1.1\r\n\(fields)\r\n")
                #expect(try client.reply().status == 400, "\(fields)")
                #expect(try client.isClosed())
            }
        }
    }

    @Test("targets that climb, hide or break")
    func targets() throws {
        try Daemon.run { weir in
            for target in [
                "/live/../live", "/%2e%2e/etc/passwd", "/live/%2Fdemo", "/live/%", "/live/%zz", "/live/%00",
                "/live/%ff",
                "/live/#demo", "//live\\demo", "live", "http://", "*",
            ] {
                let client = try weir.client()
                try client.send("GET \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n")
                #expect(try client.reply().status == 400, "\(target)")
            }
            try expectWell(weir)
        }
    }

    @Test("noise, and what speaks another protocol: refused and closed")
    func garbage() throws {
        try Daemon.run { weir in
            var random = Seeded(8)
            let hello: [UInt8] =
                [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]
                + (0..<506).map { _ in UInt8.random(in: 0...255, using: &random) }
            var messages = [
                hello, Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8), Array("SSH-2.0-OpenSSH_9.2\r\n".utf8),
            ]
            messages += [Array("HTTP/1.1 200 OK\r\n\r\n".utf8), [0], Array(repeating: 0x0A, count: 5000)]
            for length in stride(from: 1, to: 20_000, by: 997) {
                messages.append((0..<length).map { _ in UInt8.random(in: 0...255, using: &random) })
            }
            for message in messages {
                let client = try weir.client()
                // It may be closed before all is sent.
                try? client.send(message)
                client.halfClose()
                let answer = try client.receiveAll()
                #expect(client.ending != nil)
                guard !answer.isEmpty, client.ending == .end else { continue }
                let status = String(decoding: answer.prefix(13), as: UTF8.self)
                #expect(["HTTP/1.1 400 ", "HTTP/1.1 414 ", "HTTP/1.1 431 ", "HTTP/1.1 505 "].contains(status))
            }
            try expectWell(weir)
        }
    }

    @Test("methods and versions that are unknown")
    func unknown() throws {
        try Daemon.run { weir in
            for (line, statuses) in [
                ("BREW /live HTTP/1.1", [405, 501]), ("GET /live HTTP/1.2", [505]), ("GET /live HTTP/2.0", [505]),
                ("get /live HTTP/1.1", [405, 501]), ("GET  /live HTTP/1.1", [400]), ("GET /live", [400]),
                ("CONNECT localhost:80 HTTP/1.1", [400, 405, 501]), ("GET /live HTTP/1.1 ", [400, 505]),
            ] {
                let client = try weir.client()
                try client.send("\(line)\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                let status = try client.reply().status
                #expect(statuses.contains(status), "\(line): \(status)")
            }
        }
    }

    @Test("2000 idle connections cost little, and nothing once they are gone")
    func idle() throws {
        let count = Pace.isSanitized ? 500 : 2000
        try Daemon.run("http: { connections_per_address: 10000, head_timeout: 1h, idle_timeout: 1h }\n") { weir in
            let descriptors = ProcessTable.descriptors(of: weir.process.pid)
            var growth: [Int] = []
            let before = try ProcessTable.anonymousMemory(of: weir.process.pid)
            for _ in 0..<2 {
                var clients: [Client] = []
                for index in 0..<count {
                    let client = try weir.client()
                    // Half of them have said nothing, the others have had an answer.
                    if index % 2 == 0 {
                        try client.send("GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n")
                        #expect(try client.reply().status == 404)
                    }
                    clients.append(client)
                }
                try expectWell(weir, connections: Double(count + 1))
                growth.append(try ProcessTable.anonymousMemory(of: weir.process.pid) - before)
                for client in clients { client.close() }
                try expectWell(weir)
                #expect(ProcessTable.descriptors(of: weir.process.pid) <= descriptors + 1)
            }
            // Eight kibibytes for each, and the second round finds room in what the first one left.
            #expect(Pace.isSanitized || growth[0] < count * 8192, "\(growth)")
            #expect(Pace.isSanitized || growth[1] < growth[0] + (1 << 20), "\(growth)")
        }
    }

    @Test("a client that asks and asks and never reads: closed after send_timeout, in bounded memory")
    func unread() throws {
        try Daemon.run("http: { send_timeout: 500ms }\n") { weir in
            let memory = try ProcessTable.anonymousMemory(of: weir.process.pid)
            let client = try weir.client(receiveBuffer: 4096)
            // Requests for a hundred megabytes of responses, as far as the server reads them.
            let requests = String(repeating: "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", count: 10_000)
            // It may be closed while they are sent.
            try? client.send(requests)
            try eventually("the server has given up") {
                try weir.metrics()["weir_http_timeouts_total{kind=\"send\"}"] == 1 ? true : nil
            }
            let growth = try ProcessTable.anonymousMemory(of: weir.process.pid) - memory
            #expect(Pace.isSanitized || growth < 4 << 20, "\(growth) bytes more")
            try expectWell(weir)
        }
    }

    @Test("one address cannot take all connections: 503 beyond its share")
    func share() throws {
        try Daemon.run("http: { connections_per_address: 8 }\n") { weir in
            var clients = try (0..<8).map { _ in try weir.client() }
            try clients[7].send("GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(try clients[7].reply().status == 200)
            let refused = try weir.client()
            let reply = try refused.reply()
            #expect(reply.status == 503)
            #expect(reply["Retry-After"] == "5")
            #expect(reply.code == "TOO_MANY_CONNECTIONS")
            #expect(try weir.event("connection refused")["reason"] == "per_address")
            clients.removeAll()
            try eventually("there is room again") { try? weir.get("/live").status == 200 ? true : nil }
        }
    }

    @Test("out of descriptors: those who come are told so, the loop does not spin, and it recovers")
    func descriptors() throws {
        try Daemon.run(
            "http: { max_connections: 10000, connections_per_address: 10000, head_timeout: 1h }\n", descriptors: 64
        ) { weir in
            let listener = try weir.listen("/live/demo.wav").client
            var clients: [Client] = []
            // More than it can have open; of those beyond, some are answered and the others wait to be accepted.
            for _ in 0..<150 { clients.append(try weir.client()) }
            let event = try weir.event("connection refused")
            #expect(event["reason"] == "descriptors")
            let told = try eventually("somebody is refused") {
                let told = clients.filter { !$0.take(1).isEmpty }
                return told.isEmpty ? nil : told
            }
            #expect(String(decoding: try told[0].receive(11), as: UTF8.self) == "TTP/1.1 503")

            // Whoever listens hears on; that is also how this waits for two seconds of the station.
            let before = try ProcessTable.processorTime(of: weir.process.pid)
            let began = Pace.now
            #expect(try listener.receive(384_000).count == 384_000)
            let used = try ProcessTable.processorTime(of: weir.process.pid) - before
            #expect(used < 0.5 * Double(Pace.now - began) / 1e9, "\(used) s of processor time")

            clients.removeAll()
            try eventually("it serves again") { try? weir.get("/live").status == 200 ? true : nil }
            #expect(try weir.metrics()["weir_http_refusals_total{reason=\"descriptors\"}"] ?? 0 > 0)
            try expectWell(weir)
        }
    }
}
