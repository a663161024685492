extension ConfigurationType where Value == Int {
    static func integer(_ range: ClosedRange<Int>) -> Self {
        let limits = "\(range.lowerBound) to \(range.upperBound)"
        return Self(
            noun: "number, \(limits)", expected: "a whole number from \(limits)", kinds: [.number],
            write: { String($0) },
            convert: { text throws(ConfigurationFault) in
                let digits = text.filter { $0 != "_" }
                guard let number = Int(digits) else {
                    throw ConfigurationFault(wrong: "`\(text.prefix(40))` is not a whole number in range")
                }
                guard range.contains(number) else { throw ConfigurationFault(wrong: "\(number) is out of range") }
                return number
            })
    }

    static func bytes(_ range: ClosedRange<Int>) -> Self {
        let limits = "\(Units.write(bytes: range.lowerBound)) to \(Units.write(bytes: range.upperBound))"
        return Self(
            noun: "size, \(limits)", expected: "bytes, or a size such as 64KiB, 1MiB or 100MB, from \(limits)",
            kinds: [.number, .text], write: { Units.write(bytes: $0) },
            convert: { text throws(ConfigurationFault) in
                guard let (_, unit) = Units.split(text) else {
                    throw ConfigurationFault(wrong: "\(quoted(text)) is not a size")
                }
                guard let bytes = Units.bytes(text) else {
                    if unit.isEmpty {
                        throw ConfigurationFault(wrong: "\(text.prefix(40)) is not a number of bytes in range")
                    }
                    let known = Units.sizes.contains { $0.name == unit }
                    throw ConfigurationFault(
                        wrong: known ? "\(text.prefix(40)) is out of range" : "\(quoted(unit)) is not a unit of size",
                        hint: known ? "" : hint(unit))
                }
                guard range.contains(bytes) else { throw ConfigurationFault(wrong: "\(text) is out of range") }
                return bytes
            })
    }

    /// `k`, `mb`, `Gib`: which unit was meant cannot be known for sure, so it is asked.
    private static func hint(_ unit: String) -> String {
        guard let letter = unit.lowercased().first, let index = "kmgt".firstIndex(of: letter) else { return "" }
        let power = ["KiB", "MiB", "GiB", "TiB"][Int("kmgt".distance(from: "kmgt".startIndex, to: index))]
        return "; did you mean `\(power)`?"
    }
}

extension ConfigurationType where Value == Double {
    static func seconds(_ range: ClosedRange<Double>) -> Self {
        let limits = "\(Units.write(seconds: range.lowerBound)) to \(Units.write(seconds: range.upperBound))"
        return Self(
            noun: "duration, \(limits)", expected: "seconds, or a duration such as 200ms, 5s, 2m or 1h, from \(limits)",
            kinds: [.number, .text], write: { Units.write(seconds: $0) },
            convert: { text throws(ConfigurationFault) in
                let seconds = try duration(text)
                guard range.contains(seconds) else { throw ConfigurationFault(wrong: "\(text) is out of range") }
                return seconds
            })
    }

    /// Seconds, of any size.
    static func duration(_ text: String) throws(ConfigurationFault) -> Double {
        guard let (_, unit) = Units.split(text) else {
            throw ConfigurationFault(wrong: "\(quoted(text)) is not a duration")
        }
        guard let seconds = Units.seconds(text) else {
            throw ConfigurationFault(
                wrong: "\(quoted(unit)) is not a unit of time",
                hint: Suggestion.phrase(for: unit, among: Units.durations.map { $0.name }))
        }
        return seconds
    }
}

extension ConfigurationType where Value == Bool {
    static var boolean: Self {
        Self(
            noun: "`true` or `false`", expected: "`true` or `false`", kinds: [.boolean], write: { String($0) },
            convert: { $0.lowercased() == "true" })
    }
}

extension ConfigurationType where Value == String {
    /// Text that is not empty. `check` says what is wrong with one, or nothing.
    static func text(
        noun: String = "text", expected: String = "text", check: @escaping @Sendable (String) -> String? = { _ in nil }
    ) -> Self {
        Self(
            noun: noun, expected: expected, kinds: [.text], quotes: true, write: { $0 },
            convert: { text throws(ConfigurationFault) in
                if text.isEmpty { throw ConfigurationFault(wrong: "is empty") }
                if text.utf8.contains(0) { throw ConfigurationFault(wrong: "has a NUL character in it") }
                if let wrong = check(text) { throw ConfigurationFault(wrong: wrong) }
                return text
            })
    }

    static var path: Self { text(noun: "path", expected: "a path") }

    /// An argument of a command: any text, numbers as they are written, also empty.
    static var argument: Self {
        Self(
            noun: "text", expected: "text", kinds: [.text, .number], quotes: true, write: { $0 },
            convert: { text throws(ConfigurationFault) in
                if text.utf8.contains(0) { throw ConfigurationFault(wrong: "has a NUL character in it") }
                return text
            })
    }
}

extension ConfigurationType where Value == Secret {
    /// Longest secret, in bytes: what fits a request's header with room to spare.
    static var secretLimit: Int { 1024 }

    /// What can stand in a header: visible ASCII without spaces. No message shows it.
    static var secret: Self {
        Self(
            noun: "text", expected: "at most \(secretLimit) visible ASCII characters without spaces",
            kinds: [.text, .number], quotes: true, write: { _ in "" },
            convert: { text throws(ConfigurationFault) in
                if let wrong = wrong(text) { throw ConfigurationFault(wrong: wrong) }
                return Secret(text)
            })
    }

    static func wrong(_ text: String) -> String? {
        if text.isEmpty { return "is empty" }
        if text.utf8.count > secretLimit { return "is longer than \(secretLimit) bytes" }
        return text.utf8.allSatisfy { (0x21...0x7E).contains($0) } ? nil : "has spaces, line breaks or other characters"
    }
}

extension ConfigurationType
where Value: RawRepresentable & CaseIterable, Value.RawValue == String, Value.AllCases: Sendable {
    /// One of a few words. `later` are words that a coming version understands.
    static func word(later: [String] = []) -> Self {
        let words = Value.allCases.map { $0.rawValue }
        return Self(
            noun: alternatives(words.map { "`\($0)`" }), expected: alternatives(words),
            kinds: [.text, .boolean, .number],
            write: { $0.rawValue },
            convert: { text throws(ConfigurationFault) in
                if let value = Value(rawValue: text) { return value }
                if later.contains(text) {
                    throw ConfigurationFault(wrong: "`\(text)` is not supported by this version")
                }
                throw ConfigurationFault(
                    wrong: "\(quoted(text)) is unknown", hint: Suggestion.phrase(for: text, among: words))
            })
    }
}
