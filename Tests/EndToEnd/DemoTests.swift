import Glibc
import Testing

@Suite("Without a configuration", .ownThread)
struct DemoTests {
    @Test("prints what to open, and all of it opens")
    func urls() throws {
        try Daemon.run { weir in
            let words = weir.process.state.text.split { $0 == " " || $0 == "\n" }
            let urls = Set(words.filter { $0.hasPrefix("http://") })
            #expect(urls.contains("http://127.0.0.1:\(weir.port)/"))
            #expect(urls.contains("http://127.0.0.1:\(weir.port)/live/demo.wav"))
            for url in urls {
                let target = String(url.dropFirst("http://127.0.0.1:\(weir.port)".count))
                #expect(try weir.request("HEAD", target).status == 200, "\(url)")
            }
            let page = try weir.get("/")
            #expect(page["Content-Type"]?.hasPrefix("text/html") == true)
            #expect(page.text.contains("/live"))
        }
    }

    @Test("ffprobe hears 48 kHz stereo of 16 bits", .enabled(if: Peer.has("ffprobe")))
    func probe() throws {
        try Daemon.run { weir in
            let entries = try Peer.demand(
                "ffprobe", "-v", "error", "-show_entries", "stream=codec_name,sample_rate,channels:format=format_name",
                "-of", "default=noprint_wrappers=1", "http://127.0.0.1:\(weir.port)/live/demo.wav"
            ).text.split(separator: "\n")
            #expect(Set(entries) == ["codec_name=pcm_s16le", "sample_rate=48000", "channels=2", "format_name=wav"])
        }
    }

    @Test("FFmpeg decodes the tone sequence", .enabled(if: Peer.has("ffmpeg")))
    func tones() throws {
        let seconds = Pace.scale > 1 ? 10 : 3
        try Daemon.run { weir in
            let samples = try Peer.demand(
                "ffmpeg", "-v", "error", "-i", "http://127.0.0.1:\(weir.port)/live/demo.wav", "-t", "\(seconds)", "-f",
                "s16le", "-"
            ).output
            #expect(samples.count == seconds * Tones.rate * 4)
            try Tones(samples).check(atLeast: seconds * 2 - 1)
        }
    }

    @Test("the raw bytes are the same in either order")
    func endian() throws {
        try Daemon.run { weir in
            // Both joined before the first of the frames that are compared.
            let big = try weir.listen("/live/demo.pcm")
            let little = try weir.listen("/live/demo.pcm?endian=le")
            #expect(big.head["Content-Type"] == "audio/L16;rate=48000;channels=2")
            #expect(little.head["Content-Type"] != big.head["Content-Type"])
            let starts = try [big, little].map { try #require($0.head["X-Weir-Position"].flatMap { Int($0) }) }
            let start = starts.max() ?? 0
            let count = 96_000
            func bytes(_ client: Client, from position: Int) throws -> [UInt8] {
                _ = try client.receive(start - position)
                return try client.receive(count)
            }
            let first = try bytes(big.client, from: starts[0])
            let second = try bytes(little.client, from: starts[1])
            #expect(first.count == count)
            let swapped = stride(from: 0, to: count, by: 2).flatMap { [first[$0 + 1], first[$0]] }
            #expect(swapped == second)
            #expect(Set(second).count > 16, "not silence")
        }
    }

    @Test("a WAV listener gets an endless header of 44 bytes, then frames")
    func header() throws {
        try Daemon.run { weir in
            let (client, head) = try weir.listen("/live/demo.wav")
            #expect(head["Content-Type"] == "audio/wav")
            #expect(head["Cache-Control"] == "no-store")
            #expect(head["Content-Length"] == nil)
            #expect(head["Accept-Ranges"] == nil)
            let bytes = try client.receive(44 + 4)
            #expect(String(decoding: bytes[0..<4], as: UTF8.self) == "RIFF")
            #expect(Array(bytes[4..<8]) == [255, 255, 255, 255])
            #expect(String(decoding: bytes[8..<16], as: UTF8.self) == "WAVEfmt ")
            #expect(String(decoding: bytes[36..<40], as: UTF8.self) == "data")
            #expect(Array(bytes[40..<44]) == [255, 255, 255, 255])
        }
    }

    @Test("players that write themselves to the older addresses find the first station")
    func aliases() throws {
        try Daemon.run { weir in
            #expect(try weir.listen("/stream.wav").head["Content-Type"] == "audio/wav")
            #expect(try weir.listen("/stream").head["Content-Type"]?.hasPrefix("audio/") == true)
            #expect(try weir.request("POST", "/streaming/stop").status == 401)
            #expect(try weir.order("POST", "/streaming/stop").status == 200)
            try weir.wait("demo", is: "stopped")
            #expect(try weir.order("POST", "/streaming/start").status == 200)
            try weir.wait("demo", is: "live")
        }
    }

    @Test("curl takes the stream as it comes", .enabled(if: Peer.has("curl")))
    func curl() throws {
        try Daemon.run { weir in
            let url = "http://127.0.0.1:\(weir.port)/live/demo.wav"
            // A stream without an end: until somebody has had enough.
            let result = try Peer.run(["sh", "-c", "curl -sS -N -D /dev/stderr \(url) | head -c 96044"])
            #expect(result.exit == .code(0))
            #expect(result.output.count == 96_044)
            #expect(result.errors.contains("HTTP/1.1 200"))
        }
    }
}

/// Decoded samples of the built-in tone: C5 E5 G5 C6, half a second each, the second channel inverted on the last.
struct Tones {
    static let rate = 48000
    static let frequencies = [523.25, 659.26, 783.99, 1046.50]
    /// Frames of a step.
    static let step = rate / 2

