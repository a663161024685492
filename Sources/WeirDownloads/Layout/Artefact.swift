public import WeirDatabase

/// What an artefact is made of: everything that its bytes depend on, but for what its pages hold.
public struct Artefact: Sendable, Hashable {
    /// `zip` of a book has a CBZ for each chapter, `cbz` of a book a folder for each.
    public var format: DownloadFormat
    /// The chapter's or the book's.
    public var title: String
    public var chapters: [Chapter]
    /// A list of chapters, be it of one or none; false for a chapter by itself.
    public var isBook: Bool

    /// Bytes that a page is taken for whose length is not known.
    public static let pageEstimate: UInt64 = 2 << 20

    public init(_ format: DownloadFormat, of chapter: Chapter) {
        self.format = format
        title = chapter.title
        chapters = [chapter]
        isBook = false
    }

    public init(_ format: DownloadFormat, title: String, chapters: [Chapter]) {
        self.format = format
        self.title = title
        self.chapters = chapters
        isBook = true
    }

    /// Whether it is an archive of archives.
    var isNested: Bool { format == .pdfs || format == .zip && isBook }

    /// Bytes of its pages, as far as they are known, and the estimate for the others. The archive itself adds less than
    /// one in a thousand for pages of usual size.
    /// - Complexity: O(pages).
    public var estimate: UInt64 {
        chapters.reduce(0) { sum, chapter in
            chapter.pages.reduce(sum) { sum, page in
                let (total, overflow) = sum.addingReportingOverflow(page.facts?.length ?? Self.pageEstimate)
                return overflow ? .max : total
            }
        }
    }

    /// Whether every page's facts are known, so that there is a layout.
    public var isKnown: Bool { chapters.allSatisfy { $0.pages.allSatisfy { $0.facts != nil } } }
}
