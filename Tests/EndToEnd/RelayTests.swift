import Glibc
import Testing

/// Streams that go from server to server: every byte of them.
@Suite("Relays", .ownThread)
struct RelayTests {
    private let frames = Frames(unit: 4)
    private static let password = "a-password-of-a-source"
    private let basic = "Authorization: Basic c291cmNlOmEtcGFzc3dvcmQtb2YtYS1zb3VyY2U="

    private func stations(_ lines: String...) -> String {
        "live:\n  stations:\n" + lines.map { "    - { \($0) }\n" }.joined()
    }

    private func raw(_ url: String, _ more: String = "") -> String {
        "name: x, format: raw, ring: 4MiB, source: { kind: http, url: \"\(url)\"\(more) }"
    }

    private let pushed =
        "name: x, source: { kind: push, password: \(password), stall_timeout: 1h }, ring: 4MiB"

    /// A client that sends to station x, with one frame sent.
    private func sender(_ weir: Daemon, _ first: Int = 0) throws -> Client {
        let client = try weir.client()
        try client.send("SOURCE /live/x HTTP/1.0\r\n\(basic)\r\n\r\n")
        _ = try client.receive(19)
        try client.send(frames.bytes(first, 1))
        return client
    }

    /// Frames that a test sends at once: more than the blocks of 1400 bytes that Icecast makes.
    private static let some = 500

    /// Sends frames from `first` on until they arrive at the end of the chain, then `count` more, and some that push those
    /// out of what servers keep back. Returns what arrived up to `end`, whole frames from where the listener joined.
    private func run(
        _ source: Client, _ first: Int, _ count: Int, into listener: Client
    ) throws -> (next: Int, end: Int, heard: [UInt8]) {
        var next = first
        let begun = try eventually("frames have arrived") { () -> [UInt8]? in
            try source.send(frames.bytes(next, Self.some))
            next += Self.some
            let bytes = listener.take(64)
            return bytes.isEmpty ? nil : bytes + (try listener.receive(64 - bytes.count))
        }
        try source.send(frames.bytes(next, count + 10 * Self.some))
        let end = next + count
        return (end + 10 * Self.some, end, try drain(listener, begun, to: end))
    }

    /// What a listener has from where it is to the frame before `end`. Bytes have no frames for the servers: the first
    /// frame may be cut.
    private func drain(_ listener: Client, _ begun: [UInt8], to end: Int) throws -> [UInt8] {
        var bytes = begun
        let last = frames.bytes(end - 1, 2)
        let place = try eventually("frame \(end - 1) is there") { () -> Int? in
            while true {
                let more = listener.take()
                if more.isEmpty { break }
                bytes += more
            }
            return bytes.ranges(of: last).first?.lowerBound
        }
        return Array(bytes[(place % 4)..<(place + 4)])
    }