    private let channels: [[Double]]

    init(_ samples: [UInt8]) {
        channels = [0, 2].map { offset in
            stride(from: offset, to: samples.count - 3, by: 4).map { at in
                Double(Int16(bitPattern: UInt16(samples[at]) | UInt16(samples[at + 1]) << 8)) / 32768
            }
        }
    }

    /// The strength of a frequency (Goertzel), 1 for a sine of full scale.
    static func strength(_ frequency: Double, _ samples: some Collection<Double>) -> Double {
        let coefficient = 2 * cos(2 * Double.pi * frequency / Double(rate))
        var (last, before) = (0.0, 0.0)
        for sample in samples { (last, before) = (sample + coefficient * last - before, last) }
        let power = last * last + before * before - coefficient * last * before
        return 2 * max(0, power).squareRoot() / Double(samples.count)
    }

    /// Expects at least so many whole steps in their order, at the level they are made with.
    func check(atLeast count: Int) throws {
        // Each step fades in and out over 10 ms, so there is a minimum between two of them.
        let block = Tones.rate / 1000
        let levels = stride(from: 0, to: channels[0].count - block, by: block).map { start in
            channels[0][start..<start + block].reduce(0) { max($0, abs($1)) }
        }
        let quietest = try #require(levels.prefix(500).indices.min { levels[$0] < levels[$1] })
        #expect(levels[quietest] < 0.02, "no edge between steps in half a second")
        let first = quietest * block
        var tones: [Int] = []
        for start in stride(from: first, through: channels[0].count - Tones.step, by: Tones.step) {
            // The inner part: the edge was found to a millisecond only.
            let inner = (start + Tones.step / 10)..<(start + Tones.step * 9 / 10)
            let strengths = Tones.frequencies.map { Tones.strength($0, channels[0][inner]) }
            let loudest = try #require(strengths.indices.max { strengths[$0] < strengths[$1] })
            #expect(abs(strengths[loudest] - 0.251) < 0.02, "-12 dBFS, not \(strengths)")
            for (other, strength) in strengths.enumerated() where other != loudest { #expect(strength < 0.01) }
            let inverted = inner.filter { channels[0][$0] != 0 && channels[1][$0] == -channels[0][$0] }.count
            let same = inner.filter { channels[0][$0] != 0 && channels[1][$0] == channels[0][$0] }.count
            #expect(
                loudest == 3 ? inverted > 100 * same : same > 100 * inverted, "step \(loudest): \(inverted) \(same)")
            tones.append(loudest)
        }
        #expect(tones.count >= count)
        for (tone, next) in zip(tones, tones.dropFirst()) { #expect(next == (tone + 1) % 4, "\(tones)") }
    }
}
