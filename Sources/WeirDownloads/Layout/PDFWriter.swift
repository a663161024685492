internal import WeirDatabase
internal import WeirStorage

/// Writes a PDF 1.5 (ISO 32000-1) of pictures, one a page, whose bytes are taken as they are: JPEG as `DCTDecode`, the
/// compressed rows of a PNG as `FlateDecode` with its predictors.
struct PDFWriter: Sendable {
    /// The table of offsets has ten digits.
    static let maxLength: UInt64 = 9_999_999_999
    /// Bytes in front of a JPEG, whatever its facts.
    static let pictureHeader = 256
    /// Pages below one node of the tree: arrays and trees stay small.
    private static let nodePages = 256

    private let title: String
    /// Where the document begins in the artefact.
    private let begin: UInt64
    /// Of object n at n - 1; 0 while it is not written.
    private var offsets: [UInt64] = []
    /// Objects: nodes of the tree, and the pages of the last one.
    private var nodes: [(object: Int, pages: Int)] = []
    private var kids: [Int] = []
    /// Of what the pages hold: two documents that differ have different identifiers.
    private var digest = RunningDigest()

    private static let catalogue = 1
    private static let tree = 2
    private static let information = 3

    /// The beginning of a document.
    init(title: String, to parts: inout LayoutParts) {
        self.title = title
        begin = parts.length
        offsets = [0, 0, 0]
        digest.add(Array(title.utf8))
        // Bytes above 127 say that this is no text.
        parts.append(Array("%PDF-1.5\n%".utf8) + [0xE2, 0xE3, 0xCF, 0xD3, 0x0A])
        write(
            Self.catalogue,
            "<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /DisplayDocTitle true >> >>", to: &parts)
        write(Self.information, "<< /Title \(PDFText.string(title)) /Producer (Weir) >>", to: &parts)
    }

    /// One more page. `place` names it in errors.
    mutating func add(
        page index: Int, facts: PageFacts, place: LayoutError.Place, to parts: inout LayoutParts
    ) throws(LayoutError) {
        let picture: PDFPicture
        do {
            picture = try PDFPicture(facts)
        } catch {
            throw .notForPDF(place, reason: error.description)
        }
        guard parts.length - begin + facts.length < Self.maxLength else { throw .tooLong(title) }
        digest.add(Array("\(facts.length) \(facts.crc32)\n".utf8))

        // Objects have the numbers that they are referred to by before they are written.
        if kids.count == Self.nodePages || nodes.isEmpty {
            finishNode(&parts)
            nodes.append((object: reserve(), pages: 0))
        }
        let image = reserve()
        let page = reserve()
        let content = reserve()
        let palette = picture.palette.map { _ in reserve() }

        begin(image, in: parts)
        parts.append(picture.header(object: image, palette: palette))
        switch picture.data {
        case .whole: parts.append(page: index, count: facts.length, crc32: facts.crc32)
        case .runs(let runs, let crc32): parts.append(page: index, runs: runs, crc32: crc32)
        }
        parts.append("\nendstream\nendobj\n")

        write(
            page,
            "<< /Type /Page /Parent \(nodes[nodes.count - 1].object) 0 R /MediaBox [0 0 \(picture.box)]"
                + " /Resources << /XObject << /P \(image) 0 R >> >> /Contents \(content) 0 R >>", to: &parts)
        let drawing = "q \(picture.matrix) cm /P Do Q"
        write(content, "<< /Length \(drawing.utf8.count) >>\nstream\n\(drawing)\nendstream", to: &parts)
        if let palette, let colours = picture.palette {
            begin(palette, in: parts)
            parts.append("\(palette) 0 obj\n<< /Length \(colours.count) >>\nstream\n")
            parts.append(page: index, offset: colours.offset, count: colours.count, crc32: colours.crc32)
            parts.append("\nendstream\nendobj\n")
        }
        kids.append(page)
        nodes[nodes.count - 1].pages += 1
    }

    /// Tree, table and trailer.
    mutating func finish(_ parts: inout LayoutParts) throws(LayoutError) {
        guard !nodes.isEmpty else { throw .noPages(title) }
        finishNode(&parts)
        let references = nodes.map { "\($0.object) 0 R" }.joined(separator: " ")
        let pages = nodes.reduce(0) { $0 + $1.pages }
        write(Self.tree, "<< /Type /Pages /Count \(pages) /Kids [\(references)] >>", to: &parts)

        let table = parts.length - begin
        guard table <= Self.maxLength else { throw .tooLong(title) }
        var text = "xref\n0 \(offsets.count + 1)\n0000000000 65535 f \n"
        text.reserveCapacity(20 * offsets.count + 200)
        for offset in offsets { text += "\(PDFText.padded(offset, to: 10)) 00000 n \n" }
        let identifier = "<\(digest.hex.prefix(32))>"
        text += "trailer\n<< /Size \(offsets.count + 1) /Root \(Self.catalogue) 0 R /Info \(Self.information) 0 R"
        text += " /ID [\(identifier) \(identifier)] >>\nstartxref\n\(table)\n%%EOF\n"
        parts.append(text)
    }

    private mutating func finishNode(_ parts: inout LayoutParts) {
        guard let node = nodes.last else { return }
        let references = kids.map { "\($0) 0 R" }.joined(separator: " ")
        write(
            node.object, "<< /Type /Pages /Parent 2 0 R /Count \(kids.count) /Kids [\(references)] >>", to: &parts)
        kids.removeAll(keepingCapacity: true)
    }

    /// The number of an object that will be written.
    private mutating func reserve() -> Int {
        offsets.append(0)
        return offsets.count
    }

    private mutating func begin(_ object: Int, in parts: LayoutParts) { offsets[object - 1] = parts.length - begin }

    private mutating func write(_ object: Int, _ text: String, to parts: inout LayoutParts) {
        begin(object, in: parts)
        parts.append("\(object) 0 obj\n\(text)\nendobj\n")
    }
}
