internal import CWeirDownloads
public import WeirDatabase

/// Learns what a page is from its bytes, all of them, in order and in pieces of any size.
///
/// Of any thread, one at a time. It keeps no bytes; it takes 7 KB.
public final class PageReading {
    private let image: UnsafeMutablePointer<weir_image_t>
    private var length: UInt64 = 0
    private var crc: UInt32 = 0

    public init() {
        image = .allocate(capacity: 1)
        weir_image_begin(image)
    }

    deinit { image.deallocate() }

    public func read(_ bytes: UnsafeRawBufferPointer) {
        crc = weir_crc32(crc, bytes.baseAddress, bytes.count)
        weir_image_feed(image, bytes.baseAddress, bytes.count)
        length += UInt64(bytes.count)
    }

    /// What the object with this ETag holds, after its last byte.
    public func facts(etag: String) -> PageFacts {
        PageFacts(length: length, crc32: crc, etag: etag, image: ImageFacts(image))
    }

    /// Why a picture of a known format is not believed, in a few words; nil when there is nothing to say.
    public var damage: String? {
        var words: UnsafePointer<CChar>?
        _ = weir_image_end(image, &words)
        return words.map { String(cString: $0) }
    }
}

extension ImageFacts {
    /// What a reader has found once the page's last byte has passed; nil when that is no picture that is known.
    init?(_ image: UnsafeMutablePointer<weir_image_t>) {
        guard let found = weir_image_end(image, nil), let format = Format(found.pointee.format) else { return nil }
        let facts = found.pointee
        self.init(format: format, width: facts.width, height: facts.height)
        colour = Colour(facts.colour)
        bits = facts.bits
        orientation = facts.orientation
        hasAlpha = facts.has_alpha
        isInterlaced = facts.is_interlaced
        process = facts.process
        isUntransformed = facts.is_untransformed
        isInverted = facts.is_inverted
        if facts.palette_count > 0 {
            palette = Palette(
                offset: facts.palette_offset, count: facts.palette_count, crc32: facts.palette_crc32)
        }
        let runs = UnsafeBufferPointer(start: weir_image_runs(found), count: Int(facts.run_count))
        data = runs.map { Run(offset: $0.offset, count: $0.count, pieces: $0.pieces) }
        dataCRC32 = facts.data_crc32
    }
}

extension ImageFacts.Format {
    fileprivate init?(_ format: weir_image_format_t) {
        switch format {
        case WEIR_IMAGE_JPEG: self = .jpeg
        case WEIR_IMAGE_PNG: self = .png
        case WEIR_IMAGE_WEBP: self = .webp
        case WEIR_IMAGE_GIF: self = .gif
        case WEIR_IMAGE_AVIF: self = .avif
        default: return nil
        }
    }
}

extension ImageFacts.Colour {
    fileprivate init(_ colour: weir_colour_t) {
        switch colour {
        case WEIR_COLOUR_GREY: self = .grey
        case WEIR_COLOUR_RGB: self = .rgb
        case WEIR_COLOUR_CMYK: self = .cmyk
        case WEIR_COLOUR_INDEXED: self = .indexed
        default: self = .unknown
        }
    }
}
