public import WeirLoop

/// Something that happened to a warm cache and belongs in the log.
public enum WarmEvent: Sendable {
    /// The stream is watched, or not any more.
    case committed(Bool)
    /// So many bytes may be kept from now on.
    case sized(UInt64)
    /// The files were emptied, since the last such event so many times, with so many bytes: the disk failed, or was too slow
    /// when there is no error. The stream itself goes on.
    case restarted(error: CoreError?, times: Int, lost: UInt64)
    /// Nothing is kept in files until it is tried again after so many seconds.
    case off(error: CoreError, retry: Double)
    /// It is tried again.
    case retried
}

/// A warm cache as it stood when it was asked about.
public struct WarmReport: Sendable, Equatable {
    /// Bytes that can be had, from tail to head.
    public var bytes: UInt64
    /// How much of the stream that is; 0 while it is not known.
    public var seconds: Double
    public var tail: UInt64
    public var head: UInt64
    /// Bytes that may be kept.
    public var max: UInt64
    /// Bytes that the files take.
    public var disk: UInt64
    public var isCommitted: Bool
    /// Nothing is kept in files, because of an error.
    public var isOff: Bool
    public var rotations: UInt64
    public var restarts: UInt64
}
