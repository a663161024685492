public import WeirDatabase

/// Why there is no such artefact, whatever the store does: something has to change in the catalogue first.
public enum LayoutError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Which page it is about.
    public struct Place: Sendable, Hashable {
        /// An index of the artefact's pages.
        public let index: Int
        public let name: String
        public let objectKey: String
    }

    /// The page's name promises another format than its bytes have; nil: none that is known, or a damaged picture.
    case wrongFormat(Place, promised: ImageFacts.Format, found: ImageFacts.Format?)
    /// No PDF can hold the page as it is.
    case notForPDF(Place, reason: String)
    /// A PDF has at least one page: the chapter's title, or the book's.
    case noPages(String)
    /// More pages than `LayoutWriter.maxPages`.
    case tooManyPages(Int)
    /// A PDF whose offsets would not fit into its table of ten digits.
    case tooLong(String)

    public var description: String {
        switch self {
        case .wrongFormat(let page, let promised, let found?):
            "page \(Self.name(page)), is named as \(promised.name), but is \(found.name)"
        case .wrongFormat(let page, let promised, nil):
            "page \(Self.name(page)), is named as \(promised.name), but is damaged or no picture"
        case .notForPDF(let page, let reason):
            "page \(Self.name(page)), cannot be in a PDF: \(reason)"
        case .noPages(let title): "'\(title)' has no pages, and a PDF must have one"
        case .tooManyPages(let count): "\(count) pages are more than \(LayoutWriter.maxPages)"
        case .tooLong(let title): "the PDF of '\(title)' would be longer than \(PDFWriter.maxLength) bytes"
        }
    }

    /// The page that is to blame.
    public var page: Place? {
        switch self {
        case .wrongFormat(let page, _, _), .notForPDF(let page, _): page
        case .noPages, .tooManyPages, .tooLong: nil
        }
    }

    private static func name(_ page: Place) -> String {
        "\(page.index + 1), '\(page.name)'" + (page.name == page.objectKey ? "" : " (object '\(page.objectKey)')")
    }
}

extension ImageFacts.Format {
    /// As people write it.
    public var name: String {
        switch self {
        case .jpeg: "JPEG"
        case .png: "PNG"
        case .webp: "WebP"
        case .gif: "GIF"
        case .avif: "AVIF"
        }
    }

    /// What a file's name promises by its ending; nil when that says nothing.
    public init?(fileName: String) {
        guard let dot = fileName.lastIndex(of: ".") else { return nil }
        switch fileName[dot...].dropFirst().lowercased() {
        case "jpg", "jpeg", "jpe", "jfif": self = .jpeg
        case "png", "apng": self = .png
        case "webp": self = .webp
        case "gif": self = .gif
        case "avif", "avifs": self = .avif
        default: return nil
        }
    }
}
