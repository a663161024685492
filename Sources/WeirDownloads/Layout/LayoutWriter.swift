public import WeirDatabase

/// Lays an artefact out front to back, page by page, while the pages' facts come in.
///
///     var writer = try LayoutWriter(artefact)
///     while let page = writer.next {
///         let facts = …                               // learn what writer.pages[page] is
///         let patch = try writer.append(facts)        // its bytes are writer.segments(in: old position..<writer.position)
///     }
///     writer.layout                                   // the whole
///
/// The bytes are the same in whatever order facts became known. Those below `settled` are final. Those from there to
/// `position` have their place and length, but the header in front of an archive inside an archive waits for the CRC of all
/// that it holds: `append` returns its range when it is made good, and it is then read once more from `segments(in:)`.
///
/// A page can be taken from the store to its place before its facts are known: it begins `lead` bytes behind `position`, as
/// long as the segments say so afterwards. They do for every page of a ZIP and for JPEG in a PDF; else (a PNG in a PDF is
/// taken in parts) the place is written anew.
public struct LayoutWriter: Sendable {
    /// Of an artefact.
    public static let maxPages = 1_000_000

    /// All pages, in order, with the facts of those that were appended.
    public private(set) var pages: [Page] = []
    /// The page that comes next, as an index of `pages`; nil when the artefact is complete.
    public private(set) var next: Int?
    /// Bytes below this are final: `position`, unless an inner archive is under way.
    public var settled: UInt64 { openHeader ?? parts.length }
    /// Bytes that are laid out.
    public var position: UInt64 { parts.length }

    private let artefact: Artefact
    private var parts = LayoutParts()
    /// The archive of all, or of the chapter that is under way when archives are in an archive.
    private var zip: ZipWriter?
    private var pdf: PDFWriter?
    /// The archive of archives.
    private var outer: ZipWriter?
    /// Where the header is of the archive in it that is under way, and where its bytes begin.
    private var openHeader: UInt64?
    private var openBegin: UInt64 = 0
    /// What the chapters' folders or files are called.
    private var chapterNames: [String] = []
    /// The chapter that is under way, and its entries' names.
    private var chapter = 0
    private var pageNames: [String] = []
    /// The index of its first page.
    private var firstPage = 0

    /// An artefact up to its first page. What pages are named to be is believed until their facts come in.
    public init(_ artefact: Artefact) throws(LayoutError) {
        let count = artefact.chapters.reduce(0) { $0 + $1.pages.count }
        guard count <= Self.maxPages else { throw .tooManyPages(count) }
        self.artefact = artefact
        pages.reserveCapacity(count)
        for chapter in artefact.chapters { pages += chapter.pages }
        let titles = artefact.chapters.map(\.title)
        switch artefact.format {
        case .zip where artefact.isBook:
            chapterNames = EntryNames.ordered(titles, ending: ".cbz")
            outer = ZipWriter(at: 0)
        case .pdfs:
            chapterNames = EntryNames.ordered(titles, ending: ".pdf")
            outer = ZipWriter(at: 0)
        case .zip:
            zip = ZipWriter(at: 0)
        case .cbz:
            if artefact.isBook { chapterNames = EntryNames.ordered(titles, ending: "/") }
            var archive = ZipWriter(at: 0)
            archive.add(
                ComicInfo.name, text: ComicInfo.document(title: artefact.title, series: nil, pages: count), to: &parts)
            zip = archive
        case .pdf:
            pdf = PDFWriter(title: artefact.title, to: &parts)
        }
        try begin(chapter: 0)
    }

    /// Bytes between `position` and the first byte of the next page, if it is taken as a whole and has this length.
    public func lead(length: UInt64) -> UInt64 {
        guard let next else { return 0 }
        if pdf != nil { return UInt64(PDFWriter.pictureHeader) }
        return ZipWriter.headerLength(name: pageNames[next - firstPage], length: length)
    }

    /// Lays out the next page, and what comes behind it up to the page after that. There must be a next one.
    ///
    /// Returns where a header is that was made good, all of it below the new `settled`; nil when there is none. After an error
    /// the writer is of no more use.
    public mutating func append(_ facts: PageFacts) throws(LayoutError) -> Range<UInt64>? {
        guard let index = next else { preconditionFailure("the artefact is complete") }
        pages[index].facts = facts
        let page = pages[index]
        let place = LayoutError.Place(index: index, name: page.name, objectKey: page.objectKey)
        if let promised = ImageFacts.Format(fileName: page.name), promised != facts.image?.format {
            throw .wrongFormat(place, promised: promised, found: facts.image?.format)
        }
        if pdf != nil {
            try pdf?.add(page: index, facts: facts, place: place, to: &parts)
        } else {
            zip?.add(pageNames[index - firstPage], length: facts.length, crc32: facts.crc32, to: &parts)
            parts.append(page: index, count: facts.length, crc32: facts.crc32)
        }
        next = index + 1
        guard index + 1 == firstPage + artefact.chapters[chapter].pages.count else { return nil }
        let patch = try endChapter()
        firstPage = index + 1
        try begin(chapter: chapter + 1)
        return patch
    }

    /// The bytes of a range of what is laid out, end to end, as they are known now.
    public func segments(in range: Range<UInt64>) -> [Layout.Segment] { parts.segments(in: range) }

    /// The whole; `next` must be nil.
    public var layout: Layout {
        precondition(next == nil, "pages are missing")
        return Layout(parts, pages: pages)
    }

    /// Goes on to a chapter that has pages, past those that have none, or to the end.
    private mutating func begin(chapter first: Int) throws(LayoutError) {
        chapter = first
        while chapter < artefact.chapters.count {
            let content = artefact.chapters[chapter]
            if outer != nil { openArchive(of: content) }
            if !content.pages.isEmpty {
                if pdf == nil {
                    let names = EntryNames.ordered(content.pages.map(\.name))
                    let isFolder = artefact.format == .cbz && artefact.isBook
                    pageNames = isFolder ? names.map { chapterNames[chapter] + $0 } : names
                }
                next = firstPage
                return
            }
            _ = try endChapter()
            chapter += 1
        }
        next = nil
        outer?.finish(&parts)
        if outer == nil {
            zip?.finish(&parts)
            try pdf?.finish(&parts)
        }
    }

    private mutating func openArchive(of content: Chapter) {
        openHeader = parts.length
        outer?.open(chapterNames[chapter], in: &parts)
        openBegin = parts.length
        parts.startCRC()
        if artefact.format == .pdfs {
            pdf = PDFWriter(title: content.title, to: &parts)
            return
        }
        var archive = ZipWriter(at: parts.length)
        let information = ComicInfo.document(
            title: content.title, series: artefact.title, pages: content.pages.count)
        archive.add(ComicInfo.name, text: information, to: &parts)
        zip = archive
    }

    /// Ends the chapter's own archive, if it has one; returns where the header of that is.
    private mutating func endChapter() throws(LayoutError) -> Range<UInt64>? {
        guard let header = openHeader else { return nil }
        if artefact.format == .pdfs { try pdf?.finish(&parts) } else { zip?.finish(&parts) }
        let patch = outer?.close(
            chapterNames[chapter], at: header, length: parts.length - openBegin, crc32: parts.crc ?? 0, in: &parts)
        parts.stopCRC()
        openHeader = nil
        return patch
    }
}
