public import WeirLoop

/// The durable queue of warming: the rows of `media_cache`.
///
/// A job is queued, leased to a worker, and then ready, failed, or waiting for its next attempt. A lease ends by itself
/// after its seconds; the next `sweep` of any worker queues the job again. Every claim raises the job's fence, and what
/// is said with an older one is not heard: a worker that stalled cannot undo what another did meanwhile.
///
/// Times are of one clock: SQLite has one engine, whose clock it is; with PostgreSQL it is the server's, so that nodes
/// need not agree on theirs.
@LoopActor
public protocol PrewarmQueue: AnyObject, Sendable {
    /// Queued jobs in the order in which `claim` would take them, and nobody holds them: hints for a dispatch buffer.
    func peek(_ selection: JobSelection) async throws(DatabaseError) -> [MediaEntry]

    /// Leases those of `jobs` that are queued still, for `lease` seconds, in the order given. `worker` is told to people.
    func claim(_ jobs: [Int64], lease: Double, worker: String) async throws(DatabaseError) -> [LeasedJob]

    /// Leases the first jobs of the queue. What another worker is taking at this moment is passed over.
    func claim(_ selection: JobSelection, lease: Double, worker: String) async throws(DatabaseError) -> [LeasedJob]

    /// Prolongs leases to `lease` seconds from now, and returns those that still hold. Stop working on the others.
    func renew(_ leases: [Lease], lease: Double) async throws(DatabaseError) -> Set<Lease>

    /// Ends attempts, all in one transaction. For each, in order, whether its lease held and the outcome is recorded.
    func settle(_ outcomes: [(lease: Lease, outcome: JobOutcome)]) async throws(DatabaseError) -> [Bool]

    /// Queues jobs whose time has come or whose lease has ended; fails those whose lease ended at attempt `attempts`.
    /// At most `PrewarmLimits.sweep` of each kind at once.
    func sweep(attempts: Int) async throws(DatabaseError) -> SweepResult

    /// Raises the score of a warming job, and makes it due if it waits for its next attempt. Nil when it is not warming.
    func promote(_ key: MediaKey, score: Int) async throws(DatabaseError) -> MediaEntry?

    /// Queues failed jobs again, with attempts from zero: that of `key`, or all of a bot, or all. How many there were.
    func requeue(_ which: Requeue) async throws(DatabaseError) -> Int

    func counts() async throws(DatabaseError) -> JobCounts

    /// Called on the loop after jobs may have become claimable, by this node or another: look again. Calls may be merged,
    /// and may come for nothing. Due retries and ended leases do not call it; those are the sweep's.
    var whenWorkArrives: (@LoopActor () -> Void)? { get set }
}

public enum Requeue: Sendable, Hashable {
    case key(MediaKey)
    case bot(String)
    case all
}

public enum PrewarmLimits {
    /// Jobs of one kind that one sweep takes.
    public static let sweep = 1000
    /// Warming jobs past which `add` refuses new ones, unless the configuration says otherwise (`prewarm.backlog`).
    public static let backlog = 1_000_000
    /// Bytes of an error's text that are kept.
    public static let errorBytes = 2000
}

/// What a bot's limiter has learnt, kept across restarts. The bytes are the limiter's affair.
@LoopActor
public protocol LimiterStates: AnyObject, Sendable {
    /// Nil when none was saved.
    func limiterState(bot: String) async throws(DatabaseError) -> [UInt8]?

    /// Replaces it. Throws `.argument` for more than `LimiterStateLimits.bytes`.
    func saveLimiterState(_ state: [UInt8], bot: String) async throws(DatabaseError)
}

public enum LimiterStateLimits {
    public static let bytes = 1 << 20
}
