/// Reads the XML that stores answer with: elements and text, in bounded memory, and strictly.
///
/// Of XML 1.0 it knows what such answers have: a declaration, elements, attributes (which are skipped), text, the five
/// entities, characters by number, CDATA and comments. Document types and processing instructions are refused, so that
/// nothing can be defined, or fetched. Prefixes of namespaces are left off.
struct XMLReader {
    struct Failure: Error, Equatable {
        let reason: String
        /// In bytes.
        let offset: Int
    }

    enum Event: Equatable {
        case open(String)
        /// The text directly within, when an element ends.
        case close(String, text: String)
    }

    /// Elements within each other, at most.
    static let depthLimit = 16
    static let nameLimit = 128

    private let bytes: [UInt8]
    private var at = 0
    private var stack: [(name: String, text: [UInt8])] = []
    private var hasRoot = false
    /// `<a/>` was opened, and closes.
    private var isEmptyElement = false

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        // A byte order mark.
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
        // S3 sends white space, so that nobody gives up while it puts an object together.
        while at < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[at]) { at += 1 }
        if bytes[at...].starts(with: "<?xml".utf8) {
            var end = at
            while end < bytes.count, bytes[end] != UInt8(ascii: ">") { end += 1 }
            at = min(end + 1, bytes.count)
        }
    }

    /// Nil at the end.
    mutating func next() throws(Failure) -> Event? {
        if isEmptyElement {
            isEmptyElement = false
            return close()
        }
        while at < bytes.count {
            if bytes[at] != UInt8(ascii: "<") {
                try text()
            } else if starts("<!--") {
                try skip(past: "-->")
            } else if starts("<![CDATA[") {
                guard !stack.isEmpty else { throw failure("text outside of an element") }
                at += 9
                let start = at
                try skip(past: "]]>")
                stack[stack.count - 1].text += bytes[start..<(at - 3)]
            } else if starts("</") {
                at += 2
                let name = try self.name()
                space()
                try expect(">")
                guard stack.last?.name == name else { throw failure("</\(name)> ends what was not begun") }
                return close()
            } else if starts("<!") || starts("<?") {
                throw failure("a declaration, which is not taken")
            } else {
                return try open()
            }
        }
        guard stack.isEmpty else { throw failure("it ends within <\(stack[stack.count - 1].name)>") }
        guard hasRoot else { throw failure("there is no element") }
        return nil
    }

    private mutating func close() -> Event {
        let element = stack.removeLast()
        return .close(element.name, text: String(decoding: element.text, as: UTF8.self))
    }

    private mutating func open() throws(Failure) -> Event {
        at += 1
        guard !stack.isEmpty || !hasRoot else { throw failure("a second root") }
        guard stack.count < XMLReader.depthLimit else {
            throw failure("more than \(XMLReader.depthLimit) elements within each other")
        }
        let name = try self.name()
        while true {
            let before = at
            space()
            guard at < bytes.count else { throw failure("it ends within <\(name)>") }
            if starts("/>") {
                at += 2
                isEmptyElement = true
                break
            }
            if bytes[at] == UInt8(ascii: ">") {
                at += 1
                break
            }
            guard at > before else { throw failure("no space before an attribute") }
            try attribute()
        }
        hasRoot = true
        stack.append((name, []))
        return .open(name)
    }

    private mutating func attribute() throws(Failure) {
        _ = try name()
        space()
        try expect("=")
        space()
        guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") || bytes[at] == UInt8(ascii: "'") else {
            throw failure("an attribute without quotes")
        }
        let quote = bytes[at]
        at += 1
        while at < bytes.count, bytes[at] != quote {
            guard bytes[at] != UInt8(ascii: "<") else { throw failure("< within an attribute") }
            at += 1
        }
        guard at < bytes.count else { throw failure("it ends within an attribute") }
        at += 1
    }

    private mutating func text() throws(Failure) {
        var text: [UInt8] = []
        while at < bytes.count, bytes[at] != UInt8(ascii: "<") {
            if bytes[at] == UInt8(ascii: "&") {
                text += try entity()
            } else {
                text.append(bytes[at])
                at += 1
            }
        }
        if stack.isEmpty {
            guard text.allSatisfy({ XMLReader.isSpace($0) }) else { throw failure("text outside of an element") }
        } else {
            stack[stack.count - 1].text += text
        }
    }

    private mutating func entity() throws(Failure) -> [UInt8] {
        at += 1
        let start = at
        while at < bytes.count, bytes[at] != UInt8(ascii: ";"), at - start < 10 { at += 1 }
        guard at < bytes.count, bytes[at] == UInt8(ascii: ";") else { throw failure("an entity without an end") }
        let name = String(decoding: bytes[start..<at], as: UTF8.self)
        at += 1
        switch name {
        case "amp": return [UInt8(ascii: "&")]
        case "lt": return [UInt8(ascii: "<")]
        case "gt": return [UInt8(ascii: ">")]
        case "quot": return [UInt8(ascii: "\"")]
        case "apos": return [UInt8(ascii: "'")]
        default:
            let number =
                name.hasPrefix("#x")
                ? UInt32(name.dropFirst(2), radix: 16)
                : name.hasPrefix("#") ? UInt32(name.dropFirst(1)) : nil
            guard let number, number > 0, let scalar = Unicode.Scalar(number) else {
                throw failure("an entity that is not known")
            }
            return Array(String(Character(scalar)).utf8)
        }
    }

    // MARK: Bytes

    private mutating func name() throws(Failure) -> String {
        var start = at
        while at < bytes.count, XMLReader.isName(bytes[at]) {
            at += 1
            if bytes[at - 1] == UInt8(ascii: ":") { start = at }
        }
        guard at > start, at - start <= XMLReader.nameLimit else { throw failure("no name, or a very long one") }
        return String(decoding: bytes[start..<at], as: UTF8.self)
    }

    private static func isName(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x3A, 0x41...0x5A, 0x61...0x7A, 0x80...0xFF, UInt8(ascii: "_"), UInt8(ascii: "-"),
            UInt8(ascii: "."):
            true
        default: false
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }

    private mutating func space() { while at < bytes.count, XMLReader.isSpace(bytes[at]) { at += 1 } }

    private func starts(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard bytes.count - at >= count else { return false }
        return (0..<count).allSatisfy { bytes[at + $0] == text.utf8Start[$0] }
    }

    private mutating func expect(_ text: StaticString) throws(Failure) {
        guard starts(text) else { throw failure("expected \(text)") }
        at += text.utf8CodeUnitCount
    }

    private mutating func skip(past text: StaticString) throws(Failure) {
        while at < bytes.count {
            if starts(text) {
                at += text.utf8CodeUnitCount
                return
            }
            at += 1
        }
        throw failure("there is no \(text)")
    }

    private func failure(_ reason: String) -> Failure { Failure(reason: reason, offset: at) }
}
