import Glibc
import Testing

/// What becomes of a station when its child does not do what it should.
@Suite("Supervision", .ownThread)
struct SupervisionTests {
    /// Silence in real time, without end.
    static let playing = "while head -c 4096 /dev/zero; do sleep 0.02; done"

    private func supervise(
        _ command: [String], _ settings: String = "stall_timeout: 1h", _ body: (Daemon) throws -> Void
    ) throws {
        let words = command.map { "\"" + $0.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\"" }
        try Daemon.run(
            """
            live:
              stations:
                - name: child
                  source: { kind: exec, command: [\(words.joined(separator: ", "))], \(settings) }
            """, body)
    }

    private func supervise(
        shell: String, _ settings: String = "stall_timeout: 1h", _ body: (Daemon) throws -> Void
    ) throws {
        try supervise(["sh", "-c", shell], settings, body)
    }

    /// The number of the child's process, of the run of that number.
    private func child(_ weir: Daemon, run: Int = 0) throws -> pid_t {
        let events = try eventually("run \(run) has begun") {
            let events = weir.events("source started")
            return events.count > run ? events : nil
        }
        return try pid_t(#require(events[run].number("pid")))
    }

    @Test("a child that exits: failed, with its status and its last words, and started again after a backoff")
    func exits() throws {
        try supervise(shell: "echo 'no such tape' >&2; exit 3") { weir in
            let station = try weir.wait("child", is: "failed")
            let error = try #require(station["last_error"]?.text)
            #expect(error.contains("exit status 3") && error.contains("no such tape"), "\(error)")
            let line = try weir.event("source says")
            #expect(line["line"] == "no such tape")
            #expect(line["station"] == "child")
            try eventually("it was started again twice") {
                try weir.station("child")["restarts"]?.integer ?? 0 >= 2 ? true : nil
            }
            // Half a second, then one: between half of the step and all of it.
            let waits = weir.events("source retry").compactMap { $0.fields["seconds"]?.number }
            #expect((0.25...0.5).contains(waits[0]))
            #expect((0.5...1).contains(waits[1]))
            #expect(try weir.metrics()["weir_live_restarts_total{station=\"child\"}"] ?? 0 >= 2)
            try eventually("no child waits to be reaped") {
                ProcessTable.children(of: weir.process.pid).allSatisfy { $0.state != "Z" } ? true : nil
            }
        }
    }

    @Test("a child that is killed: failed with the signal, then live again")
    func killed() throws {
        try supervise(shell: Self.playing) { weir in
            try weir.wait("child", is: "live")
            let listener = try weir.listen("/live/child").client
            kill(try child(weir), SIGKILL)
            let change = try weir.event("station state") { $0["to"] == "failed" }
            #expect(change["from"] == "live")
            #expect(change["error"]?.contains("signal 9") == true)
            let second = try child(weir, run: 1)
            let station = try weir.wait("child", is: "live")
            #expect(station["restarts"]?.integer == 1)
            #expect(station["last_error"]?.text?.contains("signal 9") == true)
            // Whoever listened still does.
            #expect(station["listeners"]?.items?.count == 1)
            #expect(try listener.receive(192_000).count == 192_000)
            try weir.wait(forChildren: [second])
        }
    }

    @Test("a child that hangs: stalled after stall_timeout, ended, and started again")
    func hangs() throws {
        try supervise(shell: "head -c 4096 /dev/zero; exec sleep 1000", "stall_timeout: 10s") { weir in
            let change = try weir.event("station state") { $0["to"] == "stalled" }
            #expect(change["from"] == "live")
            #expect(change["error"] == "no byte for 10 s")
            let first = try child(weir)
            try eventually("the silent child has gone") { ProcessTable.hasEnded(first) ? true : nil }
            #expect(try child(weir, run: 1) != first)
            try eventually("it is live again") {
                weir.events("station state").count { $0["to"] == "live" } == 2 ? true : nil
            }
            #expect(try weir.station("child")["restarts"]?.integer == 1)
            try weir.wait(forChildren: [child(weir, run: 1)])
        }
    }

    @Test("a child that never says anything: stalled as well")
    func silent() throws {
        try supervise(["sleep", "1000"], "stall_timeout: 500ms") { weir in
            let change = try weir.event("station state") { $0["to"] == "stalled" }
            #expect(change["from"] == "starting")
            try eventually("it was started again") { try weir.station("child")["restarts"]?.integer == 1 ? true : nil }
        }
    }

    @Test("a child that floods standard error: the stream goes on, and the log stays small")
    func floods() throws {
        try supervise(shell: "yes 'something is wrong, something is very wrong' >&2 & \(Self.playing)") { weir in
            try weir.wait("child", is: "live")
            let listener = try weir.listen("/live/child").client
            let memory = try ProcessTable.anonymousMemory(of: weir.process.pid)
            #expect(try listener.receive(400_000).count == 400_000)
            try weir.event("source lines suppressed")
            let lines = weir.events("source says").count
            #expect(lines < 2000, "\(lines) lines")
            let growth = try ProcessTable.anonymousMemory(of: weir.process.pid) - memory
            #expect(Pace.isSanitized || growth < 4 << 20, "\(growth) bytes more")
            #expect(try weir.station("child")["state"]?.text == "live")
        }
    }

    @Test("a program that is missing: failed, with its name")
    func missing() throws {
        try supervise(["/nonexistent/player", "-x"]) { weir in
            let station = try weir.wait("child", is: "failed")
            let error = try #require(station["last_error"]?.text)
            #expect(error.contains("/nonexistent/player"), "\(error)")
            #expect(error.contains("ENOENT") || error.contains("no such file"), "\(error)")
            try weir.event("source retry")
            try weir.wait(forChildren: [])
            #expect(try weir.get("/live/child").status == 503)
        }
    }

    @Test("a child that ignores SIGINT and SIGTERM: killed, it and its group")
    func stubborn() throws {
        try supervise(shell: "trap '' INT TERM; sleep 1000 & \(Self.playing)") { weir in
            try weir.wait("child", is: "live")
            let family = try eventually("it has children") {
                let family = ProcessTable.descendants(of: weir.process.pid)
                return family.count >= 2 ? family : nil
            }
            let began = Pace.now
            #expect(try weir.order("POST", "/live/child/stop").json?["state"]?.text == "stopped")
            try eventually("all of them have gone") {
                family.allSatisfy(ProcessTable.hasEnded) ? true : nil
            }
            // SIGINT, two seconds, SIGTERM, two seconds, SIGKILL.
            #expect(Double(Pace.now - began) / 1e9 > 3.5)
            #expect(try weir.station("child")["state"]?.text == "stopped")
            try weir.wait(forChildren: [])
            #expect(try weir.get("/live/child").status == 503)
        }
    }

    @Test("kill -9 of Weir leaves no child", arguments: [playing, "trap '' INT TERM HUP; \(playing)"])
    func orphans(_ script: String) throws {
        try supervise(shell: script) { weir in
            try weir.wait("child", is: "live")
            let child = try child(weir)
            #expect(!ProcessTable.hasEnded(child))
            #expect(try weir.end(SIGKILL) == .signal(SIGKILL))
            try eventually("the child has gone") { ProcessTable.hasEnded(child) ? true : nil }
        }
    }

    @Test("kill -9 of Weir leaves nothing of a pipeline either")
    func pipeline() throws {
        try supervise(shell: "(\(Self.playing)) | cat | cat") { weir in
            try weir.wait("child", is: "live")
            let family = try eventually("the pipeline is complete") {
                let family = ProcessTable.descendants(of: weir.process.pid)
                return family.count >= 4 ? family : nil
            }
            #expect(try weir.end(SIGKILL) == .signal(SIGKILL))
            try eventually("all of it has gone") { family.allSatisfy(ProcessTable.hasEnded) ? true : nil }
        }
    }

    @Test("a child gets its directory, its variables, and no descriptor beside the first three")
    func surroundings() throws {
        let script = "pwd >&2; echo $TAPE >&2; ls /proc/self/fd | wc -l >&2; \(Self.playing)"
        try supervise(shell: script, "directory: /usr, environment: { TAPE: blue }") { weir in
            try weir.wait("child", is: "live")
            // `ls` itself opens the directory.
            let lines = try eventually("it has said all") {
                let lines = weir.events("source says").compactMap { $0["line"] }
                return lines.count >= 3 ? lines : nil
            }
            #expect(lines == ["/usr", "blue", "4"])
        }
    }
}
