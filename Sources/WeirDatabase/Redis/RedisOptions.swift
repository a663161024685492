/// What an index in Redis is opened with; seconds.
public struct RedisOptions: Sendable, Hashable {
    /// That making a connection may take.
    public var connect: Double = 5
    /// That an answer may take; then the connection is given up.
    public var command: Double = 5
    /// Between two looks whether the server of the channel is still there.
    public var pulse: Double = 15
    /// By what name this node's artefacts are known: nil is the data directory's own, which is made once.
    public var node: String?

    public init() {}
}
