/// Something that happened at a station and belongs in the log.
public enum StationEvent: Sendable {
    case state(from: Supervision.State, to: Supervision.State, error: String?)
    /// A child process was started.
    case started(process: Int32)
    /// A line that a child wrote to standard error; `suppressed` came before it and were too many.
    case line(String, suppressed: Int)
    /// The header of the source's stream won over the configuration.
    case format(was: StationOptions.Format, is: StationOptions.Format)
    /// The source is started again after so many seconds.
    case retry(after: Double)
    case joined(ListenerReport)
    case skipped(ListenerReport)
    case left(ListenerReport, reason: String, error: String?)
}

/// A listener as it stood when it was asked about.
public struct ListenerReport: Sendable {
    public var id: UInt64
    public var address: String
    /// The path by which it came, without the query.
    public var path: String
    /// Nanoseconds since 1970 when it joined.
    public var since: Int64
    /// Seconds that it has listened.
    public var seconds: Double
    /// The next byte of the stream it will be sent.
    public var position: UInt64
    public var lagBytes: UInt64
    /// Nil while the stream's rate is not known.
    public var lagSeconds: Double?
    public var skippedBytes: UInt64
    public var skips: UInt64
    /// Bytes of the stream that it was sent.
    public var sentBytes: UInt64
}

/// A station as it stood when it was asked about.
public struct StationReport: Sendable {
    public var name: String
    public var format: StationOptions.Format
    public var state: Supervision.State
    /// Bytes since the station was made.
    public var position: UInt64
    /// Bits a second; nil while it is not known.
    public var bitrate: Double?
    public var restarts: UInt64
    public var lastError: String?
    public var listeners: [ListenerReport]
    public var listenersMax: Int
    public var listenersAlert: Int
    /// Milliseconds; 0: at every write of the source.
    public var window: Double
}
