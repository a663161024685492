/// A listener that left: as it was at its end, when that was, and why.
public struct ListenerEnd: Sendable {
    public var listener: ListenerReport
    /// Nanoseconds since 1970.
    public var until: Int64
    /// The word in logs and metrics: `closed`, `lag`, `stalled`, `kicked`, `shutdown`, `error`.
    public var reason: String
    /// What lies behind the reason, if anything.
    public var error: String?
}

/// The last listeners that left a station, for an operator who looks afterwards. Older ones are in the log.
public struct RecentEnds: Sendable {
    /// Most that are kept of a station.
    public static let limit = 50
    /// The longest path and error that are kept, in characters: both say what a peer brought about.
    public static let textLimit = 200

    private var ring: [ListenerEnd] = []
    /// Where the next one goes once the ring is full: the oldest stands there.
    private var next = 0

    public init() {}

    public var count: Int { ring.count }

    /// - Complexity: O(1).
    public mutating func note(_ listener: ListenerReport, until: Int64, reason: String, error: String?) {
        var end = ListenerEnd(
            listener: listener, until: until, reason: reason,
            error: error.map { String($0.prefix(RecentEnds.textLimit)) })
        end.listener.path = String(listener.path.prefix(RecentEnds.textLimit))
        if ring.count < RecentEnds.limit {
            ring.append(end)
        } else {
            ring[next] = end
            next = (next + 1) % RecentEnds.limit
        }
    }

    /// The newest first.
    /// - Complexity: O(limit).
    public var newestFirst: [ListenerEnd] { (ring[next...] + ring[..<next]).reversed() }
}
