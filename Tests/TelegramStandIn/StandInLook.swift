/// What can be seen of a file while it passes: which format it has, and for a video whether it has sound.
struct StandInLook: Sendable {
    private(set) var beginning: [UInt8] = []
    private(set) var hasSound = false
    /// The end of the last piece, in which `soun` may have begun.
    private var rest: [UInt8] = []
    private static let beginningLimit = 32

    mutating func add(_ bytes: ArraySlice<UInt8>) {
        if beginning.count < Self.beginningLimit { beginning += bytes.prefix(Self.beginningLimit - beginning.count) }
        if hasSound || !isMP4 { return }
        // The handler type of a track (ISO/IEC 14496-12 §8.4.3).
        let mark = Array("soun".utf8)
        let joined = rest + bytes
        hasSound = Array(joined).firstOffset(of: mark) != nil
        rest = joined.suffix(mark.count - 1)
    }

    private func has(_ text: String, at offset: Int) -> Bool {
        beginning.count >= offset + text.utf8.count && beginning[offset...].starts(with: text.utf8)
    }

    var isMP4: Bool { has("ftyp", at: 4) }
    var isGIF: Bool { has("GIF8", at: 0) }
    var isSilentVideo: Bool { isMP4 && !hasSound }
    var isPicture: Bool {
        isGIF || beginning.starts(with: [0xFF, 0xD8, 0xFF]) || isPNG || (has("RIFF", at: 0) && has("WEBP", at: 8))
    }
    private var isPNG: Bool { beginning.starts(with: [0x89, 0x50, 0x4E, 0x47]) }

    /// Width and height, of a PNG (its IHDR comes first).
    var dimensions: (Int, Int)? {
        guard isPNG, beginning.count >= 24 else { return nil }
        func number(_ at: Int) -> Int { beginning[at..<(at + 4)].reduce(0) { $0 << 8 | Int($1) } }
        return (number(16), number(20))
    }
}
