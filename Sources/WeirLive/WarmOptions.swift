/// How much of a transport stream is kept for those who join: `warm` of a station.
public struct WarmOptions: Sendable, Equatable {
    /// How fast a joiner is brought from the past to the present.
    public enum Pace: String, Sendable, CaseIterable {
        /// As fast as it takes the bytes.
        case line
        /// The first picture at once, then at most `realtimeFactor` times as fast as the stream.
        case realtime
    }

    /// What `realtime` allows, in times of the stream's rate.
    public static let realtimeFactor = 1.5
    /// Seconds of stream that `realtime` sends at once: room for the first picture, which is many times as large as those
    /// after it.
    public static let firstPicture = 1.0

    /// Seconds of stream to keep, from which `max: auto` follows; 0: nothing is kept in files.
    public var seconds: Double = 6
    /// Bytes that may be kept; nil: as many as the seconds take, once the bitrate is known.
    public var max: Int?
    /// Bytes that `auto` does not go below.
    public var min = WarmSize.floor
    /// Bytes that `auto` does not exceed.
    public var ceiling = WarmSize.ceiling
    public var pace: Pace = .line

    public init() {}

    public var size: WarmSize { WarmSize(self) }
}
