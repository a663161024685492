import Glibc
import Testing

/// Streams that come as datagrams: multicast on the loopback interface, as a network may deliver them.
@Suite("Warm streams: datagrams", .ownThread)
struct WarmDatagramTests {
    /// A port that nobody has.
    private static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure.system("socket") }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 ? getsockname(descriptor, $0, &length) : -1
            }
        }
        guard status == 0 else { throw Failure.system("bind") }
        return UInt16(bigEndian: address.sin_port)
    }

    private static func configuration(_ address: String) -> String {
        """
        http: { connections_per_address: 1000 }
        live:
          stations:
            - name: tv
              format: ts
              source: { kind: udp, address: "\(address)", interface: lo, autostart: always }
              warm: { seconds: 6, max: 8MiB, ceiling: 8MiB }
              listeners: { max: 100, alert: 100 }
        """
    }

    struct Way: CustomTestStringConvertible {
        let isRTP: Bool
        let loss: Double
        let late: Double

        var testDescription: String { "\(isRTP ? "RTP" : "plain"), \(loss * 100) % lost, \(late * 100) % late" }
    }

    @Test(
        "multicast arrives as it was sent; what is lost or late is counted, and survived",
        arguments: [
            Way(isRTP: true, loss: 0, late: 0), Way(isRTP: false, loss: 0, late: 0),
            Way(isRTP: true, loss: 0.02, late: 0.05), Way(isRTP: false, loss: 0.02, late: 0.05),
        ])
    func multicast(_ way: Way) throws {
        let (inPort, port) = (try Self.freePort(), try Self.freePort())
        let group = "239.255.47.\(1 + Int(port) % 200):\(port)"
        try Daemon.run(Self.configuration(group)) { weir in
            let relay = try Process([
                try Tool.path("relay"), "--from", "127.0.0.1:\(inPort)", "--to", group, "--interface", "127.0.0.1",
                "--loss", "\(way.loss)", "--late", "\(way.late)", "--seed", "\(Pace.scale)",
            ])
            defer { relay.end() }
            try #require(relay.wait { $0.text.contains("ready") ? true : nil } == true)
            let seconds = Pace.scale > 1 ? 30 : 6
            let source = try Process(
                [
                    try Tool.path("source"), "--udp", "127.0.0.1:\(inPort)", "--rate", "8e6", "--seconds", "\(seconds)",
                ] + (way.isRTP ? ["--rtp"] : []))
            defer { source.end() }
            try weir.wait("tv", is: "live")
            var options = ["--joins", "6", "--within", "1", "--kinds", "healthy:1", "--stay", "\(seconds - 3)"]
            if way.loss > 0 { options.append("--lossy") }
            if way.late > 0 && !way.isRTP { options.append("--mixed") }
            let crowd = try Crowd.gather(try Crowd.start(weir, options))
            _ = try source.waitForExit()
            relay.signal(SIGTERM)
            _ = try relay.waitForExit()
            let told = try #require(relay.state.text.split(separator: "\n").last.flatMap { JSON(String($0)) })
            let lost = try #require(told["lost"]?.integer)
            let unseen = try #require(told["unseen"]?.integer)
            #expect((lost > 0) == (way.loss > 0))
            #expect(told["turned"]?.integer ?? 0 > 0 || way.late == 0)

            crowd.expectWhole()
            for listener in crowd.listeners {
                let packets = listener.number("packets")
                if way.loss == 0 {
                    #expect(listener.segments.count == 1, "\(listener)")
                } else if way.isRTP {
                    // Whole datagrams, of seven packets; the late ones were put in their places.
                    #expect(listener.number("missing") > 0)
                    #expect(listener.number("missing") % 7 == 0)
                    #expect(Double(listener.number("missing")) < 0.05 * Double(packets))
                }
                #expect(packets > 8_000_000 / 8 / 188)
            }
            // Once everything has come.
            try eventually("all is counted") {
                let metrics = try weir.metrics()
                func total(_ name: String) -> Double {
                    metrics.filter { $0.key.hasPrefix(name) }.values.reduce(0, +)
                }
                guard way.isRTP else {
                    return total("weir_live_ts_continuity_errors_total") > 0 || way.loss == 0 ? true : nil
                }
                // Nothing follows the last ones by which they could be missed. What a busy machine drops is missed, too.
                let missed = total("weir_live_udp_lost_total")
                let overflows = metrics.filter { $0.key.contains(#"reason="overflow""#) }.values.reduce(0, +)
                let seen = Double(lost - unseen)
                return (overflows == 0 ? missed == seen : missed >= seen) ? true : nil
            }
        }
    }

    @Test(
        "what FFmpeg sends, with RTP and without, in whole packets and cut anywhere, is what a listener decodes",
        .enabled(if: Peer.has("ffmpeg", "ffprobe")), arguments: ["rtp 1316", "udp 1316", "udp 1472", "udp 1000"])
    func ffmpeg(_ way: String) throws {
        let isRTP = way.hasPrefix("rtp")
        let port = try Self.freePort()
        let group = "239.255.47.\(1 + Int(port) % 200):\(port)"
        let film = try Film.shared.get()
        try Daemon.run(Self.configuration(group)) { weir in
            let format = isRTP ? "rtp_mpegts" : "mpegts"
            let url = "\(isRTP ? "rtp" : "udp")://\(group)?localaddr=127.0.0.1&ttl=0&pkt_size=\(way.suffix(4))"
            let source = try Process([
                "ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", film, "-c", "copy", "-f", format, url,
            ])
            defer { source.end() }
            try weir.wait("tv", is: "live")
            try Viewer.watch(weir, frames: 50)
        }
    }
}
