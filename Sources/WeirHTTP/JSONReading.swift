// JSON that others send (RFC 8259): strict, bounded in depth, without a trap on any input.

extension JSON {
    /// Lists and objects that may lie within each other.
    public static let depthLimit = 64

    /// Why a text is not JSON.
    public struct Problem: Error, Sendable, Equatable, CustomStringConvertible {
        /// The byte that it was noticed at.
        public let offset: Int
        /// What is wrong there, in English without a full stop.
        public let reason: String

        public var description: String { "\(reason) at byte \(offset)" }
    }

    /// A text of UTF-8 as a value. Nothing but white space may stand around it. A whole number that fits is `.integer`, or
    /// `.unsigned` above that; every other number is `.number`. A member that stands twice is there twice.
    /// - Complexity: O(bytes)
    public init(reading bytes: [UInt8]) throws(Problem) {
        let read = bytes.withUnsafeBytes { buffer -> Result<JSON, Problem> in
            var reader = JSONText(bytes: buffer)
            do throws(Problem) {
                return .success(try reader.document())
            } catch {
                return .failure(error)
            }
        }
        self = try read.get()
    }

    // MARK: Looking into it

    /// The first member of this name; nil when it is no object, or has none.
    /// - Complexity: O(members)
    public subscript(name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.0 == name }?.1
    }

    public var text: String? {
        if case .string(let text) = self { text } else { nil }
    }

    public var flag: Bool? {
        if case .bool(let flag) = self { flag } else { nil }
    }

    /// A whole number that fits.
    public var whole: Int64? {
        switch self {
        case .integer(let number): number
        case .unsigned(let number): Int64(exactly: number)
        case .number(let number): Int64(exactly: number)
        default: nil
        }
    }

    public var items: [JSON]? {
        if case .array(let items) = self { items } else { nil }
    }
}

/// Reads one document. On a buffer that outlives it.
private struct JSONText {
    let bytes: UnsafeRawBufferPointer
    private var offset = 0

    init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    private var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private func problem(_ reason: String) -> JSON.Problem { JSON.Problem(offset: offset, reason: reason) }

    mutating func document() throws(JSON.Problem) -> JSON {
        skipSpace()
        let value = try value(depth: 0)
        skipSpace()
        if offset < bytes.count { throw problem("something follows the value") }
        return value
    }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { offset += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        offset += 1
        return true
    }

    private mutating func value(depth: Int) throws(JSON.Problem) -> JSON {
        switch next {
        case UInt8(ascii: "{"): return .object(try members(depth: try deeper(depth)))
        case UInt8(ascii: "["): return .array(try items(depth: try deeper(depth)))
        case UInt8(ascii: "\""): return .string(try string())
        case nil: throw problem("the text ends where a value is expected")
        default: return try word()
        }
    }

    private func deeper(_ depth: Int) throws(JSON.Problem) -> Int {
        guard depth < JSON.depthLimit else { throw problem("nested deeper than \(JSON.depthLimit) levels") }
        return depth + 1
    }

    private mutating func members(depth: Int) throws(JSON.Problem) -> [(String, JSON)] {
        offset += 1
        var members: [(String, JSON)] = []
        skipSpace()
        if take(UInt8(ascii: "}")) { return members }
        while true {
            guard next == UInt8(ascii: "\"") else { throw problem("a name in quotes is expected") }
            let name = try string()
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw problem("a colon is expected") }
            skipSpace()
            members.append((name, try value(depth: depth)))
            skipSpace()
            if take(UInt8(ascii: "}")) { return members }
            guard take(UInt8(ascii: ",")) else { throw problem("a comma or } is expected") }
            skipSpace()
        }
    }

    private mutating func items(depth: Int) throws(JSON.Problem) -> [JSON] {
        offset += 1
        var items: [JSON] = []
        skipSpace()
        if take(UInt8(ascii: "]")) { return items }
        while true {
            items.append(try value(depth: depth))
            skipSpace()
            if take(UInt8(ascii: "]")) { return items }
            guard take(UInt8(ascii: ",")) else { throw problem("a comma or ] is expected") }
            skipSpace()
        }
    }

    // MARK: Words and numbers

    private mutating func word() throws(JSON.Problem) -> JSON {
        let start = offset
        while let byte = next, JSONText.isWord(byte) { offset += 1 }
        let word = String(decoding: bytes[start..<offset], as: UTF8.self)
        switch word {
        case "true": return .bool(true)
        case "false": return .bool(false)
        case "null": return .null
        default:
            if let number = JSONText.number(bytes[start..<offset], word) { return number }
            offset = start
            throw problem("a value is expected")
        }
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    /// RFC 8259 §6: nil when it is none.
    private static func number(_ bytes: Slice<UnsafeRawBufferPointer>, _ word: String) -> JSON? {
        var rest = bytes
        var isWhole = true
        if rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
        let leads = rest.first == UInt8(ascii: "0")
        let digits = takeDigits(&rest)
        guard digits > 0, !leads || digits == 1 else { return nil }
        if rest.first == UInt8(ascii: ".") {
            isWhole = false
            rest = rest.dropFirst()
            guard takeDigits(&rest) > 0 else { return nil }
        }
        if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
            isWhole = false
            rest = rest.dropFirst()
            if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
            guard takeDigits(&rest) > 0 else { return nil }
        }
        guard rest.isEmpty else { return nil }
        if isWhole, let number = Int64(word) { return .integer(number) }
        if isWhole, let number = UInt64(word) { return .unsigned(number) }
        return Double(word).map { .number($0) }
    }

    private static func takeDigits(_ rest: inout Slice<UnsafeRawBufferPointer>) -> Int {
        let digits = rest.prefix { $0 >= 0x30 && $0 <= 0x39 }.count
        rest = rest.dropFirst(digits)
        return digits
    }

    // MARK: Strings

    private mutating func string() throws(JSON.Problem) -> String {
        offset += 1
        let start = offset
        while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { offset += 1 }
        // Most have no escape.
        var text = [UInt8](bytes[start..<offset])
        while true {
            switch next {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw problem("a string is no UTF-8")
                }
                offset += 1
                return string
            case UInt8(ascii: "\\"): try escape(into: &text)
            case nil: throw problem("a string has no end")
            case let byte? where byte < 0x20: throw problem("a control character in a string")
            case let byte?:
                text.append(byte)
                offset += 1
            }
        }
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSON.Problem) {
        offset += 1
        guard let byte = next else { throw problem("a string has no end") }
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            offset += 1
            text.append(contentsOf: String(Character(try scalar())).utf8)
            return
        default: throw problem("an unknown escape")
        }
        offset += 1
    }

    /// What follows `\u`: four digits, or a surrogate pair (RFC 8259 §7).
    private mutating func scalar() throws(JSON.Problem) -> Unicode.Scalar {
        let first = try unit()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
            throw problem("half of a surrogate pair")
        }
        let second = try unit()
        guard (0xDC00..<0xE000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw problem("half of a surrogate pair") }
        return scalar
    }

    private mutating func unit() throws(JSON.Problem) -> UInt32 {
        guard offset + 4 <= bytes.count, let high = Hexadecimal.byte(bytes[offset], bytes[offset + 1]),
            let low = Hexadecimal.byte(bytes[offset + 2], bytes[offset + 3])
        else { throw problem("four hexadecimal digits are expected") }
        offset += 4
        return UInt32(high) << 8 | UInt32(low)
    }
}
