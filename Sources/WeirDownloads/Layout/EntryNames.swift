/// Names of an archive's entries: such that any system can unpack them, each its own, in an order that every reader shows them
/// in, and none that leads out of the place where it is unpacked.
enum EntryNames {
    /// Bytes of a name, its ending included; systems take 255.
    static let maxBytes = 150
    /// Bytes of an ending that is kept when a name is shortened.
    private static let maxEnding = 16

    /// One name for each of those wished for. They stay as they are when they are in order already, for readers that compare
    /// letters and for those that compare numbers; else each gets its number in front, of as many digits as the last one's.
    /// Names that differ in nothing but case or composition count as equal, and so are never in order.
    /// - Complexity: O(names).
    static func ordered(_ wishes: [String], ending: String = "") -> [String] {
        let names = wishes.map { safe($0, ending: ending) }
        if areOrdered(names) { return names }
        let digits = "\(names.count)".count
        return names.enumerated().map { index, name in
            let number = "\(index + 1)"
            return String(repeating: "0", count: digits - number.count) + number + " " + name
        }
    }

    /// A name that is safe by itself: of one level, without what some system reserves, not too long.
    static func safe(_ wish: String, ending: String = "") -> String {
        var name = String(String.UnicodeScalarView(wish.unicodeScalars.compactMap(allowed)))
        while let last = name.unicodeScalars.last, last == "." || last == " " { name.unicodeScalars.removeLast() }
        while name.unicodeScalars.first == " " { name.unicodeScalars.removeFirst() }
        // Hidden, and what is left of "..".
        if name.unicodeScalars.first == "." { name = "_" + name }
        if name.isEmpty { name = "_" }
        if isReserved(name) { name = "_" + name }
        return shortened(name, to: maxBytes - ending.utf8.count) + ending
    }

    /// What stands for a character; nil: nothing.
    private static func allowed(_ scalar: Unicode.Scalar) -> Unicode.Scalar? {
        switch scalar {
        case "/", "\\", ":", "*", "?", "\"", "<", ">", "|": "_"
        default:
            switch scalar.properties.generalCategory {
            case .control, .surrogate, .lineSeparator, .paragraphSeparator: nil
            // Direction marks turn the ending around; joiners belong to emoji and to some scripts.
            case .format: scalar == "\u{200C}" || scalar == "\u{200D}" ? scalar : nil
            case .spaceSeparator: " "
            default: scalar
            }
        }
    }

    /// Names of devices, which Windows takes for the device whatever their ending.
    private static func isReserved(_ name: String) -> Bool {
        let stem = name.prefix { $0 != "." }.uppercased()
        switch stem.trimmingSpaces {
        case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$": return true
        case let port where port.count == 4 && (port.hasPrefix("COM") || port.hasPrefix("LPT")):
            return "0123456789¹²³".contains(port.last ?? " ")
        default: return false
        }
    }

    /// At most `limit` bytes, cut between characters and in front of the ending.
    private static func shortened(_ name: String, to limit: Int) -> String {
        guard name.utf8.count > limit else { return name }
        var ending = Substring()
        if let dot = name.lastIndex(of: "."), dot > name.startIndex, name[dot...].utf8.count <= maxEnding {
            ending = name[dot...]
        }
        var stem = Substring()
        var bytes = ending.utf8.count
        for character in name {
            let more = String(character).utf8.count
            guard bytes + more <= limit else { break }
            bytes += more
            stem.append(character)
        }
        // One character alone may be longer, by what is piled up on it.
        if stem.isEmpty { stem = "_" }
        while stem.last == " " || stem.last == "." { stem.removeLast() }
        return String(stem.isEmpty ? "_" : stem) + ending
    }

    /// Strictly ascending by letters and by numbers.
    private static func areOrdered(_ names: [String]) -> Bool {
        var last: (letters: [UInt8], numbers: [Token])?
        for name in names {
            // Canonical equivalents are equal as strings; their bytes need not be.
            let folded = name.lowercased()
            let next = (letters: Array(folded.utf8), numbers: tokens(folded))
            if let last {
                guard last.letters.lexicographicallyPrecedes(next.letters),
                    last.numbers.lexicographicallyPrecedes(next.numbers)
                else { return false }
            }
            last = next
        }
        let folded = Set(names.map { $0.lowercased() })
        return folded.count == names.count && !folded.contains(ComicInfo.name.lowercased())
    }

    /// A run of digits, or one other character.
    private enum Token: Comparable {
        /// Without leading zeros, so that the longer one is the greater.
        case number(count: Int, digits: [UInt8])
        case letter(UInt32)

        static func < (one: Token, other: Token) -> Bool {
            switch (one, other) {
            case (.number(let count, let digits), .number(let otherCount, let otherDigits)):
                count != otherCount ? count < otherCount : digits.lexicographicallyPrecedes(otherDigits)
            case (.number, .letter(let letter)): letter > 0x39
            case (.letter(let letter), .number): letter < 0x30
            case (.letter(let letter), .letter(let otherLetter)): letter < otherLetter
            }
        }
    }

    private static func tokens(_ name: String) -> [Token] {
        var tokens: [Token] = []
        var digits: [UInt8]?
        for scalar in name.unicodeScalars {
            if ("0"..."9").contains(scalar) {
                digits = digits == [0x30] ? [] : digits ?? []
                digits?.append(UInt8(scalar.value))
                continue
            }
            if let number = digits { tokens.append(.number(count: number.count, digits: number)) }
            digits = nil
            tokens.append(.letter(scalar.value))
        }
        if let number = digits { tokens.append(.number(count: number.count, digits: number)) }
        return tokens
    }
}

extension String {
    fileprivate var trimmingSpaces: String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
