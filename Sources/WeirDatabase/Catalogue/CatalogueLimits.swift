/// What the catalogue takes, in both databases.
public enum CatalogueLimits {
    /// Bytes of a chapter's or a book's id.
    public static let id = 255
    /// Bytes of a title, which may be empty.
    public static let title = 4096
    /// Bytes of a page's name, which may not.
    public static let name = 1024
    /// Bytes of an object's key.
    public static let objectKey = 1024
    public static let pages = 100_000
    public static let chapters = 10_000
    /// Bytes of an object's ETag, and of what is known of a picture.
    public static let etag = 1024
    public static let image = 16 << 10
    /// Lines of a list, and rows of the index, that are given at once.
    public static let list = 1000

    static func bounded(_ limit: Int) -> Int { min(max(limit, 1), list) }
}

extension ArgumentCheck {
    static func chapter(_ chapter: Chapter) throws(DatabaseError) {
        try id(chapter.id, "the chapter's id")
        try text(chapter.title, "the chapter's title", 0...CatalogueLimits.title)
        guard chapter.pages.count <= CatalogueLimits.pages else {
            throw DatabaseError(
                .argument, "a chapter has \(chapter.pages.count) pages; expected at most \(CatalogueLimits.pages)")
        }
        for (index, page) in chapter.pages.enumerated() {
            try text(page.objectKey, "the object's key of page \(index + 1)", 1...CatalogueLimits.objectKey)
            try text(page.name, "the name of page \(index + 1)", 1...CatalogueLimits.name)
        }
    }

    static func book(_ book: Book) throws(DatabaseError) {
        try id(book.id, "the book's id")
        try text(book.title, "the book's title", 0...CatalogueLimits.title)
        guard book.chapters.count <= CatalogueLimits.chapters else {
            throw DatabaseError(
                .argument,
                "a book has \(book.chapters.count) chapters; expected at most \(CatalogueLimits.chapters)")
        }
        for (index, chapter) in book.chapters.enumerated() { try id(chapter, "the id of chapter \(index + 1)") }
    }

    /// An id is a segment of a path, and stands in lists: no slash, comma or control character, and no dots alone.
    static func id(_ id: String, _ what: String) throws(DatabaseError) {
        try text(id, what, 1...CatalogueLimits.id)
        let isPlain = id.unicodeScalars.allSatisfy {
            $0 != "/" && $0 != "," && $0.properties.generalCategory != .control
        }
        guard isPlain, id != ".", id != ".." else {
            throw DatabaseError(
                .argument, "\(what) is not one; expected text without slash, comma or control character")
        }
    }

    static func facts(_ facts: PageFacts, of key: String) throws(DatabaseError) {
        try text(key, "the object's key", 1...CatalogueLimits.objectKey)
        try text(facts.etag, "the ETag of \(key)", 0...CatalogueLimits.etag)
        if let image = facts.image { try text(image.text, "what is known of \(key)", 1...CatalogueLimits.image) }
        guard facts.length <= UInt64(Int64.max) else {
            throw DatabaseError(.argument, "\(key) cannot have \(facts.length) bytes")
        }
    }

    static func artefact(_ row: ArtefactRow) throws(DatabaseError) {
        try digest(row.key)
        try text(row.format, "the artefact's format", 1...shortMax)
        for chapter in row.chapters { try id(chapter, "a chapter's id") }
        if let book = row.book { try id(book, "the book's id") }
        guard row.bytes <= UInt64(Int64.max) else {
            throw DatabaseError(.argument, "an artefact cannot have \(row.bytes) bytes")
        }
    }
}
