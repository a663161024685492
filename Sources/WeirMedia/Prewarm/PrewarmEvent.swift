public import WeirDatabase

/// What the worker has to say, to be logged and counted.
public enum PrewarmEvent: Sendable, Equatable {
    case started(intervalMilliseconds: Int, concurrency: Int, queue: Int)
    case stopped
    /// A job is in the durable queue, with this score.
    case enqueued(job: Int64, key: MediaKey, score: Int)
    /// It was there already.
    case duplicate(job: Int64, key: MediaKey)
    /// The bytes of an object were in the download cache, for the so-manieth time.
    case cacheHit(object: String, hits: Int)
    /// The jobs of one claim are over.
    case batchDone(size: Int, successful: Int, failed: Int, queued: Int, active: Int)
    /// An attempt failed; the next one is after so many seconds, or there is none.
    case attemptFailed(job: Int64, key: MediaKey, attempt: Int, error: String, retryAfter: Double?)
    /// A job was taken from a worker that was too slow, this one.
    case leaseLost(job: Int64, key: MediaKey)
    /// What is no job's own: the database, a bot's token.
    case trouble(String)
}

/// What the worker has done since it was made.
public struct PrewarmCounters: Sendable, Equatable {
    /// Attempts that ended ready.
    public var ready: UInt64 = 0
    /// Jobs given up.
    public var failed: UInt64 = 0
    /// Attempts that are made again after a failure of their own.
    public var retried: UInt64 = 0
    /// Attempts that the API's limits put off.
    public var postponed: UInt64 = 0
    /// Attempts given back at shutdown.
    public var released: UInt64 = 0
    /// Attempts whose job had been taken over.
    public var lost: UInt64 = 0
    /// Files that went to Telegram as bytes, or by their URL.
    public var uploads: UInt64 = 0
    public var byURL: UInt64 = 0
    /// Bytes of those uploads.
    public var uploadedBytes: UInt64 = 0
    /// Answers whose id is weak.
    public var weak: UInt64 = 0
    /// Claims, and what the database answered otherwise.
    public var claims: UInt64 = 0
    public var databaseErrors: UInt64 = 0

    public init() {}
}
