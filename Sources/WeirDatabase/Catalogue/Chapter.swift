/// One picture of a chapter: an object, and what is known of it.
public struct Page: Sendable, Hashable {
    /// The object's key in the object store.
    public var objectKey: String
    /// What the file is called inside an archive, before names are made safe and unique; the last part of the key by default.
    public var name: String
    /// Nil until the page has been read once.
    public var facts: PageFacts?

    public init(objectKey: String, name: String, facts: PageFacts? = nil) {
        self.objectKey = objectKey
        self.name = name
        self.facts = facts
    }
}

/// An ordered list of pages.
public struct Chapter: Sendable, Hashable {
    /// Chosen by who made it.
    public var id: String
    public var title: String
    public var pages: [Page]
    /// Grows with every change of its title or pages; part of the key of what is built from it.
    public var revision: Int64

    public init(id: String, title: String, pages: [Page], revision: Int64 = 0) {
        self.id = id
        self.title = title
        self.pages = pages
        self.revision = revision
    }
}

/// An ordered list of chapters.
public struct Book: Sendable, Hashable {
    public var id: String
    public var title: String
    /// The chapters' ids. One may be missing from the catalogue: then there is no artefact of the book.
    public var chapters: [String]
    /// Grows with every change of its title or list; not with one of a chapter.
    public var revision: Int64

    public init(id: String, title: String, chapters: [String], revision: Int64 = 0) {
        self.id = id
        self.title = title
        self.chapters = chapters
        self.revision = revision
    }
}
