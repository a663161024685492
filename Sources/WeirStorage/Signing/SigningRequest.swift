internal import CWeirStorage
public import WeirHTTP

/// What is signed of a request.
public struct SigningRequest: Sendable {
    /// What the signature says of the body.
    public enum Payload: Sendable, Equatable {
        /// Nothing: `UNSIGNED-PAYLOAD`.
        case unsigned
        case empty
        /// SHA-256, in 64 small hexadecimal digits.
        case sha256(String)

        /// The digest of a body that is here.
        public static func of(_ bytes: [UInt8]) -> Payload {
            if bytes.isEmpty { return .empty }
            var digest = [UInt8](repeating: 0, count: Int(WEIR_SHA256_SIZE))
            weir_sha256(bytes, bytes.count, &digest)
            return .sha256(SHA256.hex(digest))
        }

        /// `X-Amz-Content-Sha256`.
        public var text: String {
            switch self {
            case .unsigned: "UNSIGNED-PAYLOAD"
            case .empty: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            case .sha256(let text): text
            }
        }
    }

    public var method: Method
    /// `http` or `https`; of a presigned URL.
    public var scheme: String
    /// As it is sent in `Host`: with the port, if it is not the scheme's own.
    public var host: String
    /// As it is sent, beginning with a slash: percent-encoded (`SigningEncoding.path`). What is not encoded is taken as if
    /// it were.
    public var path: String
    /// As it is sent, without the question mark. A `+` is a space.
    public var query: String
    /// All that are signed, beside those that signing adds. A field of the same name twice is one with a comma.
    public var fields: Fields
    public var payload: Payload

    public init(
        _ method: Method = .get, scheme: String = "https", host: String, path: String, query: String = "",
        fields: Fields = Fields(), payload: Payload = .unsigned
    ) {
        self.method = method
        self.scheme = scheme
        self.host = host
        self.path = path
        self.query = query
        self.fields = fields
        self.payload = payload
    }

    /// The same of a whole URL, `https://host/path?query`; a fragment is left out. Nil when there is no scheme or no host,
    /// or a user.
    public init?(_ method: Method, url: String, fields: Fields = Fields(), payload: Payload = .unsigned) {
        let whole = url.utf8
        guard let colon = whole.firstIndex(of: UInt8(ascii: ":")), whole[colon...].starts(with: "://".utf8) else {
            return nil
        }
        let scheme = String(whole[..<colon])!.lowercased()
        let rest = whole[colon...].dropFirst(3)
        let end = rest.firstIndex { [UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#")].contains($0) }
        let authority = String(rest[..<(end ?? rest.endIndex)])!
        guard scheme == "http" || scheme == "https", !authority.isEmpty, !authority.contains("@"),
            authority.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { return nil }
        let target = (end.map { rest[$0...] } ?? rest[rest.endIndex...]).prefix { $0 != UInt8(ascii: "#") }
        let mark = target.firstIndex(of: UInt8(ascii: "?"))
        let path = String(target[..<(mark ?? target.endIndex)])!
        let query = mark.map { String(target[$0...].dropFirst())! } ?? ""
        // A browser and curl leave the scheme's own port out of `Host`.
        let own = scheme == "http" ? ":80" : ":443"
        self.init(
            method, scheme: scheme, host: authority.hasSuffix(own) ? String(authority.dropLast(own.count)) : authority,
            path: path.isEmpty ? "/" : path, query: query, fields: fields, payload: payload)
    }
}

/// SHA-256 (FIPS 180-4).
public enum SHA256 {
    /// In 64 small hexadecimal digits.
    public static func hex(of bytes: [UInt8]) -> String { SigningRequest.Payload.of(bytes).text }

    static func hex(_ digest: some Collection<UInt8>) -> String {
        String(unsafeUninitializedCapacity: 2 * digest.count) { to in
            for (index, byte) in digest.enumerated() {
                to[2 * index] = SigningEncoding.lowerHex(byte >> 4)
                to[2 * index + 1] = SigningEncoding.lowerHex(byte & 15)
            }
            return 2 * digest.count
        }
    }
}
