// What both databases are asked of the catalogue and the index, and what they answer.

/// Ids as a column holds them: one a line, which is why none holds a control character.
enum IdentifierList {
    static func text(_ ids: [String]) -> String { ids.joined(separator: "\n") }

    static func ids(_ text: String) -> [String] {
        text.isEmpty ? [] : text.split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
    }
}

extension String {
    /// The same bytes: two ways to write the same letter are two names.
    func isSame(_ other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}

extension Page {
    static let columns = "p.object_key, p.name, f.bytes, f.crc32, f.etag, f.image"

    /// Whatever is known of them.
    static func isSame(_ left: Page, _ right: Page) -> Bool {
        left.objectKey.isSame(right.objectKey) && left.name.isSame(right.name)
    }

    /// How many columns that are.
    static let width = 6

    static func read(_ row: some MediaRow) -> Page {
        Page(objectKey: row.text(0), name: row.text(1), facts: facts(row))
    }

    /// What cannot be read is not known: another version's, learnt anew.
    private static func facts(_ row: some MediaRow) -> PageFacts? {
        guard let length = row.integerOrNil(2), let etag = row.textOrNil(4) else { return nil }
        let text = row.textOrNil(5)
        let image = text.flatMap { ImageFacts(text: $0) }
        if text != nil, image == nil { return nil }
        return PageFacts(
            length: UInt64(max(0, length)), crc32: UInt32(truncatingIfNeeded: row.integer(3)), etag: etag, image: image)
    }
}

extension Book {
    static let columns = "id, title, chapters, revision"

    static func read(_ row: some MediaRow) -> Book {
        Book(id: row.text(0), title: row.text(1), chapters: IdentifierList.ids(row.text(2)), revision: row.integer(3))
    }
}

extension CatalogueLine {
    static let chapterColumns = "id, title, page_count, revision"
    static let bookColumns = "id, title, chapter_count, revision"

    static func read(_ row: some MediaRow) -> CatalogueLine {
        CatalogueLine(
            id: row.text(0), title: row.text(1), count: Int(truncatingIfNeeded: row.integer(2)),
            revision: row.integer(3))
    }
}

extension ArtefactRow {
    static let columns = "key, bytes, crc32, format, chapters, book, cost, hits, created_at, used_at"

    static func read(_ row: some MediaRow) -> ArtefactRow {
        ArtefactRow(
            key: row.text(0), bytes: UInt64(max(0, row.integer(1))), crc32: UInt32(truncatingIfNeeded: row.integer(2)),
            format: row.text(3), chapters: IdentifierList.ids(row.text(4)), book: row.textOrNil(5),
            cost: row.integer(6), hits: row.integer(7), created: row.integer(8), used: row.integer(9))
    }

    /// The chapters, each once.
    var distinctChapters: [String] {
        var seen: Set<[UInt8]> = []
        return chapters.filter { seen.insert(Array($0.utf8)).inserted }
    }
}
