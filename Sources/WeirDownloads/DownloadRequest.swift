/// What somebody wants to have as one file.
public struct DownloadRequest: Sendable, Hashable {
    public enum Subject: Sendable, Hashable {
        case chapter(String)
        case book(String)
        /// Several chapters, in this order, that need not be a book.
        case chapters([String])
    }

    public var subject: Subject
    public var format: DownloadFormat

    public init(_ subject: Subject, as format: DownloadFormat) {
        self.subject = subject
        self.format = format
    }

    var book: String? {
        if case .book(let id) = subject { return id }
        return nil
    }

    /// Chapters that one request may ask for.
    public static let chapterLimit = 1000
}

/// The kinds of files that chapters are made into.
public enum DownloadFormat: String, Sendable, Hashable, CaseIterable {
    /// The pages of a chapter; of several chapters, a CBZ for each.
    case zip
    /// The pages in one archive, for readers of comics.
    case cbz
    /// The pages as one document.
    case pdf
    /// A ZIP with a PDF for each chapter.
    case pdfs
}
