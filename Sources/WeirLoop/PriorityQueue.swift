internal import CWeir

/// A bounded queue of jobs by priority and age, in the core: `weir_queue_t`, whose header says how jobs are ordered.
///
/// Every operation is O(1) and allocates nothing. Times are milliseconds of one clock, any. Not synchronised.
public final class PriorityQueue {
    /// Jobs that a queue holds, by default.
    public nonisolated static var defaultCapacity: Int { Int(WEIR_QUEUE_CAPACITY) }
    public nonisolated static var maximumCapacity: Int { Int(WEIR_QUEUE_MAX_CAPACITY) }

    /// What happens to a job that comes when the queue is full.
    public enum WhenFull: Sendable {
        case reject
        /// The job that would leave last goes for it, if its rank is the lower one.
        case evictLowest
    }

    public struct Options: Sendable {
        public var capacity = PriorityQueue.defaultCapacity
        public var whenFull = WhenFull.reject
        /// Added to the priority of a job that was submitted less than `freshFor` milliseconds ago. 0: no age rule.
        public var freshBonus: UInt8 = 0
        public var freshFor = UInt64(WEIR_QUEUE_FRESH_FOR)
        /// Milliseconds after which a job goes before all others; `.max`: never.
        public var agingCap = UInt64(WEIR_QUEUE_AGING_CAP)

        public init() {}
    }

    public struct Job: Sendable, Equatable {
        public var id: UInt64
        public var priority: UInt8
        /// Milliseconds. What lies in the future counts as now.
        public var submitted: UInt64
        /// What it is ordered by: the priority, with the bonus while it is fresh. Set by the queue.
        public fileprivate(set) var rank = 0
        /// It has waited longer than the aging cap.
        public var isOverdue: Bool { rank == Int(WEIR_QUEUE_OVERDUE) }

        public init(id: UInt64, priority: UInt8, submitted: UInt64) {
            self.id = id
            self.priority = priority
            self.submitted = submitted
        }

        fileprivate init(_ core: weir_job_t) {
            self.init(id: core.id, priority: core.priority, submitted: core.submitted)
            rank = Int(core.rank)
        }
    }

    public enum Pushed: Sendable, Equatable {
        case added
        /// The id was there already; its job has the higher of the two priorities now.
        case duplicate
        /// Added, and this job went for it.
        case evicted(Job)
        /// Not added: there is no room.
        case full
    }

    /// Jobs since the queue was made.
    public struct Counters: Sendable, Equatable {
        public var added: UInt64 = 0
        public var popped: UInt64 = 0
        public var duplicates: UInt64 = 0
        public var refused: UInt64 = 0
        public var evicted: UInt64 = 0
        public var cancelled: UInt64 = 0
        /// That lost their bonus while they waited.
        public var aged: UInt64 = 0
        /// That waited longer than the aging cap.
        public var overdue: UInt64 = 0
        /// That were in it at once.
        public var most: UInt64 = 0

        public init() {}
    }

    private let core: OpaquePointer

    /// Takes the memory for all its jobs. `CoreError.option` for a capacity outside 1 to `maximumCapacity`, or a
    /// `freshFor` or `agingCap` of 0.
    public init(_ options: Options = Options()) throws(CoreError) {
        guard 1...PriorityQueue.maximumCapacity ~= options.capacity, options.freshFor > 0, options.agingCap > 0 else {
            throw .option
        }
        var settings = weir_queue_options_t()
        settings.size = MemoryLayout<weir_queue_options_t>.size
        settings.capacity = UInt32(options.capacity)
        settings.full = (options.whenFull == .reject ? WEIR_QUEUE_REJECT : WEIR_QUEUE_EVICT_LOWEST).rawValue
        settings.fresh_bonus = options.freshBonus
        settings.fresh_for = options.freshFor
        settings.aging_cap = options.agingCap
        var made: OpaquePointer?
        try CoreError.check(weir_queue_create(&made, &settings))
        core = made!
    }

    deinit { weir_queue_destroy(core) }

    public var count: Int { Int(weir_queue_length(core)) }
    public var isEmpty: Bool { weir_queue_length(core) == 0 }

    /// - Complexity: O(1); O(jobs submitted later) when there are such.
    public func push(_ job: Job, now: UInt64) -> Pushed {
        var new = weir_job_t()
        new.id = job.id
        new.priority = job.priority
        new.submitted = job.submitted
        var evicted = weir_job_t()
        let status = weir_queue_push(core, &new, now, &evicted)
        if status < 0 { return .full }
        switch weir_queue_pushed_t(rawValue: UInt32(status)) {
        case WEIR_QUEUE_DUPLICATE: return .duplicate
        case WEIR_QUEUE_EVICTED: return .evicted(Job(evicted))
        default: return .added
        }
    }

    /// Takes the first job off; nil when there is none.
    public func pop(now: UInt64) -> Job? {
        var job = weir_job_t()
        return weir_queue_pop(core, now, &job) != 0 ? Job(job) : nil
    }

    public func peek(now: UInt64) -> Job? {
        var job = weir_job_t()
        return weir_queue_peek(core, now, &job) != 0 ? Job(job) : nil
    }

    /// Its rank is that of the last call that was told the time.
    public func find(_ id: UInt64) -> Job? {
        var job = weir_job_t()
        return weir_queue_find(core, id, &job) != 0 ? Job(job) : nil
    }

    /// Takes a job out, wherever it is.
    @discardableResult
    public func cancel(_ id: UInt64) -> Job? {
        var job = weir_job_t()
        return weir_queue_cancel(core, id, &job) != 0 ? Job(job) : nil
    }

    /// Gives a job another priority, with which it comes last among its equals. False when it is not there.
    @discardableResult
    public func update(_ id: UInt64, priority: UInt8, now: UInt64) -> Bool {
        weir_queue_update(core, id, priority, now) != 0
    }

    /// The first jobs, at most `limit`, in the order in which they would leave now.
    ///
    /// - Complexity: O(of them), and an array of them is allocated.
    public func snapshot(now: UInt64, limit: Int = .max) -> [Job] {
        let capacity = max(0, min(limit, count))
        let jobs = [weir_job_t](unsafeUninitializedCapacity: capacity) { buffer, written in
            written = weir_queue_snapshot(core, now, buffer.baseAddress, capacity)
        }
        return jobs.map { Job($0) }
    }

    /// When the job that waits the longest was submitted; nil when there is none.
    public var oldest: UInt64? {
        var submitted: UInt64 = 0
        return weir_queue_oldest(core, &submitted) != 0 ? submitted : nil
    }

    public var counters: Counters {
        var core = weir_queue_counters_t()
        weir_queue_counters(self.core, &core)
        var counters = Counters()
        counters.added = core.added
        counters.popped = core.popped
        counters.duplicates = core.duplicates
        counters.refused = core.refused
        counters.evicted = core.evicted
        counters.cancelled = core.cancelled
        counters.aged = core.aged
        counters.overdue = core.overdue
        counters.most = core.most
        return counters
    }
}
