/// How media are warmed: `prewarm` in the configuration.
public struct PrewarmOptions: Sendable, Equatable {
    /// Jobs under way at once: 1 ... 1000.
    public var concurrency = 5
    /// Milliseconds between two looks for retries that are due and leases that have expired. New work does not wait for it.
    public var intervalMilliseconds = 2000
    /// Jobs that wait in memory for a slot: 1 ... 100 000. The others wait in the database.
    public var queue = 500
    /// Jobs that may wait in all; one more is refused.
    public var backlog = 1_000_000
    /// Attempts and the waits between them.
    public var retry = RetrySchedule()
    /// Seconds after which a job of a worker that has died is anybody's: 5 ... 30.
    public var lease: Double = 30
    /// Further uploads when the answer's id is weak; 0 takes the first as it is: 0 ... 10.
    public var weakRetries = 0
    /// Seconds after which a waiting job goes before all others.
    public var agingCap: Double = 300
    /// Media with fewer bytes are small: of two slots and more, one is kept for them.
    public var smallBytes = 1_000_000
    public var priority = PriorityTable()
    public var downloadCache = DownloadCache.Options()

    public init() {}
}
