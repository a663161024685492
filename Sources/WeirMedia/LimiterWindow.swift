/// The last calls of something that may be called so many times in a span of time, whatever the span's beginning.
///
/// Times are nanoseconds of one clock, and only grow.
struct LimiterWindow: Sendable, Equatable {
    /// Calls that are remembered, at most; above, the same rate is kept over a shorter span.
    static let most = 1000

    /// Calls in a span, at most.
    let count: Int
    /// Nanoseconds.
    let span: Double
    /// A ring, the oldest at `first`.
    private var times: [UInt64] = []
    private var first = 0

    /// - Parameter rate: calls in `seconds`.
    init(rate: Double, in seconds: Double) {
        count = Int(min(max(1, rate.rounded(.down)), Double(LimiterWindow.most)))
        span = Double(count) / rate * seconds * 1e9
    }

    static func == (a: LimiterWindow, b: LimiterWindow) -> Bool {
        a.count == b.count && a.span == b.span && a.recent == b.recent
    }

    /// The oldest first.
    var recent: [UInt64] { Array(times[first...] + times[..<first]) }

    var newest: UInt64? { times.isEmpty ? nil : times[(first + times.count - 1) % times.count] }

    mutating func note(_ time: UInt64) {
        let time = max(time, newest ?? 0)
        if times.count < count {
            times.append(time)
        } else {
            times[first] = time
            first = (first + 1) % count
        }
    }

    /// When the next call may be made so that no span, made longer by `stretch`, has more than `count` less `reserve`; 0 for
    /// any time.
    /// - Complexity: O(1)
    func opens(stretch: Double, reserve: Int = 0) -> UInt64 {
        let room = max(1, count - reserve)
        guard times.count >= room else { return 0 }
        return LimiterWindow.add(times[(first + times.count - room) % times.count], span * stretch)
    }

    /// Calls in the span that ends at a time.
    /// - Complexity: O(count)
    func used(at now: UInt64, stretch: Double) -> Int {
        times.count { LimiterWindow.add($0, span * stretch) > now }
    }

    static func add(_ time: UInt64, _ nanoseconds: Double) -> UInt64 {
        nanoseconds < 1e18 ? time &+ UInt64(max(0, nanoseconds)) : .max
    }
}
