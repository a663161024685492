import Glibc
import Testing
import WeirHTTP
import WeirLoop

@testable import WeirLive

/// Stations that pull their stream from a server, which says whatever a test wants; the test holds the clock.
@Suite struct OriginTests {
    private func options(
        _ url: String, _ format: StationOptions.Format = .raw, _ change: (inout StationOptions) -> Void = { _ in }
    ) -> StationOptions {
        var options = StationOptions(name: "x")
        options.format = format
        options.source = .http(HTTPOrigin(url: url))
        options.window = .fixed(milliseconds: 20)
        change(&options)
        return options
    }

    @LoopActor
    private func listen(
        _ station: Station, _ rendition: Rendition = .own, wrapping: Wrapping = Wrapping()
    ) async throws -> (pair: SocketPair, type: String) {
        let seat = try await station.join(rendition, warm: nil, address: "listener", path: "/live/x")
        let pair = try SocketPair()
        _ = try station.attach(seat, descriptor: pair.station, wrapping: wrapping)
        return (pair, seat.body.contentType)
    }

    /// Reads until so many bytes have come; the clock moves by a window at a time.
    @LoopActor
    private func hear(_ pair: SocketPair, _ count: Int, _ station: Station, _ clock: LoopClock) async throws -> [UInt8]
    {
        var heard: [UInt8] = []
        try await eventually("\(count) bytes have come") {
            clock.advance(by: 20_000_000)
            station.turn()
            heard += pair.read().bytes
            return heard.count >= count
        }
        return heard
    }

