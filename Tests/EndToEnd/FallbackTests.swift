import Glibc
import Testing

/// A station that plays another while it has no source.
@Suite("Fallback", .ownThread)
struct FallbackTests {
    private static let password = "a-password-of-a-source"
    private let frames = Frames(unit: 4)
    /// `source:a-password-of-a-source`
    private let basic = "Authorization: Basic c291cmNlOmEtcGFzc3dvcmQtb2YtYS1zb3VyY2U="

    private func stations(_ fallbackOfSpare: String = "") -> String {
        """
        live:
          stations:
            - { name: x, source: { kind: push, password: \(Self.password), stall_timeout: 1h }, fallback: spare }
            - { name: spare, source: { kind: push, password: \(Self.password), stall_timeout: 1h }\(fallbackOfSpare) }

        """
    }

    private func connect(_ weir: Daemon, _ station: String) throws -> Client {
        let client = try weir.client()
        try client.send("SOURCE /live/\(station) HTTP/1.0\r\n\(basic)\r\n\r\n")
        #expect(String(decoding: try client.receive(19), as: UTF8.self) == "HTTP/1.0 200 OK\r\n\r\n")
        return client
    }

    @Test("listeners hear the other station while nobody sends, and then their own again")
    func away() throws {
        try Daemon.run(stations()) { weir in
            let first = try connect(weir, "x")
            try first.send(frames.bytes(0, 10))
            try weir.wait("x", is: "live")
            let listener = try weir.listen("/live/x").client
            try first.send(frames.bytes(10, 1000) + [1, 2])
            #expect(try frames.runs(try listener.receive(4000)) == [10..<1010])
            let spare = try connect(weir, "spare")
            try spare.send(frames.bytes(1_000_000, 10))
            try weir.wait("spare", is: "live")
            // Half a frame is left behind.
            first.close()
            try weir.wait("x", is: "idle")
            try spare.send(frames.bytes(1_000_010, 5000) + [3])
            #expect(try frames.runs(try listener.receive(20_000)) == [1_000_010..<1_005_010])

            let told = try weir.station("x")
            #expect(told["state"]?.text == "idle" && told["fallback"]?.text == "spare")
            #expect(try weir.station("spare")["listeners"]?.items?.isEmpty == true)
            #expect(try weir.request("HEAD", "/live/x").status == 200)
            let samples = try weir.metrics()
            #expect(samples[#"weir_station_fallback{station="x"}"#] == 1)
            #expect(samples[#"weir_station_fallback_switches_total{station="x"}"#] == 1)
            #expect(samples[#"weir_station_fallback_bytes_total{station="x"}"#] == 20_000)
            #expect(samples[#"weir_live_received_bytes_total{station="x"}"#] == 4042)
            _ = try weir.event("station fallback") { $0["fallback"] == "spare" && $0["state"] == "idle" }
            // Who comes meanwhile is let in.
            let late = try weir.listen("/live/x").client

            let next = try connect(weir, "x")
            try next.send(frames.bytes(2_000_000, 2000))
            try weir.wait("x", is: "live")
            for client in [listener, late] {
                #expect(try frames.runs(try client.receive(8000)) == [2_000_000..<2_002_000])
            }
            _ = try weir.event("station fallback over")
            #expect(try weir.station("x")["fallback"] == nil)
            #expect(try weir.metrics()[#"weir_station_fallback{station="x"}"#] == 0)
        }
    }

    @Test("fallbacks that go round in a circle are refused at a reload, and the former ones hold")
    func circle() throws {
        try Daemon.run(stations()) { weir in
            try weir.reload(stations(", fallback: x"), expecting: "configuration not applied")
            let problems = weir.events("configuration").compactMap { $0["problem"] }
            #expect(problems.count == 1 && problems[0].contains("x → spare → x"), "\(problems)")
            let spare = try connect(weir, "spare")
            try spare.send(frames.bytes(0, 10))
            try weir.wait("spare", is: "live")
            #expect(try weir.request("HEAD", "/live/x").status == 200)
        }
    }
}
