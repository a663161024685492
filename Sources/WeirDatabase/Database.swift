public import WeirLoop

/// The engine's durable state, on SQLite or PostgreSQL: both behave the same, and the same tests say so.
@LoopActor
public protocol Database: MediaRegistry, PrewarmQueue, LimiterStates, Catalogue, ArtefactIndex {
    /// A round trip. Throws what is wrong.
    func ping() async throws(DatabaseError)

    /// Ends what runs, lets go of everything, and is done when it returns. Calls that come later throw `.closed`.
    func close() async
}

public enum DatabaseState: Sendable, Hashable {
    case ok
    /// Since the last success every call failed, the last one like this.
    case failing(DatabaseError)
}

/// What a database is opened with.
public struct DatabaseOptions: Sendable {
    /// Warming jobs past which `add` refuses new ones.
    public var backlog = PrewarmLimits.backlog
    /// PostgreSQL's pool.
    public var pool = DatabasePoolOptions()
    /// Calls that wait for SQLite's threads, or for a connection of PostgreSQL's; the next is refused with `.overloaded`.
    public var waiting = waitingDefault
    /// Added to the clock that leases, retries and ages are reckoned by; milliseconds. For tests.
    package var clockOffset: DatabaseClockOffset?
    /// By what name this node's artefacts are known: nil is the data directory's own, which is made once.
    public var node: String?

    public static let waitingDefault = 10_000

    public init() {}
}

/// SPEC'd for the prewarm worker; the reasons are PostgreSQL's, which pays for every connection with a process.
public struct DatabasePoolOptions: Sendable, Hashable {
    /// Connections at most. One more listens for notifications.
    public var connections = connectionsDefault
    /// Requests after which a connection is replaced.
    public var uses = 1000
    /// Seconds without use after which a connection is closed.
    public var idle: Double = 30
    /// Seconds that making a connection may take.
    public var connect: Double = 5
    /// Seconds that the server gives a statement, and the client a request, waiting for a connection included.
    public var query: Double = 30

    public static let connectionsDefault = 12
    /// From `concurrencyThreshold` concurrent uploads on.
    public static let connectionsMany = 20
    public static let concurrencyThreshold = 10

    public init() {}

    /// For so many uploads at once.
    public init(concurrency: Int) {
        if concurrency >= DatabasePoolOptions.concurrencyThreshold { connections = DatabasePoolOptions.connectionsMany }
    }
}
