/// A place in a document: line and column, both counted from 1, columns in characters.
public struct Mark: Sendable, Hashable, Comparable {
    public var line: Int
    public var column: Int

    public static func < (left: Mark, right: Mark) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

/// A value read from YAML or JSON, with the place where it stands. Both readers give the same tree, so that nothing
/// above knows which of the two a document was written in.
struct Node: Sendable {
    /// What the bare text of a scalar says it is. Quoted text is always `text`.
    enum Scalar: Sendable {
        case text, number, boolean, null
    }

    struct Entry: Sendable {
        var key: String
        var keyMark: Mark
        var value: Node
    }

    enum Content: Sendable {
        /// The source text with quotes and escapes taken off. A number keeps its spelling: nothing is rounded here.
        case scalar(String, Scalar)
        case list([Node])
        /// Entries in their order; a key that stands twice is here twice.
        case map([Entry])
        /// A problem has been reported about this value: there is nothing to say about it again.
        case refused
    }

    var content: Content
    var mark: Mark
}

extension Node {
    /// Text without quotes, as YAML's core schema takes it (YAML 1.2 §10.3.2, without octal, hexadecimal and infinity).
    init(plain text: String, at mark: Mark) {
        self.init(content: .scalar(text, Node.scalar(of: text)), mark: mark)
    }

    init(text: String, at mark: Mark) {
        self.init(content: .scalar(text, .text), mark: mark)
    }

    var isNull: Bool {
        if case .scalar(_, .null) = content { true } else { false }
    }

    /// The value of an object's member; the last one when it stands twice.
    subscript(key: String) -> Node? {
        guard case .map(let entries) = content else { return nil }
        return entries.last { $0.key == key }?.value
    }

    /// "a list", "text", ...: for messages.
    var noun: String {
        switch content {
        case .scalar(_, .text): "text"
        case .scalar(_, .number): "a number"
        case .scalar(_, .boolean): "a boolean"
        case .scalar(_, .null): "nothing"
        case .list: "a list"
        case .map: "a group of keys"
        case .refused: "an unreadable value"
        }
    }

    private static func scalar(of text: String) -> Scalar {
        switch text {
        case "", "~", "null", "Null", "NULL": .null
        case "true", "false", "True", "False", "TRUE", "FALSE": .boolean
        default: isNumber(text) ? .number : .text
        }
    }

    /// JSON's numbers (RFC 8259 §6), with `_` between digits allowed: 100_000.
    static func isNumber(_ text: String) -> Bool {
        var rest = text.utf8[...]
        if rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
        let whole = digits(&rest)
        guard whole > 0 else { return false }
        if whole > 1, text.utf8.first(where: { $0 != UInt8(ascii: "-") }) == UInt8(ascii: "0") { return false }
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            guard digits(&rest) > 0 else { return false }
        }
        if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
            rest = rest.dropFirst()
            if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
            guard digits(&rest) > 0 else { return false }
        }
        return rest.isEmpty
    }

    /// Takes the digits at the start off, and says how many there were; `_` may stand between two of them.
    private static func digits(_ rest: inout Substring.UTF8View) -> Int {
        var count = 0
        var separated = false
        while let byte = rest.first {
            if (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
                count += 1
                separated = false
            } else if byte == UInt8(ascii: "_"), count > 0, !separated {
                separated = true
            } else {
                break
            }
            rest = rest.dropFirst()
        }
        return separated ? 0 : count
    }
}

/// What is wrong with a document, and where.
struct DocumentFault: Error, Equatable {
    var mark: Mark
    var message: String
}

/// A document's text, checked before either reader sees it.
struct DocumentText {
    /// The deepest nesting of lists and groups that is read.
    static let depthLimit = 32

    /// Valid UTF-8 without a byte-order mark.
    let bytes: [UInt8]

    init(_ raw: [UInt8]) throws(DocumentFault) {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        bytes = raw.starts(with: mark) ? Array(raw.dropFirst(mark.count)) : raw
        do throws(UTF8.ValidationError) {
            _ = try UTF8Span(validating: bytes.span)
        } catch {
            let offset = error.byteOffsets.lowerBound
            throw DocumentFault(
                mark: self.mark(at: offset),
                message: "invalid UTF-8: byte 0x\(hexadecimal(bytes[offset])); expected UTF-8")
        }
    }

    /// The place of a byte. O(offset).
    func mark(at offset: Int) -> Mark {
        var mark = Mark(line: 1, column: 1)
        for byte in bytes.prefix(offset) {
            if byte == UInt8(ascii: "\n") {
                mark = Mark(line: mark.line + 1, column: 1)
            } else if byte & 0xC0 != 0x80 {
                mark.column += 1
            }
        }
        return mark
    }
}

/// Two upper-case digits.
func hexadecimal(_ byte: UInt8) -> String {
    (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
}
