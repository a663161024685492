/// A user and a password, as `Authorization: Basic` carries them (RFC 7617).
public struct Credentials: Sendable, Equatable, CustomStringConvertible {
    public var user: String
    public var password: String

    public init(user: String, password: String) {
        self.user = user
        self.password = password
    }

    /// nil when the field is of another scheme or malformed.
    public init?(authorization: String?) {
        guard let parts = authorization?.split(separator: " ", maxSplits: 1), parts.count == 2,
            Fields.equal(String(parts[0]), "Basic"), let bytes = Credentials.base64(parts[1].trimmed.utf8),
            let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
            let user = String(validating: bytes[..<colon], as: UTF8.self),
            let password = String(validating: bytes[(colon + 1)...], as: UTF8.self)
        else { return nil }
        self.init(user: user, password: password)
    }

    /// The time it takes does not depend on where they differ. An empty password matches nothing.
    public func match(_ expected: Credentials) -> Bool {
        let sameUser = Access.equal(Array(user.utf8), Array(expected.user.utf8))
        let samePassword = Access.equal(Array(password.utf8), Array(expected.password.utf8))
        return sameUser && samePassword
    }

    /// `Basic ...`, for `Authorization`.
    public var authorization: String { "Basic " + Credentials.base64("\(user):\(password)".utf8) }

    /// Without the password.
    public var description: String { user }

    /// Encodes base64 (RFC 4648 §4), with padding.
    static func base64(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            count += 1
            guard count % 3 == 0 else { continue }
            for shift in [18, 12, 6, 0] { text.append(digits[Int(bits >> shift & 63)]) }
            bits = 0
        }
        if count % 3 == 1 { text += [digits[Int(bits >> 2 & 63)], digits[Int(bits << 4 & 63)]] + Array("==".utf8) }
        if count % 3 == 2 {
            text += [bits >> 10, bits >> 4, bits << 2].map { digits[Int($0 & 63)] } + Array("=".utf8)
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Decodes base64 (RFC 4648 §4), with padding or without; nil when it is malformed.
    static func base64(_ text: some Sequence<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        var padding = 0
        for character in text {
            if character == UInt8(ascii: "=") {
                padding += 1
                continue
            }
            guard padding == 0, let value = digit(character) else { return nil }
            bits = bits << 6 | value
            count += 1
            if count % 4 == 0 {
                bytes += [UInt8(bits >> 16 & 0xff), UInt8(bits >> 8 & 0xff), UInt8(bits & 0xff)]
                bits = 0
            }
        }
        guard padding == 0 || (padding < 3 && (count + padding) % 4 == 0) else { return nil }
        switch count % 4 {
        case 2: bytes.append(UInt8(bits >> 4 & 0xff))
        case 3: bytes += [UInt8(bits >> 10 & 0xff), UInt8(bits >> 2 & 0xff)]
        case 1: return nil
        default: break
        }
        return bytes
    }

    private static func digit(_ character: UInt8) -> UInt32? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
