/// A field's value with parameters behind it: `form-data; name="file"; filename="a b.jpg"` (RFC 9110 §5.6.6).
struct FieldParameters: Sendable, Equatable {
    /// Before the first semicolon, in lower case: `form-data`.
    let value: String
    /// In their order; names are in lower case.
    let all: [Fields.Field]

    /// The parameter of a name in lower case.
    subscript(name: String) -> String? { all.first { $0.name == name }?.value }

    /// nil when it is malformed, or a name stands there twice: two readers could take one each.
    init?(_ text: String) {
        var bytes = Array(text.trimmed.utf8)[...]
        let end = bytes.firstIndex(of: UInt8(ascii: ";")) ?? bytes.endIndex
        let value = String(decoding: bytes[..<end], as: UTF8.self).trimmed
        guard !value.isEmpty, !value.utf8.contains(where: { $0 == UInt8(ascii: "\"") || $0 == 32 || $0 == 9 }) else {
            return nil
        }
        self.value = value.lowercased()
        bytes = bytes[end...]
        var all: [Fields.Field] = []
        while FieldParameters.skip(UInt8(ascii: ";"), &bytes) {
            // Nothing may stand between two semicolons, or behind the last.
            if bytes.isEmpty || bytes.first == UInt8(ascii: ";") { continue }
            let name = bytes.prefix { $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: ";") }
            bytes = bytes[name.endIndex...]
            let word = String(decoding: name, as: UTF8.self).lowercased()
            guard !name.isEmpty, name.allSatisfy(FieldParameters.isToken), !all.contains(where: { $0.name == word }),
                bytes.popFirst() == UInt8(ascii: "="), let value = FieldParameters.value(&bytes)
            else { return nil }
            all.append(Fields.Field(name: word, value: value))
        }
        guard bytes.isEmpty else { return nil }
        self.all = all
    }

    /// Takes `byte` with the space around it.
    private static func skip(_ byte: UInt8, _ bytes: inout ArraySlice<UInt8>) -> Bool {
        let rest = bytes.drop { $0 == 32 || $0 == 9 }
        guard rest.first == byte else { return false }
        bytes = rest.dropFirst().drop { $0 == 32 || $0 == 9 }
        return true
    }

    /// A token, or a string in quotes. In one, a backslash stands for itself unless a quote or another follows: browsers
    /// escape neither (WHATWG HTML, multipart/form-data), RFC 9110 does both.
    private static func value(_ bytes: inout ArraySlice<UInt8>) -> String? {
        guard bytes.first == UInt8(ascii: "\"") else {
            let token = bytes.prefix { isToken($0) }
            bytes = bytes[token.endIndex...]
            return token.isEmpty ? nil : String(decoding: token, as: UTF8.self)
        }
        bytes.removeFirst()
        var text: [UInt8] = []
        while let byte = bytes.popFirst() {
            if byte == UInt8(ascii: "\"") { return String(validating: text, as: UTF8.self) }
            if byte == UInt8(ascii: "\\"), let next = bytes.first,
                next == UInt8(ascii: "\"") || next == UInt8(ascii: "\\")
            {
                text.append(next)
                bytes.removeFirst()
            } else {
                text.append(byte)
            }
        }
        return nil
    }

    /// RFC 9110 §5.6.2.
    static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
