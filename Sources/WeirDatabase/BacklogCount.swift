/// How many jobs are warming, near enough to refuse new ones at a limit: counting a million rows for each would not do.
///
/// The count is an upper bound of what this node knows: what it adds counts at once, what ends does when the rows are
/// counted again. They are when the limit seems to be reached, at most once a second. What other nodes add in that second
/// is not seen: so many more there may be.
struct BacklogCount {
    /// Milliseconds between two countings.
    static let interval: Int64 = 1000

    let limit: Int
    private var known: Int?
    private var countedAt: Int64 = 0

    init(limit: Int) {
        self.limit = limit
    }

    /// Whether the rows must be counted before the next is added.
    func mustCount(now: Int64) -> Bool {
        guard let known else { return true }
        return known >= limit && (now - countedAt >= BacklogCount.interval || now < countedAt)
    }

    mutating func counted(_ count: Int, now: Int64) {
        known = count
        countedAt = now
    }

    var isFull: Bool { (known ?? 0) >= limit }

    mutating func added() { known? += 1 }

    var error: DatabaseError {
        DatabaseError(.backlogFull, "\(limit) media are warming; no more are taken until some are done")
    }
}
