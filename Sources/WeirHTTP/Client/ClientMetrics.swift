/// What a pool does and has done.
public struct ClientMetrics: Sendable, Equatable {
    /// Connections now, those being made among them.
    public var open = 0
    /// Of those, without a request. Over HTTP/2 several requests have one connection: then this is the least it can be.
    public var idle = 0
    /// Requests under way.
    public var running = 0
    /// Requests that wait for their turn.
    public var waiting = 0
    /// Requests made, those that were refused among them.
    public var requests: UInt64 = 0
    /// Requests that were answered to the end.
    public var completed: UInt64 = 0
    /// Requests that went over a connection that was there.
    public var reused: UInt64 = 0
    /// Connections made for requests; redirects among them.
    public var connected: UInt64 = 0
    /// Bytes of bodies.
    public var receivedBytes: UInt64 = 0
    public var sentBytes: UInt64 = 0
    /// By `ClientError.Kind.name`.
    public var errors: [String: UInt64] = [:]

    public init() {}
}
