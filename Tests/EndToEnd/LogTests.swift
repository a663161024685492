import Glibc
import Testing

@Suite("The log", .ownThread)
struct LogTests {
    /// A child that says what no log should pass on as it is.
    private func script(_ scratch: borrowing Scratch) throws -> String {
        let path = scratch.path + "/noisy.sh"
        try Disk.write(
            path,
            """
            printf 'quote" back\\\\slash = \\033[31mred\\033[0m \\t tab \\377 not UTF-8 \\303\\244\\n' >&2
            head -c 100000 /dev/zero | tr '\\0' x >&2
            \(SupervisionTests.playing)
            """.utf8)
        return path
    }

    @Test("JSON: every line is an object with time, level and message, whatever is in it")
    func json() throws {
        let scratch = try Scratch()
        let path = try script(scratch)
        try Daemon.run(
            "live: { stations: [{ name: child, source: { kind: exec, command: [sh, \(path)] } }] }\n"
        ) { weir in
            try weir.wait("child", is: "live")
            let said = try weir.event("source says")
            #expect(said["line"]?.hasPrefix("quote\" back\\slash = ") == true)
            #expect(said["line"]?.hasSuffix("ä") == true)
            let target = "/nowhere%22%0a?a=%5C%22&b={\"x\"}"
            _ = try weir.request("GET", "/nowhere?a='b'&c={d}|e")
            _ = try weir.request("GET", target)
            _ = try weir.request("GET", "/" + String(repeating: "long", count: 1500))
            #expect(try weir.event("access") { $0.number("status") == 404 }["method"] == "GET")
            #expect(try weir.end(SIGTERM) == .code(0))
            let lines = weir.process.state.lines
            #expect(lines.count > 5)
            for line in lines {
                let event = try #require(JSON(line), "\(line)")
                let time = try #require(event["time"]?.text)
                #expect(time.hasSuffix("Z") && time.count == 24)
                #expect(["debug", "info", "warning", "error"].contains(event["level"]?.text))
                #expect(event["message"]?.text?.isEmpty == false)
                #expect(line.utf8.count < 16_384)
            }
        }
    }

    @Test("text: a line an event, and nothing in it that a terminal would obey")
    func text() throws {
        let scratch = try Scratch()
        let path = try script(scratch)
        try Daemon.run(
            "live: { stations: [{ name: child, source: { kind: exec, command: [sh, \(path)] } }] }\n", options: []
        ) { weir in
            try weir.wait("child", is: "live")
            _ = try weir.request("GET", "/nowhere?a='b'&c={d}|e")
            #expect(weir.process.wait { $0.lines.first { $0.contains("source says") } } != nil)
            #expect(try weir.end(SIGTERM) == .code(0))
            for line in weir.process.state.lines {
                #expect(line.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "\(line.debugDescription)")
                #expect(line.utf8.dropFirst(23).first == UInt8(ascii: "Z"), "\(line)")
                let level = line.dropFirst(25).prefix { $0 != " " }
                #expect(["info", "warning", "error"].contains(String(level)), "\(line)")
            }
        }
    }

    @Test("one access line for each response, with what was sent and why it ended")
    func access() throws {
        try Daemon.run { weir in
            let size = try weir.get("/health").body.count
            #expect(try weir.request("HEAD", "/health").status == 200)
            #expect(try weir.get("/nowhere").status == 404)
            let events = try eventually("all are logged") {
                let events = weir.events("access")
                return events.count >= 3 ? events : nil
            }
            #expect(events.map { $0["method"] } == ["GET", "HEAD", "GET"])
            #expect(events.map { $0["target"] } == ["/health", "/health", "/nowhere"])
            #expect(events.map { $0.number("status") } == [200, 200, 404])
            #expect(events[0].number("bytes") == UInt64(size))
            #expect(events[1].number("bytes") == 0)
            #expect(events.allSatisfy { $0["reason"] == "done" })
            #expect(events.allSatisfy { $0.fields["seconds"]?.number ?? -1 >= 0 })
        }
    }

    @Test("the access line of a live response says how long it lasted")
    func liveAccess() throws {
        try Daemon.run { weir in
            let began = Pace.now
            let client = try weir.listen("/live/demo.wav").client
            let heard = Pace.now
            while Pace.now - heard < 250_000_000 { _ = try client.receive(4096) }
            let lasted = Double(Pace.now - heard) / 1e9
            client.close()
            let event = try weir.event("access") { $0["target"] == "/live/demo.wav" }
            let seconds = try #require(event.fields["seconds"]?.number)
            // Written in milliseconds.
            #expect(seconds >= lasted - 0.001)
            #expect(seconds <= Double(Pace.now - began) / 1e9 + 0.001)
            #expect(try #require(event.number("bytes")) > 0)
        }
    }

    @Test("the level leaves out what is below it")
    func level() throws {
        try Daemon.run(options: ["--log-level", "warning"]) { weir in
            _ = try weir.get("/health")
            #expect(try weir.end(SIGTERM) == .code(0))
            #expect(weir.process.state.lines.isEmpty)
        }
    }

    @Test("nobody reads the log: the daemon goes on, and what it could not write is counted")
    func unread() throws {
        let scratch = try Scratch()
        let pipe = try NamedPipe(scratch.path + "/log")
        // Open at both ends, and never read.
        let reader = open(pipe.path, O_RDWR | O_NONBLOCK | O_CLOEXEC)
        #expect(reader >= 0)
        defer { close(reader) }
        let process = try Process([
            "sh", "-c", "exec \"$@\" 2>\(pipe.path)", "sh", Daemon.program, "serve", "--listen", "127.0.0.1:0",
            "--data",
            scratch.path + "/data", "--log-level", "debug",
        ])
        defer { process.end() }
        let port = try #require(
            process.wait { printed -> UInt16? in
                guard let mark = printed.text.firstRange(of: "http://127.0.0.1:") else { return nil }
                return UInt16(printed.text[mark.upperBound...].prefix { $0.isNumber })
            })
        // 64 KiB of pipe, 256 KiB of buffer, and more.
        let target = "/" + String(repeating: "x", count: 500)
        let client = try Client(port: port)
        for _ in 0..<1500 {
            try client.send("GET \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(try client.reply().status == 404)
        }
        try client.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        let line = try client.reply().text.split(separator: "\n").first {
            $0.hasPrefix("weir_log_dropped_lines_total ")
        }
        #expect(try #require(line.flatMap { Double($0.split(separator: " ")[1]) }) > 0)
        process.signal(SIGTERM)
        #expect(try process.waitForExit() == .code(0))
    }
}
