/// What a server has seen since it was made. Every refusal has its own count.
public struct ServerCounters: Sendable, Equatable {
    /// Connections accepted, including those that were then refused.
    public var accepted: UInt64 = 0
    /// Connections now, including those handed over.
    public var active = 0
    /// Of those, handed over and not yet released.
    public var takenOver = 0
    /// Connections refused because there were `maxConnections`.
    public var refusedFull: UInt64 = 0
    /// ... because one address had `connectionsPerAddress`.
    public var refusedPerAddress: UInt64 = 0
    /// ... because the process had no descriptor left.
    public var refusedDescriptors: UInt64 = 0
    /// Times that accepting was suspended because there was not even a descriptor to refuse with.
    public var acceptPauses: UInt64 = 0
    /// TLS handshakes that were done.
    public var handshakes: UInt64 = 0
    /// ... that failed: a version or a protocol that is not spoken here, or no TLS at all.
    public var handshakesFailed: UInt64 = 0
    /// ... that were not done in `headTimeout`.
    public var handshakeTimeouts: UInt64 = 0
    /// Heads that were not complete in `headTimeout`.
    public var headTimeouts: UInt64 = 0
    /// Kept-alive connections closed after `idleTimeout`.
    public var idleTimeouts: UInt64 = 0
    /// Connections whose peer took or sent nothing for `sendTimeout`.
    public var sendTimeouts: UInt64 = 0
    /// Requests that could not be parsed (400, 414, 431, 501, 505).
    public var malformed: UInt64 = 0
    public var unauthorized: UInt64 = 0
    public var hostRefused: UInt64 = 0
    public var originRefused: UInt64 = 0
    public var bodyTooLarge: UInt64 = 0
    /// Responses by the first digit of their status: 1 ... 5.
    public var responses: [Int: UInt64] = [:]
    /// Bytes of bodies sent by the server itself.
    public var bytesSent: UInt64 = 0

    public init() {}
}

/// One line of the access log: a response, when it is done.
public struct AccessEvent: Sendable, Equatable {
    public var remote: RemoteAddress
    public var method: String
    /// As it was sent, without the signature of a signed link, cut after `targetLimit` bytes.
    public var target: String
    public var status: Int
    /// Bytes of body sent.
    public var bytes: UInt64
    public var seconds: Double
    /// `done`, or why it ended before: `closed`, `timeout`, `error`, `shutdown`; of a connection that was handed over,
    /// what its ticket was released with.
    public var reason: String

    /// Bytes of a target that are logged.
    public static let targetLimit = 512
}
