/// What the bytes of a picture say of it. As a text it fits into a column: `text`, `init?(text:)`.
public struct ImageFacts: Sendable, Hashable {
    public enum Format: String, Sendable, Hashable, CaseIterable {
        case jpeg, png, webp, gif, avif
    }

    /// How a pixel is made up. Alpha is not counted.
    public enum Colour: String, Sendable, Hashable, CaseIterable {
        /// Not looked for: WebP, GIF and AVIF.
        case unknown
        case grey, rgb, cmyk
        /// A number in the palette.
        case indexed

        /// 0, 1, 3 or 4 numbers for each pixel.
        public var components: Int {
            switch self {
            case .unknown: 0
            case .grey, .indexed: 1
            case .rgb: 3
            case .cmyk: 4
            }
        }
    }

    public var format: Format
    /// Pixels, as stored: before `orientation` is applied. At least 1.
    public var width: UInt32
    public var height: UInt32
    public var colour = Colour.unknown
    /// Of one component, or of a number in the palette: 1, 2, 4, 8, 12 or 16; 0 where the colour is unknown.
    public var bits: UInt8 = 0
    /// By EXIF, 1 ... 8: 1 is upright, 2, 4, 5 and 7 are mirrored, 5 ... 8 lie on their side.
    public var orientation: UInt8 = 1
    /// Some of it is not opaque.
    public var hasAlpha = false
    /// PNG: rows in seven passes.
    public var isInterlaced = false

    /// JPEG: n of its SOFn: 0 baseline, 1 extended, 2 progressive; others are rare, and no PDF can have them.
    public var process: UInt8 = 0
    /// JPEG: components are what they are called, not YCbCr, though no marker of Adobe's says so.
    public var isUntransformed = false
    /// JPEG: CMYK by Adobe, where 255 is no ink.
    public var isInverted = false

    /// PNG: where the palette is, as RGB triples.
    public var palette: Palette?
    /// PNG: where the compressed pixels are. None when they are in more than `maxRuns` runs.
    public var data: [Run] = []
    /// PNG: CRC-32 of the compressed pixels, one piece after the other.
    public var dataCRC32: UInt32 = 0

    /// Runs that are kept of a picture; encoders write pieces of one size, and so one run or two.
    public static let maxRuns = 256

    /// Part of the object's bytes.
    public struct Palette: Sendable, Hashable {
        public var offset: UInt64
        /// Bytes: 3 ... 768, a multiple of 3.
        public var count: UInt64
        public var crc32: UInt32

        public init(offset: UInt64, count: UInt64, crc32: UInt32) {
            self.offset = offset
            self.count = count
            self.crc32 = crc32
        }
    }

    /// Pieces of the object's bytes, of equal size, with the `gap` between them that PNG has from one chunk to the next.
    public struct Run: Sendable, Hashable {
        /// Of the first piece.
        public var offset: UInt64
        /// Bytes of each piece; at least 1.
        public var count: UInt64
        /// How many pieces; at least 1.
        public var pieces: UInt64

        /// Bytes between two pieces.
        public static let gap: UInt64 = 12

        public init(offset: UInt64, count: UInt64, pieces: UInt64 = 1) {
            self.offset = offset
            self.count = count
            self.pieces = pieces
        }
    }

    public init(format: Format, width: UInt32, height: UInt32) {
        self.format = format
        self.width = width
        self.height = height
    }
}
