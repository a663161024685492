/// What an object is found by: 1 to 1024 bytes of UTF-8, any but NUL. A slash has no meaning of its own, but that
/// `ObjectStore.list` takes prefixes; `a//b`, `../a` and `a/` are keys like others.
public struct ObjectKey: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Bytes of one, at most; as S3 has it.
    public static let limit = 1024

    public let text: String

    /// `ObjectError.Kind.key` with the reason when it is none.
    public init(_ text: String) throws(ObjectError) {
        let count = text.utf8.count
        guard count > 0 else { throw ObjectError(.key, key: text, "an object's key is empty") }
        guard count <= ObjectKey.limit else {
            throw ObjectError(
                .key, key: String(text.prefix(64)) + "...",
                "the key has \(count) bytes; expected at most \(ObjectKey.limit)")
        }
        guard !text.utf8.contains(0) else { throw ObjectError(.key, key: "", "the key has a NUL in it") }
        self.text = text
    }

    /// What was a key before.
    init(known text: String) { self.text = text }

    public var description: String { text }

    // Unicode knows several spellings of one text; a key is its bytes.
    public static func == (one: ObjectKey, other: ObjectKey) -> Bool { one.text.utf8.elementsEqual(other.text.utf8) }

    public func hash(into hasher: inout Hasher) {
        for byte in text.utf8 { hasher.combine(byte) }
    }

    /// The order of a listing: that of the bytes.
    public static func < (one: ObjectKey, other: ObjectKey) -> Bool {
        one.text.utf8.lexicographicallyPrecedes(other.text.utf8)
    }
}
