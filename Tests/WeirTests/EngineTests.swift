import Glibc
import Testing
import WeirHTTP
import WeirLive
import WeirLoop

@testable import Weir

@Suite struct EngineTests {
    static let token = "0123456789abcdef0123456789abcdef"

    /// An engine on a loop of its own and a port that was free, and `body` beside it.
    func withEngine(
        _ change: (inout Configuration) -> Void = { _ in }, linkKey: String? = nil,
        _ body: @escaping @LoopActor (Engine, UInt16) async throws -> Void
    ) throws {
        var configuration = Configuration()
        configuration.server.addresses = [.internet(host: "127.0.0.1", port: 0)]
        change(&configuration)
        try LoopActor.runInTurn { [configuration] in
            let log = LogWriter(descriptor: -1)
            let engine = try Engine(configuration, Secrets(adminToken: Self.token, linkKey: linkKey), log: log)
            try engine.start()
            do {
                try await body(engine, engine.server.addresses[0].port)
            } catch {
                await engine.stop(grace: 0.1)
                throw error
            }
            await engine.stop(grace: 0.1)
            log.close(within: 1)
        }
    }

    func stations(_ change: (inout [StationOptions]) -> Void) -> (inout Configuration) -> Void {
        var stations: [StationOptions] = []
        change(&stations)
        return { [stations] in $0.stations = stations }
    }

    static func ask(
        _ method: String, _ target: String, _ port: UInt16, fields: [String] = [], limit: Int = .max
    ) async -> Reply {
        await elsewhere {
            let lines = ["\(method) \(target) HTTP/1.1", "Host: 127.0.0.1:\(port)", "Connection: close"] + fields
            return Reply(port: port, request: lines.joined(separator: "\r\n") + "\r\n\r\n", limit: limit)
        }
    }

    static let admin = ["Authorization: Bearer \(token)"]

    @Test func `the list of stations has the shape that is promised`() throws {
        try withEngine { engine, port in
            let reply = await Self.ask("GET", "/live", port)
            #expect(reply.status == 200)
            #expect(reply.field("content-type") == "application/json")
            #expect(reply.field("access-control-allow-origin") == nil)
            let text = reply.text
            let first = #""name":"demo","format":"pcm","kind":"tone","autostart":"always","access":"open","state":""#
            #expect(text.hasPrefix(#"{"stations":[{"# + first))
            for key in ["position", "bitrate", "restarts", "last_error", "listeners"] {
                #expect(text.contains("\"\(key)\":"), "\(key)")
            }
        }
    }

    @Test func `a listener is described, and can be ended by whoever has the token`() throws {
        try withEngine { engine, port in
            let listening = spawn { await Self.ask("GET", "/live/demo.wav", port) }
            try await until { engine.stations["demo"]!.counters.listeners == 1 }
            let list = await Self.ask("GET", "/live", port)
            for key in [
                "id", "address", "since", "position", "lag_bytes", "lag_seconds", "skipped_bytes", "sent_bytes",
            ] {
                #expect(list.text.contains("\"\(key)\":"), "\(key)")
            }
            #expect(await Self.ask("DELETE", "/live/demo/listeners/1", port).status == 401)
            #expect(await Self.ask("DELETE", "/live/demo/listeners/2", port, fields: Self.admin).status == 404)
            #expect(await Self.ask("DELETE", "/live/demo/listeners/x", port, fields: Self.admin).status == 404)
            #expect(await Self.ask("DELETE", "/live/demo/listeners/1", port, fields: Self.admin).status == 204)
            let reply = await listening.value
            #expect(reply.status == 200)
            #expect(reply.body.count >= 44)
            #expect((reply.body.count - 44) % 4 == 0)
            let metrics = await Self.ask("GET", "/metrics", port)
            #expect(metrics.text.contains(#"weir_live_disconnects_total{station="demo",reason="kicked"} 1"#))
        }
    }

    @Test func `what a listener is told`() throws {
        try withEngine { engine, port in
            try await until { engine.stations["demo"]!.state == .live }
            let wav = await Self.ask("GET", "/live/demo.wav", port, fields: ["Range: bytes=0-1"], limit: 4096)
            #expect(wav.status == 200)
            #expect(wav.field("content-type") == "audio/wav")
            #expect(wav.field("cache-control") == "no-store")
            #expect(wav.field("accept-ranges") == nil)
            #expect(wav.field("content-length") == nil)
            #expect(wav.field("transfer-encoding") == nil)
            #expect(wav.field("connection") == "close")
            #expect(wav.field("x-weir-warm-seconds") == "0")
            #expect(UInt64(wav.field("x-weir-position") ?? "x")?.isMultiple(of: 4) == true)
            #expect(wav.body.prefix(4).elementsEqual("RIFF".utf8))
            let pcm = await Self.ask("GET", "/live/demo.pcm", port, limit: 512)
            #expect(pcm.field("content-type") == "audio/L16;rate=48000;channels=2")
            for path in ["/stream.wav", "/stream"] {
                #expect(await Self.ask("GET", path, port, limit: 1024).status == 200)
            }
        }
    }

