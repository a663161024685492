import Glibc
import Testing

/// Sources that run while somebody listens.
@Suite("On demand", .ownThread)
struct OnDemandTests {
    private func station(_ command: String, _ settings: String = "", _ body: (Daemon) throws -> Void) throws {
        try Daemon.run(
            """
            live:
              stations:
                - name: tape
                  source: { kind: exec, command: [sh, -c, "\(command)"], autostart: on-demand\(settings) }
                  listeners: { max: 3 }
            """, body)
    }

    @Test("starts with the first listener, lingers after the last, and stops")
    func linger() throws {
        try station(SupervisionTests.playing, ", linger: 1") { weir in
            #expect(try weir.station("tape")["state"]?.text == "idle")
            let first = try weir.listen("/live/tape").client
            #expect(try first.receive(4096).count == 4096)
            try weir.wait("tape", is: "live")
            let child = try pid_t(#require(try weir.event("source started").number("pid")))
            first.close()
            try weir.event("listener left")

            // Within the linger somebody comes: the same child goes on.
            let second = try weir.listen("/live/tape").client
            #expect(try second.receive(4096).count == 4096)
            #expect(weir.events("source started").count == 1)
            let began = Pace.now
            second.close()
            try weir.wait("tape", is: "idle")
            #expect(Double(Pace.now - began) / 1e9 > 0.9)
            try eventually("the child has gone") { ProcessTable.hasEnded(child) ? true : nil }
            try weir.wait(forChildren: [])

            let third = try weir.listen("/live/tape").client
            #expect(try third.receive(4096).count == 4096)
            try eventually("it was started once more") { weir.events("source started").count == 2 ? true : nil }
            #expect(try weir.station("tape")["restarts"]?.integer == 0)
        }
    }

    @Test("HEAD answers like GET and starts nothing")
    func head() throws {
        try station(SupervisionTests.playing) { weir in
            for target in ["/live/tape.wav", "/live/tape.pcm", "/live/tape", "/stream.wav", "/stream"] {
                let reply = try weir.request("HEAD", target)
                #expect(reply.status == 200)
                #expect(reply["Content-Type"]?.hasPrefix("audio/") == true)
                #expect(reply["Content-Length"] == nil)
                #expect(reply.body.isEmpty)
            }
            #expect(try weir.station("tape")["state"]?.text == "idle")
            #expect(weir.events("source started").isEmpty)
            let get = try weir.listen("/live/tape.wav").head
            #expect(try weir.request("HEAD", "/live/tape.wav")["Content-Type"] == get["Content-Type"])
        }
    }

    @Test("a source that says nothing: 503 with Retry-After once start_timeout has passed")
    func startTimeout() throws {
        try station("exec sleep 1000", ", start_timeout: 500ms, linger: 0") { weir in
            let began = Pace.now
            let reply = try weir.get("/live/tape.wav")
            #expect(Double(Pace.now - began) / 1e9 >= 0.5)
            #expect(reply.status == 503)
            #expect(reply["Retry-After"] == "5")
            #expect(reply.code == "STATION_SILENT")
            // Nobody is left who wants it.
            try weir.wait("tape", is: "idle")
        }
    }

    @Test("a joiner that gives up while it waits leaves no trace")
    func givesUp() throws {
        try station("exec sleep 1000", ", start_timeout: 1, linger: 0") { weir in
            let client = try weir.client()
            try client.send("GET /live/tape HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try weir.event("source started")
            client.reset()
            try weir.wait("tape", is: "idle")
            #expect(try weir.metrics()["weir_live_listeners{station=\"tape\"}"] == 0)
            // Its seat is free again: three find one.
            #expect(try weir.get("/live/tape").code == "STATION_SILENT")
        }
    }

    @Test(
        "a joiner that leaves while it waits gives its seat back long before start_timeout", arguments: [true, false])
    func leavesTheSeat(byReset: Bool) throws {
        try Daemon.run(
            """
            live:
              stations:
                - name: tape
                  source: { kind: exec, command: [sleep, "1000"], autostart: on-demand, start_timeout: 1m }
                  listeners: { max: 1 }
            """
        ) { weir in
            let gone = try weir.client()
            try gone.send("GET /live/tape HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try weir.event("source started")
            #expect(try weir.request("HEAD", "/live/tape").status == 503)
            if byReset { gone.reset() } else { gone.close() }
            // HEAD would be told of a full house, and starts nothing.
            try eventually("there is a seat") {
                try weir.request("HEAD", "/live/tape").status == 200 ? true : nil
            }
        }
    }

    @Test("a full house: 503 with Retry-After, until somebody leaves")
    func full() throws {
        try station(SupervisionTests.playing) { weir in
            let clients = try (0..<3).map { _ in try weir.listen("/live/tape").client }
            for method in ["GET", "HEAD"] {
                let reply = try weir.request(method, "/live/tape")
                #expect(reply.status == 503)
                #expect(reply["Retry-After"] == "5")
                if method == "GET" { #expect(reply.code == "STATION_FULL") }
            }
            clients[1].close()
            try weir.event("listener left")
            #expect(try weir.listen("/live/tape").head.status == 200)
        }
    }

    @Test("manual: nothing runs until an operator says so")
    func manual() throws {
        try Daemon.run(
            "live: { stations: [{ name: tape, source: { kind: tone, autostart: manual } }] }\n"
        ) { weir in
            #expect(try weir.get("/live/tape").code == "STATION_STOPPED")
            #expect(try weir.order("POST", "/live/tape/start").status == 200)
            let client = try weir.listen("/live/tape").client
            #expect(try client.receive(4096).count == 4096)
            #expect(try weir.order("POST", "/live/tape/stop").status == 200)
            _ = try client.receiveAll()
            #expect(client.ending == .end)
            #expect(try weir.event("listener left")["reason"] == "shutdown")
            #expect(try weir.get("/live/tape").code == "STATION_STOPPED")
        }
    }
}
