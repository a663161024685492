import Glibc
import Testing
import WeirHTTP
import WeirLive
import WeirLoop

@testable import Weir

/// Transport streams through the whole engine.
@Suite struct EngineTransportTests {
    /// PAT, PMT and one packet of a key picture, over and over: what is needed to be joined.
    private static let transport: [UInt8] = {
        func packet(_ head: [UInt8]) -> [UInt8] { head + [UInt8](repeating: 0xFF, count: 188 - head.count) }
        let table: [UInt8] = [0x00, 0xB0, 0x0D, 0x00, 0x01, 0xC1, 0, 0, 0x00, 0x01, 0xF0, 0x00, 0x2A, 0xB1, 0x04, 0xB2]
        let map: [UInt8] = [
            0x02, 0xB0, 0x12, 0x00, 0x01, 0xC1, 0, 0, 0xE1, 0x00, 0xF0, 0x00, 0x1B, 0xE1, 0x00, 0xF0, 0x00, 0x15, 0xBD,
            0x4D, 0x56,
        ]
        return (0..<16).flatMap { (index: UInt8) in
            packet([0x47, 0x40, 0x00, 0x10 | index, 0] + table) + packet([0x47, 0x50, 0x00, 0x10 | index, 0] + map)
                + packet(
                    [0x47, 0x41, 0x00, 0x30 | index, 1, 0x40, 0, 0, 1, 0xE0, 0, 0, 0x80, 0, 0, 0, 0, 0, 1, 0x65])
        }
    }()

    /// Engine with a station `tv` that has had sixteen pictures, and one `pcm`.
    private func withTransport(_ body: @escaping @LoopActor (Engine, UInt16) async throws -> Void) throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("tv.ts", Self.transport)
        let tests = EngineTests()
        let path = directory.path
        let change = tests.stations {
            var tv = StationOptions(name: "tv")
            tv.format = .ts
            tv.source = .exec(command: ["sh", "-c", "cat \(file); sleep 1000"], directory: nil, environment: [:])
            tv.startTimeout = 5
            $0 = [tv, .demo]
        }
        try tests.withEngine({
            change(&$0)
            $0.cache.directory = "\(path)/cache"
        }) { engine, port in
            let station = try #require(engine.stations["tv"])
            try await until {
                station.report.position == UInt64(Self.transport.count) && station.cache?.log.hasFiles == true
            }
            try await body(engine, port)
        }
        #expect(rmdir("\(path)/cache") == 0, "something was left behind")
    }

    @Test func `a transport stream is heard from where it can be decoded`() throws {
        try withTransport { _, port in
            let packets = Self.transport.count / 188
            for (target, pictures) in [("/live/tv.ts?warm=0", 1), ("/live/tv?warm=max", 16), ("/stream?warm=max", 16)] {
                let length = 2 * 188 + (3 * pictures - 2) * 188
                let reply = await EngineTests.ask("GET", target, port, limit: 300 + length)
                #expect(reply.status == 200)
                #expect(reply.field("content-type") == "video/mp2t")
                #expect(reply.field("x-weir-position") == String((packets - 3 * pictures + 2) * 188))
                #expect(reply.field("x-weir-warm-seconds") == "0")
                let isSame = reply.body.dropFirst(2 * 188).elementsEqual(
                    Self.transport.dropFirst((packets - 3 * pictures + 2) * 188).prefix(reply.body.count - 2 * 188))
                #expect(isSame && reply.body.count > 2 * 188)
            }
            #expect(await EngineTests.ask("GET", "/live/tv.wav", port).text.contains("FORM_UNSUITABLE"))
            let head = await EngineTests.ask("HEAD", "/live/tv.ts?warm=0", port)
            #expect(head.status == 200 && head.field("content-type") == "video/mp2t" && head.body.isEmpty)
            #expect(head.field("x-weir-position") == String((packets - 1) * 188))
            #expect(head.field("x-weir-warm-seconds") == "0")
        }
    }

    @Test func `leftovers of a dead process go where nothing is kept from now on, too`() throws {
        let directory = try TemporaryDirectory()
        let cache = "\(directory.path)/cache"
        let left = "\(cache)/weir-warm-tv-1-a"
        try LoopFile.makeDirectoryNow(left)
        try LoopFile.writeNow("\(left)/0000000000000000", [1])
        try EngineTests().withEngine({ $0.cache.directory = cache }) { engine, _ in
            let keepsFiles = engine.configuration.stations.contains { $0.keepsFiles }
            #expect(!keepsFiles)
            try await until { engine.caches.leftovers == 1 }
        }
        #expect(rmdir(cache) == 0, "something was left")
    }

    @Test func `what is known of a transport stream is in the list and in the metrics`() throws {
        try withTransport { _, port in
            let list = await EngineTests.ask("GET", "/live", port).text
            let end = Self.transport.count
            #expect(
                list.contains(
                    #""warm":{"bytes":\#(end),"seconds":0,"tail":0,"head":\#(end),"max":25165824,"disk":"#))
            #expect(
                list.contains(#""committed":false,"commit_requested":false,"off":false},"ts":{"state":"locked","#))
            #expect(list.contains(#""packet_size":188,"packets":48,"#))
            #expect(
                list.contains(
                    #""programs":[{"number":1,"pmt_pid":4096,"pcr_pid":256,"#
                        + #""streams":[{"pid":256,"type":27,"codec":"H.264"}]}]}"#))
            // Not of a station that has no such thing.
            #expect(list.split(separator: #""name":"demo""#).last?.contains("warm") == false)
            let metrics = await EngineTests.ask("GET", "/metrics", port).text
            for line in [
                "weir_live_ts_packets_total{station=\"tv\"} 48", "weir_live_ts_sync_losses_total{station=\"tv\"} 0",
                "weir_live_ts_continuity_errors_total{station=\"tv\"} 0",
                "weir_live_ts_access_points_total{station=\"tv\"} 16", "weir_live_ts_locked{station=\"tv\"} 1",
                "weir_live_warm_bytes{station=\"tv\"} \(end)", "weir_live_warm_max_bytes{station=\"tv\"} 25165824",
                "weir_live_warm_off{station=\"tv\"} 0", "weir_live_bitrate{station=\"demo\"} 1536000",
            ] {
                #expect(metrics.contains("\n\(line)\n"), "\(line)")
            }
            #expect(!metrics.contains("weir_live_ts_packets_total{station=\"demo\"}"))
            #expect(!metrics.contains("weir_live_udp"))
        }
    }

    @Test func `committing needs the token, and files`() throws {
        try withTransport { engine, port in
            #expect(await EngineTests.ask("POST", "/live/tv/commit", port).status == 401)
            let committed = await EngineTests.ask("POST", "/live/tv/commit", port, fields: EngineTests.admin)
            #expect(committed.text == #"{"name":"tv","committed":true}"#)
            #expect(engine.stations["tv"]?.isCommitted == true)
            let uncommitted = await EngineTests.ask("POST", "/live/tv/uncommit", port, fields: EngineTests.admin)
            #expect(uncommitted.text == #"{"name":"tv","committed":false}"#)
            let refused = await EngineTests.ask("POST", "/live/demo/commit", port, fields: EngineTests.admin)
            #expect(refused.status == 409 && refused.text.contains("\"code\":\"NOT_KEPT\""))
        }
    }
}
