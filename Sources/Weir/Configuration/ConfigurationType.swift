/// A type of value: how it is read, how it is written, and how people are told about it.
struct ConfigurationType<Value: Sendable>: Sendable {
    /// For the reference: `duration, 0 to 1h`.
    let noun: String
    /// For messages: `seconds or such as 5s, from 0 to 1h`.
    let expected: String
    let read: @Sendable (Node, inout [ConfigurationFault]) -> Value?
    let write: @Sendable (Value) -> String
    /// What an environment variable or an option holds, as a document would have it.
    let parse: @Sendable (String) -> Node
    /// What an option holds that may be given more than once; nil: it is given once.
    var parseEach: (@Sendable ([String]) -> Node)?
}

/// What is wrong with a value, or with a part of it.
struct ConfigurationFault: Error {
    /// `"fast" is text`.
    var wrong: String
    /// What should be there; nil: what the type expects.
    var expected: String?
    /// `; did you mean ...?`
    var hint = ""
    var mark: Mark?
    /// Where in a list or a map, such as `[2]`.
    var index = ""

    /// Of a value of another kind. `quotes`: in quotes it would have been taken.
    static func of(_ node: Node, quotes: Bool = false) -> ConfigurationFault {
        guard case .scalar(let text, let kind) = node.content else {
            return ConfigurationFault(wrong: "is \(node.noun)")
        }
        return switch kind {
        case .null: ConfigurationFault(wrong: "has no value")
        case .text: ConfigurationFault(wrong: "\(quoted(text)) is text", hint: hint(quoted: text))
        case .number:
            ConfigurationFault(wrong: "`\(text.prefix(40))` is a number", hint: quotes ? "; put it in quotes" : "")
        case .boolean: ConfigurationFault(wrong: "`\(text)` is a boolean", hint: quotes ? "; put it in quotes" : "")
        }
    }

    private static func hint(quoted text: String) -> String {
        switch text.lowercased() {
        case "yes", "on": "; did you mean `true`?"
        case "no", "off": "; did you mean `false`?"
        default: Node.isNumber(text) ? "; remove the quotes" : ""
        }
    }
}

extension ConfigurationType {
    /// Where text from outside a file stands.
    static var nowhere: Mark { Mark(line: 0, column: 0) }

    /// A type of scalars. `kinds` are those that a document may use; text from elsewhere takes whichever fits.
    /// `quotes`: any text may be a value, so that quotes make one of a number or a boolean.
    init(
        noun: String, expected: String, kinds: Set<Node.Scalar>, quotes: Bool = false,
        write: @escaping @Sendable (Value) -> String,
        convert: @escaping @Sendable (String) throws(ConfigurationFault) -> Value
    ) {
        self.noun = noun
        self.expected = expected
        self.write = write
        parse = { text in
            let plain = Node(plain: text, at: Self.nowhere)
            if case .scalar(_, let kind) = plain.content, kinds.contains(kind) { return plain }
            return Node(text: text, at: Self.nowhere)
        }
        read = { node, faults in
            do throws(ConfigurationFault) {
                guard case .scalar(let text, let kind) = node.content, kinds.contains(kind) else {
                    throw ConfigurationFault.of(node, quotes: quotes)
                }
                return try convert(text)
            } catch {
                var fault = error
                fault.expected = fault.expected ?? expected
                fault.mark = node.mark
                faults.append(fault)
                return nil
            }
        }
    }

    /// Another type, or the word `auto`, which is nil.
    static func auto<Base>(_ base: ConfigurationType<Base>) -> Self where Value == Base? {
        Self(
            noun: "`auto`, or \(base.noun)", expected: "`auto` or \(base.expected)",
            read: { node, faults in
                if case .scalar("auto", .text) = node.content { return .some(nil) }
                let before = faults.count
                let value = base.read(node, &faults)
                for index in before..<faults.count {
                    faults[index].expected = faults[index].expected.map { "`auto` or \($0)" }
                }
                return value.map { .some($0) }
            }, write: { $0.map(base.write) ?? "auto" },
            parse: { $0 == "auto" ? Node(text: $0, at: nowhere) : base.parse($0) })
    }

    /// Another type, where nil is that nothing was given.
    static func optional<Base>(_ base: ConfigurationType<Base>) -> Self where Value == Base? {
        Self(
            noun: base.noun, expected: base.expected,
            read: { node, faults in base.read(node, &faults).map { .some($0) } },
            write: { $0.map(base.write) ?? "" }, parse: base.parse)
    }
}

/// Text between quotes for a message: cut, and without control characters.
func quoted(_ text: String) -> String {
    var shown = ""
    for scalar in text.unicodeScalars.prefix(40) {
        shown.unicodeScalars.append(scalar.properties.generalCategory == .control ? "\u{FFFD}" : scalar)
    }
    return "\"\(shown)\(text.unicodeScalars.dropFirst(40).isEmpty ? "" : "…")\""
}

/// "a, b or c".
func alternatives(_ words: [String]) -> String {
    guard words.count > 1, let last = words.last else { return words.first ?? "" }
    return words.dropLast().joined(separator: ", ") + " or " + last
}
