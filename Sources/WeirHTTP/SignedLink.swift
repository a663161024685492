internal import COpenSSL

/// Links with an expiry that cannot be made without a key: `PATH?exp=UNIX&sig=BASE64URL`.
///
/// The signature is HMAC-SHA-256 (RFC 2104) over the decoded path, a line feed and `exp` as it stands in the link: decimal
/// seconds since 1970 without a leading zero. It is written in base64url without padding (RFC 4648 §5). The key is the
/// text of the key's file. No path has a line feed in it, so nothing can be read as two different pairs. Scheme, host and
/// all other parameters are not signed.
public enum SignedLink {
    /// What becomes of a request by its link.
    public enum Verdict: Sendable, Equatable {
        case valid
        /// There is neither `exp` nor `sig`.
        case missing
        /// It was signed with the key, and its time is over.
        case expired
        /// It was not signed with the key, or for another path, or something of it was altered.
        case invalid
    }

    /// The parameters.
    public static let expiry = "exp"
    public static let signature = "sig"
    /// Digits of `exp`: seconds for thirty thousand years.
    static let digits = 12

    /// A link for a target: a path, with or without parameters, or an http(s) URL. It is valid until the second `expires`
    /// since 1970 has come. Nil when the target is malformed, or has one of the link's own parameters.
    public static func make(for target: String, key: String, expires: UInt64) -> String? {
        guard let parsed = Array(target.utf8).withUnsafeBytes({ Target($0) }), !parsed.isAsterisk,
            parsed.query[expiry] == nil, parsed.query[signature] == nil
        else { return nil }
        let exp = String(expires)
        guard exp.utf8.count <= digits, let mac = mac(of: parsed.path, exp, key: key) else { return nil }
        let hasQuery = target.utf8.contains(UInt8(ascii: "?"))
        let mark = hasQuery ? (target.hasSuffix("?") || target.hasSuffix("&") ? "" : "&") : "?"
        return "\(target)\(mark)\(expiry)=\(exp)&\(signature)=\(base64(mac))"
    }

    /// Judges a request's target: one of the keys has signed it, the present one or one that it has followed. `now` is in
    /// seconds since 1970. The time it takes does not depend on where a wrong signature differs.
    public static func judge(_ target: Target, keys: [String], now: UInt64) -> Verdict {
        let exps = target.query.items.filter { $0.name == expiry }
        let signatures = target.query.items.filter { $0.name == signature }
        if exps.isEmpty && signatures.isEmpty { return .missing }
        guard exps.count == 1, signatures.count == 1, let expires = seconds(exps[0].value) else { return .invalid }
        let given = Array(signatures[0].value.utf8)
        let isSigned = keys.reduce(false) { found, key in
            guard let mac = mac(of: target.path, exps[0].value, key: key) else { return found }
            return Access.equal(given, Array(base64(mac).utf8)) || found
        }
        guard isSigned else { return .invalid }
        return now < expires ? .valid : .expired
    }

    /// A target for a log: whoever reads it shall not be able to use the link. Not only what is a link counts: one that
    /// was damaged on its way (`&amp;sig=`, `;sig=`, `%3Fexp=1%26sig%3D`) is refused, and easily mended.
    /// - Complexity: O(length)
    static func redacted(_ target: String) -> String {
        let bytes = Array(target.utf8)
        var shown: [UInt8] = []
        shown.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            guard let value = signatureValue(bytes, at: index) else {
                shown.append(bytes[index])
                index += 1
                continue
            }
            shown += Array("\(signature)=-".utf8)
            index = value
            while index < bytes.count {
                let (byte, next) = decoded(bytes, at: index)
                if ends.contains(byte) { break }
                index = next
            }
        }
        return String(decoding: shown, as: UTF8.self)
    }

    /// What no signature has in it, and may follow one.
    private static let ends = Set("&;?# ".utf8)

    /// Where the value begins when there is `sig=`, in whatever letters and however often it was escaped.
    private static func signatureValue(_ bytes: [UInt8], at start: Int) -> Int? {
        var index = start
        for letter in signature.utf8 {
            guard index < bytes.count else { return nil }
            let (byte, next) = decoded(bytes, at: index)
            guard byte | 0x20 == letter else { return nil }
            index = next
        }
        guard index < bytes.count else { return nil }
        var (byte, next) = decoded(bytes, at: index)
        // `%253D` is an escaped `%3D`.
        while byte == UInt8(ascii: "%"), next + 1 < bytes.count {
            byte = Hexadecimal.byte(bytes[next], bytes[next + 1]) ?? 0
            next += 2
        }
        return byte == UInt8(ascii: "=") ? next : nil
    }

    /// A byte, or what an escape stands for, and where the next begins.
    private static func decoded(_ bytes: [UInt8], at index: Int) -> (byte: UInt8, next: Int) {
        guard bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
            let byte = Hexadecimal.byte(bytes[index + 1], bytes[index + 2])
        else { return (bytes[index], index + 1) }
        return (byte, index + 3)
    }

    /// `exp` as it is written, and in no other way.
    private static func seconds(_ text: String) -> UInt64? {
        guard (1...digits).contains(text.utf8.count), let seconds = UInt64(text), String(seconds) == text else {
            return nil
        }
        return seconds
    }

    /// HMAC-SHA-256; nil without a key.
    private static func mac(of path: String, _ exp: String, key: String) -> [UInt8]? {
        let key = Array(key.utf8)
        let message = Array("\(path)\n\(exp)".utf8)
        guard !key.isEmpty else { return nil }
        var length: UInt32 = 0
        let mac = [UInt8](unsafeUninitializedCapacity: Int(EVP_MAX_MD_SIZE)) { buffer, count in
            let made = HMAC(
                EVP_sha256(), key, Int32(clamping: key.count), message, message.count, buffer.baseAddress, &length)
            count = made == nil ? 0 : Int(length)
        }
        return mac.isEmpty ? nil : mac
    }

    private static func base64(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for index in 0...group.count { text.append(alphabet[bits >> (18 - 6 * index) & 63]) }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
