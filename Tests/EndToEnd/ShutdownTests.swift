import Glibc
import Testing

@Suite("Shutdown", .ownThread)
struct ShutdownTests {
    @Test(
        "SIGTERM and SIGINT end live responses in order, after whole frames, and Weir with 0",
        arguments: [SIGTERM, SIGINT])
    func listeners(_ signal: Int32) throws {
        try Daemon.run { weir in
            var clients: [(client: Client, bytes: [UInt8])] = []
            for target in ["/live/demo.wav", "/live/demo.pcm", "/live/demo"] {
                let client = try weir.listen(target).client
                clients.append((client, try client.receive(48_000)))
            }
            let idle = try weir.client()
            #expect(try weir.end(signal) == .code(0))
            for index in clients.indices {
                clients[index].bytes += try clients[index].client.receiveAll()
                #expect(clients[index].client.ending == .end, "FIN, not RST")
                let header = index == 0 ? 44 : 0
                #expect((clients[index].bytes.count - header) % 4 == 0)
            }
            _ = try idle.receiveAll()
            #expect(idle.ending == .end)
            let left = weir.events("listener left")
            #expect(left.count == 3)
            #expect(left.allSatisfy { $0["reason"] == "shutdown" })
            #expect(weir.events("access").count { $0["reason"] == "shutdown" } == 3)
            #expect(weir.events("shutting down").first?["signal"] == (signal == SIGTERM ? "SIGTERM" : "SIGINT"))
            #expect(weir.events("stopped").count == 1, "the last lines are written")
        }
    }

    @Test("FFmpeg and curl take it for the end of the stream", .enabled(if: Peer.has("ffmpeg", "curl")))
    func peers() throws {
        try Daemon.run { weir in
            let url = "http://127.0.0.1:\(weir.port)/live/demo.wav"
            let curl = try Process(["curl", "-sS", "-o", "/dev/null", url])
            let ffmpeg = try Process(["ffmpeg", "-v", "error", "-i", url, "-f", "s16le", "-"])
            defer {
                curl.end()
                ffmpeg.end()
            }
            #expect(ffmpeg.wait { $0.output.count > 48_000 } != nil)
            try eventually("both listen") {
                try weir.station("demo")["listeners"]?.items?.count ?? 0 >= 2 ? true : nil
            }
            #expect(try weir.end(SIGTERM) == .code(0))
            #expect(try curl.waitForExit() == .code(0), "\(curl.state.lines)")
            #expect(try ffmpeg.waitForExit() == .code(0), "\(ffmpeg.state.lines)")
            #expect(ffmpeg.state.output.count % 4 == 0)
        }
    }

