internal import CWeirDownloads
internal import WeirDatabase

/// The bytes of an artefact, as far as they are laid out: literals in one piece of memory, pages by where they are.
/// A page takes about a hundred bytes, however it is cut.
struct LayoutParts: Sendable {
    /// One after the other; where one ends the next begins.
    private struct Part {
        var begin: UInt64
        /// Where in the literals, or in the page's object.
        var offset: UInt64
        /// Bytes of each piece of a run; all of it for a literal, and for a page in one piece.
        var piece: UInt64
        /// -1: literals.
        var page: Int
    }

    private var parts: [Part] = []
    private var literals: [UInt8] = []
    private(set) var length: UInt64 = 0
    /// CRC-32 of all since `startCRC`; nil when nobody needs it.
    private(set) var crc: UInt32?

    mutating func startCRC() { crc = 0 }
    mutating func stopCRC() { crc = nil }

    mutating func append(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        if let known = crc { crc = weir_crc32(known, bytes, bytes.count) }
        if let last = parts.last, last.page < 0 {
            parts[parts.count - 1].piece += UInt64(bytes.count)
        } else {
            parts.append(Part(begin: length, offset: UInt64(literals.count), piece: UInt64(bytes.count), page: -1))
        }
        literals += bytes
        length += UInt64(bytes.count)
    }

    mutating func append(_ text: String) { append(Array(text.utf8)) }

    /// `count` bytes of a page's object that have this CRC.
    mutating func append(page: Int, offset: UInt64 = 0, count: UInt64, crc32: UInt32) {
        guard count > 0 else { return }
        parts.append(Part(begin: length, offset: offset, piece: count, page: page))
        length += count
        if let known = crc { crc = weir_crc32_combine(known, crc32, count) }
    }

    /// Pieces of a page's object; `crc32` is that of all of them.
    mutating func append(page: Int, runs: [ImageFacts.Run], crc32: UInt32) {
        let begin = length
        for run in runs {
            parts.append(Part(begin: length, offset: run.offset, piece: run.count, page: page))
            length += run.count * run.pieces
        }
        if let known = crc { crc = weir_crc32_combine(known, crc32, length - begin) }
    }

    /// Other literals in place of as many that are at `position`.
    mutating func replace(at position: UInt64, with bytes: [UInt8]) {
        let part = parts[index(of: position)]
        precondition(part.page < 0 && position - part.begin + UInt64(bytes.count) <= part.piece)
        let first = Int(part.offset + position - part.begin)
        literals.replaceSubrange(first..<first + bytes.count, with: bytes)
    }

    /// What the bytes of a range are, end to end.
    /// - Complexity: O(log(parts) + segments).
    func segments(in range: Range<UInt64>) -> [Layout.Segment] {
        let range = range.clamped(to: 0..<length)
        guard !range.isEmpty else { return [] }
        var found: [Layout.Segment] = []
        var position = range.lowerBound
        var index = index(of: position)
        while position < range.upperBound {
            let part = parts[index]
            let end = min(index + 1 < parts.count ? parts[index + 1].begin : length, range.upperBound)
            while position < end {
                let into = position - part.begin
                if part.page < 0 {
                    let bytes = literals[Int(part.offset + into)..<Int(part.offset + end - part.begin)]
                    found.append(.literal(Array(bytes)))
                    position = end
                } else {
                    let (piece, inside) = into.quotientAndRemainder(dividingBy: part.piece)
                    let count = min(part.piece - inside, end - position)
                    let offset = part.offset + piece * (part.piece + ImageFacts.Run.gap) + inside
                    found.append(.page(part.page, offset: offset, count: count))
                    position += count
                }
            }
            index += 1
        }
        return found
    }

    /// The part that has the byte at `position`, which is below `length`.
    private func index(of position: UInt64) -> Int {
        var (low, high) = (0, parts.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if parts[middle].begin <= position { low = middle } else { high = middle }
        }
        return low
    }
}
