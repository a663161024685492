public import WeirDatabase

// What others may see of the worker's jobs.
extension PrewarmWorker {
    /// Jobs that are shown at once.
    public nonisolated static let shownJobs = 100

    public struct Job: Sendable, Equatable {
        public let id: Int64
        public let key: MediaKey
        public let bytes: Int64
        public let isRunning: Bool
        /// By which it is ordered, the points for being fresh included.
        public let score: Int
        /// Somebody waits for it: its score is not that of the rules.
        public let isPromoted: Bool
        /// Milliseconds since 1970.
        public let enqueuedAt: Int64
    }

    /// Jobs under way, the oldest first, and those that start next, as far as they are known here.
    public func jobs(limit: Int) -> [Job] {
        let running = held.values.sorted { $0.began < $1.began }.prefix(limit).map { job($0) }
        let queued = buffer.first(max(0, limit - running.count), now: wall()).map { job($0.id, $0.hint, $0.rank) }
        return running + queued
    }

    /// One of these; nil when the job is neither under way nor next.
    public func job(_ id: Int64) -> Job? {
        if let one = held[id] { return job(one) }
        guard let hint = buffer.hint(id) else { return nil }
        let rank = buffer.rank(id) ?? 0
        return job(id, hint, rank)
    }

    /// Seconds since a job was enqueued, at a time in milliseconds since 1970.
    public func age(since enqueuedAt: Int64) -> Double { max(0, Double(wall() &- enqueuedAt) / 1000) }

    private func job(_ held: HeldJob) -> Job {
        let entry = held.entry
        let rule = options.priority.score(bytes: entry.medium.bytes, kind: entry.medium.key.kind)
        return Job(
            id: entry.id, key: entry.medium.key, bytes: entry.medium.bytes, isRunning: true,
            score: entry.priority.score, isPromoted: entry.priority.score > rule, enqueuedAt: entry.enqueuedAt)
    }

    private func job(_ id: Int64, _ hint: DispatchBuffer.Hint, _ rank: Int) -> Job {
        let rule = options.priority.score(bytes: hint.bytes, kind: hint.key.kind, age: 0)
        return Job(
            id: id, key: hint.key, bytes: hint.bytes, isRunning: false, score: rank, isPromoted: rank > rule,
            enqueuedAt: hint.enqueuedAt)
    }
}
