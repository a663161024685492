import Glibc
import Testing

/// A real file that FFmpeg decodes in real time, and a copy of what it wrote.
@Suite("Real input", .ownThread, .enabled(if: Peer.has("ffmpeg", "tee")))
struct RealInputTests {
    /// A format of samples, as FFmpeg and as Weir call it, and its frame.
    struct Format: CustomTestStringConvertible, Sendable {
        let sample: String
        let rate: Int
        let channels: Int
        /// FFmpeg's name of the container; raw samples have that of the samples.
        let container: String
        /// The length of the WAV header that a listener gets.
        let header: Int

        var bytes: Int { ["s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4][sample] ?? 0 }
        var unit: Int { bytes * channels }
        var rateInBytes: Int { unit * rate }
        var testDescription: String { "\(sample) \(rate) Hz, \(channels) channels, as \(container)" }
    }

    @Test("50 listeners that join at random times each hear one unbroken run of it")
    func fifty() throws {
        let format = Format(sample: "s16le", rate: 48000, channels: 2, container: "s16le", header: 44)
        try play(format, listeners: 50, joining: Pace.scale > 1 ? 12 : 3, staying: Pace.scale > 1 ? 4 : 2, seed: 2)
    }

    @Test(
        "whole frames of any size",
        arguments: [
            Format(sample: "s24le", rate: 48000, channels: 2, container: "s24le", header: 68),
            Format(sample: "s24le", rate: 44100, channels: 1, container: "s24le", header: 68),
            Format(sample: "s16le", rate: 22050, channels: 1, container: "s16le", header: 44),
            Format(sample: "f32le", rate: 48000, channels: 2, container: "f32le", header: 68),
        ])
    func frames(_ format: Format) throws {
        try play(format, listeners: 8, joining: 1, staying: 1, seed: 3)
    }

    @Test(
        "the header that the child writes is taken off, and its format wins",
        arguments: [
            Format(sample: "s16le", rate: 48000, channels: 2, container: "wav", header: 44),
            Format(sample: "s24le", rate: 44100, channels: 1, container: "wav", header: 68),
        ])
    func header(_ format: Format) throws {
        try play(format, listeners: 8, joining: 1, staying: 1, seed: 4)
    }

    private func play(_ format: Format, listeners: Int, joining: Double, staying: Double, seed: UInt64) throws {
        let scratch = try Scratch()
        let (music, copy) = (scratch.path + "/music.flac", scratch.path + "/copy")
        try Peer.demand(
            "ffmpeg", "-v", "error", "-f", "lavfi", "-i",
            "aevalsrc='0.3*sin(2*PI*220*t)*exp(-mod(t,0.5)*4)+0.1*random(0)|0.2*sin(2*PI*330*t)+0.1*random(1)':s=48000:d=20",
            "-sample_fmt", "s32", music)
        // Configured as it is only where nothing else says so.
        let written = format.container == "wav" ? "s16le, rate: 48000, channels: 2" : nil
        let pcm = written ?? "\(format.sample), rate: \(format.rate), channels: \(format.channels)"
        let decode =
            "ffmpeg -v error -re -i \(music) -c:a pcm_\(format.sample) -ar \(format.rate) -ac \(format.channels)"
            + " -f \(format.container) - | tee -i \(copy)"
        try Daemon.run(
            """
            live:
              stations:
                - name: vinyl
                  pcm: { sample: \(pcm) }
                  source: { kind: exec, command: [sh, -c, "\(decode)"] }
                  listeners: { max: 100, alert: 100 }
            """
        ) { weir in
            var random = Seeded(seed)
            let audience = Audience()
            try weir.wait("vinyl", is: "live")
            let began = Pace.now
            let moments = (0..<listeners).map { _ in UInt64(Double.random(in: 0..<joining, using: &random) * 1e9) }
            for (index, moment) in moments.sorted().enumerated() {
                audience.listen(until: Deadline(at: began + moment))
                try audience.join(
                    weir, "vinyl", Audience.Form.allCases[index % 4], header: format.header)
            }
            audience.listen(until: Deadline(seconds: staying))

            let station = try weir.station("vinyl")
            #expect(station["listeners"]?.items?.count == listeners)
            #expect(station["bitrate"]?.integer == UInt64(format.rateInBytes * 8))
            #expect(try weir.order("POST", "/live/vinyl/stop").status == 200)
            audience.listen(until: Deadline())
            // The copy is complete when the child has ended.
            try weir.wait("vinyl", is: "stopped")
            try weir.event("station state") { $0["to"] == "stopped" }
            let left = try (0..<listeners).map { index in
                try weir.event("listener left") { $0.number("listener") == UInt64(index + 1) }
            }
            #expect(left.allSatisfy { $0.number("skipped") == 0 && $0["reason"] == "shutdown" })

            try compare(audience, format, try Disk.read(copy), staying)
        }
    }

    private func compare(_ audience: Audience, _ format: Format, _ copy: [UInt8], _ staying: Double) throws {
        let source = format.container == "wav" ? try samples(copy) : copy[...]
        for listener in audience.listeners {
            #expect(listener.ending == .end)
            #expect(listener.position % format.unit == 0)
            #expect(listener.body.count % format.unit == 0)
            #expect(listener.body.count > Int(staying * 0.8) * format.rateInBytes)
            let start = source.startIndex + listener.position
            guard start + listener.body.count <= source.endIndex else {
                Issue.record("a listener heard what was never written")
                continue
            }
            let expected = source[start..<start + listener.body.count]
            let isSame =
                listener.form == .big
                ? Self.swapped(expected, format.bytes) == listener.body : expected.elementsEqual(listener.body)
            #expect(isSame, "\(listener.form) from \(listener.position)")
        }
        #expect(Set(audience.listeners.map(\.position)).count > 1)
    }

    /// What follows the header of the `data` chunk.
    private func samples(_ wav: [UInt8]) throws -> ArraySlice<UInt8> {
        try #require(wav.starts(with: "RIFF".utf8))
        var at = 12
        while at + 8 <= wav.count {
            if wav[at...].starts(with: "data".utf8) { return wav[(at + 8)...] }
            let length = (4..<8).reduce(0) { $0 | Int(wav[at + $1]) << (8 * ($1 - 4)) }
            at += 8 + length + length % 2
        }
        throw Failure("no data in the WAV stream")
    }

    private static func swapped(_ bytes: ArraySlice<UInt8>, _ size: Int) -> [UInt8] {
        var swapped = Array(bytes)
        for start in stride(from: 0, to: swapped.count, by: size) { swapped[start..<start + size].reverse() }
        return swapped
    }
}

/// The same numbers for the same seed (SplitMix64).
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
