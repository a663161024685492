internal import WeirDatabase
internal import WeirLoop

/// Jobs that could start now, as far as this process knows: hints, for a job is leased when it starts. A bounded part of
/// the durable queue, in the order in which jobs start: score with the points for being fresh, then who waited longer, and
/// before all of them whoever has waited longer than the aging cap.
///
/// Times are milliseconds since 1970, of the database's clock.
@LoopActor
final class DispatchBuffer {
    struct Hint: Sendable, Equatable {
        let key: MediaKey
        let bytes: Int64
        let isSmall: Bool
        let enqueuedAt: Int64
    }

    let capacity: Int
    /// Every job.
    private let all: PriorityQueue
    /// Those that may use the slot that is kept for small ones, once more.
    private let small: PriorityQueue
    private var hints: [UInt64: Hint] = [:]
    /// Something was left out for want of room: the durable queue has more.
    var hasOverflowed = false

    /// - Throws: `CoreError.option` for a capacity that cannot be.
    init(capacity: Int, freshPoints: Int, fresh: Double, agingCap: Double) throws(CoreError) {
        self.capacity = capacity
        var options = PriorityQueue.Options()
        options.capacity = capacity
        options.whenFull = .evictLowest
        options.freshBonus = UInt8(clamping: fresh > 0 ? freshPoints : 0)
        options.freshFor = UInt64(max(1, fresh * 1000))
        options.agingCap = UInt64(max(1, agingCap * 1000))
        all = try PriorityQueue(options)
        small = try PriorityQueue(options)
    }

    var count: Int { all.count }
    var smallCount: Int { small.count }
    /// When the job that waits the longest was enqueued.
    var oldest: Int64? { all.oldest.map { Int64($0) } }

    /// False when it is there already, or better ones take up all the room.
    @discardableResult
    func push(_ entry: MediaEntry, now: Int64) -> Bool {
        let id = UInt64(clamping: entry.id)
        let job = PriorityQueue.Job(
            id: id, priority: UInt8(clamping: entry.priority.score), submitted: UInt64(max(0, entry.enqueuedAt)))
        switch all.push(job, now: UInt64(max(0, now))) {
        case .added: break
        case .evicted(let other):
            hasOverflowed = true
            forget(other.id)
        case .duplicate: return false
        case .full:
            hasOverflowed = true
            return false
        }
        hints[id] = Hint(
            key: entry.medium.key, bytes: entry.medium.bytes, isSmall: entry.priority.isSmall,
            enqueuedAt: entry.enqueuedAt)
        // There is room: it holds no job that `all` does not.
        if entry.priority.isSmall { _ = small.push(job, now: UInt64(max(0, now))) }
        return true
    }

    /// Takes the first job off, or the first of the small ones.
    func pop(onlySmall: Bool, now: Int64) -> (id: Int64, isSmall: Bool)? {
        guard let job = (onlySmall ? small : all).pop(now: UInt64(max(0, now))) else { return nil }
        let isSmall = hints[job.id]?.isSmall ?? false
        if onlySmall { all.cancel(job.id) }
        forget(job.id)
        return (Int64(clamping: job.id), isSmall)
    }

    /// Gives a job another score; false when it is not here.
    @discardableResult
    func update(_ id: Int64, score: Int, now: Int64) -> Bool {
        let score = UInt8(clamping: score)
        _ = small.update(UInt64(id), priority: score, now: UInt64(max(0, now)))
        return all.update(UInt64(id), priority: score, now: UInt64(max(0, now)))
    }

    func hint(_ id: Int64) -> Hint? { UInt64(exactly: id).flatMap { hints[$0] } }

    /// What a job was ordered by when the queue was last told the time.
    func rank(_ id: Int64) -> Int? {
        UInt64(exactly: id).flatMap { all.find($0) }.map { $0.isOverdue ? Int(UInt8.max) : $0.rank }
    }

    /// The first jobs, in the order in which they would start now, with what they are ordered by.
    /// - Complexity: O(of them).
    func first(_ limit: Int, now: Int64) -> [(id: Int64, hint: Hint, rank: Int)] {
        all.snapshot(now: UInt64(max(0, now)), limit: limit).compactMap { job in
            hints[job.id].map { (Int64(clamping: job.id), $0, job.isOverdue ? Int(UInt8.max) : job.rank) }
        }
    }

    private func forget(_ id: UInt64) {
        hints[id] = nil
        small.cancel(id)
    }
}
