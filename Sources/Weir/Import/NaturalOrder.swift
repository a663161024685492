/// The order in which people number pages: `2.jpg` before `10.jpg`, whatever the case of letters.
enum NaturalOrder {
    /// Strict and total: texts that differ in case or leading zeros only are in the order of their bytes.
    static func precedes(_ left: String, _ right: String) -> Bool {
        var (one, other) = (left.utf8[...], right.utf8[...])
        while let first = one.first, let second = other.first {
            if isDigit(first), isDigit(second) {
                let (a, b) = (number(&one), number(&other))
                if a.count != b.count { return a.count < b.count }
                if !a.elementsEqual(b) { return a.lexicographicallyPrecedes(b) }
                continue
            }
            let (a, b) = (rank(first), rank(second))
            if a != b { return a < b }
            one.removeFirst()
            other.removeFirst()
        }
        if one.isEmpty != other.isEmpty { return one.isEmpty }
        return left.utf8.lexicographicallyPrecedes(right.utf8)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    /// A directory's files stand before what its name only begins.
    private static func rank(_ byte: UInt8) -> UInt8 {
        if byte == UInt8(ascii: "/") { return 0 }
        return (0x41...0x5A).contains(byte) ? byte + 0x20 : byte
    }

    /// Takes the digits at the beginning; without leading zeros.
    private static func number(_ text: inout Substring.UTF8View) -> Substring.UTF8View {
        let digits = text.prefix { isDigit($0) }
        text = text.dropFirst(digits.count)
        return digits.drop { $0 == 0x30 }
    }
}
