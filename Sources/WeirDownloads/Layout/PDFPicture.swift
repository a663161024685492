internal import WeirDatabase

/// How a picture is put on a page of a PDF.
struct PDFPicture {
    enum Data {
        /// All bytes of the object.
        case whole
        /// Pieces of them, and their CRC-32.
        case runs([ImageFacts.Run], UInt32)
    }

    /// Why it cannot be.
    struct Unsuitable: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    /// Units of a page's side: the limits of ISO 32000-1, annex C.
    static let maxSide: UInt64 = 14_400
    static let minSide: UInt64 = 3

    let data: Data
    let palette: ImageFacts.Palette?
    private let image: ImageFacts
    private let length: UInt64

    init(_ facts: PageFacts) throws(Unsuitable) {
        guard let image = facts.image else {
            throw Unsuitable("it is damaged, or no picture that is known; JPEG and PNG can be taken as they are")
        }
        self.image = image
        switch image.format {
        case .jpeg:
            guard image.process <= 2, image.bits == 8 else {
                throw Unsuitable(
                    "its JPEG is of a rare kind (SOF\(image.process), \(image.bits) bits); baseline or progressive of"
                        + " 8 bits can be taken as they are")
            }
            data = .whole
            palette = nil
            length = facts.length
        case .png:
            if image.hasAlpha { throw Unsuitable("it is a PNG that is not opaque") }
            if image.isInterlaced { throw Unsuitable("it is an interlaced PNG") }
            guard !image.data.isEmpty else {
                throw Unsuitable("its PNG is in more than \(ImageFacts.maxRuns) runs of pieces")
            }
            guard image.colour != .indexed || image.palette != nil else { throw Unsuitable("its PNG has no palette") }
            data = .runs(image.data, image.dataCRC32)
            palette = image.colour == .indexed ? image.palette : nil
            length = image.data.reduce(0) { $0 &+ $1.count &* $1.pieces }
        case .webp, .gif, .avif:
            throw Unsuitable("it is \(image.format.name); JPEG and PNG can be taken as they are")
        }
    }

    /// Everything of its object that is in front of its bytes; `palette` is the object of that.
    func header(object: Int, palette number: Int?) -> String {
        var text = "\(object) 0 obj\n<< /Type /XObject /Subtype /Image /Width \(image.width) /Height \(image.height)"
        text += " /BitsPerComponent \(image.bits) /ColorSpace \(space(palette: number))"
        switch image.format {
        case .jpeg:
            text += " /Filter /DCTDecode"
            if image.isInverted { text += " /Decode [1 0 1 0 1 0 1 0]" }
            if image.isUntransformed { text += " /DecodeParms << /ColorTransform 0 >>" }
        default:
            text += " /Filter /FlateDecode /DecodeParms << /Predictor 15 /Colors \(image.colour.components)"
            text += " /BitsPerComponent \(image.bits) /Columns \(image.width) >>"
        }
        text += " /Length \(length)"
        let end = " >>\nstream\n"
        // Of one length, so that a picture can be put in its place before its head has been read.
        let spaces = PDFWriter.pictureHeader - text.utf8.count - end.utf8.count
        if spaces > 0 { text += String(repeating: " ", count: spaces) }
        return text + end
    }

    private func space(palette number: Int?) -> String {
        switch image.colour {
        case .grey, .unknown: "/DeviceGray"
        case .rgb: "/DeviceRGB"
        case .cmyk: "/DeviceCMYK"
        case .indexed: "[/Indexed /DeviceRGB \((palette?.count ?? 3) / 3 - 1) \(number ?? 0) 0 R]"
        }
    }

    /// The page's sides in thousandths of a unit: a pixel is one, unless that is more or less than a page can have.
    private var sides: (width: UInt64, height: UInt64) {
        var (width, height) = (UInt64(image.width), UInt64(image.height))
        if image.orientation >= 5 { (width, height) = (height, width) }
        let (long, short) = (max(width, height), min(width, height))
        var (factor, divisor): (UInt64, UInt64) = (1, 1)
        if long > Self.maxSide {
            (factor, divisor) = (Self.maxSide, long)
        } else if short < Self.minSide {
            let fits = long * Self.minSide <= Self.maxSide * short
            (factor, divisor) = fits ? (Self.minSide, short) : (Self.maxSide, long)
        }
        func scaled(_ side: UInt64) -> UInt64 { max(side * 1000 * factor / divisor, Self.minSide * 1000) }
        return (scaled(width), scaled(height))
    }

    /// Width and height of the page.
    var box: String { "\(PDFText.thousandths(sides.width)) \(PDFText.thousandths(sides.height))" }

    /// What takes the unit square, where pictures are drawn, to the page: upright, however it was stored.
    var matrix: String {
        let (width, height) = (PDFText.thousandths(sides.width), PDFText.thousandths(sides.height))
        return switch image.orientation {
        case 2: "-\(width) 0 0 \(height) \(width) 0"
        case 3: "-\(width) 0 0 -\(height) \(width) \(height)"
        case 4: "\(width) 0 0 -\(height) 0 \(height)"
        case 5: "0 -\(height) -\(width) 0 \(width) \(height)"
        case 6: "0 -\(height) \(width) 0 0 \(height)"
        case 7: "0 \(height) \(width) 0 0 0"
        case 8: "0 \(height) -\(width) 0 \(width) 0"
        default: "\(width) 0 0 \(height) 0 0"
        }
    }
}
