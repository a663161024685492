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
