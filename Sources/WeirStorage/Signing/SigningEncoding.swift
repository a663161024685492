/// Percent-encoding as Signature V4 wants it: all but RFC 3986's unreserved characters, in capitals.
public enum SigningEncoding {
    /// An object's key as the path of a URL: a slash stays what it is.
    public static func path(_ key: String) -> String { encode(key, keepsSlash: true) }

    /// A name or a value of a query.
    public static func component(_ text: String) -> String { encode(text, keepsSlash: false) }

    private static func encode(_ text: String, keepsSlash: Bool) -> String {
        SigningBuffer.with(text) { bytes in
            String(unsafeUninitializedCapacity: 3 * bytes.count) { to in
                var count = 0
                for byte in bytes {
                    if isUnreserved(byte) || (keepsSlash && byte == UInt8(ascii: "/")) {
                        to[count] = byte
                        count += 1
                    } else {
                        to[count] = UInt8(ascii: "%")
                        to[count + 1] = upperHex(byte >> 4)
                        to[count + 2] = upperHex(byte & 15)
                        count += 3
                    }
                }
                return count
            }
        }
    }

    /// Every byte, without a table to be made first: letters, digits, `-._~`.
    @inline(__always)
    static func isUnreserved(_ byte: UInt8) -> Bool {
        // A bit for each of the 128 characters.
        let bits: UInt64 = byte < 64 ? 0x03FF_6000_0000_0000 : byte < 128 ? 0x47FF_FFFE_87FF_FFFE : 0
        return (bits >> UInt64(byte & 63)) & 1 != 0
    }

    @inline(__always)
    static func upperHex(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 &+ nibble : 0x37 &+ nibble }

    @inline(__always)
    static func lowerHex(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 &+ nibble : 0x57 &+ nibble }

    /// Bytes before the first that has to be encoded.
    @inline(__always)
    static func plainPrefix(_ bytes: UnsafeBufferPointer<UInt8>, keepsSlash: Bool) -> Int {
        // Bits of 0 ... 63, and of 64 ... 127.
        let low: UInt64 = keepsSlash ? 0x03FF_E000_0000_0000 : 0x03FF_6000_0000_0000
        let high: UInt64 = 0x47FF_FFFE_87FF_FFFE
        guard let start = bytes.baseAddress else { return 0 }
        let count = bytes.count
        var at = 0
        while at < count {
            let byte = start[at]
            let bits = byte & 0x40 == 0 ? low : high
            if byte >= 0x80 || (bits &>> UInt64(byte & 63)) & 1 == 0 { break }
            at &+= 1
        }
        return at
    }

    /// Whether there is no white space or control character in it: eight bytes at a time.
    @inline(__always)
    static func isPlain(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let start = bytes.baseAddress else { return true }
        let raw = UnsafeRawPointer(start)
        var at = 0
        // "Determine if a word has a byte less than n" (S. E. Anderson, Bit Twiddling Hacks).
        while at &+ 8 <= bytes.count {
            let word = raw.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            if (word &- 0x2121_2121_2121_2121) & ~word & 0x8080_8080_8080_8080 != 0 { return false }
            at &+= 8
        }
        while at < bytes.count {
            if start[at] <= 0x20 { return false }
            at &+= 1
        }
        return true
    }

    /// 0 ... 15; nil for what is no digit.
    @inline(__always)
    static func nibble(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte &- 0x30
        case 0x41...0x46: byte &- 0x37
        case 0x61...0x66: byte &- 0x57
        default: nil
        }
    }
}

extension SigningBuffer {
    /// How bytes of a URL are brought into the canonical form.
    enum Escape {
        /// Of a path that is encoded already, or not at all: what is encoded stays, other bytes are encoded.
        case path
        /// Every byte is encoded, `%` too, but not a slash.
        case pathAgain
        /// Of a query, a `+` being a space (as S3 reads it).
        case query
        /// Every byte is encoded.
        case component
    }

    @inline(__always)
    mutating func append(_ bytes: UnsafeBufferPointer<UInt8>, _ escape: Escape) {
        reserve(3 * bytes.count)
        // Most of most paths and queries is as it stays.
        var at = SigningEncoding.plainPrefix(bytes, keepsSlash: escape == .path || escape == .pathAgain)
        if at > 0 { appendReserved(UnsafeBufferPointer(rebasing: bytes[..<at])) }
        while at < bytes.count {
            let byte = bytes[at]
            at &+= 1
            if SigningEncoding.isUnreserved(byte) {
                appendReserved(byte)
                continue
            }
            switch escape {
            case .path, .pathAgain:
                if byte == UInt8(ascii: "/") {
                    appendReserved(byte)
                    continue
                }
            case .query:
                if byte == UInt8(ascii: "+") {
                    appendEscaped(0x20)
                    continue
                }
            case .component: break
            }
            if byte == UInt8(ascii: "%"), escape == .path || escape == .query, at &+ 1 < bytes.count,
                let high = SigningEncoding.nibble(bytes[at]), let low = SigningEncoding.nibble(bytes[at &+ 1])
            {
                at &+= 2
                let decoded = high << 4 | low
                // `%7E` and `~` are the same.
                if SigningEncoding.isUnreserved(decoded) {
                    appendReserved(decoded)
                } else {
                    appendEscaped(decoded)
                }
                continue
            }
            appendEscaped(byte)
        }
    }

    @inline(__always)
    private mutating func appendEscaped(_ byte: UInt8) {
        appendReserved(UInt8(ascii: "%"))
        appendReserved(SigningEncoding.upperHex(byte >> 4))
        appendReserved(SigningEncoding.upperHex(byte & 15))
    }
}
