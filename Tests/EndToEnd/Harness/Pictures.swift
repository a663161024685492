/// Pictures of known bytes: grey PNG, not compressed, so that one is as large as is wanted.
enum Pictures {
    /// Of `width` by `height` pixels, of which each page has others.
    static func png(width: Int, height: Int, page: Int) -> [UInt8] {
        var rows: [UInt8] = []
        rows.reserveCapacity((width + 1) * height)
        var state = UInt64(page) &+ 1
        for _ in 0..<height {
            rows.append(0)
            for _ in 0..<width {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                rows.append(UInt8(truncatingIfNeeded: state >> 56))
            }
        }
        let header = word(width) + word(height) + [8, 0, 0, 0, 0]
        return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + chunk("IHDR", header) + chunk("IDAT", stored(rows))
            + chunk("IEND", [])
    }

    /// A stream of zlib's whose blocks are not compressed (RFC 1950, RFC 1951 §3.2.4).
    private static func stored(_ bytes: [UInt8]) -> [UInt8] {
        var stream: [UInt8] = [0x78, 0x01]
        var (a, b): (UInt32, UInt32) = (1, 0)
        for byte in bytes {
            a = (a + UInt32(byte)) % 65521
            b = (b + a) % 65521
        }
        var at = 0
        while at < bytes.count {
            let count = min(65535, bytes.count - at)
            let isLast: UInt8 = at + count == bytes.count ? 1 : 0
            let (low, high) = (UInt8(count & 255), UInt8(count >> 8))
            stream += [isLast, low, high, ~low, ~high]
            stream += bytes[at..<(at + count)]
            at += count
        }
        return stream + word(Int(b << 16 | a))
    }

    private static func chunk(_ name: String, _ bytes: [UInt8]) -> [UInt8] {
        let body = Array(name.utf8) + bytes
        return word(bytes.count) + body + word(Int(crc(body)))
    }

    private static func word(_ number: Int) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
    }

    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }

    private static func crc(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~UInt32(0)) { table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] ^ $0 >> 8 }
    }
}
