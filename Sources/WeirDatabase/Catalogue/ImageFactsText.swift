// A picture's facts as words with a space between them:
//
//     1 png 1200x1800 indexed 8 alpha palette=57:768:9a0b1c2d data=cbf43926 837+8192*12 99285+513
//
// First the version, format, pixels, colour and bits, then what is not as usual, in this order: orientation=N, alpha,
// interlaced, process=N, untransformed, inverted, palette=OFFSET:COUNT:CRC, data=CRC and the runs OFFSET+COUNT[*PIECES].
extension ImageFacts {
    /// Grows when what is learnt of pictures changes: older texts are not understood then, and pages are read once more.
    public static let textVersion = 1

    /// Printable ASCII, on one line; a few dozen bytes, at most about 15 KB. `init?(text:)` gives back an equal value.
    public var text: String {
        var words = ["\(Self.textVersion)", format.rawValue, "\(width)x\(height)", colour.rawValue, "\(bits)"]
        if orientation != 1 { words.append("orientation=\(orientation)") }
        if hasAlpha { words.append("alpha") }
        if isInterlaced { words.append("interlaced") }
        if process != 0 { words.append("process=\(process)") }
        if isUntransformed { words.append("untransformed") }
        if isInverted { words.append("inverted") }
        if let palette {
            words.append("palette=\(palette.offset):\(palette.count):\(Self.hex(palette.crc32))")
        }
        if !data.isEmpty {
            words.append("data=\(Self.hex(dataCRC32))")
            for run in data {
                words.append("\(run.offset)+\(run.count)" + (run.pieces == 1 ? "" : "*\(run.pieces)"))
            }
        }
        return words.joined(separator: " ")
    }

    /// Nil when it was not written by `text` of this version, or says what cannot be.
    public init?(text: String) {
        let words = text.split(separator: " ", maxSplits: 400, omittingEmptySubsequences: false)
        guard words.count >= 5, words[0] == "\(Self.textVersion)", let format = Format(rawValue: String(words[1])),
            let pixels = Self.pair(words[2], "x"), let colour = Colour(rawValue: String(words[3])),
            let bits = UInt8(words[4]),
            let width = UInt32(exactly: pixels.0), let height = UInt32(exactly: pixels.1), width > 0, height > 0
        else { return nil }
        self.init(format: format, width: width, height: height)
        self.colour = colour
        self.bits = bits
        for word in words.dropFirst(5) where !understand(word) { return nil }
        // What is written once can be read in one way only.
        guard data.count <= Self.maxRuns, self.text == text else { return nil }
    }

    private mutating func understand(_ word: Substring) -> Bool {
        let sides = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        switch (sides[0], sides.count) {
        case ("alpha", 1): hasAlpha = true
        case ("interlaced", 1): isInterlaced = true
        case ("untransformed", 1): isUntransformed = true
        case ("inverted", 1): isInverted = true
        case ("orientation", 2):
            guard let number = UInt8(sides[1]), (2...8).contains(number) else { return false }
            orientation = number
        case ("process", 2):
            guard let number = UInt8(sides[1]), number <= 15 else { return false }
            process = number
        case ("palette", 2):
            guard let end = sides[1].lastIndex(of: ":"), let place = Self.pair(sides[1][..<end], ":"),
                let crc = UInt32(sides[1][end...].dropFirst(), radix: 16), Self.fits(place.0, place.1)
            else { return false }
            palette = Palette(offset: place.0, count: place.1, crc32: crc)
        case ("data", 2):
            guard let crc = UInt32(sides[1], radix: 16) else { return false }
            dataCRC32 = crc
        case (let run, 1):
            let factors = run.split(separator: "*", maxSplits: 1, omittingEmptySubsequences: false)
            guard let place = Self.pair(factors[0], "+"), place.1 > 0 else { return false }
            let pieces = factors.count == 1 ? 1 : UInt64(factors[1])
            guard let pieces, pieces > 0 else { return false }
            let (bytes, overflow) = (place.1 &+ Run.gap).multipliedReportingOverflow(by: pieces)
            guard place.1 <= UInt64(Int64.max), !overflow, Self.fits(place.0, bytes) else { return false }
            data.append(Run(offset: place.0, count: place.1, pieces: pieces))
        default: return false
        }
        return true
    }

    private static func hex(_ number: UInt32) -> String { String(number, radix: 16) }

    /// Both lie within what a file can have.
    private static func fits(_ offset: UInt64, _ count: UInt64) -> Bool {
        let (end, overflow) = offset.addingReportingOverflow(count)
        return !overflow && end <= UInt64(Int64.max)
    }

    private static func pair(_ word: Substring, _ separator: Character) -> (UInt64, UInt64)? {
        let sides = word.split(separator: separator, maxSplits: 1, omittingEmptySubsequences: false)
        guard sides.count == 2, let first = UInt64(sides[0]), let second = UInt64(sides[1]) else { return nil }
        return (first, second)
    }
}
