import Glibc
import Testing

/// SIGHUP: the difference between two configurations, applied to what runs.
@Suite("Reload", .ownThread)
struct ReloadTests {
    private let frames = Frames(unit: 4)

    private func configuration(_ stations: String...) -> String {
        "live:\n  stations:\n" + stations.map { "    - \($0)\n" }.joined()
    }

    private func names(_ weir: Daemon) throws -> [String] {
        (try weir.get("/live").json?["stations"]?.items ?? []).compactMap { $0["name"]?.text }
    }

    @Test("one that comes while the program starts is obeyed when it has started")
    func early() throws {
        let under = ["env", "--block-signal=HUP", "sh", "-c", "kill -HUP $$; exec \"$@\"", "sh"]
        try Daemon.run(configuration("{ name: x, source: { kind: tone } }"), under: under) { weir in
            let event = try weir.event("configuration applied")
            #expect(event.number("added") == 0 && event.number("removed") == 0)
            #expect(try weir.reload(configuration("{ name: y, source: { kind: tone } }")).number("added") == 1)
        }
    }

    @Test("one station comes, another goes with all it had, and the third's listener loses no byte")
    func difference() throws {
        let scratch = try Scratch()
        let pipe = try NamedPipe(scratch.path + "/pipe")
        let cache = "cache: { dir: \(scratch.path)/cache }\n"
        let stay =
            "{ name: stay, source: { kind: fifo, path: \(pipe.path), stall_timeout: 1h }, listeners: { max: 4 } }"
        let gone = """
            { name: gone, format: ts, source: { kind: exec, command: \(try Tool.source()) }, slow: { timeout: 1h } }
            """
        try Daemon.run(cache + configuration(stay, gone)) { weir in
            try pipe.enter()
            try pipe.write(frames.bytes(0, 100))
            try weir.wait("stay", is: "live")
            let client = try weir.listen("/live/stay").client
            try weir.wait("gone", is: "live")
            let viewer = try weir.listen("/live/gone.ts").client
            try eventually("it keeps files") { WarmStation.files(scratch.path + "/cache").bytes > 0 ? true : nil }
            let children = ProcessTable.descendants(of: weir.process.pid)
            #expect(!children.isEmpty)
            let restarts = try weir.station("stay")["restarts"]

            // All the while bytes come.
            let last = 400
            let writer = Monitor<String?>(nil)
            let bytes = frames
            // This thread's alone until it is done.
            nonisolated(unsafe) let pipe = pipe
            onThread {
                do {
                    for index in 1..<last {
                        try pipe.write(bytes.bytes(index * 100, 100))
                        usleep(2000)
                    }
                    writer.with { $0 = "done" }
                } catch {
                    writer.with { $0 = "\(error)" }
                }
            }
            let limited = stay.replacing("max: 4", with: "max: 1")
            let event = try weir.reload(cache + configuration(limited, "{ name: new, source: { kind: tone } }"))
            #expect(event.number("added") == 1 && event.number("removed") == 1 && event.number("adjusted") == 1)
            #expect(event.number("replaced") == 0)
            #expect(try names(weir) == ["stay", "new"])
            #expect(weir.events("station adjusted").first?.fields["keys"]?.items == [.string("listeners.max")])

            // What went: its listener after whole packets, its child, its files, its descriptors, its routes.
            _ = try viewer.receiveAll()
            #expect(viewer.ending == .end)
            try weir.event("listener left") { $0["station"] == "gone" && $0["reason"] == "shutdown" }
            try weir.event("station gone") { $0["station"] == "gone" }
            #expect(WarmStation.files(scratch.path + "/cache").directories.isEmpty)
            #expect(children.allSatisfy(ProcessTable.hasEnded))
            #expect(try weir.get("/live/gone.ts").code == "NO_STATION")
            #expect(try !weir.metrics().keys.contains { $0.contains("station=\"gone\"") })
            let links = Disk.names("/proc/\(weir.process.pid)/fd").compactMap { name in
                var target = [UInt8](repeating: 0, count: 4096)
                let count = target.withUnsafeMutableBytes {
                    readlink(
                        "/proc/\(weir.process.pid)/fd/\(name)", $0.baseAddress!.assumingMemoryBound(to: CChar.self),
                        $0.count)
                }
                return count < 0 ? nil : String(decoding: target[..<count], as: UTF8.self)
            }
            #expect(!links.contains { $0.contains("/cache") }, "\(links)")

            // What came, and the limit that holds from now on.
            try weir.wait("new", is: "live")
            #expect(try weir.listen("/live/new.wav").client.receive(4096).count == 4096)
            #expect(try weir.get("/live/stay").code == "STATION_FULL")

            let outcome = writer.wait(Deadline()) { $0 }
            #expect(outcome == "done")
            let heard = try client.receive((last - 1) * 400)
            #expect(try frames.runs(heard) == [100..<(last * 100)])
            #expect(try weir.station("stay")["restarts"] == restarts)
            #expect(try weir.disconnects("stay").isEmpty)
        }
    }

