public import WeirLoop

/// Which artefacts there are, in whose directory. A row is written when the file is whole and in place, never before; one
/// whose file is gone is removed by who finds that out.
@LoopActor
public protocol ArtefactIndex: AnyObject, Sendable {
    /// The row of this node's directory, or nil.
    func find(_ key: String) async throws(DatabaseError) -> ArtefactRow?
    func record(_ row: ArtefactRow) async throws(DatabaseError)
    /// False when there was none.
    func remove(_ key: String) async throws(DatabaseError) -> Bool
    /// It was served so many times since it was last told, the last time just now.
    func touch(_ uses: [String: Int]) async throws(DatabaseError)
    /// All rows of this node, in pages by key: for eviction, and to compare with the directory at start.
    func rows(after: String?, limit: Int) async throws(DatabaseError) -> [ArtefactRow]

    /// Removes the rows, of every node, of what was built from these, and tells all nodes. The keys of this node's are returned.
    func invalidate(_ what: Invalidation) async throws(DatabaseError) -> [String]
    /// Called on the loop with the keys of this node's that another node has invalidated; nil when connection to the others was lost
    /// meanwhile, so that rows must be compared with files anew; also at once
    /// when it is set and invalidations may have come before.
    var onInvalidation: (@LoopActor ([String]?) -> Void)? { get set }
    /// Whether the last word of it was good, for `/health`.
    var state: DatabaseState { get }

    /// Lets go of everything, and is done when it returns. Calls that come later throw `.closed`.
    func close() async
}

/// One cached artefact.
public struct ArtefactRow: Sendable, Hashable {
    /// SHA-256 of what it is made of, 64 hexadecimal digits in lower case; also the file's name.
    public var key: String
    public var bytes: UInt64
    /// CRC-32 of the whole file.
    public var crc32: UInt32
    /// `zip`, `cbz`, `pdf`, `pdfs`.
    public var format: String
    /// The chapters it holds, in order, and the book it was made as.
    public var chapters: [String]
    public var book: String?
    /// Milliseconds that making it took: what it saves.
    public var cost: Int64
    public var hits: Int64
    /// Milliseconds since 1970.
    public var created: Int64
    public var used: Int64

    public init(
        key: String, bytes: UInt64, crc32: UInt32, format: String, chapters: [String], book: String?, cost: Int64,
        hits: Int64 = 0, created: Int64 = 0, used: Int64 = 0
    ) {
        self.key = key
        self.bytes = bytes
        self.crc32 = crc32
        self.format = format
        self.chapters = chapters
        self.book = book
        self.cost = cost
        self.hits = hits
        self.created = created
        self.used = used
    }
}

/// What an invalidation is about.
public enum Invalidation: Sendable, Hashable {
    case chapters([String])
    case books([String])
    case key(String)
}
