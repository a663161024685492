/// How PDF writes numbers and texts.
enum PDFText {
    /// A text string (ISO 32000-1 §7.9.2.2): ASCII in parentheses, anything else in UTF-16 as hexadecimal digits.
    static func string(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
        if isPlain {
            var escaped = "("
            for character in text.unicodeScalars {
                if character == "(" || character == ")" || character == "\\" { escaped += "\\" }
                escaped.unicodeScalars.append(character)
            }
            return escaped + ")"
        }
        var digits = "<FEFF"
        for unit in text.utf16 { digits += padded(String(unit, radix: 16, uppercase: true), to: 4) }
        return digits + ">"
    }

    static func padded(_ number: UInt64, to digits: Int) -> String { padded("\(number)", to: digits) }

    private static func padded(_ number: String, to digits: Int) -> String {
        String(repeating: "0", count: max(0, digits - number.utf8.count)) + number
    }

    /// A number of thousandths, with no more digits than it needs.
    static func thousandths(_ number: UInt64) -> String {
        let (whole, rest) = number.quotientAndRemainder(dividingBy: 1000)
        guard rest > 0 else { return "\(whole)" }
        var digits = padded(rest, to: 3)
        while digits.last == "0" { digits.removeLast() }
        return "\(whole).\(digits)"
    }
}
