import Glibc
import Testing

/// Listeners that take less than there is. The test itself writes what the station plays, frame by frame numbered, so
/// that it knows what each of them must have had.
@Suite("Slow listeners", .ownThread)
struct SlowListenerTests {
    static let ring = 256 << 10
    /// More than socket buffers and ring hold together.
    static let plenty = 4 << 20

    /// A station `pipe` that the test plays, with a listener that keeps up.
    final class Scene {
        let weir: Daemon
        let pipe: NamedPipe
        let frames: Frames
        private(set) var written = 0
        private var healthy: [Client] = []
        private var heard: [[UInt8]] = []

        init(_ weir: Daemon, _ pipe: NamedPipe, _ frames: Frames) throws {
            (self.weir, self.pipe, self.frames) = (weir, pipe, frames)
            try pipe.enter()
            // The first joiner wants the station live.
            try write(16)
            try weir.wait("pipe", is: "live")
        }

        func joinHealthy() throws {
            let (client, head) = try weir.listen("/live/pipe")
            #expect(head["X-Weir-Position"] == "\(written)")
            healthy.append(client)
            heard.append([])
        }

        /// Writes frames, at least `bytes`, as fast as the healthy listeners take them.
        func play(_ bytes: Int) throws {
            let goal = written + bytes
            while written < goal {
                try write(min(32768, goal - written + frames.unit) / frames.unit)
                for index in healthy.indices {
                    let missing = written - start - heard[index].count
                    heard[index] += try healthy[index].receive(missing)
                }
            }
        }

        /// Where the healthy listeners joined.
        private var start: Int { 16 * frames.unit }

        func write(_ count: Int) throws {
            try pipe.write(frames.bytes(written / frames.unit, count))
            written += count * frames.unit
            if healthy.isEmpty { try weir.wait("pipe", hasHad: UInt64(written)) }
        }

        func expectHealthy() throws {
            for body in heard {
                #expect(try frames.runs(body) == [16..<written / frames.unit], "a healthy listener lost something")
            }
        }

        /// The listener of a number in `GET /live`.
        func listener(_ id: UInt64) throws -> JSON? {
            try weir.station("pipe")["listeners"]?.items?.first { $0["id"]?.integer == id }
        }
    }

    private func scene(
        _ slow: String, sample: String = "s16le", channels: Int = 2, window: String = "auto",
        _ body: (Scene) throws -> Void
    ) throws {
        let scratch = try Scratch()
        let pipe = try NamedPipe(scratch.path + "/pipe")
        let unit = (sample == "s24le" ? 3 : 2) * channels
        try Daemon.run(
            """
            live:
              stations:
                - name: pipe
                  pcm: { sample: \(sample), rate: 48000, channels: \(channels) }
                  source: { kind: fifo, path: \(pipe.path), stall_timeout: 1h }
                  ring: \(SlowListenerTests.ring / 12 * 12)
                  window: \(window)
                  slow: \(slow)
            """
        ) { try body(Scene($0, pipe, Frames(unit: unit))) }
    }