    @Test func `what cannot be heard is refused with a reason`() throws {
        let change = stations {
            var raw = StationOptions(name: "raw")
            raw.format = .raw
            raw.autostart = .manual
            raw.source = .exec(command: ["sleep", "1000"], directory: nil, environment: [:])
            var off = StationOptions(name: "off")
            off.autostart = .manual
            var mute = StationOptions(name: "mute")
            mute.source = .exec(command: ["sleep", "1000"], directory: nil, environment: [:])
            mute.startTimeout = 0.05
            var small = StationOptions.demo
            small.listenersMax = 0
            $0 = [small, raw, off, mute]
        }
        try withEngine(change) { _, port in
            let expected: [(String, Int, String)] = [
                ("/live/nobody.wav", 404, "NO_STATION"), ("/live/a.b.wav", 404, "NO_STATION"),
                ("/live/raw.wav", 404, "FORM_UNSUITABLE"), ("/live/off.ts", 404, "FORM_UNSUITABLE"),
                ("/live/off.wav", 503, "STATION_STOPPED"), ("/live/mute.wav", 503, "STATION_SILENT"),
                ("/live/demo.wav", 503, "STATION_FULL"), ("/live/off.wav?warm=-1", 400, "BAD_WARM"),
                ("/live/off.pcm?endian=middle", 400, "BAD_ENDIAN"),
            ]
            for (target, status, code) in expected {
                let reply = await Self.ask("GET", target, port)
                #expect(reply.status == status, "\(target)")
                #expect(reply.text.contains("\"code\":\"\(code)\""), "\(target)")
                #expect(reply.field("retry-after") == (status == 503 ? "5" : nil), "\(target)")
            }
        }
    }

    @Test func `HEAD answers like GET and starts nothing`() throws {
        let change = stations {
            var demo = StationOptions.demo
            demo.autostart = .onDemand
            $0 = [demo]
        }
        try withEngine(change) { engine, port in
            let reply = await Self.ask("HEAD", "/live/demo.wav", port)
            #expect(reply.status == 200)
            #expect(reply.field("content-type") == "audio/wav")
            #expect(reply.field("content-length") == nil)
            #expect(reply.body.isEmpty)
            #expect(engine.stations["demo"]!.state == .idle)
            let listening = await Self.ask("GET", "/live/demo.wav", port, limit: 2048)
            #expect(listening.status == 200)
            #expect(engine.stations["demo"]!.state == .live)
        }
    }

    @Test func `starting and stopping needs the token`() throws {
        try withEngine { engine, port in
            let station = engine.stations["demo"]!
            try await until { station.state == .live }
            for path in ["/live/demo/stop", "/live/demo/start", "/streaming/start", "/streaming/stop"] {
                #expect(await Self.ask("POST", path, port).status == 401)
            }
            #expect(station.state == .live)
            let stopped = await Self.ask("POST", "/streaming/stop", port, fields: Self.admin)
            #expect(stopped.text == #"{"name":"demo","state":"stopped"}"#)
            #expect(await Self.ask("POST", "/live/demo/start", port, fields: Self.admin).status == 200)
            try await until { station.state == .live }
            #expect(await Self.ask("POST", "/live/nobody/start", port, fields: Self.admin).status == 404)
        }
    }

    @Test func `health is degraded by the sixth listener, and 503 only when failing`() throws {
        let change = stations {
            var demo = StationOptions(name: "demo")
            demo.listenersAlert = 1
            $0 = [demo]
        }
        try withEngine(change) { engine, port in
            let well = await Self.ask("GET", "/health", port)
            #expect(well.status == 200)
            #expect(well.text.hasPrefix(#"{"status":"ok""#))
            let listening = (0..<2).map { _ in spawn { await Self.ask("GET", "/live/demo.wav", port) } }
            try await until { engine.stations["demo"]!.counters.listeners == 2 }
            let busy = await Self.ask("GET", "/health", port)
            #expect(busy.status == 200)
            #expect(busy.text.hasPrefix(#"{"status":"degraded""#))
            engine.stations["demo"]!.stop()
            for task in listening { _ = await task.value }
        }
        try withEngine({ $0.limits.memory = 1 << 20 }) { _, port in
            let failing = await Self.ask("GET", "/health", port)
            #expect(failing.status == 503)
            #expect(failing.text.hasPrefix(#"{"status":"failing""#))
        }
    }

