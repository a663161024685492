/// `Content-Disposition: attachment` with a title as the file's name (RFC 6266, RFC 8187).
public enum ContentDisposition {
    /// Bytes of a name in UTF-8, the extension with it: what file systems take, with room for a browser's ` (1)`.
    public static let nameLimit = 240

    /// Of a file that is called as the title, as far as a file can be, with an extension: `cbz`.
    public static func attachment(title: String, extension suffix: String) -> String {
        let name = fileName(title: title, extension: suffix)
        let fallback = ascii(name)
        let quoted = fallback.reduce(into: "") { text, character in
            if character == "\"" || character == "\\" { text += "\\" }
            text.append(character)
        }
        if fallback == name { return "attachment; filename=\"\(quoted)\"" }
        return "attachment; filename=\"\(quoted)\"; filename*=UTF-8''\(encoded(name))"
    }

    /// A title as the name of a file: no separators, no control characters (those that turn the direction of text among
    /// them, by which a name could look like another), no dots or spaces at its ends; cut before the extension.
    static func fileName(title: String, extension suffix: String) -> String {
        var kept = ""
        var wasSpace = true
        for scalar in title.unicodeScalars {
            if isSeparator(scalar) {
                kept += "-"
                wasSpace = false
            } else if scalar.properties.isWhitespace {
                // Line breaks, too.
                if !wasSpace { kept += " " }
                wasSpace = true
            } else if !isHidden(scalar) {
                kept.unicodeScalars.append(scalar)
                wasSpace = false
            }
        }
        let room = nameLimit - suffix.utf8.count - 1
        var name = ""
        var used = 0
        for character in kept {
            used += character.utf8.count
            if used > room { break }
            name.append(character)
        }
        while let last = name.last, last == " " || last == "." { name.removeLast() }
        while let first = name.first, first == " " || first == "." { name.removeFirst() }
        return "\(name.isEmpty ? "download" : name).\(suffix)"
    }

    private static func isSeparator(_ scalar: Unicode.Scalar) -> Bool { scalar == "/" || scalar == "\\" }

    /// Controls, formats that show nothing, and what no text has. The joiners within emoji stay.
    private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .surrogate, .unassigned, .privateUse: true
        case .format: scalar.value != 0x200C && scalar.value != 0x200D
        default: false
        }
    }

    /// For those who do not read `filename*`. `%` would be decoded by some (RFC 6266 appendix D).
    private static func ascii(_ name: String) -> String {
        name.reduce(into: "") { text, character in
            let byte = character.asciiValue ?? 0
            text += (0x20...0x7E).contains(byte) && byte != UInt8(ascii: "%") ? String(character) : "_"
        }
    }

    /// `attr-char` as it is, the rest escaped (RFC 8187 §3.2.1).
    private static func encoded(_ name: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in name.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"),
                UInt8(ascii: "&"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^"),
                UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
                bytes.append(byte)
            default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
