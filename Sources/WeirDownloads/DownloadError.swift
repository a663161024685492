internal import WeirDatabase
public import WeirLoop
internal import WeirStorage

/// Why there is no such download, or why it ended early.
public struct DownloadError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// There is no such chapter or book in the catalogue.
        case notFound
        /// The format cannot be made of this: 422.
        case notEmbeddable
        /// An object is not there: 502.
        case pageMissing
        /// An object ended before its length: 502.
        case pageShort
        /// An object is not the one whose facts are known: 502, and the next request has learnt the new ones.
        case pageChanged
        /// The object store failed: 502.
        case store
        /// The catalogue or the index failed: 503.
        case database
        /// Too many wait already: 503 with `retryAfter`.
        case busy
        /// It needs more than `downloads.memory` has: 503.
        case overMemory
        /// The disk failed while it was read.
        case file(CoreError)
        /// Weir is shutting down, or the reader went away.
        case closed
    }

    /// Which page an error is about.
    public struct Place: Sendable, Equatable {
        public let objectKey: String
        /// Counted from 1, in the order of the artefact.
        public let number: Int

        public init(objectKey: String, number: Int) {
            self.objectKey = objectKey
            self.number = number
        }
    }

    public let kind: Kind
    /// A sentence without a full stop: what, where, and what was expected.
    public let message: String
    public let page: Place?
    /// Seconds after which asking again is worth while; nil where it is not by itself.
    public let retryAfter: Int?

    public init(_ kind: Kind, _ message: String, page: Place? = nil, retryAfter: Int? = nil) {
        self.kind = kind
        self.message = message
        self.page = page
        self.retryAfter = retryAfter
    }

    init(_ error: ObjectError, page: Place) {
        let kind: Kind
        switch error.kind {
        case .notFound: kind = .pageMissing
        case .range, .length: kind = .pageShort
        case .changed, .damaged: kind = .pageChanged
        case .cancelled: kind = .closed
        default: kind = .store
        }
        self.init(
            kind, "page \(page.number), \(page.objectKey): \(error)", page: page,
            retryAfter: kind == .store ? DownloadError.retry : nil)
    }

    init(_ error: LayoutError) {
        self.init(
            .notEmbeddable, error.description,
            page: error.page.map { Place(objectKey: $0.objectKey, number: $0.index + 1) })
    }

    init(_ error: DatabaseError) {
        self.init(
            error.kind == .closed ? .closed : .database, error.description,
            retryAfter: error.isTransient ? DownloadError.retry : nil)
    }

    /// Seconds of `retryAfter` where nothing better is known.
    static let retry = 5

    public var description: String { message }
}
