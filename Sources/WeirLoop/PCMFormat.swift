public import CWeir

/// The format of a PCM stream: what a frame is, and how many there are in a second.
public struct PCMFormat: Sendable, Equatable {
    /// The encoding of one sample; little-endian, packed.
    public enum Sample: String, Sendable, CaseIterable {
        case s16le, s24le, s32le, f32le

        /// Bytes in one sample of one channel: 2, 3 or 4.
        public var bytes: Int { Int(weir_pcm_sample_bytes(core)) }

        var core: weir_pcm_sample_t {
            switch self {
            case .s16le: WEIR_PCM_S16LE
            case .s24le: WEIR_PCM_S24LE
            case .s32le: WEIR_PCM_S32LE
            case .f32le: WEIR_PCM_F32LE
            }
        }
    }

    public static let channelRange = 1...Int(WEIR_PCM_MAX_CHANNELS)
    /// Hz.
    public static let rateRange = Int(WEIR_PCM_MIN_RATE)...Int(WEIR_PCM_MAX_RATE)

    public var sample: Sample
    /// Frames a second.
    public var rate: Int
    public var channels: Int

    /// The default is 48 kHz stereo s16le: 192 000 bytes a second.
    public init(sample: Sample = .s16le, rate: Int = 48000, channels: Int = 2) {
        self.sample = sample
        self.rate = rate
        self.channels = channels
    }

    /// The core's view; nil for a sample encoding this version does not know.
    public init?(_ format: weir_pcm_format_t) {
        guard let name = weir_pcm_sample_name(format.sample), let sample = Sample(rawValue: String(cString: name))
        else { return nil }
        self.init(sample: sample, rate: Int(format.rate), channels: Int(format.channels))
    }

    public var core: weir_pcm_format_t {
        weir_pcm_format_t(sample: sample.core, rate: UInt32(rate), channels: UInt32(channels))
    }

    /// Bytes in a frame: one sample of every channel.
    public var frameBytes: Int { sample.bytes * channels }
    /// Bytes in a second.
    public var byteRate: Int { frameBytes * rate }
}

extension PCMFormat: CustomStringConvertible {
    /// Such as `s16le 48000 Hz 2 ch`.
    public var description: String { "\(sample.rawValue) \(rate) Hz \(channels) ch" }
}
