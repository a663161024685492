import Testing
import WeirHTTP
import WeirLoop

@testable import WeirLive

/// What the head of an answer says, held against what a station carries.
@Suite struct OriginAnswerTests {
    private static let stereo = StationOptions.Format.pcm(PCMFormat())
    private static let deep = StationOptions.Format.pcm(PCMFormat(sample: .s24le, rate: 96000, channels: 1))

    private func answer(
        _ fields: Fields, _ format: StationOptions.Format = stereo, status: Int = 200
    ) throws(Problem) -> OriginAnswer {
        try OriginAnswer(status: status, fields: fields, location: "http://u:p@h/x?sig=1", for: format)
    }

    private func refusal(_ fields: Fields, _ format: StationOptions.Format = stereo, status: Int = 200) -> String? {
        do throws(Problem) {
            _ = try answer(fields, format, status: status)
            return nil
        } catch {
            return error.description
        }
    }

    @Test func `what fits is taken, and its coding is known`() throws {
        let wav = try answer(["Content-Type": "audio/wav", "Server": "Icecast 2.4.4", "icy-name": "Night\u{1}"])
        #expect(wav.mayBeWAV && wav.coding == Source.Coding())
        #expect(wav.type == "audio/wav" && wav.name == "Night" && wav.server == "Icecast 2.4.4")
        #expect(wav.location == "http://h/x")
        #expect(try answer([:]).mayBeWAV)
        #expect(try answer(["Content-Type": "Audio/X-WAV; x=y"]).mayBeWAV)
        #expect(try answer(["Content-Type": "application/octet-stream"]).mayBeWAV)
        let network = try answer(["Content-Type": "audio/L16; rate=48000 ;channels=\"2\""])
        #expect(network.coding.swapWidth == 2 && !network.mayBeWAV)
        #expect(try answer(["Content-Type": "audio/L24;rate=96000"], Self.deep).coding.swapWidth == 3)
        let own = try answer([
            "Content-Type": "audio/x-raw;format=S16LE;layout=interleaved;rate=48000;channels=2", "icy-metaint": "16000",
        ])
        #expect(own.coding == Source.Coding(titleInterval: 16000) && !own.mayBeWAV)
        #expect(try answer(["Content-Type": "audio/x-raw;format=S16BE"]).coding.swapWidth == 2)
        #expect(try answer(["Content-Type": "video/MP2T"], .ts).mayBeWAV == false)
        #expect(try answer(["icy-metaint": "0"], .raw).coding.titleInterval == 0)
        #expect(try answer(["Content-Type": "audio/mpeg"], .raw).playableType == "audio/mpeg")
        #expect(try answer(["Content-Type": "text/html"], .raw).playableType == nil)
        #expect(try answer(["Content-Type": "audio/x\u{22}"], .raw).playableType == nil)
    }

    @Test func `when it may be asked again is known, where it says so in seconds`() {
        func seconds(_ text: String, status: Int = 503) -> Double? {
            do throws(Problem) {
                _ = try answer(["Retry-After": text], status: status)
                return nil
            } catch {
                return error.retryAfter
            }
        }
        #expect(seconds("5") == 5 && seconds("0") == 0 && seconds("999999999", status: 429) == 999_999_999)
        for text in ["", "-1", "1.5", "+5", "1234567890", "٣", "Fri, 20 Nov 2026 15:00:00 GMT"] {
            #expect(seconds(text) == nil, "\(text)")
        }
        #expect(seconds("5", status: 200) == nil)
    }

