import WeirLoop

/// How the disk is shared among warm caches: `cache.budget`.
///
/// Each gets what it wants while that fits. When it does not, those that nobody watches give first, the one that has been
/// unwatched for longest before the others; then the watched ones give the same part of what they have above the least.
public enum WarmBudget {
    /// What one cache wants.
    public struct Claim: Sendable, Equatable {
        /// Bytes.
        public var wanted: UInt64
        /// Somebody watches the stream.
        public var isCommitted: Bool
        /// Since when that is so, by any clock that only grows.
        public var since: UInt64

        public init(wanted: UInt64, isCommitted: Bool, since: UInt64) {
            self.wanted = wanted
            self.isCommitted = isCommitted
            self.since = since
        }
    }

    /// The least that a cache is left with, in bytes.
    public static var least: UInt64 { Log.leastFiles }

    /// Bytes that a cache of so many may take on disk: a segment more.
    public static func disk(_ bytes: UInt64) -> UInt64 { bytes + bytes / Log.filesSegments }

    /// Bytes for each claim, in order. With `disk(_:)` together at most `budget`, unless all have no more than the least.
    ///
    /// - Complexity: O(n log n).
    public static func shares(_ claims: [Claim], budget: UInt64) -> [UInt64] {
        let wanted = claims.map { max($0.wanted, least) }
        let available = budget / (Log.filesSegments + 1) * Log.filesSegments
        var shares = wanted
        var over = wanted.reduce(0, +)
        over -= min(over, available)
        let uncommitted = claims.indices.filter { !claims[$0].isCommitted }
        for index in uncommitted.sorted(by: { claims[$0].since < claims[$1].since }) where over > 0 {
            let given = min(over, shares[index] - least)
            shares[index] -= given
            over -= given
        }
        let committed = claims.indices.filter { claims[$0].isCommitted }
        let spare = committed.reduce(0) { $0 + shares[$1] - least }
        guard over > 0, spare > 0 else { return shares }
        let part = Double(min(over, spare)) / Double(spare)
        for index in committed {
            let given = (Double(shares[index] - least) * part).rounded(.up)
            shares[index] -= min(UInt64(given), shares[index] - least)
        }
        return shares
    }
}
