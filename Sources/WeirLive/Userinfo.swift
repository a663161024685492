extension String {
    /// Without the user and the password of every URL in it (RFC 3986 §3.2.1): a child names its input in what it says, and
    /// what it says is logged and shown to everyone.
    ///
    /// - Complexity: O(bytes).
    var withoutUserinfo: String {
        let at = UInt8(ascii: "@")
        guard utf8.contains(at) else { return self }
        let bytes = Array(utf8)
        var kept: [UInt8] = []
        kept.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            kept.append(bytes[index])
            index += 1
            guard kept.suffix(3).elementsEqual("://".utf8) else { continue }
            let authority = bytes[index...].prefix { !String.endsAuthority($0) }
            // The last one, as clients read it: a password may have one of its own.
            if let end = authority.lastIndex(of: at) { index = end + 1 }
        }
        return String(decoding: kept, as: UTF8.self)
    }

    private static func endsAuthority(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#"), 0...0x20, 0x7F: true
        default: false
        }
    }
}
