import Glibc
import Testing

/// `/health` and `/metrics`.
@Suite("Operation", .ownThread)
struct HealthTests {
    /// One check: the others, that of the loop above all, say what the machine was doing beside these tests.
    private func check(_ weir: Daemon, _ name: String) throws -> (http: Int, status: String?, message: String?) {
        let reply = try weir.get("/health")
        let checks = try #require(reply.json?["checks"]?.items)
        let check = checks.first { $0["name"]?.text == name }
        let worst = ["failing", "degraded", "ok"].first { word in checks.contains { $0["status"]?.text == word } }
        #expect(reply.json?["status"]?.text == worst)
        #expect(reply.status == (worst == "failing" ? 503 : 200))
        return (reply.status, check?["status"]?.text, check?["message"]?.text)
    }

    @Test("every check is there, and well")
    func ok() throws {
        try Daemon.run { weir in
            let reply = try weir.get("/health")
            #expect(reply.status == 200)
            let names = reply.json?["checks"]?.items?.compactMap { $0["name"]?.text }
            #expect(names == ["memory", "memory_growth", "loop", "sources", "listeners", "warm", "object_store"])
            for name in ["memory", "memory_growth", "sources", "listeners", "object_store"] {
                let status = try check(weir, name).status
                #expect(status == "ok", "\(name)")
            }
        }
    }

    @Test("the sixth listener: degraded, and the log says so; ok again when it leaves")
    func sixth() throws {
        try Daemon.run("live: { stations: [{ name: tape, source: { kind: tone } }] }\n") { weir in
            var clients = try (0..<5).map { _ in try weir.listen("/live/tape").client }
            #expect(try check(weir, "listeners").status == "ok")
            clients.append(try weir.listen("/live/tape").client)
            let busy = try check(weir, "listeners")
            #expect(busy.http == 200)
            #expect(busy.status == "degraded")
            #expect(busy.message?.contains("tape has 6 listeners") == true)
            let change = try weir.event("health changed") { $0["check"] == "listeners" }
            #expect(change["from"] == "ok" && change["to"] == "degraded")
            clients[0].close()
            try eventually("it is ok again") { try check(weir, "listeners").status == "ok" ? true : nil }
            try weir.event("health changed") { $0["check"] == "listeners" && $0["to"] == "ok" }
        }
    }

    @Test("a source that stalls: degraded, not failing")
    func stalled() throws {
        let scratch = try Scratch()
        let pipe = try NamedPipe(scratch.path + "/pipe")
        try Daemon.run(
            "live: { stations: [{ name: tape, source: { kind: fifo, path: \(pipe.path), stall_timeout: 300ms } }] }\n"
        ) { weir in
            try pipe.enter()
            try pipe.write(Frames(unit: 4).bytes(0, 100))
            try weir.wait("tape", is: "stalled")
            let bad = try check(weir, "sources")
            #expect(bad.http == 200)
            #expect(bad.status == "degraded")
            #expect(bad.message?.contains("tape is stalled") == true)
            #expect(try weir.metrics()["weir_live_source_state{station=\"tape\",state=\"stalled\"}"] == 1)
            try weir.event("health changed") { $0["check"] == "sources" && $0["to"] == "degraded" }
            try eventually("it is ok again") {
                try pipe.write(Frames(unit: 4).bytes(0, 100))
                return try check(weir, "sources").status == "ok" ? true : nil
            }
            try weir.event("health changed") { $0["check"] == "sources" && $0["to"] == "ok" }
        }
    }

    @Test("memory: degraded at 80 % of the limit, failing with 503 at 95 %", .disabled(if: Pace.isSanitized))
    func memory() throws {
        let scratch = try Scratch()
        let pipe = try NamedPipe(scratch.path + "/pipe")
        let settings = "source: { kind: fifo, path: \(pipe.path), stall_timeout: 1h }, ring: 96MiB"
        try Daemon.run(
            """
            limits: { memory: 64MiB }
            live: { stations: [{ name: tape, \(settings) }] }
            """
        ) { weir in
            try pipe.enter()
            var seen: [String] = []
            // The ring becomes resident as it is written.
            let block = [UInt8](repeating: 1, count: 1 << 20)
            for written in 1...64 {
                try pipe.write(block)
                try weir.wait("tape", hasHad: UInt64(written) << 20)
                let now = try check(weir, "memory")
                let status = try #require(now.status)
                if seen.last != status { seen.append(status) }
                #expect(now.http == (status == "failing" ? 503 : 200))
                if status == "failing" { break }
            }
            #expect(seen == ["ok", "degraded", "failing"])
            let high = try weir.event("High memory usage detected")
            #expect(high.number("limit") == 64 << 20)
            #expect(try #require(high.number("rss")) > (64 << 20) / 10 * 8)
            // The answer may be here before the line.
            try weir.event("health changed") { $0["check"] == "memory" && $0["to"] == "failing" }
            let changes = weir.events("health changed").filter { $0["check"] == "memory" }
            #expect(changes.map { $0["to"] } == ["degraded", "failing"])
        }
    }

