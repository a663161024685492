/// By what the durable queue is ordered: the score, then who waited longer. Points for being new are not part of it; they
/// are the dispatch buffer's, which sees time pass.
public struct JobPriority: Sendable, Hashable {
    /// Higher goes first: 0 ... 255. Others are brought into the range.
    public let score: Int
    /// Whether it may use the slot that is kept for small jobs.
    public let isSmall: Bool

    public init(score: Int, isSmall: Bool) {
        self.score = min(max(score, 0), 255)
        self.isSmall = isSmall
    }
}

/// What a claim gives, and every later word about the job must show.
public struct Lease: Sendable, Hashable {
    /// `MediaEntry.id`.
    public let job: Int64
    public let fence: Int64

    public init(job: Int64, fence: Int64) {
        self.job = job
        self.fence = fence
    }
}

/// A job that the caller holds.
public struct LeasedJob: Sendable, Hashable {
    public let entry: MediaEntry
    public var lease: Lease { Lease(job: entry.id, fence: entry.fence) }

    init(_ entry: MediaEntry) {
        self.entry = entry
    }
}

/// Which of the queued jobs, and in which order.
public struct JobSelection: Sendable, Hashable {
    /// At most so many: 0 ... `JobSelection.limitMax`; others are brought into it.
    public var limit: Int
    /// Only jobs that may use the slot for small ones.
    public var onlySmall: Bool
    /// Who has waited longer than this goes before every score, oldest first; seconds. Not with `onlySmall`.
    public var agingCap: Double

    public static let limitMax = 1000
    /// As `prewarm` has it.
    public static let agingCapDefault: Double = 300

    public init(limit: Int, onlySmall: Bool = false, agingCap: Double = agingCapDefault) {
        self.limit = limit
        self.onlySmall = onlySmall
        self.agingCap = agingCap
    }

    var boundedLimit: Int { min(max(limit, 0), JobSelection.limitMax) }
}

/// How an attempt ended. Each takes effect only if the lease still holds.
public enum JobOutcome: Sendable, Hashable {
    /// It was uploaded: ready.
    case ready(CachedFile)
    /// Failed; the next attempt is due `after` seconds from now.
    case retry(after: Double, error: String)
    /// It may not be tried before `after` seconds have passed, and that is not its fault (429): the attempt does not count.
    case postpone(after: Double, reason: String)
    /// Failed for good.
    case failed(error: String)
    /// Given back untouched, at shutdown: queued again, and the attempt does not count.
    case release
}

/// What a sweep did.
public struct SweepResult: Sendable, Hashable {
    /// Jobs whose time had come, queued again.
    public var due = 0
    /// Jobs whose lease had ended, queued again.
    public var expired = 0
    /// Jobs whose lease had ended at their last attempt: failed.
    public var failed = 0
    /// There was more than one sweep takes: sweep again at once.
    public var isPartial = false
    /// When the next retry is due or the next lease ends, seconds from now; nil when nothing waits or is leased.
    public var nextDue: Double?
}

/// How many jobs are where.
public struct JobCounts: Sendable, Hashable {
    public var queued = 0
    public var leased = 0
    public var waiting = 0
    public var ready = 0
    public var failed = 0
    /// How long the oldest queued job has waited, seconds; 0 when none is queued.
    public var oldestSeconds: Double = 0

    public var warming: Int { queued + leased + waiting }
}

extension JobCounts {
    /// A group of rows, by the words in them.
    mutating func add(_ count: Int, phase: String, status: String) {
        switch (phase, status) {
        case ("queued", _): queued += count
        case ("leased", _): leased += count
        case ("waiting", _): waiting += count
        case (_, "ready"): ready += count
        default: failed += count
        }
    }
}

/// What is written about jobs without a worker's words.
enum JobTexts {
    static let leaseEnded = "the lease ended: its worker stalled or died"
    static let fileRefused = "Telegram refused the file_id"
}
