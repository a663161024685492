internal import WeirHTTP

/// When a request is made again, and after how long: values in, a decision out.
public struct RetryPolicy: Sendable, Equatable {
    /// Tries in all: 1 ... 10.
    public var tries = 4
    /// Seconds before the second try, at most; each further one may wait twice as long, up to `most`. What is waited is
    /// anything between nothing and that, so that clients who failed together do not come back together.
    public var first = 0.2
    public var most: Double = 5
    /// A peer that asks for more seconds (`Retry-After`) is not waited for.
    public var patience: Double = 60

    public init() {}

    /// Once.
    static let never: RetryPolicy = {
        var policy = RetryPolicy()
        policy.tries = 1
        return policy
    }()

    /// Seconds until the next try, when `tried` have failed; nil when there is none. `random` is in 0 ..< 1.
    func delay(after tried: Int, retryAfter: Double?, random: Double) -> Double? {
        guard tried < tries else { return nil }
        var ceiling = first
        for _ in 1..<max(1, tried) where ceiling < most { ceiling *= 2 }
        let jittered = min(ceiling, most) * random
        guard let retryAfter else { return jittered }
        // All who were told the same moment come a little later than it.
        return retryAfter <= patience ? retryAfter + jittered : nil
    }

    /// Whether a response may be another one next time.
    static func isTransient(status: Int) -> Bool { status == 429 || (500...599).contains(status) }

    static func isTransient(_ kind: ClientError.Kind) -> Bool {
        switch kind {
        case .resolve, .connect, .closed, .unrepeatable: true
        case .timeout(let phase): phase != .request
        default: false
        }
    }
}
