import Glibc
import Testing

/// Clients that send a station its stream over HTTPS.
@Suite("Sending over TLS", .ownThread, .enabled(if: Peer.has("openssl", "curl")))
struct TLSSendingTests {
    private let frames = Frames(unit: 4)
    private static let user = "source:a-password-of-a-source"
    /// `source:a-password-of-a-source`
    private static let basic = "Authorization: Basic c291cmNlOmEtcGFzc3dvcmQtb2YtYS1zb3VyY2U="

    /// A client that speaks TLS and nothing else: what it is given is what it sends.
    private func client(_ scene: TLSTests.Scene, _ options: String...) throws -> Process {
        try Process(
            ["openssl", "s_client", "-quiet", "-no_ign_eof", "-nocommands", "-connect", "127.0.0.1:\(scene.port)"]
                + options, input: .pipe)
    }

    private func answer(_ client: Process, holds text: String) throws {
        let found = client.wait { $0.text.contains(text) ? true : nil }
        #expect(found == true, "\(text): \(client.state.text) \(client.state.lines)")
    }

    /// A listener, over HTTP, that was there before the first byte that a client sends next.
    private func listener(_ scene: TLSTests.Scene) throws -> Client {
        let sender = try client(scene)
        defer { sender.end() }
        try sender.write(Array("SOURCE /live/sent HTTP/1.0\r\n\(Self.basic)\r\n\r\n".utf8))
        try answer(sender, holds: "HTTP/1.0 200 OK\r\n\r\n")
        try sender.write(frames.bytes(0, 1))
        try scene.weir.wait("sent", is: "live")
        let listener = try scene.weir.listen("/live/sent").client
        sender.closeInput()
        try scene.weir.wait("sent", is: "idle")
        return listener
    }

    @Test("curl sends in chunks and with a length, and is answered at the end", arguments: ["1.3", "1.2"])
    func curl(version: String) throws {
        try TLSTests.scene { scene, _ in
            let listener = try listener(scene)
            let options = [
                "curl", "-sS", "--cacert", scene.certificate, "--tlsv\(version)", "--tls-max", version, "-u", Self.user,
            ]
            let url = scene.url("/live/sent")
            let chunked = try Process(options + ["-T", "-", url], input: .pipe)
            defer { chunked.end() }
            // The ring is smaller than what is sent: at the listener's pace.
            var heard: [UInt8] = []
            for start in stride(from: 1, to: 100_001, by: 10_000) {
                try chunked.write(frames.bytes(start, 10_000))
                heard += try listener.receive(40_000)
            }
            chunked.closeInput()
            #expect(try chunked.waitForExit() == .code(0), "\(chunked.state.lines)")
            #expect(JSON(chunked.state.text)?["bytes"]?.integer == 400_000, "\(chunked.state.text)")
            try Disk.write(scene.directory + "/file", frames.bytes(100_001, 50_000))
            let whole = try Peer.run(options + ["-T", scene.directory + "/file", url])
            #expect(JSON(whole.text)?["bytes"]?.integer == 200_000, "\(whole.text) \(whole.errors)")
            heard += try listener.receive(200_000)
            #expect(try frames.runs(heard) == [1..<150_001])
            let left = scene.weir.events("source left")
            #expect(left.map { $0["reason"] } == ["finished", "finished", "finished"])
        }
    }

    @Test("FFmpeg sends to icecast:// with -tls 1", .enabled(if: Peer.has("ffmpeg")), arguments: ["0", "1"])
    func ffmpeg(legacy: String) throws {
        try TLSTests.scene { scene, _ in
            let listener = try listener(scene)
            let tone = ["-f", "lavfi", "-i", "sine=440:duration=1:sample_rate=48000", "-ac", "2"]
            let process = try Process(
                ["ffmpeg", "-v", "error", "-re"] + tone + [
                    "-c:a", "pcm_s16le", "-f", "wav", "-content_type", "audio/wav", "-legacy_icecast", legacy,
                    "-tls", "1", "icecast://\(Self.user)@127.0.0.1:\(scene.port)/live/sent",
                ])
            defer { process.end() }
            let expected = try Peer.run(["ffmpeg", "-v", "error"] + tone + ["-f", "s16le", "-"]).output
            #expect(expected.count == 192_000)
            // As it did: it reads nothing, the session tickets included, and what it has not sent when it closes is lost
            // with them.
            let sure = legacy == "0" ? expected.count : expected.count - 16384
            #expect(try listener.receive(sure) == Array(expected[..<sure]))
            #expect(try process.waitForExit() == .code(0), "\(process.state.lines)")
            try scene.weir.wait("sent", is: "idle")
        }
    }

