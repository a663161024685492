/// "Did you mean": the word that a misspelt one most resembles.
enum Suggestion {
    /// Longer words are not compared: nobody misspells them, and comparing costs their product.
    static let lengthLimit = 48

    /// "; did you mean `x`?", or nothing when no candidate is near.
    static func phrase(for word: String, among candidates: some Sequence<String>) -> String {
        nearest(to: word, among: candidates).map { "; did you mean `\($0)`?" } ?? ""
    }

    /// The nearest candidate within a third of the word's length; else the only one that begins with it, or that it
    /// begins with.
    static func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
        let letters = folded(word)
        guard (1...lengthLimit).contains(letters.count) else { return nil }
        var best: (candidate: String, distance: Int)?
        var extensions: [String] = []
        for candidate in candidates {
            let other = folded(candidate)
            let distance = distance(letters, other)
            if distance <= max(1, max(letters.count, other.count) / 3), distance < other.count,
                best.map({ distance < $0.distance }) ?? true
            {
                best = (candidate, distance)
            }
            if min(letters.count, other.count) >= 3, letters.starts(with: other) || other.starts(with: letters) {
                extensions.append(candidate)
            }
        }
        return best?.candidate ?? (extensions.count == 1 ? extensions[0] : nil)
    }

    /// Lower case; dashes are the underscores people confuse them with.
    private static func folded(_ word: String) -> [UInt8] {
        word.utf8.prefix(lengthLimit + 1).map { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte | 0x20
            case UInt8(ascii: "-"), UInt8(ascii: " "): UInt8(ascii: "_")
            default: byte
            }
        }
    }

    /// Edits between two words: insertions, deletions, substitutions, and swaps of neighbours (optimal string alignment).
    static func distance(_ first: [UInt8], _ second: [UInt8]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...second.count)
        for i in first.indices {
            var row = [i + 1]
            row.reserveCapacity(second.count + 1)
            for j in second.indices {
                var best = min(last[j + 1] + 1, row[j] + 1, last[j] + (first[i] == second[j] ? 0 : 1))
                if i > 0, j > 0, first[i] == second[j - 1], first[i - 1] == second[j] {
                    best = min(best, beforeLast[j - 1] + 1)
                }
                row.append(best)
            }
            (beforeLast, last) = (last, row)
        }
        return last[second.count]
    }
}
