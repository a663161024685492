/// Reads JSON (RFC 8259), strictly: no comments, no trailing commas, nothing after the value. Linear in the text, bounded
/// in depth, and without a trap on any input.
struct JSONReader {
    private let text: DocumentText
    private var offset = 0
    private var line = 1
    /// Characters of the line before `offset`.
    private var column = 0

    private init(_ text: DocumentText) {
        self.text = text
    }

    static func read(_ text: DocumentText) throws(DocumentFault) -> Node {
        var reader = JSONReader(text)
        reader.skipSpace()
        let node = try reader.value(depth: 0)
        reader.skipSpace()
        if reader.peek != nil { throw reader.fault("unexpected \(reader.found) after the end of the document") }
        return node
    }

    private var peek: UInt8? { offset < text.bytes.count ? text.bytes[offset] : nil }
    private var mark: Mark { Mark(line: line, column: column + 1) }

    private func fault(_ message: String) -> DocumentFault {
        DocumentFault(mark: mark, message: message)
    }

    /// What stands at the offset: for messages.
    private var found: String {
        switch peek {
        case nil: "end of the document"
        case UInt8(ascii: "/"), UInt8(ascii: "#"): "comment (JSON has none)"
        case UInt8(ascii: "'"): "' (JSON quotes with \")"
        case let byte? where byte < 0x20 || byte == 0x7F: "control character 0x\(hexadecimal(byte))"
        default:
            String(decoding: text.bytes[offset..<min(offset + 4, text.bytes.count)], as: UTF8.self).prefix(1)
                .description
        }
    }

    private mutating func advance() {
        let byte = text.bytes[offset]
        offset += 1
        if byte == UInt8(ascii: "\n") {
            line += 1
            column = 0
        } else if byte & 0xC0 != 0x80 {
            column += 1
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        advance()
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { advance() }
    }

    private mutating func value(depth: Int) throws(DocumentFault) -> Node {
        let start = mark
        switch peek {
        case UInt8(ascii: "{"):
            return Node(content: .map(try object(depth: try deeper(depth))), mark: start)
        case UInt8(ascii: "["):
            return Node(content: .list(try array(depth: try deeper(depth))), mark: start)
        case UInt8(ascii: "\""):
            return Node(text: try string(), at: start)
        case nil:
            throw fault("the document ends where a value is expected")
        default:
            return try word(at: start)
        }
    }

    private func deeper(_ depth: Int) throws(DocumentFault) -> Int {
        guard depth < DocumentText.depthLimit else {
            throw fault("nested too deeply; expected at most \(DocumentText.depthLimit) levels")
        }
        return depth + 1
    }

    private mutating func object(depth: Int) throws(DocumentFault) -> [Node.Entry] {
        advance()
        var entries: [Node.Entry] = []
        skipSpace()
        if take(UInt8(ascii: "}")) { return entries }
        while true {
            guard peek == UInt8(ascii: "\"") else { throw fault("unexpected \(found); expected a key in quotes") }
            let keyMark = mark
            let key = try string()
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw fault("unexpected \(found); expected : after the key") }
            skipSpace()
            entries.append(Node.Entry(key: key, keyMark: keyMark, value: try value(depth: depth)))
            skipSpace()
            if take(UInt8(ascii: "}")) { return entries }
            guard take(UInt8(ascii: ",")) else { throw fault("unexpected \(found); expected , or }") }
            skipSpace()
        }
    }

    private mutating func array(depth: Int) throws(DocumentFault) -> [Node] {
        advance()
        var nodes: [Node] = []
        skipSpace()
        if take(UInt8(ascii: "]")) { return nodes }
        while true {
            nodes.append(try value(depth: depth))
            skipSpace()
            if take(UInt8(ascii: "]")) { return nodes }
            guard take(UInt8(ascii: ",")) else { throw fault("unexpected \(found); expected , or ]") }
            skipSpace()
        }
    }

    /// A number, `true`, `false` or `null`.
    private mutating func word(at start: Mark) throws(DocumentFault) -> Node {
        let from = offset
        var end = offset
        while end < text.bytes.count, Self.isWord(text.bytes[end]) { end += 1 }
        let word = String(decoding: text.bytes[from..<end], as: UTF8.self)
        let scalar: Node.Scalar
        switch word {
        case "": throw fault("unexpected \(found); expected a value")
        case "true", "false": scalar = .boolean
        case "null": scalar = .null
        case _ where Node.isNumber(word) && !word.contains("_"): scalar = .number
        default:
            throw fault(
                "`\(word.prefix(32))` is not a value of JSON; expected text in quotes, a number, true, false or null")
        }
        while offset < end { advance() }
        return Node(content: .scalar(word, scalar), mark: start)
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private mutating func string() throws(DocumentFault) -> String {
        let start = mark
        advance()
        var bytes: [UInt8] = []
        while let byte = peek {
            switch byte {
            case UInt8(ascii: "\""):
                advance()
                return String(decoding: bytes, as: UTF8.self)
            case UInt8(ascii: "\\"):
                try escape(into: &bytes)
            case 0..<0x20:
                throw fault("control character 0x\(hexadecimal(byte)) in text; expected an escape such as \\n")
            default:
                bytes.append(byte)
                advance()
            }
        }
        throw DocumentFault(mark: start, message: "text without a closing quote")
    }

    private mutating func escape(into bytes: inout [UInt8]) throws(DocumentFault) {
        let start = mark
        advance()
        guard let byte = peek else { throw DocumentFault(mark: start, message: "text without a closing quote") }
        let plain: UInt8
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): plain = byte
        case UInt8(ascii: "b"): plain = 0x08
        case UInt8(ascii: "f"): plain = 0x0C
        case UInt8(ascii: "n"): plain = 0x0A
        case UInt8(ascii: "r"): plain = 0x0D
        case UInt8(ascii: "t"): plain = 0x09
        case UInt8(ascii: "u"):
            advance()
            bytes.append(contentsOf: String(Character(try scalar(from: start))).utf8)
            return
        default:
            throw DocumentFault(
                mark: start, message: "unknown escape; expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX")
        }
        advance()
        bytes.append(plain)
    }

    /// What follows `\u`: four digits, or a surrogate pair (RFC 8259 §7).
    private mutating func scalar(from start: Mark) throws(DocumentFault) -> Unicode.Scalar {
        let first = try unit(from: start)
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard (0xD800..<0xDC00).contains(first), take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
            throw DocumentFault(
                mark: start, message: "half of a surrogate pair; expected \\uD800-\\uDBFF then \\uDC00-\\uDFFF")
        }
        let second = try unit(from: start)
        guard (0xDC00..<0xE000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else {
            throw DocumentFault(
                mark: start, message: "half of a surrogate pair; expected \\uD800-\\uDBFF then \\uDC00-\\uDFFF")
        }
        return scalar
    }

    private mutating func unit(from start: Mark) throws(DocumentFault) -> UInt32 {
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                throw DocumentFault(mark: start, message: "\\u without four hexadecimal digits")
            }
            unit = unit << 4 | UInt32(digit)
            advance()
        }
        return unit
    }
}
