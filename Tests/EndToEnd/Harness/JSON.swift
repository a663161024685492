/// JSON as RFC 8259 has it and nothing beside it, read by the tests' own reader.
enum JSON: Equatable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([String: JSON])

    /// nil when it is not JSON.
    init?(_ text: String) {
        var reader = Reader(bytes: Array(text.utf8))
        guard let value = reader.value(depth: 0) else { return nil }
        reader.space()
        guard reader.at == reader.bytes.count else { return nil }
        self = value
    }

    subscript(name: String) -> JSON? { if case .object(let members) = self { members[name] } else { nil } }
    subscript(index: Int) -> JSON? {
        if case .array(let items) = self, items.indices.contains(index) { items[index] } else { nil }
    }
    var text: String? { if case .string(let text) = self { text } else { nil } }
    var number: Double? { if case .number(let number) = self { number } else { nil } }
    var integer: UInt64? { number.flatMap { UInt64(exactly: $0) } }
    var items: [JSON]? { if case .array(let items) = self { items } else { nil } }

    private struct Reader {
        let bytes: [UInt8]
        var at = 0

        mutating func space() {
            while at < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[at]) { at += 1 }
        }

        mutating func take(_ byte: Character) -> Bool {
            guard at < bytes.count, bytes[at] == byte.asciiValue else { return false }
            at += 1
            return true
        }

        mutating func word(_ word: String, _ value: JSON) -> JSON? {
            guard bytes[at...].starts(with: word.utf8) else { return nil }
            at += word.utf8.count
            return value
        }

        mutating func value(depth: Int) -> JSON? {
            space()
            guard at < bytes.count, depth < 64 else { return nil }
            switch Character(UnicodeScalar(bytes[at])) {
            case "{": return object(depth)
            case "[": return array(depth)
            case "\"": return string().map(JSON.string)
            case "t": return word("true", .bool(true))
            case "f": return word("false", .bool(false))
            case "n": return word("null", .null)
            default: return number()
            }
        }

        mutating func object(_ depth: Int) -> JSON? {
            at += 1
            var members: [String: JSON] = [:]
            space()
            if take("}") { return .object(members) }
            while true {
                space()
                guard let name = string() else { return nil }
                space()
                guard take(":"), let value = value(depth: depth + 1) else { return nil }
                // A name that stands twice is read differently by different readers.
                guard members.updateValue(value, forKey: name) == nil else { return nil }
                space()
                if take("}") { return .object(members) }
                guard take(",") else { return nil }
            }
        }

        mutating func array(_ depth: Int) -> JSON? {
            at += 1
            var items: [JSON] = []
            space()
            if take("]") { return .array(items) }
            while true {
                guard let item = value(depth: depth + 1) else { return nil }
                items.append(item)
                space()
                if take("]") { return .array(items) }
                guard take(",") else { return nil }
            }
        }

        mutating func string() -> String? {
            guard take("\"") else { return nil }
            var units: [UInt8] = []
            while at < bytes.count {
                let byte = bytes[at]
                at += 1
                switch byte {
                case UInt8(ascii: "\""): return String(validating: units, as: UTF8.self)
                case 0..<0x20: return nil
                case UInt8(ascii: "\\"):
                    guard let text = escape() else { return nil }
                    units.append(contentsOf: text.utf8)
                default: units.append(byte)
                }
            }
            return nil
        }

        mutating func escape() -> String? {
            guard at < bytes.count else { return nil }
            let plain: [Character: String] = [
                "\"": "\"", "\\": "\\", "/": "/", "b": "\u{8}", "f": "\u{c}", "n": "\n", "r": "\r", "t": "\t",
            ]
            let letter = Character(UnicodeScalar(bytes[at]))
            at += 1
            if letter != "u" { return plain[letter] }
            guard let first = unit() else { return nil }
            if let scalar = UnicodeScalar(first) { return String(Character(scalar)) }
            guard take("\\"), take("u"), let second = unit() else { return nil }
            return String(validating: [UInt16(first), UInt16(second)], as: UTF16.self)
        }

        mutating func unit() -> UInt32? {
            guard at + 4 <= bytes.count else { return nil }
            defer { at += 4 }
            let digits = String(decoding: bytes[at..<at + 4], as: UTF8.self)
            return digits.allSatisfy(\.isHexDigit) ? UInt32(digits, radix: 16) : nil
        }

        /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
        mutating func number() -> JSON? {
            let start = at
            _ = take("-")
            if !take("0"), digits() == 0 { return nil }
            if take("."), digits() == 0 { return nil }
            if take("e") || take("E") {
                if !take("+") { _ = take("-") }
                if digits() == 0 { return nil }
            }
            return Double(String(decoding: bytes[start..<at], as: UTF8.self)).map(JSON.number)
        }

        mutating func digits() -> Int {
            let start = at
            while at < bytes.count, (0x30...0x39).contains(bytes[at]) { at += 1 }
            return at - start
        }
    }
}
