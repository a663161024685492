/// When a job is tried again: values in, a decision out.
public struct RetrySchedule: Sendable, Equatable {
    /// Attempts in all, the first included: 1 ... 100.
    public var attempts = 5
    /// Seconds before the second attempt, at most; each further one may wait twice as long, up to `most`. What is waited is
    /// anything between nothing and that ("full jitter"), so that jobs that failed together do not come back together.
    public var first: Double = 2
    public var most: Double = 300

    public init() {}

    /// What a failed attempt was.
    public enum Failure: Sendable, Equatable {
        /// It will fail in the same way every time.
        case permanent
        /// It may go better another time.
        case transient
        /// The API wants to be left alone for so many seconds. It did not try, so this costs no attempt.
        case limited(retryAfter: Double)
    }

    public enum Decision: Sendable, Equatable {
        case dead
        /// After so many seconds. `counts`: the attempt is one of those that there are.
        case retry(after: Double, counts: Bool)
    }

    /// - Parameter made: attempts that were made, this one included: at least 1.
    /// - Parameter random: in 0 ..< 1.
    public func decide(_ failure: Failure, made: Int, random: Double) -> Decision {
        switch failure {
        case .permanent: return .dead
        case .transient:
            guard made < attempts else { return .dead }
            return .retry(after: ceiling(made) * random, counts: true)
        case .limited(let seconds):
            // All who were told the same moment come a little later than it.
            return .retry(after: max(0, seconds) + first * random, counts: false)
        }
    }

    /// The longest wait after `made` attempts, in seconds.
    public func ceiling(_ made: Int) -> Double {
        var ceiling = first
        for _ in 1..<max(1, made) where ceiling < most { ceiling *= 2 }
        return min(ceiling, most)
    }
}