    private static func bytes(_ count: Int, seed: Int = 1) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761 &+ seed) >> 7) }
    }

    private static let plain = "HTTP/1.1 200 OK\nContent-Type: audio/mpeg"

    /// What the station says when the server has answered with `head` and `body`, and closed.
    private func failure(_ head: String, _ body: [UInt8] = [], _ format: StationOptions.Format = .raw) throws -> String
    {
        let server = OriginServer { connection in
            _ = connection.head()
            connection.send(head: head)
            connection.send(body)
        }
        defer { server.close() }
        let said = Said()
        let url = server.url("/live/x?sig=secret")
        try withStation(options(url, format)) { station, _, _ in
            station.begin()
            try await eventually("it has failed") { station.state == .failed }
            said.text = station.supervision.lastError ?? ""
        }
        #expect(!said.text.contains("secret"))
        return said.text.replacing("http://127.0.0.1:\(server.port)", with: "ORIGIN")
    }

    private final class Said: @unchecked Sendable {
        var text = ""
    }

    // MARK: What is pulled

    @Test func `a stream is the station's, byte for byte, with its titles, its name and its type`() throws {
        let body = Self.bytes(300_000)
        let head = Shared("")
        let go = Flag()
        let server = OriginServer { connection in
            head.value = connection.head()
            connection.send(head: Self.plain + "\nicy-metaint: 1000\nicy-name: Night\nServer: Old/1")
            connection.send(Array(body[..<1000]) + [2] + Self.block("StreamTitle='One';", 32))
            while !go.isSet { usleep(1000) }
            for start in stride(from: 1000, to: body.count, by: 1000) {
                connection.send(Array(body[start..<(start + 1000)]) + [0])
            }
            connection.waitForEnd()
        }
        defer { server.close() }
        let url = "http://me:secret@127.0.0.1:\(server.port)/live/x?sig=secret"
        try withStation(options(url) { $0.slowPolicy = .pause }) { station, journal, clock in
            #expect(station.report.origin == OriginReport(url: server.url(), answer: nil))
            station.begin()
            try await eventually("it is live, and has a title") { station.state == .live && station.title != nil }
            #expect(station.title == "One")
            #expect(station.displayName == "Night")
            let report = try #require(station.report.origin)
            #expect(report.url == server.url())
            #expect(report.answer?.location == server.url())
            #expect(report.answer?.server == "Old/1")
            let (pair, type) = try await listen(station)
            #expect(type == "audio/mpeg")
            go.isSet = true
            let heard = try await hear(pair, body.count - 1000, station, clock)
            #expect(heard == Array(body[1000...]))
            #expect(station.receivedBytes == UInt64(body.count))
            let lines = head.value.split(separator: "\n")
            #expect(lines.first == "GET /live/x?sig=secret HTTP/1.1")
            #expect(lines.contains("Icy-MetaData: 1"))
            #expect(lines.contains("Authorization: Basic bWU6c2VjcmV0"))
            #expect(lines.contains { $0.hasPrefix("User-Agent: weir/") })
            let names = journal.events.compactMap { if case .connected(let answer) = $0 { answer.name } else { nil } }
            #expect(names == ["Night"])
            station.stop()
            try await eventually("it has let go") { station.report.origin?.answer == nil }
            #expect(station.title == nil)
            pair.close()
        }
    }

    @Test func `samples in network order are turned, and a WAV header is taken off`() throws {
        let samples = Self.bytes(40_000)
        var turned = samples
        for index in stride(from: 0, to: turned.count, by: 2) { turned.swapAt(index, index + 1) }
        for (type, body) in [
            ("audio/L16;rate=48000;channels=2", turned), ("audio/wav", WAVHeader.endless(PCMFormat()) + samples),
            ("audio/x-raw;format=S16LE;rate=48000;channels=2", samples),
        ] {
            let go = Flag()
            let server = OriginServer { connection in
                _ = connection.head()
                connection.send(head: "HTTP/1.0 200 OK\nContent-Type: \(type)")
                let first = body.count - samples.count + 3
                connection.send(Array(body[..<(first + 1)]))
                while !go.isSet { usleep(1000) }
                connection.send(Array(body[(first + 1)...]))
                connection.waitForEnd()
            }
            defer { server.close() }
            try withStation(options(server.url("/live/x.wav"), .pcm(PCMFormat()))) { station, _, clock in
                station.begin()
                try await eventually("it is live") { station.state == .live }
                let pair = try await listen(station).pair
                go.isSet = true
                let heard = try await hear(pair, samples.count - 4, station, clock)
                #expect(heard == Array(samples[4...]), "\(type)")
                pair.close()
            }
        }
    }

    private static func block(_ text: String, _ count: Int) -> [UInt8] {
        Array(text.utf8) + [UInt8](repeating: 0, count: count - text.utf8.count)
    }

    @Test func `no piece of a stream enters Swift`() throws {
        let pieces = 1024
        let server = OriginServer { connection in
            _ = connection.head()
            connection.send(head: Self.plain + "\nicy-metaint: 65536")
            let piece = Self.bytes(1 << 16) + [0]
            for _ in 0..<pieces { connection.send(piece) }
            connection.waitForEnd()
        }
        defer { server.close() }
        try withStation(options(server.url())) { station, _, _ in
            station.begin()
            let before = LoopActor.entries
            var looks: UInt64 = 0
            let end = LoopClock.monotonic.deadline(after: 240)
            while station.receivedBytes < pieces << 16, LoopClock.monotonic.now < end {
                looks += 1
                try await LoopClock.monotonic.sleep(for: 0.05)
            }
            #expect(station.receivedBytes == UInt64(pieces << 16))
            // A few for the beginning, and some for each look.
            #expect(LoopActor.entries - before < 200 + 8 * looks)
        }
    }

    @Test func `a listener that must be waited for holds the origin`() throws {
        let sent = Shared(0)
        let server = OriginServer { connection in
            _ = connection.head()
            connection.send(head: Self.plain)
            let block = Self.bytes(1 << 16)
            for number in 1...400 {
                guard connection.send(block) else { return }
                sent.value = number << 16
            }
            connection.waitForEnd()
        }
        defer { server.close() }
        let change: (inout StationOptions) -> Void = {
            $0.slowPolicy = .pause
            $0.ring = 1 << 18
            $0.slowTimeout = 1000
        }
        try withStation(options(server.url(), .raw, change)) { station, _, clock in
            station.begin()
            let pair = try await listen(station).pair
            var before = -1
            try await eventually("nothing moves any more") {
                clock.advance(by: 20_000_000)
                station.turn()
                usleep(20_000)
                defer { before = Int(station.receivedBytes) + sent.value }
                return station.isHeld && before == Int(station.receivedBytes) + sent.value
            }
            // The ring, a socket pair, libcurl's buffer and the kernel's; 26 MB were to come.
            #expect(sent.value < 400 << 16)
            #expect(station.state == .live)
            let held = station.receivedBytes
            _ = try await hear(pair, 4 << 20, station, clock)
            #expect(station.receivedBytes > held)
            #expect(station.supervision.restarts == 0)
            pair.close()
        }
    }

    // MARK: When it fails

    @Test func `an origin that is away for 20 seconds is asked on the schedule, and the listeners stay`() throws {
        let cut = Flag()
        let server = OriginServer { connection in
            _ = connection.head()
            connection.send(head: Self.plain)
            connection.send(Self.bytes(5000, seed: connection.number == 0 ? 1 : 2))
            while !cut.isSet { usleep(1000) }
        }
        defer { server.close() }
        try withStation(options(server.url())) { station, journal, clock in
            station.begin()
            try await eventually("it is live") { station.receivedBytes == 5000 }
            let pair = try await listen(station).pair
            server.setDown(true)
            cut.isSet = true
            try await eventually("it has failed") { station.state == .failed }
            let start = clock.now
            #expect(station.supervision.lastError == "\(server.url()): the stream has ended")
            // While it is down: after 0.5 s, 1, 2, 4 and 8, which is 15.5 s; the next attempt is past the 20.
            for (attempt, step) in [0.5, 1, 2, 4, 8].enumerated() {
                let delay = try #require(journal.delays.last)
                #expect(abs(delay - step) < 0.001)
                #expect(journal.delays.count == attempt + 1)
                await clock.advance(seconds: delay - 0.01)
                #expect(server.connections == 1 + attempt)
                await clock.advance(seconds: 0.02)
                try await eventually("it has been asked") { journal.delays.count == attempt + 2 }
                #expect(server.connections == 2 + attempt)
                #expect(station.state == .failed)
            }
            #expect(station.report.listeners.count == 1)
            await clock.advance(seconds: 20 - Double(clock.now - start) / 1e9)
            cut.isSet = false
            server.setDown(false)
            await clock.advance(seconds: 12)
            try await eventually("it is live again") { station.state == .live }
            #expect(station.supervision.restarts == 6)
            let heard = try await hear(pair, 5000, station, clock)
            #expect(heard == Self.bytes(5000, seed: 2))
            #expect(journal.left.isEmpty)
            cut.isSet = true
            pair.close()
        }
    }

    @Test func `an origin that is silent is asked anew`() throws {
        let server = OriginServer { connection in
            _ = connection.head()
            connection.send(head: Self.plain)
            connection.send([1, 2, 3, 4])
            connection.waitForEnd()
        }
        defer { server.close() }
        try withStation(options(server.url())) { station, journal, clock in
            station.begin()
            try await eventually("it is live") { station.state == .live }
            await clock.advance(seconds: 10.1)
            try await eventually("it has failed") { station.state == .failed }
            #expect(station.supervision.lastError == "no byte for 10 s")
            #expect(journal.states == [.starting, .live, .stalled, .failed])
            await clock.advance(seconds: 0.6)
            try await eventually("it is live again") { station.state == .live }
            #expect(server.connections == 2)
        }
    }

    @Test func `an origin that does not answer is given up on, by the clock`() throws {
        let server = OriginServer { $0.waitForEnd() }
        defer { server.close() }
        try withStation(options(server.url())) { station, _, clock in
            station.begin()
            try await eventually("it has been asked") {
                clock.advance(by: 100_000_000)
                return station.state == .failed
            }
            #expect(
                station.supervision.lastError == "\(server.url()): no response within \(HTTPOrigin.headTimeout) s")
        }
    }

    @Test func `the source runs while somebody listens, and lets go of the origin afterwards`() throws {
        let ended = Flag()
        let server = OriginServer { connection in
            _ = connection.head()
            connection.send(head: Self.plain)
            connection.send([1, 2, 3, 4])
            connection.waitForEnd()
            ended.isSet = true
        }
        defer { server.close() }
        let change: (inout StationOptions) -> Void = {
            $0.autostart = .onDemand
            $0.linger = 3
        }
        try withStation(options(server.url(), .raw, change)) { station, _, clock in
            station.begin()
            #expect(station.state == .idle && server.connections == 0)
            let pair = try await listen(station).pair
            #expect(station.state == .live && server.connections == 1)
            pair.close()
            try await eventually("the listener has left") {
                clock.advance(by: 20_000_000)
                station.turn()
                return station.demand == 0
            }
            #expect(!ended.isSet)
            await clock.advance(seconds: 3.1)
            try await eventually("the origin has seen it") { ended.isSet && station.state == .idle }
        }
    }

    // MARK: Origins that mean harm, or something else

    @Test func `what is wrong with an answer is said, with the URL and without what is secret in it`() throws {
        let cases: [(head: String, body: [UInt8], format: StationOptions.Format, said: String)] = [
            ("HTTP/1.1 503 Busy\nRetry-After: 5", [], .raw, "it answered 503; expected 200"),
            ("HTTP/1.1 404 No\nContent-Type: text/html", [], .raw, "it answered 404; expected 200"),
            (
                "HTTP/1.1 200 OK\nContent-Type: text/html", Array("<html>".utf8), .ts,
                "it answered with \"text/html\", and the station is ts; expected application/mp2t,"
                    + " application/x-mpegts, audio/mp2t, or none"
            ),
            (
                "HTTP/1.1 200 OK\nicy-metaint: none", [1], .raw,
                "its icy-metaint is \"none\"; expected a number from 1 to 16777216"
            ),
            ("HTTP/1.1 200 OK\nContent-Length: 10", [1, 2, 3], .raw, "transfer closed with 7 bytes remaining to read"),
            ("HTTP/1.1 200 OK\nContent-Length: 3", [1, 2, 3, 4, 5], .raw, "the stream has ended"),
            (
                "HTTP/1.1 302 Found\nLocation: ftp://other/x", [], .raw,
                "Protocol \"ftp\" not supported or disabled in libcurl"
            ),
            (
                "HTTP/1.1 302 Found\nLocation: file:///etc/passwd", [], .raw,
                "Protocol \"file\" not supported or disabled in libcurl"
            ),
            ("HTTP/1.1 302 Found\nLocation: /live/x", [], .raw, "Maximum (5) redirects followed"),
            ("HTTP/1.1 301 Moved", [], .raw, "it answered 301; expected 200"),
            ("garbage", [], .raw, "Received HTTP/0.9 when not allowed"),
        ]
        for (head, body, format, said) in cases {
            #expect(try failure(head, body, format) == "ORIGIN/live/x: \(said)", "\(head)")
        }
    }

    @Test func `chunks that are garbage, and bytes that are no transport stream, end the run`() throws {
        let chunks = try failure("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", Array("4\r\nabcd\r\nzz\r\n".utf8))
        #expect(chunks.hasPrefix("ORIGIN/live/x: "))
        #expect(chunks.lowercased().contains("chunk"), "\(chunks)")
        let html = try failure(
            "HTTP/1.1 200 OK\nContent-Type: application/octet-stream",
            Array("<html>".utf8) + [UInt8](repeating: 0x20, count: 1_200_000), .ts)
        #expect(html.hasPrefix("ORIGIN/live/x: "))
        #expect(html.contains("not a transport stream"), "\(html)")
    }

    @Test func `a head without an end is cut off`() throws {
        let server = OriginServer { connection in
            _ = connection.head()
            connection.send(Array("HTTP/1.1 200 OK\r\n".utf8))
            while connection.send(Array("X-Filler: \(String(repeating: "x", count: 900))\r\n".utf8)) {}
        }
        defer { server.close() }
        try withStation(options(server.url())) { station, _, _ in
            station.begin()
            try await eventually("it has failed") { station.state == .failed }
            #expect(
                station.supervision.lastError
                    == "\(server.url()): the response's head is larger than 65536 bytes")
        }
    }

    @Test func `titles that are garbage, or come with every byte, do no harm`() throws {
        let server = OriginServer { connection in
            _ = connection.head()
            connection.send(head: Self.plain + "\nicy-metaint: 1")
            connection.send([7, 255] + [UInt8](repeating: 0xFF, count: 4080))
            for number in 0..<2000 {
                connection.send([8, 2] + Self.block("StreamTitle='\(number)';", 32))
            }
            connection.waitForEnd()
        }
        defer { server.close() }
        try withStation(options(server.url())) { station, journal, clock in
            station.begin()
            try await eventually("all has come") { station.receivedBytes == 2001 }
            let titles = journal.events.count { if case .title = $0 { true } else { false } }
            // The clock stands: one was told, whichever came first.
            #expect(titles <= 1)
            #expect(station.state == .live)
            await clock.advance(seconds: 0.1)
        }
    }

    @Test
    func `a stream that has come from the station itself is refused, and listeners are told where it came through`()
        throws
    {
        let request = Shared("")
        let server = OriginServer { connection in
            request.value = connection.head()
            let own = request.value.split(separator: "\n").first { $0.hasPrefix("Via: ") } ?? ""
            let via = connection.number == 0 ? "\(own), 1.1 other" : "Via: 1.1 other"
            connection.send(head: Self.plain + "\n\(via)")
            connection.send([1, 2, 3, 4])
            connection.waitForEnd()
        }
        defer { server.close() }
        try withStation(options(server.url())) { station, _, clock in
            #expect(station.via?.hasPrefix("1.1 weir-") == true)
            station.begin()
            try await eventually("it has failed") { station.state == .failed }
            #expect(
                station.supervision.lastError == "\(server.url()): it plays what this station sends out")
            await clock.advance(seconds: 0.6)
            try await eventually("it is live") { station.state == .live }
            let hops = (station.via ?? "").split(separator: ",")
            #expect(hops.count == 2 && hops.first == "1.1 other")
        }
    }

    @Test func `credentials stay with the host that they are for`() throws {
        let stolen = Shared("")
        let other = OriginServer { connection in
            stolen.value = connection.head()
            connection.send(head: Self.plain)
            connection.send([1, 2, 3, 4])
            connection.waitForEnd()
        }
        defer { other.close() }
        let given = Shared("")
        let place = other.url("/other?token=secret")
        let server = OriginServer { connection in
            given.value = connection.head()
            connection.send(head: "HTTP/1.1 302 Found\nLocation: \(place)\nContent-Length: 0")
            connection.waitForEnd()
        }
        defer { server.close() }
        let origin = HTTPOrigin(url: server.url(), credentials: Credentials(user: "me", password: "secret"))
        try withStation(options(server.url()) { $0.source = .http(origin) }) { station, _, _ in
            station.begin()
            try await eventually("it is live") { station.state == .live }
            #expect(given.value.contains("Authorization: Basic bWU6c2VjcmV0"))
            #expect(stolen.value.hasPrefix("GET /other?token=secret"))
            #expect(!stolen.value.contains("Authorization"))
            #expect(station.report.origin?.answer?.location == other.url("/other"))
            #expect(!"\(origin)".contains("secret"))
        }
    }
}
