/// A call with a file in it, as `multipart/form-data` (RFC 7578): what stands before the file's bytes, and behind them.
struct TelegramForm {
    /// Bytes of a file's name that are sent, at most.
    static let nameLimit = 200

    let type: String
    let head: [UInt8]
    let tail: [UInt8]

    /// - Parameter boundary: at most 70 characters (RFC 2046 §5.1.1), not to be found in the file: random, as 128 bits are
    ///   never met by chance.
    init(
        _ fields: [(name: String, value: String)], file field: String, name: String, type: String?, boundary: String
    ) {
        self.type = "multipart/form-data; boundary=\(boundary)"
        var text = ""
        for (name, value) in fields {
            text += "--\(boundary)\r\nContent-Disposition: form-data; name=\"\(name)\"\r\n\r\n\(value)\r\n"
        }
        text += "--\(boundary)\r\nContent-Disposition: form-data; name=\"\(field)\"; filename=\"\(name)\"\r\n"
        text += "Content-Type: \(TelegramForm.type(type))\r\n\r\n"
        head = Array(text.utf8)
        tail = Array("\r\n--\(boundary)--\r\n".utf8)
    }

    static func boundary() -> String {
        func digits(_ number: UInt64) -> String {
            let text = String(number, radix: 16)
            return String(repeating: "0", count: 16 - text.utf8.count) + text
        }
        return "weir-" + digits(.random(in: 0 ... .max)) + digits(.random(in: 0 ... .max))
    }

    /// A file's name as it can stand in quotes in a header. It is shown to people, so that nothing is escaped, which some
    /// would see: quotes, backslashes, slashes and controls become `_`. One that is too long loses characters before its
    /// extension. `fallback` is the name of one that has none.
    static func name(_ name: String, fallback: String) -> String {
        let scalars = name.unicodeScalars.map { scalar -> Unicode.Scalar in
            switch scalar {
            case "\"", "\\", "/": "_"
            case _ where scalar.properties.generalCategory == .control: "_"
            // Those that turn the direction of text make `gpj.exe` out of `exe.jpg`.
            case "\u{200E}", "\u{200F}", "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}", "\u{2028}", "\u{2029}": "_"
            default: scalar
            }
        }
        let clean = String(String.UnicodeScalarView(scalars))
        guard clean.contains(where: { $0 != " " && $0 != "." && $0 != "_" }) else { return fallback }
        guard clean.utf8.count > nameLimit else { return clean }
        var ending = ""
        if let dot = clean.lastIndex(of: "."), clean[dot...].utf8.count <= 16 { ending = String(clean[dot...]) }
        var kept = ""
        for character in clean {
            guard kept.utf8.count + character.utf8.count + ending.utf8.count <= nameLimit else { break }
            kept.append(character)
        }
        return kept + ending
    }

    /// A media type that can stand in a header: `type/subtype` with parameters, of printable ASCII.
    static func type(_ type: String?) -> String {
        guard let type, type.utf8.count <= 127, type.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else {
            return "application/octet-stream"
        }
        let parts = type.utf8.prefix { $0 != UInt8(ascii: ";") }.split(
            separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        let isType = parts.count == 2 && parts.allSatisfy { !$0.isEmpty && !$0.contains(0x20) }
        return isType ? type : "application/octet-stream"
    }
}
