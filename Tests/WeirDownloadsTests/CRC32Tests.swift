import CWeirDownloads
import Testing

/// The check value of CRC-32/ISO-HDLC, whole and in two pieces.
@Test func crc32OfTheDigits() {
    let digits = Array("123456789".utf8)
    #expect(weir_crc32(0, digits, digits.count) == 0xCBF4_3926)
    let half = weir_crc32(0, digits, 4)
    #expect(weir_crc32(half, Array(digits[4...]), 5) == 0xCBF4_3926)
}
