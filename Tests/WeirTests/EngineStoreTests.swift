import Glibc
import Testing
import WeirHTTP
import WeirLoop
import WeirStorage

@testable import Weir

/// The object store of an engine.
@Suite struct EngineStoreTests {
    private static let credentials = ["WEIR_R2_ACCESS_KEY_ID": "id", "WEIR_R2_SECRET_ACCESS_KEY": "secret"]

    /// An engine that writes its log into a file, whose lines are given back.
    private func log(
        of change: (inout Configuration) -> Void, environment: [String: String] = [:],
        _ body: @escaping @LoopActor (Engine, UInt16) async throws -> Void
    ) throws -> String {
        var configuration = Configuration()
        configuration.server.addresses = [.internet(host: "127.0.0.1", port: 0)]
        configuration.stations = []
        change(&configuration)
        let directory = try TemporaryDirectory()
        let path = directory.path + "/log"
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        try LoopActor.runInTurn { [configuration] in
            let log = LogWriter(descriptor: descriptor)
            let engine = try Engine(
                configuration, Secrets(adminToken: EngineTests.token), environment: environment, log: log)
            do {
                try engine.start()
                try await body(engine, engine.server.addresses[0].port)
            } catch {
                await engine.stop(grace: 0.1)
                throw error
            }
            await engine.stop(grace: 0.1)
            #expect(engine.clients.all.isEmpty)
            log.close(within: 120)
        }
        return String(decoding: try FileBytes.read(path, limit: 1 << 20), as: UTF8.self)
    }

    private func bucket(_ configuration: inout Configuration) {
        configuration.storage.kind = .r2
        configuration.storage.bucket = "media"
        // Nobody listens there.
        configuration.storage.endpoint = "http://127.0.0.1:1"
        configuration.storage.connections = 7
    }

    @Test func `a bucket's store has its pool among the engine's, from its first use on`() throws {
        let text = try log(of: bucket, environment: Self.credentials) { engine, port in
            #expect(engine.clients.all.isEmpty, "nothing has asked for it")
            #expect(await !EngineTests.ask("GET", "/metrics", port).text.contains("weir_client_"))
            let key = try ObjectKey("k")
            await #expect(throws: ObjectError.self) { try await engine.store.head(key) }
            let pool = try #require(engine.clients.all.first)
            #expect(pool.name == "r2" && pool.options.connections == 7)
            let metrics = await EngineTests.ask("GET", "/metrics", port).text
            #expect(metrics.contains(#"weir_client_requests_total{pool="r2"} 4"# + "\n"))
            #expect(metrics.contains(#"weir_client_failures_total{pool="r2",kind="connect"} 4"# + "\n"))
            let health = await EngineTests.ask("GET", "/health", port)
            #expect(health.status == 200)
            #expect(health.text.contains(#"{"name":"object_store","status":"degraded","message":"head k: "#))
        }
        let opened = text.split(separator: "\n").filter { $0.contains("[R2][AGENT]") }
        #expect(opened.count == 1)
        #expect(
            opened.first?.hasSuffix(
                "info    [R2][AGENT] connections=7 endpoint=http://127.0.0.1:1 bucket=media") == true, "\(opened)")
        #expect(text.contains("health changed check=object_store from=ok to=degraded"))
        #expect(!text.contains("secret"))
    }

    @Test func `a store without credentials says so when it is used, and the engine runs`() throws {
        let text = try log(of: bucket) { engine, port in
            #expect(await EngineTests.ask("GET", "/health", port).text.contains(#""status":"ok""#))
            await #expect(throws: ObjectError.self) { try await engine.store.delete(try ObjectKey("k")) }
            let health = await EngineTests.ask("GET", "/health", port).text
            #expect(health.contains("there are no credentials; expected storage.access_key_id"), "\(health)")
        }
        #expect(!text.contains("[R2][AGENT]"))
    }

    @Test func `a local store is a directory below the data, made when something is put there`() throws {
        let directory = try TemporaryDirectory()
        let objects = directory.path + "/objects"
        let text = try log(of: { $0.data = directory.path }) { engine, port in
            #expect(access(objects, F_OK) != 0)
            _ = try await engine.store.put(try ObjectKey("a/b"), .bytes([1, 2, 3]))
            #expect(try FileBytes.read(objects + "/a+/b", limit: 10) == [1, 2, 3])
            #expect(engine.clients.all.isEmpty)
            let health = await EngineTests.ask("GET", "/health", port).text
            #expect(health.contains(#"{"name":"object_store","status":"ok","message":""}"#))
        }
        #expect(!text.contains("[R2][AGENT]"))
    }
}