    @Test("reloaded again and again while it plays, a station is not touched")
    func often() throws {
        let scratch = try Scratch()
        let pipe = try NamedPipe(scratch.path + "/pipe")
        let stay = "{ name: stay, source: { kind: fifo, path: \(pipe.path), stall_timeout: 1h } }"
        try Daemon.run(configuration(stay)) { weir in
            try pipe.enter()
            try pipe.write(frames.bytes(0, 100))
            try weir.wait("stay", is: "live")
            let client = try weir.listen("/live/stay").client
            let rounds = 20 * Pace.scale
            let descriptors = ProcessTable.descriptors(of: weir.process.pid)
            for round in 1...rounds {
                let other = "{ name: other\(round % 3), source: { kind: tone }, ring: \(round % 2 + 1)MiB }"
                let first = round % 2 == 0 ? [stay, other] : [other, stay]
                try weir.reload(configuration(first[0], first[1]))
                try pipe.write(frames.bytes(round * 100, 100))
                #expect(try frames.runs(try client.receive(400)) == [(round * 100)..<(round * 100 + 100)])
                #expect(try names(weir).first == (round % 2 == 0 ? "stay" : "other\(round % 3)"))
            }
            // Signals that come faster than it reads are one.
            for _ in 0..<50 { weir.process.signal(SIGHUP) }
            try weir.reload(configuration(stay))
            try eventually("nothing of the others is left") {
                weir.events("station gone").count == rounds
                    && ProcessTable.descriptors(of: weir.process.pid) <= descriptors ? true : nil
            }
            try pipe.write(frames.bytes((rounds + 1) * 100, 100))
            #expect(try client.receive(400) == frames.bytes((rounds + 1) * 100, 100))
        }
    }

    @Test("a broken configuration changes nothing, and all that is wrong with it is logged")
    func broken() throws {
        let first = configuration("{ name: a, source: { kind: tone } }")
        try Daemon.run(first) { weir in
            try weir.wait("a", is: "live")
            let client = try weir.listen("/live/a").client
            let error = try weir.reload(
                "lisen: x\nlog: { level: loud }\n" + configuration("{ name: b }"),
                expecting: "configuration not applied")
            #expect(error["error"] == "3 errors")
            let problems = weir.events("configuration").compactMap { $0["problem"] }
            #expect(problems.count == 3)
            for words in [":1:1: lisen:", ":2:15: log.level:", "stations[0].source.kind: missing"] {
                #expect(problems.contains { $0.contains(words) }, "\(words): \(problems)")
            }
            #expect(try names(weir) == ["a"])
            #expect(unlink(weir.configuration) == 0)
            try weir.reload(expecting: "configuration not applied")
            #expect(try names(weir) == ["a"])
            #expect(try client.receive(192_000).count == 192_000)
            #expect(try weir.disconnects("a").isEmpty)
            try weir.reload(first)
            let counts = try weir.metrics()
            #expect(counts["weir_configuration_reloads_total{result=\"refused\"}"] == 2)
            #expect(counts["weir_configuration_reloads_total{result=\"applied\"}"] == 1)
        }
    }

    @Test("a station with another source ends its listeners; who joins before it is there waits for it")
    func replaced() throws {
        func station(_ command: String) -> String {
            "{ name: a, source: { kind: exec, command: [sh, -c, \"\(command)\"], start_timeout: 60 } }"
        }
        // It takes a second to go.
        let slow = "trap 'sleep 1; exit' INT TERM; while :; do echo aaa; sleep 0.02; done"
        try Daemon.run(configuration(station(slow))) { weir in
            try weir.wait("a", is: "live")
            let former = try weir.listen("/live/a").client
            #expect(try former.receive(4) == Array("aaa\n".utf8))
            try weir.reload(configuration(station("exec yes bbb")))
            #expect(weir.events("station replaced").first?.fields["keys"]?.items == [.string("source")])
            let next = try weir.client()
            try next.send("GET /live/a HTTP/1.1\r\nHost: localhost\r\n\r\n")
            let heard = try former.receiveAll()
            #expect(former.ending == .end)
            #expect(heard.count % 4 == 0 && heard.allSatisfy { $0 == UInt8(ascii: "a") || $0 == UInt8(ascii: "\n") })
            #expect(try next.head().status == 200)
            #expect(String(decoding: try next.receive(8), as: UTF8.self) == "bbb\nbbb\n")
            let order = try eventually("the log says so") { () -> [String]? in
                let lines = weir.process.state.lines.filter {
                    $0.contains("\"station gone\"") || $0.contains("\"source started\"")
                }
                return lines.count >= 3 ? lines : nil
            }
            #expect(order.map { $0.contains("station gone") } == [false, true, false], "one after the other")
        }
    }