    @Test("the metrics are what Prometheus wants", .enabled(if: Peer.has("promtool")))
    func promtool() throws {
        try Daemon.run { weir in
            let (client, _) = try weir.listen("/live/demo.wav")
            _ = try client.receive(4096)
            let reply = try weir.get("/metrics")
            #expect(reply["Content-Type"]?.hasPrefix("text/plain; version=0.0.4") == true)
            let result = try Peer.run(["promtool", "check", "metrics"], input: reply.body)
            #expect(result.exit == .code(0))
            #expect(result.text.isEmpty && result.errors.isEmpty, "\(result.text)\(result.errors)")
        }
    }

    @Test("every metric of live is there, and no label carries what a client sent")
    func names() throws {
        try Daemon.run { weir in
            let mark = "wLpQ7zR2"
            let (client, _) = try weir.listen(
                "/live/demo.wav?mark=\(mark)", ["User-Agent: \(mark)", "Referer: \(mark)"])
            _ = try client.receive(96_000)
            #expect(try weir.get("/live/\(mark)").status == 404)
            client.close()
            try weir.event("listener left")
            let text = try weir.get("/metrics").text
            #expect(!text.contains(mark))
            let samples = try weir.metrics()
            for state in ["idle", "starting", "live", "stalled", "stopped", "failed"] {
                let name = "weir_live_source_state{station=\"demo\",state=\"\(state)\"}"
                #expect(samples[name] == (state == "live" ? 1 : 0))
            }
            for reason in ["closed", "lag", "stalled", "kicked", "shutdown", "error"] {
                let name = "weir_live_disconnects_total{station=\"demo\",reason=\"\(reason)\"}"
                #expect(samples[name] == (reason == "closed" ? 1 : 0))
            }
            #expect(samples["weir_live_listeners{station=\"demo\"}"] == 0)
            #expect(samples["weir_live_skipped_bytes_total{station=\"demo\"}"] == 0)
            #expect(samples["weir_live_restarts_total{station=\"demo\"}"] == 0)
            #expect(try #require(samples["weir_live_sent_bytes_total{station=\"demo\"}"]) >= 95_956)
            #expect(try #require(samples["weir_live_received_bytes_total{station=\"demo\"}"]) >= 95_956)
            #expect(try #require(samples["weir_resident_memory_bytes"]) > 1_000_000)
            for histogram in ["weir_live_lag_seconds", "weir_live_join_seconds", "weir_loop_delay_seconds"] {
                let labels = histogram.hasPrefix("weir_live") ? "{station=\"demo\"}" : ""
                let count = try #require(samples["\(histogram)_count\(labels)"], "\(histogram)")
                #expect(count > 0)
                #expect(samples["\(histogram)_sum\(labels)"] != nil)
                let all = labels.isEmpty ? "{le=\"+Inf\"}" : "{station=\"demo\",le=\"+Inf\"}"
                #expect(samples["\(histogram)_bucket\(all)"] == count)
                #expect(text.contains("# TYPE \(histogram) histogram"))
            }
        }
    }

    @Test("GET /live says of each listener who it is and where it stands")
    func live() throws {
        try Daemon.run { weir in
            let (client, head) = try weir.listen("/live/demo.wav")
            let start = try #require(head["X-Weir-Position"].flatMap { UInt64($0) })
            _ = try client.receive(44 + 192_000)
            let station = try weir.station("demo")
            #expect(station["format"]?.text == "pcm")
            #expect(station["state"]?.text == "live")
            #expect(station["bitrate"]?.integer == 1_536_000)
            #expect(station["restarts"]?.integer == 0)
            #expect(station["last_error"] == .null)
            let listener = try #require(station["listeners"]?[0])
            #expect(listener["id"]?.integer == 1)
            #expect(listener["address"]?.text?.hasPrefix("127.0.0.1:") == true)
            #expect(listener["since"]?.text?.hasSuffix("Z") == true)
            let sent = try #require(listener["sent_bytes"]?.integer)
            #expect(sent >= 192_000)
            #expect(listener["position"]?.integer == start + sent)
            #expect(listener["skipped_bytes"]?.integer == 0)
            let lag = try #require(listener["lag_bytes"]?.integer)
            #expect(station["position"]?.integer == start + sent + lag)
            let seconds = try #require(listener["lag_seconds"]?.number)
            #expect(abs(seconds - Double(lag) / 192_000) < 0.001)
        }
    }
}
