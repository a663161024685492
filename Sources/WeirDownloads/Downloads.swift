public import WeirDatabase
internal import WeirHTTP
public import WeirLoop
public import WeirStorage

/// Chapters and books as archives and documents: made while they are sent, and kept for the next who asks.
///
/// A request is served in three steps: `find` says what there is to have (all that a HEAD needs, and nothing is generated),
/// `Download.begin` gets hold of the first byte of a range (until then an error can be a status), and `Download.send` sends
/// it. All on the loop's thread.
@LoopActor
public final class Downloads {
    public let options: DownloadOptions
    public internal(set) var counters = DownloadCounters()
    /// Told what happens. Called on the loop, and not from within a call of this.
    public var onEvent: (@LoopActor (DownloadEvent) -> Void)?

    /// Nothing is read or written before `start()`. `CoreError` without memory.
    public init(
        catalogue: any Catalogue, index: any ArtefactIndex, store: any ObjectStore, options: DownloadOptions,
        clock: LoopClock = .monotonic
    ) throws(CoreError) {
        self.options = options
    }

    /// Makes the directory, and removes what an interrupted run left in it. Requests may come before it has ended; a
    /// directory that cannot be used is told as an event and in `state`, and downloads work without a cache.
    public func start() async {}

    /// What a request is about: title, length, ETag. Facts of pages that nobody knows yet are learnt first, once.
    public func find(_ request: DownloadRequest) async throws(DownloadError) -> Download {
        throw DownloadError(.notFound, "")
    }

    /// The cached artefact of chapters, whole and checked, or nil.
    public func getStream(_ chapterIDs: [String], _ format: DownloadFormat) async -> Download? { nil }

    /// Removes what was built from these, here and on other nodes; the keys of what was here.
    @discardableResult
    public func invalidate(_ what: Invalidation) async throws(DownloadError) -> [String] { [] }

    /// Learns what is not known of a chapter's pages, in the background: after it was put. Never fails; what it cannot learn
    /// the next request will.
    public func learn(chapter id: String) {}

    /// Why a request would be a hit or a miss. Nothing is read of pages.
    public func explain(_ request: DownloadRequest) async throws(DownloadError) -> DownloadExplanation {
        throw DownloadError(.notFound, "")
    }

    public var state: DownloadState { DownloadState() }

    /// Generations end with those who read them; new requests get `.closed`.
    public func close() async {}
}

/// Why a request is served as it is.
public struct DownloadExplanation: Sendable, Equatable {
    public var key: String
    /// `hit`, `joined`, `miss`.
    public var cache: DownloadCache
    /// A sentence for people.
    public var reason: String
    /// Bytes; nil while facts of pages are missing.
    public var length: UInt64?
    public var estimate: UInt64
    public var strategy: DownloadStrategy
    public var pages: Int
    /// Pages of which nothing is known.
    public var unknown: Int
    /// When it last went from the cache; nil when that was too long ago, or never.
    public var dropped: Dropped?

    public struct Dropped: Sendable, Equatable {
        /// Milliseconds since 1970.
        public let at: Int64
        /// A sentence for people.
        public let reason: String
    }
}

/// `X-Cache`.
public enum DownloadCache: String, Sendable, Hashable, CaseIterable {
    case hit, miss, joined
}