    @Test(
        "Icecast to Weir to Weir to a listener, and on to Icecast's own relay: the same bytes",
        .enabled(if: Peer.has("icecast2")))
    func chain() throws {
        try Icecast.run { icecast in
            var source = try icecast.source("/radio", type: "audio/mpeg")
            try source.send(frames.bytes(0, 1))
            try Daemon.run(stations(raw(icecast.url("/radio")))) { first in
                let url = "http://127.0.0.1:\(first.port)/live/x"
                try Daemon.run(stations(raw(url))) { second in
                    let last = "http://127.0.0.1:\(second.port)/live/x"
                    let relay =
                        "<relay><server>127.0.0.1</server><port>\(second.port)</port><mount>/live/x</mount>"
                        + "<local-mount>/back</local-mount><relay-shoutcast-metadata>1</relay-shoutcast-metadata>"
                        + "<on-demand>0</on-demand></relay><master-update-interval>2</master-update-interval>"
                    try live([first, second], feeding: source, from: 1)
                    try Icecast.run(relay) { back in
                        let (listener, head) = try second.listen("/live/x")
                        #expect(head["Content-Type"] == "audio/mpeg", "\(last)")
                        var next = 100_000
                        let started = next
                        let outside = try eventually("Icecast's relay plays") { () -> Client? in
                            try source.send(frames.bytes(next, Self.some))
                            next += Self.some
                            let client = try Client(port: back.port)
                            try client.send("GET /back HTTP/1.0\r\n\r\n")
                            let status = String(decoding: try client.receive(12), as: UTF8.self)
                            guard status == "HTTP/1.0 200" else { return nil }
                            var end: [UInt8] = []
                            while !end.suffix(4).elementsEqual([13, 10, 13, 10]) { end += try client.receive(1) }
                            return client
                        }
                        let (_, end, heard) = try run(source, next, 200_000, into: outside)
                        let start = try #require(try frames.runs(heard).first).lowerBound
                        #expect(try frames.runs(heard) == [start..<end])
                        #expect(start >= started && heard.count >= 800_000)
                        // The listener was there from the start.
                        let direct = try drain(listener, [], to: end)
                        #expect(direct.suffix(heard.count).elementsEqual(heard))
                        #expect(try frames.runs(direct).suffix(1) == [started..<end])

                        // The origin goes and comes back; the listener stays.
                        source.close()
                        try first.wait("x", is: "failed")
                        source = try icecast.source("/radio", type: "audio/mpeg")
                        try live([first, second], feeding: source, from: 500_000)
                        let again = try run(source, 600_000, 50_000, into: listener)
                        #expect(try frames.runs(again.heard).suffix(1) == [600_000..<again.end])
                        #expect(try second.station("x")["listeners"]?.items?.count == 2, "the listener, and Icecast")
                        #expect(try #require(first.station("x")["restarts"]?.integer) > 0)
                        let origin = try #require(try first.station("x")["origin"])
                        #expect(origin["url"]?.text == icecast.url("/radio"))
                        #expect(origin["server"]?.text?.hasPrefix("Icecast") == true)
                        #expect(origin["type"]?.text == "audio/mpeg")
                    }
                }
            }
        }
    }

    /// Sends frames until both stations are live.
    private func live(_ chain: [Daemon], feeding source: Client, from first: Int) throws {
        var next = first
        try eventually("the chain is live") {
            try source.send(frames.bytes(next, Self.some))
            next += Self.some
            return try chain.allSatisfy { try $0.station("x")["state"]?.text == "live" } ? true : nil
        }
    }

    @Test("PCM is relayed as WAV, as L16 and as it is, with its titles", arguments: [".wav", ".pcm", ""])
    func pcm(ending: String) throws {
        try Daemon.run(stations(pushed)) { origin in
            let source = try sender(origin)
            try origin.wait("x", is: "live")
            let url = "http://127.0.0.1:\(origin.port)/live/x\(ending)"
            let relay = "name: y, ring: 4MiB, source: { kind: http, url: \"\(url)\" }"
            try Daemon.run(stations(relay)) { weir in
                // It connects, and waits for the next frame.
                try eventually("the relay listens") {
                    try origin.station("x")["listeners"]?.items?.count == 1 ? true : nil
                }
                try source.send(frames.bytes(1, 1))
                try weir.wait("y", is: "live")
                let listener = try weir.listen("/live/y").client
                try source.send(frames.bytes(2, 50_000))
                #expect(try frames.runs(try listener.receive(200_000)) == [2..<50_002])
                #expect(try origin.order("POST", "/live/x/metadata?title=A+%E2%80%93+B").status == 200)
                var next = 50_002
                try eventually("the title has come") {
                    try source.send(frames.bytes(next, 5000))
                    next += 5000
                    return try weir.station("y")["title"]?.text == "A – B" ? true : nil
                }
                try weir.event("station title") { $0["title"] == "A – B" }
                #expect(try frames.runs(try listener.receive((next - 50_002) * 4)) == [50_002..<next])
                let told = try weir.metrics()["weir_live_source_info{station=\"y\",kind=\"http\",url=\"\(url)\"}"]
                #expect(told == 1)
            }
        }
    }