    @Test("a stalled listener, a request half sent and a child that ignores signals do not outlast the grace")
    func grace() throws {
        try Daemon.run(
            """
            shutdown: { grace: 4 }
            live:
              stations:
                - name: child
                  source: { kind: exec, command: [sh, -c, "trap '' INT TERM; \(SupervisionTests.playing)"] }
                - name: tone
                  source: { kind: tone }
            """, environment: ["WEIR_SHUTDOWN_GRACE": "4"]
        ) { weir in
            try weir.wait("child", is: "live")
            let stalled = try weir.listen("/live/tone", receiveBuffer: 4096).client
            let half = try weir.client()
            try half.send("POST /live/tone/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
            let family = ProcessTable.descendants(of: weir.process.pid)
            // Two seconds after the grace it would end itself, with another code.
            #expect(try weir.end(SIGTERM) == .code(0))
            try eventually("the child has gone") { family.allSatisfy(ProcessTable.hasEnded) ? true : nil }
            stalled.close()
            half.close()
        }
    }

    @Test("a terminal that closes, SIGHUP, ends nothing and nobody")
    func hangUp() throws {
        try Daemon.run { weir in
            let client = try weir.listen("/live/demo").client
            weir.process.signal(SIGHUP)
            try weir.event("configuration applied")
            #expect(try client.receive(96_000).count == 96_000)
        }
    }

    @Test("SIGHUP while it starts is obeyed when it runs")
    func hangUpEarly() throws {
        let scratch = try Scratch()
        // It reads its configuration from a pipe, and waits.
        let pipe = try NamedPipe(scratch.path + "/weir.yml")
        let process = try Process([
            Daemon.program, "serve", "--config", pipe.path, "--data", scratch.path + "/data", "--log-format", "json",
        ])
        defer { process.end() }
        try pipe.enter()
        process.signal(SIGHUP)
        try pipe.write(Array("listen: 127.0.0.1:0\n".utf8))
        pipe.leave()
        // It is read again, which of a pipe cannot be.
        let line = process.wait(for: { printed in printed.lines.first { $0.contains("cannot be read again") } })
        #expect(line != nil, "\(process.state.lines)")
        process.signal(SIGTERM)
        #expect(try process.waitForExit() == .code(0))
    }

    @Test("a second signal ends it at once", arguments: [SIGTERM, SIGINT])
    func second(_ signal: Int32) throws {
        try Daemon.run(
            """
            live:
              stations:
                - name: child
                  source: { kind: exec, command: [sh, -c, "trap '' INT TERM; \(SupervisionTests.playing)"] }
            """, environment: ["WEIR_SHUTDOWN_GRACE": "1h"]
        ) { weir in
            try weir.wait("child", is: "live")
            let children = ProcessTable.children(of: weir.process.pid).map(\.pid)
            weir.process.signal(SIGTERM)
            try weir.event("shutting down")
            let exit = try weir.end(signal)
            #expect(exit != .code(0))
            #expect(weir.events("exiting at once").count == 1 && weir.events("stopped").isEmpty)
            try eventually("the child has gone") { children.allSatisfy(ProcessTable.hasEnded) ? true : nil }
        }
    }

    @Test("nobody is let in any more, and a joiner that waits is told to go")
    func refused() throws {
        try Daemon.run(
            """
            live:
              stations:
                - name: stubborn
                  source: { kind: exec, command: [sh, -c, "trap '' INT TERM; exec sleep 1000"], start_timeout: 60 }
            """
        ) { weir in
            try weir.event("source started")
            let waiting = try weir.client()
            try waiting.send("GET /live/stubborn HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try eventually("it waits") {
                try weir.metrics()["weir_http_connections{holder=\"server\"}"] ?? 0 >= 2 ? true : nil
            }
            weir.process.signal(SIGTERM)
            try weir.event("shutting down")
            #expect(try waiting.reply().status == 503)
            #expect(throws: Failure.self) { try weir.client() }
            #expect(try weir.end(nil) == .code(0))
        }
    }

    @Test(
        "started with a standard stream closed, it runs and ends like any other", arguments: ["0<&-", "1>&-", "2>&-"])
    func closedStream(_ redirection: String) throws {
        let scratch = try Scratch()
        let command = [
            Daemon.program, "serve", "--listen", "127.0.0.1:0", "--data", scratch.path + "/data", "--log-format",
            "json",
        ]
        let process = try Process(["sh", "-c", "exec \"$@\" \(redirection)", "sh"] + command)
        defer { process.end() }
        // Signals are caught before it says where it listens, and before the loop turns.
        let isUp = process.wait { printed in
            printed.text.contains("admin.token") || printed.lines.contains { $0.contains("\"to\":\"live\"") }
                ? true : nil
        }
        #expect(isUp == true, "\(process.state.lines)")
        process.signal(SIGTERM)
        let exit = try process.waitForExit()
        #expect(exit == .code(0), "\(process.state.lines.suffix(5))")
    }

    @Test("a signal as soon as it has said that it runs is not too early")
    func early() throws {
        for _ in 0..<20 {
            try Daemon.run { weir in
                let exit = try weir.end(SIGTERM)
                #expect(exit == .code(0))
            }
        }
    }
}
