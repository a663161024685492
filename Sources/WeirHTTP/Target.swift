/// A request target, decoded strictly (RFC 3986 §2.1, §3.3): what cannot be decoded without doubt is refused.
public struct Target: Sendable, Equatable {
    /// The decoded parts between slashes: `/live/a%20b` is `["live", "a b"]`. None is `.` or `..` or has a slash in it.
    public let segments: [String]
    public let query: Query
    /// The authority of an absolute-form target (RFC 9112 §3.2.2), which goes before `Host`.
    public let authority: String?
    /// `OPTIONS *`.
    public let isAsterisk: Bool

    /// The decoded path. Without an encoded slash in any segment it says the same as `segments`.
    public var path: String { "/" + segments.joined(separator: "/") }

    /// Name and value pairs after `?`, decoded as a form is: `+` is a space.
    public struct Query: Sendable, Equatable {
        public let items: [Fields.Field]

        /// The first value of a name.
        public subscript(name: String) -> String? { items.first { $0.name == name }?.value }

        init(items: [Fields.Field]) { self.items = items }

        /// A body of `application/x-www-form-urlencoded`; nil when it is malformed.
        public init?(form bytes: [UInt8]) {
            guard let items = bytes.withUnsafeBytes({ Target.pairs($0[...]) }) else { return nil }
            self.items = items
        }
    }

    /// nil when it is malformed.
    init?(_ bytes: UnsafeRawBufferPointer) {
        if bytes.count == 1 && bytes[0] == UInt8(ascii: "*") {
            segments = []
            query = Query(items: [])
            authority = nil
            isAsterisk = true
            return
        }
        isAsterisk = false
        var rest = bytes[...]
        if rest.first == UInt8(ascii: "/") {
            authority = nil
        } else {
            guard let (authority, path) = Target.absolute(rest) else { return nil }
            self.authority = authority
            rest = path
        }
        // A fragment is never sent (RFC 9112 §3.2).
        if rest.contains(UInt8(ascii: "#")) { return nil }
        var path = rest
        var items: [Fields.Field] = []
        if let mark = rest.firstIndex(of: UInt8(ascii: "?")) {
            path = rest[..<mark]
            guard let decoded = Target.pairs(rest[(mark + 1)...]) else { return nil }
            items = decoded
        }
        query = Query(items: items)
        var segments: [String] = []
        for part in path.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            guard let segment = Target.decode(part, plusIsSpace: false),
                segment != ".", segment != "..", !segment.utf8.contains(UInt8(ascii: "/"))
            else { return nil }
            segments.append(segment)
        }
        // `/` has no segment; `/a/` has an empty one at its end.
        self.segments = segments == [""] ? [] : segments
    }

    /// The pairs of a form.
    private static func pairs(_ bytes: Slice<UnsafeRawBufferPointer>) -> [Fields.Field]? {
        var items: [Fields.Field] = []
        for pair in bytes.split(separator: UInt8(ascii: "&")) {
            let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            guard let name = Target.decode(pair[..<equals], plusIsSpace: true),
                let value = Target.decode(pair[equals...].dropFirst(), plusIsSpace: true)
            else { return nil }
            items.append(Fields.Field(name: name, value: value))
        }
        return items
    }

    private static func absolute(_ bytes: Slice<UnsafeRawBufferPointer>) -> (String, Slice<UnsafeRawBufferPointer>)? {
        let text = String(decoding: bytes.prefix(8), as: UTF8.self).lowercased()
        let skip = text.hasPrefix("http://") ? 7 : text == "https://" ? 8 : 0
        guard skip > 0 else { return nil }
        let rest = bytes.dropFirst(skip)
        let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
        let authority = rest[..<end]
        // User information is deprecated and never needed here (RFC 9110 §4.2.4).
        if authority.isEmpty || authority.contains(UInt8(ascii: "@")) { return nil }
        return (String(decoding: authority, as: UTF8.self), rest[end...])
    }

    /// Percent-decoded; nil when an escape is malformed, or the result is not UTF-8 or has control characters in it.
    private static func decode(_ bytes: Slice<UnsafeRawBufferPointer>, plusIsSpace: Bool) -> String? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = bytes.startIndex
        while index < bytes.endIndex {
            var byte = bytes[index]
            index += 1
            if byte == UInt8(ascii: "%") {
                guard index + 1 < bytes.endIndex,
                    let escaped = Hexadecimal.byte(bytes[index], bytes[index + 1])
                else { return nil }
                byte = escaped
                index += 2
            } else if byte == UInt8(ascii: "+") && plusIsSpace {
                byte = UInt8(ascii: " ")
            }
            if byte < 0x20 || byte == 0x7f { return nil }
            decoded.append(byte)
        }
        return String(validating: decoded, as: UTF8.self)
    }
}

/// The digits of a percent-encoding (RFC 3986 §2.1).
enum Hexadecimal {
    /// The byte that two digits stand for; nil when one is none.
    static func byte(_ high: UInt8, _ low: UInt8) -> UInt8? {
        guard let high = digit(high), let low = digit(low) else { return nil }
        return high << 4 | low
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
