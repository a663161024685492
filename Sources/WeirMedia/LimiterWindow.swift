/// The last calls of something that may be called so many times in a span of time, whatever the span's beginning.
///
/// Times are nanoseconds of one clock, and only grow.
struct LimiterWindow: Sendable, Equatable {
    /// Calls that are remembered, at most; above, the same rate is kept over a shorter span.
    static let most = 1000
    /// Seconds of a span that is long beside an upload.
    static let longSpan: Double = 10

    /// Calls in a span, at most.
    let count: Int
    /// Nanoseconds.
    let span: Double
    /// Calls count from their answers on. One counts somewhere between its beginning and its answer, and nobody says where:
    /// of uploads that take different times, those that count together need not have begun together. In a long span the
    /// answer is safe and costs next to nothing. In a short one it would leave a chat idle for as long as an upload takes.
    let countsAnswers: Bool
    /// A ring, the oldest at `first`.
    private var times: [UInt64] = []
    private var first = 0
    /// How many times lower than configured the rate is, and the last 429 that it was lowered for, which stands for all
    /// calls that had been made by then.
    private(set) var stretch = 1 + Limiter.slack
    private var slowed: UInt64 = 0

    /// - Parameter rate: calls in `seconds`.
    init(rate: Double, in seconds: Double) {
        count = Int(min(max(1, rate.rounded(.down)), Double(LimiterWindow.most)))
        span = Double(count) / rate * seconds * 1e9
        countsAnswers = span >= LimiterWindow.longSpan * 1e9
    }

    static func == (a: LimiterWindow, b: LimiterWindow) -> Bool {
        a.count == b.count && a.span == b.span && a.stretch == b.stretch && a.recent == b.recent
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

    /// The call that was noted at `time` has been answered.
    /// - Complexity: O(count)
    mutating func answered(_ time: UInt64, at now: UInt64) {
        guard countsAnswers else { return }
        var calls = recent
        guard let index = calls.lastIndex(of: time) else { return }
        calls.remove(at: index)
        calls.append(max(now, calls.last ?? 0))
        (times, first) = (calls, 0)
    }

    // MARK: Learning

    /// - Parameter time: when the call that was answered with 429 was made.
    mutating func slow(since time: UInt64, at now: UInt64) {
        guard time >= slowed else { return }
        slowed = now
        stretch = min(stretch * Limiter.stretchStep, Limiter.stretchLimit)
    }

    mutating func quicken() { stretch = max(1 + Limiter.slack, stretch * Limiter.stretchDecay) }

    mutating func restore(stretch: Double) {
        self.stretch = min(max(1 + Limiter.slack, stretch), Limiter.stretchLimit)
    }

    // MARK: Asking

    /// Calls in a span at the rate as it is; where it is low a burst is shorter, too.
    var room: Int { max(1, Int(Double(count) * (1 + Limiter.slack) / stretch + 1e-9)) }

    /// Nanoseconds in which so many calls may be made: never less than the span and its slack.
    var length: Double { span * max(1 + Limiter.slack, Double(room) * stretch / Double(count)) }

    /// When the next call may be made so that there is room for it, and for `reserve` more; 0 for any time.
    /// - Complexity: O(1)
    func opens(reserve: Int = 0) -> UInt64 {
        let room = max(1, room - reserve)
        guard times.count >= room else { return 0 }
        return LimiterWindow.add(times[(first + times.count - room) % times.count], length)
    }

    /// The part of its room that is used. Where there is room for one call, the last one counts for twice the time: the next
    /// could not be made before.
    /// - Complexity: O(count)
    func load(at now: UInt64) -> Double {
        let (room, length) = (room, length)
        return Double(times.count { LimiterWindow.add($0, room == 1 ? 2 * length : length) > now }) / Double(room)
    }

    static func add(_ time: UInt64, _ nanoseconds: Double) -> UInt64 {
        nanoseconds < 1e18 ? time &+ UInt64(max(0, nanoseconds)) : .max
    }
}