    @Test("addresses and directories stay until a restart, and that is said")
    func fixed() throws {
        try Daemon.run(configuration("{ name: a, source: { kind: tone } }")) { weir in
            let other = "listen: 127.0.0.1:1\ndata: /nowhere\ncache: { dir: /nowhere, budget: 1GiB }\n"
            let event = try weir.reload(other + configuration("{ name: a, source: { kind: tone } }"))
            // The address and the directory are given on the command line, which goes first.
            #expect(weir.events("a changed key needs a restart").compactMap { $0["key"] } == ["cache.dir"])
            #expect(event.fields["keys"]?.items == [.string("cache.budget")])
            #expect(try weir.get("/live").status == 200)
        }
    }

    @Test("tokens, keys, limits and the log follow the configuration")
    func settings() throws {
        let scratch = try Scratch()
        let station = configuration("{ name: a, source: { kind: tone } }")
        try Disk.write(scratch.path + "/token", "first-token-0123456789".utf8)
        let auth = "auth: { admin_token_file: \(scratch.path)/token }\n"
        try Daemon.run(auth + station, options: ["--log-format", "json"]) { weir in
            func start(_ token: String) throws -> Int {
                try weir.request("POST", "/live/a/start", ["Authorization: Bearer \(token)"]).status
            }
            #expect(try start("first-token-0123456789") == 200)
            // The file alone is another.
            try Disk.write(scratch.path + "/token", "second-token-0123456789".utf8)
            try weir.reload()
            #expect(try start("first-token-0123456789") == 401)
            #expect(try start("second-token-0123456789") == 200)
            #expect(!Disk.exists(weir.data + "/admin.token"))
            // Without a token of its own it goes by the one that it makes.
            try weir.reload(station)
            #expect(try start("second-token-0123456789") == 401)
            #expect(try start(try weir.token) == 200)

            #expect(try weir.request("HEAD", "/live/a.wav").status == 200)
            try weir.reload(configuration("{ name: a, access: signed, source: { kind: tone } }"))
            #expect(try weir.get("/live/a.wav").code == "LINK_REQUIRED")
            let link = try Peer.demand(
                Daemon.program, "link", "/live/a.wav", "--expires", "1h", "--data", weir.data
            ).text
            #expect(try weir.listen(String(link.dropLast())).head.status == 200)

            try weir.reload("http: { allowed_hosts: [radio.example], cors: none }\n" + station)
            #expect(try weir.request("GET", "/live", host: "radio.example").status == 200)
            #expect(try weir.request("HEAD", "/live/a.wav")["Access-Control-Allow-Origin"] == nil)

            try weir.reload("limits: { listeners: 1 }\n" + station)
            let one = try weir.listen("/live/a").client
            #expect(try weir.get("/live/a").code == "LISTENERS_FULL")
            one.close()

            #expect(weir.events("listener joined").isEmpty)
            try weir.reload("log: { level: debug }\n" + station)
            _ = try eventually("there is a place again") { try? weir.listen("/live/a") }
            try weir.event("listener joined")
        }
    }

    @Test("a public address keeps its token, whatever the configuration says of both")
    func exposed() throws {
        let scratch = try Scratch()
        let file = scratch.path + "/weir.yml"
        let token = "auth: { admin_token: a-token-of-sufficient-length }\n"
        try Disk.write(file, "listen: 0.0.0.0:0\n\(token)".utf8)
        let process = try Process([
            Daemon.program, "serve", "--config", file, "--data", scratch.path + "/data", "--log-format", "json",
        ])
        defer { process.end() }
        _ = process.wait(for: { $0.text.contains("page") ? true : nil })
        try Disk.write(file, "listen: 127.0.0.1:0\n".utf8)
        process.signal(SIGHUP)
        let line = process.wait(for: { printed in printed.lines.first { $0.contains("configuration not applied") } })
        #expect(line?.contains("no admin token") == true)
        #expect(!Disk.exists(scratch.path + "/data/admin.token"))
        process.signal(SIGTERM)
        #expect(try process.waitForExit() == .code(0))
    }

    @Test("a signal to stop is obeyed while stations go")
    func stopMeanwhile() throws {
        let stubborn =
            "{ name: stubborn, source: { kind: exec, command: [sh, -c, \"trap '' INT TERM; \(SupervisionTests.playing)\"] } }"
        let one = "{ name: a, source: { kind: tone } }"
        try Daemon.run(configuration(stubborn, one), environment: ["WEIR_SHUTDOWN_GRACE": "2"]) { weir in
            try weir.wait("stubborn", is: "live")
            let family = ProcessTable.descendants(of: weir.process.pid)
            try weir.reload(configuration(one))
            #expect(try names(weir) == ["a"])
            #expect(try weir.end(SIGTERM) == .code(0))
            try eventually("the child has gone") { family.allSatisfy(ProcessTable.hasEnded) ? true : nil }
        }
    }
}