    @Test("a station with signed access is pulled with a link, and neither log nor report shows the signature")
    func link() throws {
        try Daemon.run(stations("name: x, access: signed, source: { kind: tone }")) { origin in
            let made = try Peer.demand(
                Daemon.program, "link", "/live/x.wav", "--expires", "1h", "--data", origin.data)
            let link = String(made.text.prefix { !$0.isNewline })
            let url = "http://127.0.0.1:\(origin.port)\(link)"
            try Daemon.run(stations("name: y, source: { kind: http, url: \"\(url)\" }")) { weir in
                let station = try weir.wait("y", is: "live")
                #expect(station["origin"]?["url"]?.text == "http://127.0.0.1:\(origin.port)/live/x.wav")
                try weir.event("source connected")
                let signature = try #require(link.split(separator: "=").last)
                #expect(!weir.process.state.lines.contains { $0.contains(signature) })
                #expect(!(try weir.get("/live").text.contains(signature)))
            }
        }
    }

    @Test(
        "over HTTPS the authority in `ca` is trusted, and nobody without it; the credentials are those of a file",
        .enabled(if: Peer.has("openssl")))
    func authority() throws {
        let scratch = try Scratch()
        let authority = try Authority(in: scratch.path)
        try Disk.write(scratch.path + "/password", Array("hackme\n".utf8))
        let (server, port) = try authority.server(input: .pipe)
        defer { server.end() }
        let url = "https://127.0.0.1:\(port)/live/x"
        let more = ", user: me, password_file: \(scratch.path)/password, stall_timeout: 1h"
        try Daemon.run(stations(raw(url, more))) { weir in
            let error = try weir.wait("x", is: "failed")["last_error"]?.text ?? ""
            #expect(error.hasPrefix("\(url): SSL certificate problem"), "\(error)")
            try weir.reload(stations(raw(url, more + ", ca: \(authority.certificate)")))
            let request = try eventually("the server was asked") { () -> String? in
                server.state.text.contains("\r\n\r\n") ? server.state.text : nil
            }
            #expect(request.contains("Authorization: Basic bWU6aGFja21l\r\n"), "\(request)")
            try server.write(Array("HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n\r\nabcd".utf8))
            #expect(try weir.wait("x", is: "live")["position"]?.integer == 4)
            #expect(!weir.process.state.lines.contains { $0.contains("hackme") })
        }
    }

    @Test("a station that pulls from itself is told so, and tries again later")
    func loop() throws {
        try Daemon.run(stations("name: x, source: { kind: tone }")) { weir in
            let url = "http://127.0.0.1:\(weir.port)/live/x.wav"
            try weir.reload(stations("name: x, source: { kind: http, url: \"\(url)\" }"))
            let station = try weir.wait("x", is: "failed")
            #expect(station["last_error"]?.text == "\(url): it answered 508; expected 200")
            try weir.event("source retry")
        }
    }

    @Test(
        "a transport stream is relayed, packet for packet",
        .enabled(if: Peer.has("ffmpeg")))
    func transport() throws {
        let scratch = try Scratch()
        let film = scratch.path + "/film.ts"
        try Peer.demand(
            "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=25:duration=20", "-c:v",
            "mpeg2video", "-g", "25", "-f", "mpegts", film)
        let file = "name: x, format: ts, source: { kind: file, path: \(film), loop: true }"
        let cold = ", warm: { seconds: 0 }, join: 0"
        try Daemon.run(stations(file + cold)) { origin in
            let url = "http://127.0.0.1:\(origin.port)/live/x.ts"
            let relay = "name: y, format: ts, source: { kind: http, url: \"\(url)\" }"
            try Daemon.run(stations(relay + cold)) { weir in
                try weir.wait("y", is: "live")
                let heard = try weir.listen("/live/y.ts").client.receive(188 * 400)
                #expect(heard.count == 188 * 400)
                let packets = Set(stride(from: 0, to: heard.count, by: 188).map { Array(heard[$0..<($0 + 188)]) })
                let source = try Disk.read(film)
                let known = Set(stride(from: 0, to: source.count, by: 188).map { Array(source[$0..<($0 + 188)]) })
                // Tables that a joiner is given have continuity counters of their own.
                let own = packets.subtracting(known)
                #expect(own.allSatisfy { [0, 0x1000].contains(Int($0[1] & 0x1F) << 8 | Int($0[2])) }, "\(own.count)")
                #expect(packets.count > 300)
            }
        }
    }
}
