/// WAV files as other programs write them.
enum WAV {
    /// A header as FFmpeg writes it, with a `LIST` before the data. A `length` of nil is that of a stream.
    static func header(rate: Int, channels: Int, bits: Int = 16, length: Int? = nil) -> [UInt8] {
        let frame = channels * bits / 8
        let format =
            number(1, 2) + number(channels, 2) + number(rate) + number(rate * frame) + number(frame, 2)
            + number(bits, 2)
        let list = Array("INFOISFT".utf8) + number(6) + Array("Tests\0".utf8)
        let chunks =
            Array("WAVEfmt ".utf8) + number(16) + format + Array("LIST".utf8) + number(list.count) + list
            + Array("data".utf8) + number(length ?? 0xFFFF_FFFF)
        return Array("RIFF".utf8) + number(length.map { chunks.count + $0 } ?? 0xFFFF_FFFF) + chunks
    }

    private static func number(_ value: Int, _ bytes: Int = 4) -> [UInt8] {
        (0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
}
