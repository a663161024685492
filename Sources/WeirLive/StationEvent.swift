public import WeirLoop

/// Something that happened at a station and belongs in the log.
public enum StationEvent: Sendable {
    case state(from: Supervision.State, to: Supervision.State, error: String?)
    /// A child process was started.
    case started(process: Int32)
    /// A line that a child wrote to standard error; `suppressed` came before it and were too many.
    case line(String, suppressed: Int)
    /// The header of the source's stream won over the configuration.
    case format(was: StationOptions.Format, is: StationOptions.Format)
    /// An origin has answered with a stream that the station can play.
    case connected(OriginAnswer)
    /// A client that sends the stream has come, or has left after so many bytes and seconds.
    case senderCame(Sender)
    case senderLeft(Sender, bytes: UInt64, seconds: Double, reason: SenderEnding)
    /// What is being played; nil: nobody says any more.
    case title(String?)
    /// Another station is played in place of the source, whose state is told with it; nil: not any more.
    case fallback(String?, state: Supervision.State)
    /// The station of that name cannot be played in place of the source.
    case fallbackFailed(String, error: String)
    /// The source is started again after so many seconds.
    case retry(after: Double)
    case joined(ListenerReport)
    case skipped(ListenerReport)
    case left(ListenerReport, reason: String, error: String?)
    /// The programmes of a transport stream became known, or others.
    case programs([TransportFacts.Program])
    case warm(WarmEvent)
    /// A joiner was handed over with `bytes` of the past before it, `seconds` of the stream (0 while that is not known), so
    /// many milliseconds after it had asked.
    case sentWarm(ListenerReport, bytes: UInt64, seconds: Double, milliseconds: Double)
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
    /// Of the source, as the configuration calls it.
    public var kind: String
    public var autostart: StationOptions.Autostart
    public var access: StationOptions.Access
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
    /// How many listeners have left since the station was made, by reason; every reason is there.
    public var ends: [(reason: String, count: UInt64)]
    /// Milliseconds; 0: at every write of the source.
    public var window: Double
    /// The name of the station that is played in place of the source; nil: none.
    public var fallback: String?
    /// What is being played, as somebody said.
    public var title: String?
    /// Who sends the stream, to a station that is sent one.
    public var sender: SenderReport?
    /// Where the stream comes from, of a station that pulls it.
    public var origin: OriginReport?
    /// Of a transport stream.
    public var transport: TransportFacts?
    /// Of a station that keeps its stream in files.
    public var warm: WarmReport?
    /// An operator wants the stream to count as watched.
    public var isCommitRequested = false
}
