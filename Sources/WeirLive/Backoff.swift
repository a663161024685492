/// How long a station waits before it starts its source again: half a second, doubling to thirty, jittered so that
/// stations that failed together do not come back together.
public struct Backoff: Sendable, Equatable {
    /// Seconds of the first step.
    public static let first = 0.5
    /// Seconds that no step exceeds.
    public static let ceiling = 30.0
    /// A run of this many seconds was healthy: the next failure begins at the first step again.
    public static let healthy = 60.0

    /// Failures in a row.
    public private(set) var failures = 0

    public init() {}

    /// Seconds to wait after a source failed that had delivered for `running` seconds. `random` is in 0 ..< 1: the wait
    /// lies between half of the step and the whole of it.
    public mutating func delay(afterRunning running: Double, random: Double) -> Double {
        if running >= Backoff.healthy { failures = 0 }
        let step = Backoff.step(failures)
        failures += 1
        return step * (0.5 + random / 2)
    }

    /// Forgets the failures: an operator asked for the source.
    public mutating func reset() { failures = 0 }

    /// Seconds of the step after so many failures, without jitter.
    static func step(_ failures: Int) -> Double {
        var step = first
        for _ in 0..<min(failures, 16) where step < ceiling { step *= 2 }
        return min(step, ceiling)
    }
}
