public import WeirLoop

/// Chapters, books, and what is known of their pages.
///
/// All calls are on the loop and wait without blocking it. After an error nothing has changed, unless `outcomeIsUnknown`
/// says otherwise.
@LoopActor
public protocol Catalogue: AnyObject, Sendable {
    /// Stores a chapter in place of one that is there. The revision is the catalogue's: it grows if title or pages differ.
    /// Facts that are known of its objects stay known.
    func put(_ chapter: Chapter) async throws(DatabaseError) -> CatalogueChange
    func put(_ book: Book) async throws(DatabaseError) -> CatalogueChange

    /// With the facts that are known of its pages; nil when there is none.
    func chapter(_ id: String) async throws(DatabaseError) -> Chapter?
    func book(_ id: String) async throws(DatabaseError) -> Book?

    /// False when there was none.
    func removeChapter(_ id: String) async throws(DatabaseError) -> Bool
    func removeBook(_ id: String) async throws(DatabaseError) -> Bool

    /// In the order of their ids' bytes, those behind `after`; `limit` is 1 ... 1000. Chapters come without their pages.
    func chapters(after: String?, limit: Int) async throws(DatabaseError) -> [CatalogueLine]
    func books(after: String?, limit: Int) async throws(DatabaseError) -> [CatalogueLine]

    /// Keeps what was learnt of pages, by the objects' keys, in place of what was known of them.
    func learn(_ facts: [String: PageFacts]) async throws(DatabaseError)

    /// Forgets what is known of the pages of a chapter: their objects have changed. Its revision grows.
    func forget(chapter id: String) async throws(DatabaseError) -> Bool
}

/// What a `put` did.
public struct CatalogueChange: Sendable, Hashable {
    public enum Outcome: Sendable, Hashable { case added, changed, unchanged }

    public let outcome: Outcome
    public let revision: Int64

    public init(outcome: Outcome, revision: Int64) {
        self.outcome = outcome
        self.revision = revision
    }
}

/// A chapter or a book in a list.
public struct CatalogueLine: Sendable, Hashable {
    public let id: String
    public let title: String
    /// Pages of a chapter, chapters of a book.
    public let count: Int
    public let revision: Int64

    public init(id: String, title: String, count: Int, revision: Int64) {
        self.id = id
        self.title = title
        self.count = count
        self.revision = revision
    }
}
