/// What stands between the bytes of a stream: `StreamTitle='Artist - Song';StreamUrl='...';`.
enum StreamTitle {
    /// The title, empty where it says that there is none; nil when the text has none in it.
    ///
    /// Titles may have quotes in them, so that one ends where a quote and a semicolon stand. Text that is not UTF-8 is
    /// Latin-1, as Shoutcast's senders have it. Control characters are left out.
    ///
    /// - Complexity: O(bytes).
    static func parse(_ text: [UInt8]) -> String? {
        let mark = Array("StreamTitle='".utf8)
        guard let start = text.indices.first(where: { text[$0...].starts(with: mark) }) else { return nil }
        let rest = text[(start + mark.count)...]
        let end =
            rest.indices.first { rest[$0...].starts(with: "';".utf8) }
            ?? rest.lastIndex(of: UInt8(ascii: "'")) ?? rest.endIndex
        let bytes = rest[..<end]
        let decoded =
            String(validating: bytes, as: UTF8.self)
            ?? String(String.UnicodeScalarView(bytes.map { UnicodeScalar($0) }))
        return decoded.filter { !$0.isControl }
    }
}
