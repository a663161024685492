/// A value on its way out as JSON (RFC 8259): answers, log lines, reports. Members keep their order.
///
///     let answer: JSON = ["name": "vinyl", "position": .unsigned(position), "warm": nil]
///     connection.send(answer.bytes)
enum JSON: Sendable, Equatable {
    case null
    case boolean(Bool)
    case integer(Int)
    case unsigned(UInt64)
    /// Infinity and NaN, which JSON has not, are written as `null`.
    case number(Double)
    case text(String)
    case list([JSON])
    case object([Member])

    struct Member: Sendable, Equatable {
        var name: String
        var value: JSON

        init(_ name: String, _ value: JSON) {
            self.name = name
            self.value = value
        }
    }

    /// UTF-8, on one line, without spaces. O(size).
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        write(to: &bytes)
        return bytes
    }

    /// UTF-8 over several lines, indented by two spaces: for people.
    var indented: String {
        var bytes: [UInt8] = []
        write(to: &bytes, indent: 0)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends the value. `indent` is the level to start at; nil writes one line.
    func write(to bytes: inout [UInt8], indent: Int? = nil) {
        switch self {
        case .null: bytes.append(contentsOf: "null".utf8)
        case .boolean(let value): bytes.append(contentsOf: (value ? "true" : "false").utf8)
        case .integer(let value): bytes.append(contentsOf: String(value).utf8)
        case .unsigned(let value): bytes.append(contentsOf: String(value).utf8)
        case .number(let value): Self.write(value, to: &bytes)
        case .text(let value): Self.write(value, to: &bytes)
        case .list(let values):
            Self.write(
                values, between: (UInt8(ascii: "["), UInt8(ascii: "]")), to: &bytes, indent: indent
            ) { value, bytes, indent in
                value.write(to: &bytes, indent: indent)
            }
        case .object(let members):
            Self.write(
                members, between: (UInt8(ascii: "{"), UInt8(ascii: "}")), to: &bytes, indent: indent
            ) { member, bytes, indent in
                Self.write(member.name, to: &bytes)
                bytes.append(UInt8(ascii: ":"))
                if indent != nil { bytes.append(UInt8(ascii: " ")) }
                member.value.write(to: &bytes, indent: indent)
            }
        }
    }

    private static func write<Element>(
        _ elements: [Element], between brackets: (open: UInt8, close: UInt8), to bytes: inout [UInt8], indent: Int?,
        each: (Element, inout [UInt8], Int?) -> Void
    ) {
        bytes.append(brackets.open)
        for (index, element) in elements.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            if let indent { newLine(indent + 1, to: &bytes) }
            each(element, &bytes, indent.map { $0 + 1 })
        }
        if let indent, !elements.isEmpty { newLine(indent, to: &bytes) }
        bytes.append(brackets.close)
    }

    private static func newLine(_ indent: Int, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\n"))
        for _ in 0..<indent * 2 { bytes.append(UInt8(ascii: " ")) }
    }

    private static func write(_ value: Double, to bytes: inout [UInt8]) {
        guard value.isFinite else {
            bytes.append(contentsOf: "null".utf8)
            return
        }
        // The shortest text that reads back as the same number; a whole one without its ".0".
        let text = "\(value)"
        bytes.append(contentsOf: (text.hasSuffix(".0") ? text.dropLast(2) : text[...]).utf8)
    }

    private static func write(_ value: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(contentsOf: [UInt8(ascii: "\\"), byte])
            case 0x0A: bytes.append(contentsOf: "\\n".utf8)
            case 0x0D: bytes.append(contentsOf: "\\r".utf8)
            case 0x09: bytes.append(contentsOf: "\\t".utf8)
            case 0..<0x20, 0x7F: bytes.append(contentsOf: "\\u00\(hexadecimal(byte))".utf8)
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}

extension JSON: CustomStringConvertible {
    var description: String { String(decoding: bytes, as: UTF8.self) }
}

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    init(nilLiteral: ()) { self = .null }
    init(booleanLiteral value: Bool) { self = .boolean(value) }
    init(integerLiteral value: Int) { self = .integer(value) }
    init(floatLiteral value: Double) { self = .number(value) }
    init(stringLiteral value: String) { self = .text(value) }
    init(arrayLiteral elements: JSON...) { self = .list(elements) }
    init(dictionaryLiteral elements: (String, JSON)...) { self = .object(elements.map { Member($0.0, $0.1) }) }
}
