import Glibc
import Testing
import WeirHTTP
import WeirLive
import WeirLoop

@testable import Weir

/// What the engine's pools do, in `/metrics`.
@Suite struct ClientPoolMetricsTests {
    @Test func `a pool's requests, bytes, failures and times are in the metrics`() throws {
        try EngineTests().withEngine { engine, port in
            let none = await EngineTests.ask("GET", "/metrics", port)
            #expect(!none.text.contains("weir_client_"))
            let pool = engine.clients.pool("r2", .objectStore)
            var bytes = 0
            for _ in 0..<3 {
                let response = try await pool.send(ClientRequest(.get, "http://127.0.0.1:\(port)/live"))
                #expect(response.status == 200)
                bytes += try await response.collect(limit: 1 << 20).count
            }
            await #expect(throws: ClientError.self) { try await pool.send(ClientRequest(.get, "http://127.0.0.1:1/")) }
            await #expect(throws: ClientError.self) { try await pool.send(ClientRequest(.get, "ftp://127.0.0.1/")) }
            let text = await EngineTests.ask("GET", "/metrics", port).text
            for line in [
                #"weir_client_connections{pool="r2",state="busy"} 0"#,
                #"weir_client_connections{pool="r2",state="idle"} 1"#,
                #"weir_client_running{pool="r2"} 0"#, #"weir_client_waiting{pool="r2"} 0"#,
                #"weir_client_requests_total{pool="r2"} 5"#, #"weir_client_completed_total{pool="r2"} 3"#,
                #"weir_client_reuses_total{pool="r2"} 2"#,
                #"weir_client_received_bytes_total{pool="r2"} \#(bytes)"#,
                #"weir_client_sent_bytes_total{pool="r2"} 0"#,
                #"weir_client_failures_total{pool="r2",kind="connect"} 1"#,
                #"weir_client_failures_total{pool="r2",kind="url"} 1"#,
                #"weir_client_failures_total{pool="r2",kind="timeout_head"} 0"#,
                #"weir_client_wait_seconds_count{pool="r2"} 4"#, #"weir_client_head_seconds_count{pool="r2"} 3"#,
            ] {
                #expect(text.contains(line + "\n"), "\(line)")
            }
            try check(text)
        }
    }

    @Test func `a station that pulls has a pool of its own, which stays from run to run and goes with it`() throws {
        try EngineTests().withEngine { origin, port in
            let kept = Kept()
            try await withRelay(of: "http://127.0.0.1:\(port)/live/demo.pcm") { relay, relayPort in
                kept.clients = relay.clients
                #expect(relay.clients.all.isEmpty)
                relay.stations["relay"]!.start()
                try await until { relay.stations["relay"]!.state == .live }
                var text = await EngineTests.ask("GET", "/metrics", relayPort).text
                for line in [
                    #"weir_client_connections{pool="live/relay",state="busy"} 1"#,
                    #"weir_client_running{pool="live/relay"} 1"#,
                    #"weir_client_requests_total{pool="live/relay"} 1"#,
                    #"weir_client_connects_total{pool="live/relay"} 1"#,
                    #"weir_client_failures_total{pool="live/relay",kind="cancelled"} 0"#,
                    #"weir_client_head_seconds_count{pool="live/relay"} 1"#,
                ] {
                    #expect(text.contains(line + "\n"), "\(line)")
                }
                #expect(!text.contains(#"weir_client_received_bytes_total{pool="live/relay"} 0"#))
                try check(text)
                // Between two runs it is there, with what it has counted and no connection.
                relay.stations["relay"]!.stop()
                try await until { relay.stations["relay"]!.state == .stopped }
                text = await EngineTests.ask("GET", "/metrics", relayPort).text
                for line in [
                    #"weir_client_connections{pool="live/relay",state="busy"} 0"#,
                    #"weir_client_connections{pool="live/relay",state="idle"} 0"#,
                    #"weir_client_failures_total{pool="live/relay",kind="cancelled"} 1"#,
                ] {
                    #expect(text.contains(line + "\n"), "\(line)")
                }
                relay.stations["relay"]!.start()
                try await until { relay.stations["relay"]!.state == .live }
                text = await EngineTests.ask("GET", "/metrics", relayPort).text
                #expect(text.contains(#"weir_client_connects_total{pool="live/relay"} 2"# + "\n"))
                // When the station has gone, so has its pool.
                var change = Stations.Change()
                change.order = ["other"]
                let other = try await relay.stations.make([StationOptions(name: "other")], caches: nil)
                relay.stations.apply(change, made: other, patience: 1)
                try await until { relay.clients.all.isEmpty }
                text = await EngineTests.ask("GET", "/metrics", relayPort).text
                #expect(!text.contains("live/relay"))
            }
            #expect(try #require(kept.clients).all.isEmpty)
        }
    }

    /// An engine beside another, on the same loop, whose station pulls from it.
    @LoopActor
    private func withRelay(
        of url: String, _ body: @LoopActor (Engine, UInt16) async throws -> Void
    ) async throws {
        var options = StationOptions(name: "relay")
        options.autostart = .manual
        options.source = .http(HTTPOrigin(url: url))
        var configuration = Configuration()
        configuration.server.addresses = [.internet(host: "127.0.0.1", port: 0)]
        configuration.stations = [options]
        let secrets = Secrets(adminToken: EngineTests.token, linkKey: nil)
        let log = LogWriter(descriptor: -1)
        defer { log.close(within: 1) }
        let engine = try Engine(configuration, secrets, log: log)
        try engine.start()
        do {
            try await body(engine, engine.server.addresses[0].port)
        } catch {
            await engine.stop(grace: 0.1)
            throw error
        }
        await engine.stop(grace: 0.1)
    }

    /// By Prometheus' own program, where it is installed.
    private func check(_ text: String) throws {
        let command = "command -v promtool >/dev/null || exec cat >/dev/null; exec promtool check metrics"
        guard let tool = popen(command, "w") else { throw CoreError(errno: errno) }
        let bytes = Array(text.utf8)
        #expect(fwrite(bytes, 1, bytes.count, tool) == bytes.count)
        #expect(pclose(tool) == 0)
    }

    @Test func `the engine's pools are closed when it stops`() throws {
        let kept = Kept()
        try EngineTests().withEngine { engine, _ in
            kept.clients = engine.clients
            let pool = engine.clients.pool("telegram", .telegram)
            #expect(engine.clients.pool("telegram", ClientPoolOptions()) === pool)
            #expect(pool.options.connections == 100)
        }
        try LoopActor.runInTurn {
            let clients = try #require(kept.clients)
            #expect(clients.all.isEmpty)
            do throws(ClientError) {
                _ = try await clients.pool("telegram", .telegram).send(ClientRequest(.get, "http://127.0.0.1:1/"))
                Issue.record("no error")
            } catch { #expect(error.kind == .poolClosed) }
        }
    }
}

/// Touched on the loop's thread only.
private final class Kept: @unchecked Sendable {
    var clients: ClientPools?
}
