/// Where the object of a key lies below a store's directory, so that a listing in the order of names is one in the order of
/// keys.
///
/// A part before a slash is a directory whose name ends in `+`, the last part a file. What a file's name cannot have, or
/// means something here, is written `%XX`: control characters, `%`, `+`, a dot at the beginning. A part that is empty is
/// called `%`. One that is longer than names may be goes on in a directory whose name ends in `%+`.
struct LocalPath: Equatable {
    enum Kind { case object, folder, longer }

    /// Bytes of a name without its ending, less than that.
    static let nameLimit = 200

    /// Below the store's directory, in their order.
    let folders: [String]
    let name: String

    /// - Complexity: O(bytes).
    init(_ key: ObjectKey) {
        var folders: [String] = []
        let parts = key.text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        for part in parts.dropLast() {
            let (longer, last) = LocalPath.names(part)
            folders += longer + [last + "+"]
        }
        let (longer, last) = LocalPath.names(parts[parts.count - 1])
        self.folders = folders + longer
        name = last.isEmpty ? "%" : last
    }

    private static func names(_ part: Substring.UTF8View) -> ([String], String) {
        var longer: [String] = []
        var name: [UInt8] = []
        for (index, byte) in part.enumerated() {
            // Between characters only.
            if name.count >= nameLimit && byte & 0xC0 != 0x80 {
                longer.append(String(decoding: name, as: UTF8.self) + "%+")
                name = []
            }
            let isSpecial = byte < 0x20 || byte == 0x7F || byte == UInt8(ascii: "%") || byte == UInt8(ascii: "+")
            if isSpecial || (byte == UInt8(ascii: ".") && (index == 0 || name.isEmpty)) {
                name += [
                    UInt8(ascii: "%"), SigningEncoding.upperHex(byte >> 4), SigningEncoding.upperHex(byte & 15),
                ]
            } else {
                name.append(byte)
            }
        }
        if name.count >= nameLimit {
            longer.append(String(decoding: name, as: UTF8.self) + "%+")
            name = []
        }
        return (longer, String(decoding: name, as: UTF8.self))
    }

    /// What a name in a store's directory stands for; nil for what is none of the store's.
    static func read(_ name: [UInt8]) -> (kind: Kind, bytes: [UInt8])? {
        if name.first == UInt8(ascii: ".") { return nil }
        var kind = Kind.object
        var rest = name[...]
        if rest.last == UInt8(ascii: "+") {
            rest = rest.dropLast()
            kind = .folder
            if rest.last == UInt8(ascii: "%") {
                rest = rest.dropLast()
                kind = .longer
            }
        } else if name == [UInt8(ascii: "%")] {
            return (.object, [])
        }
        var bytes: [UInt8] = []
        var at = rest.startIndex
        while at < rest.endIndex {
            let byte = rest[at]
            at += 1
            guard byte == UInt8(ascii: "%") else {
                if byte == UInt8(ascii: "+") { return nil }
                bytes.append(byte)
                continue
            }
            guard at + 1 < rest.endIndex, let high = SigningEncoding.nibble(rest[at]),
                let low = SigningEncoding.nibble(rest[at + 1])
            else { return nil }
            bytes.append(high << 4 | low)
            at += 2
        }
        return (kind, bytes)
    }
}
