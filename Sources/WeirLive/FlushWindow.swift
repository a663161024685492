/// How long a station gathers bytes before it sends them: the policy behind `window: auto`.
///
/// Writes are what a fan-out costs, not bytes: 1000 listeners of 192 kB/s took 21 % of a core when each was written to
/// every 20 ms, 10 % at 50 ms, 5.7 % at 100 ms and 3.4 % at 200 ms. So the window is short while listeners are few, and
/// grows with their number such that a station makes at most `writesPerSecond` writes a second.
public struct FlushWindow: Sendable, Equatable {
    /// Milliseconds up to a hundred listeners.
    public static let shortest = 20
    /// Milliseconds from a thousand listeners on.
    public static let longest = 200
    /// Writes a second that the window aims at in between: 100 listeners at 20 ms, 1000 at 200 ms.
    public static let writesPerSecond = 5000
    /// The window changes when the wanted one differs by this factor, so that a listener who comes and goes does not
    /// move it.
    static let hysteresis = 1.25

    private static let millisecond: UInt64 = 1_000_000

    public let policy: StationOptions.Window
    /// Nanoseconds; 0: at every write of the source.
    public private(set) var nanoseconds: UInt64

    public init(_ policy: StationOptions.Window) {
        self.policy = policy
        switch policy {
        case .auto: nanoseconds = UInt64(FlushWindow.shortest) * FlushWindow.millisecond
        case .fixed(let milliseconds): nanoseconds = UInt64(max(0, milliseconds)) * FlushWindow.millisecond
        }
    }

    /// Adapts to the number of listeners. Returns the new window when it changed.
    public mutating func adapt(to listeners: Int) -> UInt64? {
        guard policy == .auto else { return nil }
        let wanted = FlushWindow.wanted(for: listeners)
        guard wanted != nanoseconds else { return nil }
        let ratio = Double(wanted) / Double(nanoseconds)
        let isEnd = wanted == UInt64(FlushWindow.longest) * FlushWindow.millisecond
        guard ratio >= FlushWindow.hysteresis || ratio <= 1 / FlushWindow.hysteresis || (isEnd && ratio > 1) else {
            return nil
        }
        nanoseconds = wanted
        return wanted
    }

    /// Nanoseconds for so many listeners, in whole milliseconds.
    static func wanted(for listeners: Int) -> UInt64 {
        let milliseconds = min(listeners, 1_000_000) * 1000 / writesPerSecond
        return UInt64(min(max(milliseconds, shortest), longest)) * millisecond
    }
}