    @Test func `what cannot be right is refused, and the sentence says why`() {
        #expect(refusal([:], status: 503) == "it answered 503; expected 200")
        #expect(refusal([:], status: 206) == "it answered 206; expected 200")
        let cases: [(Fields, StationOptions.Format, String)] = [
            (
                ["Content-Type": "text/html; charset=utf-8"], Self.stereo,
                "it answered with \"text/html\", and the station is pcm; expected audio/vnd.wave, audio/wav, audio/wave, or none"
            ),
            (
                ["Content-Type": "audio/mpeg"], .ts,
                "it answered with \"audio/mpeg\", and the station is ts; expected application/mp2t, application/x-mpegts, audio/mp2t, or none"
            ),
            (
                ["Content-Type": "audio/x-mpegurl"], .raw,
                "it answered with a playlist (audio/x-mpegurl); expected the URL of the stream that is in it"
            ),
            (
                ["Content-Type": "audio/L16;rate=44100;channels=2"], Self.stereo,
                "it answered with rate \"44100\", and the station is s16le 48000 Hz 2 ch"
            ),
            (
                ["Content-Type": "audio/L16;rate=48000"], Self.stereo,
                "it answered with channels \"1\", and the station is s16le 48000 Hz 2 ch"
            ),
            (
                ["Content-Type": "audio/L16;channels=2"], Self.stereo,
                "it does not say its rate, and the station is s16le 48000 Hz 2 ch"
            ),
            (
                ["Content-Type": "audio/L24;rate=48000;channels=2"], Self.stereo,
                "it answered with audio/l24, and the station is s16le 48000 Hz 2 ch"
            ),
            (
                ["Content-Type": "audio/x-raw;format=F32LE;rate=48000;channels=2"], Self.stereo,
                "it answered with samples \"f32le\", and the station is s16le 48000 Hz 2 ch"
            ),
            (
                ["Content-Type": "audio/x-raw;layout=planar"], Self.stereo,
                "it answered with layout \"planar\"; expected interleaved"
            ),
            (
                ["Content-Encoding": "gzip"], .raw,
                "it answered with Content-Encoding \"gzip\", which was not asked for"
            ),
            (
                ["Via": Array(repeating: "1.1 a", count: 17).joined(separator: ", ")], .raw,
                "it has come through 17 servers; expected at most 16"
            ),
            (["icy-metaint": "-5"], .raw, "its icy-metaint is \"-5\"; expected a number from 1 to 16777216"),
            (
                ["icy-metaint": "99999999999999999999"], .raw,
                "its icy-metaint is \"99999999999999999999\"; expected a number from 1 to 16777216"
            ),
            (
                ["icy-metaint": "16777217"], .raw,
                "its icy-metaint is \"16777217\"; expected a number from 1 to 16777216"
            ),
            (["icy-metaint": "lots\u{7}"], .raw, "its icy-metaint is \"lots\"; expected a number from 1 to 16777216"),
        ]
        for (fields, format, expected) in cases { #expect(refusal(fields, format) == expected) }
    }

    @Test func `titles are read as they are sent`() {
        func title(_ text: String) -> String? { StreamTitle.parse(Array(text.utf8)) }
        #expect(title("StreamTitle='Artist - Song';StreamUrl='http://x';") == "Artist - Song")
        #expect(title("StreamTitle='It's mine';") == "It's mine")
        #expect(title("StreamUrl='';StreamTitle='B';") == "B")
        #expect(title("StreamTitle='';") == "")
        #expect(title("StreamTitle='cut") == "cut")
        #expect(title("StreamTitle='cut'") == "cut")
        #expect(title("nothing of the kind") == nil)
        #expect(title("StreamTitle='ö\u{1B}[2J\r\n';") == "ö[2J")
        // Latin-1, and bytes that are nothing.
        #expect(StreamTitle.parse(Array("StreamTitle='".utf8) + [0xF6, 0x85, 0x41] + Array("';".utf8)) == "öA")
        #expect(StreamTitle.parse([UInt8](repeating: 0xFF, count: 4080)) == nil)
    }

    @Test func `nothing that a server says is a trap`() {
        var random = Xorshift(seed: 7)
        let pieces: [[UInt8]] = [
            "StreamTitle='", "';", "'", "audio/L16", ";rate=", "\"", "=", ";", ",", " ", "\t", "/", "48000", "-",
            "\r\n",
        ].map { Array($0.utf8) }
        for _ in 0..<(2000 * scale) {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0..<12, using: &random) {
                if Bool.random(using: &random) {
                    bytes += pieces.randomElement(using: &random)!
                } else {
                    bytes.append(UInt8.random(in: 0...255, using: &random))
                }
            }
            let title = StreamTitle.parse(bytes) ?? ""
            #expect(!title.contains { $0.isControl })
            let text = String(decoding: bytes, as: UTF8.self)
            let fields: Fields = [
                "Content-Type": text, "icy-metaint": text, "Via": text, "icy-name": text, "Content-Encoding": text,
            ]
            for format in [StationOptions.Format.raw, .ts, Self.stereo, Self.deep] {
                _ = refusal(fields, format)
                if let type = try? answer(["Content-Type": text], format).playableType {
                    #expect(type.hasPrefix("audio/") || type.hasPrefix("video/") || type == "application/ogg")
                }
            }
        }
    }

    @Test func `a station that asks for itself is told by Via`() {
        let own = HTTPOrigin(url: "http://h/").request(for: "x", asksForTitles: false).fields.values("Via")
        #expect(own.count == 1)
        #expect(Relay.isLoop(own, at: "x"))
        #expect(Relay.isLoop(["1.1 proxy, \(own[0]), 1.1 other"], at: "x"))
        #expect(!Relay.isLoop(own, at: "y"))
        #expect(!Relay.isLoop([], at: "x"))
    }

    @Test func `whom a stream has come through is kept in order`() throws {
        let fields: Fields = ["Via": "1.1 a, 1.0 b (old)", "via": " HTTP/1.1 c\u{7}", "VIA": " , "]
        #expect(try answer(fields, .raw).via.map { $0.filter { $0 != " " } } == ["1.1a", "1.0b(old)", "HTTP/1.1c"])
    }
}