    @Test func `every metric of the contract is there`() throws {
        try withEngine { engine, port in
            let text = await Self.ask("GET", "/metrics", port).text
            for name in [
                "weir_live_listeners{station=\"demo\"}", "weir_live_source_state{station=\"demo\",state=\"live\"}",
                "weir_live_received_bytes_total", "weir_live_sent_bytes_total", "weir_live_skipped_bytes_total",
                "weir_live_disconnects_total{station=\"demo\",reason=\"lag\"}", "weir_live_restarts_total",
                "weir_live_lag_seconds_bucket", "weir_live_join_seconds_bucket", "weir_loop_delay_seconds_bucket",
                "weir_resident_memory_bytes", "weir_http_responses_total{class=\"2xx\"}",
            ] {
                #expect(text.contains("\n\(name)"), "\(name)")
            }
            let samples = text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { $0.split(separator: " ")[0] }
            #expect(Set(samples).count == samples.count)
        }
    }

    @Test func `no label carries what a client sent`() throws {
        try withEngine { _, port in
            _ = await Self.ask("GET", "/live/evil-name.wav?warm=evil", port, fields: ["User-Agent: evil"])
            _ = await Self.ask("EVIL", "/evil", port)
            #expect(!(await Self.ask("GET", "/metrics", port).text.lowercased().contains("evil")))
        }
    }

    @Test func `a shutdown ends listeners after whole frames`() throws {
        let end = Reply.Box()
        try withEngine { engine, port in
            spawn { end.reply = await Self.ask("GET", "/live/demo.wav", port) }
            try await until { engine.stations["demo"]!.counters.sentBytes > 0 }
            await engine.stop(grace: 5)
            try await until { end.reply != nil }
        }
        let reply = try #require(end.reply)
        #expect(reply.isClean)
        #expect((reply.body.count - 44) % 4 == 0)
    }
}

/// What a server answered, read until it closed or `limit` bytes had come.
struct Reply: Sendable {
    final class Box: @unchecked Sendable { var reply: Reply? }

    private(set) var status = 0
    private(set) var head = ""
    private(set) var body: [UInt8] = []
    /// Ended by the peer's closing, not by a reset.
    private(set) var isClean = false

    var text: String { String(decoding: body, as: UTF8.self) }

    func field(_ name: String) -> String? {
        for line in head.split(separator: "\r\n").dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts[0].lowercased() == name { return String(parts[1].drop { $0 == " " }) }
        }
        return nil
    }

    init(port: UInt16, request: String, limit: Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var timeout = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var address = FanoutDrain.loopback(port: port)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { return }
        let bytes = Array(request.utf8)
        guard send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { return }
        var received: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65536)
        while received.count < limit {
            let count = recv(descriptor, &block, block.count, 0)
            isClean = count == 0
            if count <= 0 { break }
            received.append(contentsOf: block[..<count])
        }
        let separator = Array("\r\n\r\n".utf8)
        guard let end = received.indices.first(where: { received[$0...].starts(with: separator) }) else { return }
        head = String(decoding: received[..<end], as: UTF8.self)
        self.status = head.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        body = Array(received[(end + 4)...])
    }
}

private final class Work: @unchecked Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

private let runWork: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { work in
    Unmanaged<Work>.fromOpaque(work!).takeRetainedValue().body()
    return nil
}

/// Runs blocking code on a thread of its own, and waits for it without blocking the loop.
@LoopActor
func elsewhere<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withUnsafeContinuation { (continuation: UnsafeContinuation<Value, Never>) in
        let work = Unmanaged.passRetained(Work { continuation.resume(returning: body()) }).toOpaque()
        var thread = pthread_t()
        let status = pthread_create(&thread, nil, runWork, work)
        precondition(status == 0)
        pthread_detach(thread)
    }
}

/// Waits until something outside has made `condition` true; two minutes at most.
@LoopActor
func until(
    sourceLocation: SourceLocation = #_sourceLocation, _ condition: @LoopActor () -> Bool
) async throws {
    let end = LoopClock.monotonic.deadline(after: 120)
    while !condition() {
        try #require(LoopClock.monotonic.now < end, sourceLocation: sourceLocation)
        try await LoopClock.monotonic.sleep(for: 0.002)
    }
}
