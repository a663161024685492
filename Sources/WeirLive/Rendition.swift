public import CWeir
import WeirLoop

/// A form in which a station's bytes can be heard: what follows the station's name in the path.
public enum Rendition: Sendable, Equatable {
    /// `/live/NAME.wav`
    case wav
    /// `/live/NAME.pcm`; nil is the byte order that the content type stands for.
    case pcm(endian: Endian?)
    /// `/live/NAME.ts`
    case ts
    /// `/live/NAME`: the station's own bytes.
    case own

    public enum Endian: String, Sendable, CaseIterable {
        case little = "le"
        case big = "be"
    }

    /// Why a station cannot be heard in a form.
    public enum Refusal: Error, Equatable, Sendable {
        /// The station's format, and the form that was asked for.
        case unsuitable(station: String, rendition: String)
    }

    /// The name and form in the last part of a path: `vinyl.wav`. Nil when no station can have such a name.
    public static func parse(_ component: String) -> (name: String, rendition: Rendition)? {
        let forms: [(ending: String, rendition: Rendition)] = [
            (".wav", .wav), (".pcm", .pcm(endian: nil)), (".ts", .ts), ("", .own),
        ]
        for form in forms where component.hasSuffix(form.ending) {
            let name = String(component.dropLast(form.ending.count))
            return StationOptions.isName(name) ? (name, form.rendition) : nil
        }
        return nil
    }

    /// How it is asked for, after the name.
    public var ending: String {
        switch self {
        case .wav: ".wav"
        case .pcm: ".pcm"
        case .ts: ".ts"
        case .own: ""
        }
    }
}

/// What a listener is sent: the kind of bytes, what comes before them, and how they differ from the log's.
public struct LiveBody: Sendable, Equatable {
    public var contentType: String
    /// Bytes before the stream's own.
    public var preamble: [UInt8] = []
    public var transform: weir_transform_t = WEIR_TRANSFORM_NONE

    /// A station's stream in one of its forms.
    ///
    /// `.pcm` is `audio/L16` (RFC 2586) or `audio/L24` (RFC 3190), both big-endian by definition. Other encodings and the
    /// other byte order have no registered type: they go out as `audio/x-raw` with the field names of GStreamer's caps,
    /// the samples of 32 bits in the station's order unless asked otherwise.
    public init(_ rendition: Rendition, of format: StationOptions.Format) throws(Rendition.Refusal) {
        switch (rendition, format) {
        case (.wav, .pcm(let pcm)):
            contentType = "audio/wav"
            preamble = WAVHeader.endless(pcm)
        case (.pcm(let endian), .pcm(let pcm)):
            let endian = endian ?? (pcm.sample.networkType == nil ? .little : .big)
            transform = endian == .big ? pcm.sample.swap : WEIR_TRANSFORM_NONE
            contentType = LiveBody.type(of: pcm, endian)
        case (.own, .pcm(let pcm)):
            contentType = LiveBody.type(of: pcm, .little)
        case (.ts, .ts), (.own, .ts):
            contentType = "video/mp2t"
        case (.own, .raw):
            contentType = "application/octet-stream"
        case (.ts, _), (.wav, _), (.pcm, _):
            throw .unsuitable(station: format.name, rendition: rendition.ending)
        }
    }

    private static func type(of pcm: PCMFormat, _ endian: Rendition.Endian) -> String {
        if endian == .big, let type = pcm.sample.networkType {
            return "\(type);rate=\(pcm.rate);channels=\(pcm.channels)"
        }
        let name = pcm.sample.rawValue.dropLast(2).uppercased() + endian.rawValue.uppercased()
        return "audio/x-raw;format=\(name);layout=interleaved;rate=\(pcm.rate);channels=\(pcm.channels)"
    }
}

extension PCMFormat.Sample {
    /// The registered type of linear PCM with these samples in network byte order.
    var networkType: String? {
        switch self {
        case .s16le: "audio/L16"
        case .s24le: "audio/L24"
        case .s32le, .f32le: nil
        }
    }

    /// What turns the samples into the other byte order.
    var swap: weir_transform_t {
        switch bytes {
        case 2: WEIR_TRANSFORM_SWAP16
        case 3: WEIR_TRANSFORM_SWAP24
        default: WEIR_TRANSFORM_SWAP32
        }
    }
}

/// The header of a WAV stream that has no end.
enum WAVHeader {
    static func endless(_ format: PCMFormat) -> [UInt8] {
        var core = format.core
        return [UInt8](unsafeUninitializedCapacity: Int(WEIR_WAV_HEADER_MAX)) { buffer, count in
            count = max(0, Int(weir_wav_header(&core, buffer.baseAddress)))
        }
    }
}

extension StationOptions.Format {
    /// The word that the configuration and `GET /live` use.
    public var name: String {
        switch self {
        case .pcm: "pcm"
        case .ts: "ts"
        case .raw: "raw"
        }
    }

    /// Bytes of what may not be cut.
    public var unit: Int {
        switch self {
        case .pcm(let pcm): pcm.frameBytes
        case .ts: Track.packet
        case .raw: 1
        }
    }

    /// Bytes a second; nil when only the stream itself tells.
    public var byteRate: Int? {
        switch self {
        case .pcm(let pcm): pcm.byteRate
        case .ts, .raw: nil
        }
    }
}