    @Test("a connection that ends without close_notify was cut, and one that ends with it was not")
    func endings() throws {
        try TLSTests.scene { scene, _ in
            for (isCut, reason) in [(false, "finished"), (true, "lost")] {
                let client = try client(scene)
                defer { client.end() }
                try client.write(Array("SOURCE /live/sent ICE/1.0\r\n\(Self.basic)\r\n\r\n".utf8))
                try answer(client, holds: "HTTP/1.0 200 OK\r\n\r\n")
                let before = try scene.weir.station("sent")["position"]?.integer ?? 0
                try client.write(frames.bytes(0, 5000))
                try scene.weir.wait("sent", hasHad: before + 20_000)
                if isCut { client.signal(SIGKILL) } else { client.closeInput() }
                let event = try scene.weir.event("source left") { $0["reason"] == reason }
                #expect(event.number("bytes") == 20_000)
                try scene.weir.wait("sent", is: "idle")
            }
            #expect(try scene.weir.station("sent")["last_error"]?.text?.contains("close_notify") == true)
        }
    }

    @Test("who may not send is told so, the one that is there does not notice, and the next one may")
    func refusals() throws {
        try TLSTests.scene { scene, _ in
            func put(_ user: String, _ target: String = "/live/sent") throws -> (status: String, text: String) {
                let result = try Peer.run(
                    [
                        "curl", "-sS", "--cacert", scene.certificate, "-w", "\n%{http_code}", "-u", user, "-T", "-",
                        scene.url(target),
                    ], input: Array("abcd".utf8))
                return (String(result.text.suffix(3)), result.text)
            }
            #expect(try put("source:wrong").status == "401")
            #expect(try put("\(Self.user)x").status == "401")
            #expect(try put(Self.user, "/live/pipe").status == "409")
            #expect(try put(Self.user, "/live/sent.ts").status == "415")
            #expect(try put(Self.user, "/live/none").status == "404")
            #expect(try scene.weir.station("sent")["position"]?.integer == 0)

            let first = try client(scene)
            defer { first.end() }
            try first.write(
                Array("PUT /live/sent HTTP/1.1\r\nHost: localhost\r\n\(Self.basic)\r\n\r\n".utf8) + frames.bytes(0, 1))
            try answer(first, holds: "HTTP/1.1 200 OK")
            try scene.weir.wait("sent", hasHad: 4)
            let second = try put(Self.user)
            #expect(second.status == "409" && second.text.contains("SOURCE_CONNECTED"))
            try first.write(frames.bytes(1, 100))
            try scene.weir.wait("sent", hasHad: 404)
            first.closeInput()
            try scene.weir.wait("sent", is: "idle")
            let third = try put(Self.user)
            #expect(third.status == "200" && third.text.contains("\"bytes\":4"), "\(third.text)")
            // Nothing of them is left but the question itself.
            try eventually("all have left") {
                try scene.weir.metrics()["weir_http_connections{holder=\"live\"}"] == 0 ? true : nil
            }
        }
    }

    @Test("malformed chunks, and a stream that is not what the station plays, are answered")
    func unsuitable() throws {
        try TLSTests.scene { scene, _ in
            let client = try client(scene)
            defer { client.end() }
            try client.write(
                Array(
                    ("PUT /live/sent HTTP/1.1\r\nHost: localhost\r\n\(Self.basic)\r\n"
                        + "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\nxyz\r\n").utf8))
            try answer(client, holds: "HTTP/1.1 400 Bad Request")
            try answer(client, holds: "BAD_CHUNK")
            try scene.weir.event("source left") { $0["reason"] == "malformed" }
            try scene.weir.wait("sent", is: "idle")
        }
    }

    @Test("slow: pause holds a sender for a listener that does not read, and no byte is lost")
    func pause() throws {
        try TLSTests.scene(sent: "{ policy: pause, timeout: 1h }") { scene, _ in
            let listener = try listener(scene)
            let count = 5_000_000
            try Disk.write(scene.directory + "/file", frames.bytes(1, count))
            let curl = try Process([
                "curl", "-sS", "--cacert", scene.certificate, "-u", Self.user, "-H", "Expect:", "-T",
                scene.directory + "/file", scene.url("/live/sent"),
            ])
            defer { curl.end() }
            // It stops when ring and buffers are full.
            var former: UInt64 = 0
            var same = 0
            try eventually("it is held") {
                let position = try scene.weir.station("sent")["position"]?.integer ?? 0
                same = position == former && position > 4 ? same + 1 : 0
                former = position
                return same > 20 ? true : nil
            }
            #expect(former < UInt64(count) * 4)
            #expect(curl.exit == nil)
            var heard: [UInt8] = []
            heard.reserveCapacity(count * 4)
            while heard.count < count * 4 { heard += try listener.receive(min(400_000, count * 4 - heard.count)) }
            #expect(try frames.runs(heard) == [1..<(count + 1)])
            #expect(try curl.waitForExit() == .code(0), "\(curl.state.lines)")
            #expect(JSON(curl.state.text)?["bytes"]?.integer == UInt64(count) * 4, "\(curl.state.text)")
        }
    }
}