    /// A listener that does not read, and whose kernel takes little for it.
    private func stalled(_ scene: Scene) throws -> (client: Client, position: Int) {
        let (client, head) = try scene.weir.listen("/live/pipe", receiveBuffer: 4096)
        return (client, try #require(head["X-Weir-Position"].flatMap { Int($0) }))
    }

    // MARK: skip

    @Test(
        "skip: a stalled listener that wakes has whole frames, and what it lost is counted to the byte",
        arguments: [("s16le", 2, "auto"), ("s24le", 2, "auto"), ("s24le", 2, "0"), ("s24le", 2, "5ms")])
    func skip(_ sample: String, _ channels: Int, _ window: String) throws {
        try scene("{ policy: skip }", sample: sample, channels: channels, window: window) { scene in
            try scene.joinHealthy()
            let (client, position) = try stalled(scene)
            try scene.play(SlowListenerTests.plenty)
            let skipped = try scene.weir.event("listener skipped")
            #expect(skipped.number("listener") == 2)
            #expect(skipped["reason"] == "lag")
            #expect(skipped["address"]?.hasPrefix("127.0.0.1:") == true)

            // It wakes, takes what lies there, and then keeps up to the last frame.
            var body: [UInt8] = []
            try eventually("it has caught up") {
                body += client.take()
                return try scene.listener(2)?["lag_bytes"]?.integer == 0 ? true : nil
            }
            try scene.play(100 * scene.frames.unit)
            let last = scene.frames.bytes(scene.written / scene.frames.unit - 1, 1)
            while body.count % scene.frames.unit != 0 || !body.suffix(last.count).elementsEqual(last) {
                body += try client.receive(1)
                body += client.take()
            }
            client.close()
            let left = try scene.weir.event("listener left") { $0.number("listener") == 2 }
            let lost = try #require(left.number("skipped"))
            #expect(left.number("bytes") == UInt64(body.count))
            #expect(body.count + Int(lost) == scene.written - position)
            #expect(lost > 0)

            let runs = try scene.frames.runs(body)
            #expect(runs.first?.lowerBound == position / scene.frames.unit)
            #expect(runs.last?.upperBound == scene.written / scene.frames.unit)
            let gaps = zip(runs, runs.dropFirst()).map { $1.lowerBound - $0.upperBound }
            #expect(gaps.reduce(0, +) * scene.frames.unit == Int(lost))
            try scene.expectHealthy()
            #expect(try scene.weir.metrics()["weir_live_skipped_bytes_total{station=\"pipe\"}"] == Double(lost))
            #expect(try scene.weir.disconnects("pipe") == ["closed": 1])
        }
    }

    @Test("skip: 200 healthy listeners do not notice the one that is stalled")
    func crowd() throws {
        try Daemon.run(
            """
            http: { connections_per_address: 1000 }
            live:
              stations:
                - { name: tone, source: { kind: tone }, ring: 64KiB, window: 30ms, listeners: { max: 300, alert: 300 } }
            """
        ) { weir in
            let stalled = try weir.listen("/live/tone", receiveBuffer: 4096).client
            let audience = Audience()
            for _ in 0..<200 { try audience.join(weir, "tone", .own) }
            // The ring has gone round behind it.
            repeat {
                audience.listen(until: Deadline(seconds: 0.5))
            } while weir.events("listener skipped").isEmpty
            audience.listen(until: Deadline(seconds: Pace.scale > 1 ? 20 : 2))
            let samples = try weir.metrics()
            func flushes(within seconds: String) throws -> Double {
                try #require(samples["weir_live_lag_seconds_bucket{station=\"tone\",le=\"\(seconds)\"}"])
            }
            // The window and 20 ms, on a machine that does nothing else: not while other tests run beside this one.
            let all = try flushes(within: "+Inf")
            #expect(try flushes(within: "0.05") >= (Pace.scale > 1 ? 0.99 * all : 0) && all > 0)
            let listeners = try #require(try weir.station("tone")["listeners"]?.items)
            #expect(listeners.count == 201)
            #expect(listeners.filter { $0["skipped_bytes"]?.integer != 0 }.map { $0["id"]?.integer } == [1])
            stalled.close()
        }
    }

    // MARK: disconnect

    @Test("disconnect: who lags more than max_lag is ended, with whole frames")
    func disconnect() throws {
        try scene("{ policy: disconnect, max_lag: 500ms }") { scene in
            try scene.joinHealthy()
            let (client, position) = try stalled(scene)
            try scene.play(SlowListenerTests.plenty)
            let left = try scene.weir.event("listener left")
            #expect(left.number("listener") == 2)
            #expect(left["reason"] == "lag")
            #expect(left.number("skipped") == 0)
            let body = try client.receiveAll()
            #expect(client.ending == .end)
            #expect(left.number("bytes") == UInt64(body.count))
            let whole = Array(body.prefix(body.count / 4 * 4))
            #expect(body.count - whole.count < 4)
            #expect(try scene.frames.runs(whole).map(\.lowerBound) == [position / 4])
            try scene.expectHealthy()
            #expect(try scene.weir.disconnects("pipe") == ["lag": 1])
        }
    }

    // MARK: pause

    @Test("pause: the source waits for the slowest, and nobody loses a byte")
    func pause() throws {
        try scene("{ policy: pause }") { scene in
            let healthy = try scene.weir.listen("/live/pipe").client
            let (slow, _) = try stalled(scene)
            // Far more than everything between the two ends can hold.
            let total = SlowListenerTests.plenty / 8
            let frames = scene.frames
            let pipe = scene.pipe
            let stream = frames.bytes(16, total)
            var offered = 0
            // As much as is taken, until no more is; the bytes taken in all.
            func offer() -> Int {
                while offered < stream.count {
                    let count = pipe.offer(stream[offered..<min(stream.count, offered + 32768)])
                    if count == 0 { break }
                    offered += count
                }
                return offered
            }
            var heard: [UInt8] = []
            try eventually("the source is held") {
                let before = offered
                let after = offer()
                heard += healthy.take()
                let lag = try scene.listener(2)?["lag_bytes"]?.integer ?? 0
                return lag > UInt64(SlowListenerTests.ring) / 2 && before == after ? true : nil
            }
            // What came since lies in the ring, whole: it cannot go on.
            let position = try #require(try scene.listener(2)?["position"]?.integer)
            for _ in 0..<50 {
                _ = offer()
                heard += healthy.take()
                let station = try scene.weir.station("pipe")
                #expect(try #require(station["position"]?.integer) <= position + UInt64(SlowListenerTests.ring))
            }
            #expect(offer() < stream.count)

            var late: [UInt8] = []
            try eventually("everyone has heard everything") {
                _ = offer()
                heard += healthy.take()
                late += slow.take()
                return heard.count == stream.count && late.count == stream.count ? true : nil
            }
            #expect(heard == stream)
            #expect(late == stream)
            let metrics = try scene.weir.metrics()
            #expect(metrics["weir_live_skipped_bytes_total{station=\"pipe\"}"] == 0)
            #expect(try scene.weir.disconnects("pipe").isEmpty)
        }
    }

    @Test("pause: who makes everyone wait for too long is ended, and the others go on")
    func pauseTimeout() throws {
        try scene("{ policy: pause, timeout: 5 }") { scene in
            try scene.joinHealthy()
            let (client, _) = try stalled(scene)
            // Returns only when the source is no longer held.
            try scene.play(SlowListenerTests.plenty)
            let left = try scene.weir.event("listener left")
            #expect(left.number("listener") == 2)
            #expect(left["reason"] == "stalled")
            #expect(left.number("skipped") == 0)
            try scene.expectHealthy()
            #expect(try scene.weir.disconnects("pipe") == ["stalled": 1])
            client.close()
        }
    }

    // MARK: timeout

    @Test("timeout: who takes no byte for so long is ended, whatever the policy", arguments: ["skip", "disconnect"])
    func stalledListener(_ policy: String) throws {
        try scene("{ policy: \(policy), max_lag: 1h, timeout: 5 }") { scene in
            try scene.joinHealthy()
            let (client, _) = try stalled(scene)
            // Less than the ring holds, so that it does not lag behind everything, but more than the socket takes.
            let began = Pace.now
            try scene.play(SlowListenerTests.ring * 3 / 4)
            let left = try scene.weir.event("listener left")
            #expect(left.number("listener") == 2)
            #expect(left["reason"] == "stalled")
            #expect(Pace.now - began >= 4_900_000_000)
            try scene.expectHealthy()
            #expect(try scene.weir.disconnects("pipe") == ["stalled": 1])
            client.close()
        }
    }

    @Test("timeout: a trickler that never catches up is ended for its lag")
    func trickler() throws {
        try scene("{ policy: skip, timeout: 10 }") { scene in
            try scene.joinHealthy()
            let (client, position) = try stalled(scene)
            var body: [UInt8] = []
            // It takes something all the time, and much less than there is.
            let deadline = Deadline()
            while scene.weir.events("listener left").isEmpty {
                try scene.play(128 << 10)
                body += client.take(8192)
                if deadline.hasPassed { throw Failure("the trickler is never ended") }
            }
            let left = try scene.weir.event("listener left")
            #expect(left.number("listener") == 2)
            #expect(left["reason"] == "lag")
            #expect(try #require(left.number("skipped")) > 0)
            body += try client.receiveAll()
            #expect(client.ending == .end)
            #expect(left.number("bytes") == UInt64(body.count))
            let runs = try scene.frames.runs(Array(body.prefix(body.count / 4 * 4)))
            #expect(runs.first?.lowerBound == position / 4)
            try scene.expectHealthy()
            #expect(try scene.weir.disconnects("pipe") == ["lag": 1])
        }
    }

    // MARK: Those who leave

    @Test("a listener that resets, one that half-closes and one that closes: closed, and nobody else notices")
    func closed() throws {
        try scene("{ policy: skip }") { scene in
            try scene.joinHealthy()
            let leaving: [(Client) -> Void] = [{ $0.reset() }, { $0.halfClose() }, { $0.close() }]
            for (index, leave) in leaving.enumerated() {
                let (client, _) = try scene.weir.listen("/live/pipe")
                try scene.play(4096)
                leave(client)
                // Noticed without a byte of the source, too.
                let left = try scene.weir.event("listener left") { $0.number("listener") == UInt64(index + 2) }
                #expect(left["reason"] == "closed")
                #expect(left["station"] == "pipe")
                #expect(left["address"]?.hasPrefix("127.0.0.1:") == true)
                #expect(left.number("skipped") == 0)
                #expect(try scene.weir.disconnects("pipe") == ["closed": Double(index + 1)])
                let access = try scene.weir.event("access") { $0["address"] == left["address"] }
                #expect(access["target"] == "/live/pipe")
                #expect(access["reason"] == "closed")
                #expect(access.number("bytes") == left.number("bytes"))
            }
            try scene.play(4096)
            try scene.expectHealthy()
            #expect(try scene.weir.metrics()["weir_live_listeners{station=\"pipe\"}"] == 1)
        }
    }

    @Test("an operator can end a listener")
    func kicked() throws {
        try scene("{ policy: skip }") { scene in
            try scene.joinHealthy()
            let client = try scene.weir.listen("/live/pipe").client
            #expect(try scene.weir.request("DELETE", "/live/pipe/listeners/2").status == 401)
            #expect(try scene.weir.order("DELETE", "/live/pipe/listeners/99").status == 404)
            #expect(try scene.weir.order("DELETE", "/live/pipe/listeners/2").status == 204)
            _ = try client.receiveAll()
            #expect(client.ending == .end)
            #expect(try scene.weir.event("listener left")["reason"] == "kicked")
            #expect(try scene.weir.disconnects("pipe") == ["kicked": 1])
            try scene.play(4096)
            try scene.expectHealthy()
        }
    }
}
