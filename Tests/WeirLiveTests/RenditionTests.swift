import CWeir
import Testing
import WeirLoop

@testable import WeirLive

@Suite struct RenditionTests {
    @Test func `the ending of a path's last part names the form`() throws {
        let expected: [(String, String, Rendition)] = [
            ("vinyl", "vinyl", .own), ("vinyl.wav", "vinyl", .wav), ("vinyl.pcm", "vinyl", .pcm(endian: nil)),
            ("tv.ts", "tv", .ts), ("a-B_9.wav", "a-B_9", .wav),
        ]
        for (component, name, rendition) in expected {
            let parsed = try #require(Rendition.parse(component))
            #expect(parsed.name == name)
            #expect(parsed.rendition == rendition)
        }
    }

    @Test(arguments: [
        "", ".wav", "a.b.wav", "vinyl.mp3", "vi nyl", "vinyl/wav", "é.wav", String(repeating: "a", count: 65),
    ])
    func `what cannot be a station's name is none`(component: String) {
        #expect(Rendition.parse(component) == nil)
    }

    private static let stereo = StationOptions.Format.pcm(PCMFormat())

    private func body(_ rendition: Rendition, _ sample: PCMFormat.Sample) throws -> LiveBody {
        try LiveBody(rendition, of: .pcm(PCMFormat(sample: sample, rate: 44100, channels: 1)))
    }

    @Test func `wav begins with a header of an endless stream`() throws {
        let body = try LiveBody(.wav, of: Self.stereo)
        #expect(body.contentType == "audio/wav")
        #expect(body.transform == WEIR_TRANSFORM_NONE)
        #expect(body.preamble.count == 44)
        #expect(body.preamble[0..<4].elementsEqual("RIFF".utf8))
        #expect(body.preamble[4..<8].allSatisfy { $0 == 0xFF })
        #expect(body.preamble[40..<44].allSatisfy { $0 == 0xFF })
        #expect(try self.body(.wav, .s24le).preamble.count == 68)
    }

    @Test func `pcm is L16 and L24 in network byte order`() throws {
        let l16 = try body(.pcm(endian: nil), .s16le)
        #expect(l16.contentType == "audio/L16;rate=44100;channels=1")
        #expect(l16.transform == WEIR_TRANSFORM_SWAP16)
        #expect(l16.preamble.isEmpty)
        let l24 = try body(.pcm(endian: nil), .s24le)
        #expect(l24.contentType == "audio/L24;rate=44100;channels=1")
        #expect(l24.transform == WEIR_TRANSFORM_SWAP24)
    }

    @Test func `little-endian pcm is the buffer as it is`() throws {
        let body = try LiveBody(.pcm(endian: .little), of: Self.stereo)
        #expect(body.contentType == "audio/x-raw;format=S16LE;layout=interleaved;rate=48000;channels=2")
        #expect(body.transform == WEIR_TRANSFORM_NONE)
    }

    @Test func `samples of 32 bits stay as they are unless asked otherwise`() throws {
        let plain = try body(.pcm(endian: nil), .f32le)
        #expect(plain.contentType == "audio/x-raw;format=F32LE;layout=interleaved;rate=44100;channels=1")
        #expect(plain.transform == WEIR_TRANSFORM_NONE)
        let big = try body(.pcm(endian: .big), .s32le)
        #expect(big.contentType == "audio/x-raw;format=S32BE;layout=interleaved;rate=44100;channels=1")
        #expect(big.transform == WEIR_TRANSFORM_SWAP32)
    }

    @Test func `the station's own bytes`() throws {
        #expect(try LiveBody(.own, of: .raw).contentType == "application/octet-stream")
        let own = try LiveBody(.own, of: Self.stereo)
        #expect(own.contentType.hasPrefix("audio/x-raw;format=S16LE"))
        #expect(own.preamble.isEmpty)
    }

    @Test func `a form that does not fit is refused with both names`() {
        let cases: [(Rendition, StationOptions.Format, String, String)] = [
            (.ts, Self.stereo, "pcm", ".ts"), (.wav, .raw, "raw", ".wav"), (.pcm(endian: .big), .raw, "raw", ".pcm"),
            (.ts, .raw, "raw", ".ts"),
        ]
        for (rendition, format, station, ending) in cases {
            #expect(throws: Rendition.Refusal.unsuitable(station: station, rendition: ending)) {
                try LiveBody(rendition, of: format)
            }
        }
    }
}
