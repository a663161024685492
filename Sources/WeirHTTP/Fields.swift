/// Header fields in their order. Names compare without case; a name may occur more than once.
public struct Fields: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    public struct Field: Sendable, Equatable {
        public var name: String
        public var value: String
    }

    public private(set) var all: [Field] = []

    public init() {}

    public init(dictionaryLiteral elements: (String, String)...) {
        all = elements.map { Field(name: $0.0, value: $0.1) }
    }

    /// The first value of a name. Setting replaces every one of them; nil removes them.
    /// - Complexity: O(number of fields).
    public subscript(name: String) -> String? {
        get { all.first { Fields.equal($0.name, name) }?.value }
        set {
            all.removeAll { Fields.equal($0.name, name) }
            if let newValue { append(name, newValue) }
        }
    }

    /// All values of a name, in order.
    public func values(_ name: String) -> [String] {
        all.compactMap { Fields.equal($0.name, name) ? $0.value : nil }
    }

    public mutating func append(_ name: String, _ value: String) {
        all.append(Field(name: name, value: value))
    }

    mutating func reserve(_ count: Int) { all.reserveCapacity(count) }

    /// ASCII without case.
    static func equal(_ a: String, _ b: String) -> Bool {
        a.utf8.count == b.utf8.count && zip(a.utf8, b.utf8).allSatisfy { lower($0) == lower($1) }
    }

    @inline(__always)
    static func lower(_ byte: UInt8) -> UInt8 {
        byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
    }
}

extension Fields {
    /// A token without case in a comma-separated field: `Connection: keep-alive, close`.
    func contains(_ token: String, in name: String) -> Bool {
        values(name).contains { value in
            value.split(separator: ",").contains { Fields.equal(String($0.trimmed), token) }
        }
    }
}

extension StringProtocol {
    /// Without spaces and tabs around it.
    var trimmed: SubSequence {
        var rest = self[...]
        while let first = rest.first, first == " " || first == "\t" { rest = rest.dropFirst() }
        while let last = rest.last, last == " " || last == "\t" { rest = rest.dropLast() }
        return rest
    }
}
