/// An entity tag (RFC 9110 §8.8.3): `"abc"`, or `W/"abc"`, which promises less.
public struct EntityTag: Sendable, Hashable, CustomStringConvertible {
    /// What is between the quotes.
    public let opaque: String
    public let isWeak: Bool

    public init(_ opaque: String, isWeak: Bool = false) {
        self.opaque = opaque
        self.isWeak = isWeak
    }

    public var description: String { "\(isWeak ? "W/" : "")\"\(opaque)\"" }

    /// The same bytes: neither is weak.
    public func isSame(as other: EntityTag) -> Bool { self == other && !isWeak }
    /// As good as the same.
    public func isLike(_ other: EntityTag) -> Bool { opaque == other.opaque }

    /// What a field asks for.
    enum List: Equatable {
        /// `*`: any there is.
        case any
        case tags([EntityTag])
    }

    /// The tags in the values of a field; those before something malformed.
    static func list(_ values: [String]) -> List {
        var tags: [EntityTag] = []
        for value in values {
            if value.trimmed == "*" { return .any }
            var rest = Array(value.utf8)[...]
            while let tag = next(&rest) { tags.append(tag) }
        }
        return .tags(tags)
    }

    private static func next(_ rest: inout ArraySlice<UInt8>) -> EntityTag? {
        rest = rest.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: ",") }
        let isWeak = rest.starts(with: Array("W/".utf8))
        if isWeak { rest = rest.dropFirst(2) }
        guard rest.first == UInt8(ascii: "\"") else { return nil }
        rest = rest.dropFirst()
        guard let end = rest.firstIndex(of: UInt8(ascii: "\"")) else { return nil }
        defer { rest = rest[(end + 1)...] }
        return EntityTag(String(decoding: rest[..<end], as: UTF8.self), isWeak: isWeak)
    }
}
