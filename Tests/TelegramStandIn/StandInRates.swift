/// How often a bot may call: any second, or minute, whenever it began, has so many calls at most.
public struct StandInRates: Sendable, Equatable {
    /// A second, to one chat.
    public var chat: Double = 1
    /// A minute, to one group.
    public var group: Double = 20
    /// A second, of one bot.
    public var bot: Double = 30

    public init() {}
}

/// Counts the calls of bots against limits, and those that disobeyed `retry_after`.
struct StandInLimiter {
    enum Verdict: Equatable {
        case allowed
        /// Whole seconds.
        case limited(retryAfter: Int)
    }

    private struct Place: Hashable {
        let bot: String
        /// Nil for all of the bot's.
        let chat: String?
    }

    private struct Book {
        var calls: [UInt64] = []
        var closedUntil: UInt64 = 0
        /// When the last 429 was given.
        var closedAt: UInt64 = 0
    }

    private var books: [Place: Book] = [:]
    /// Calls that arrived after a 429 and before its `retry_after` was over.
    private(set) var violations: UInt64 = 0

    /// - Parameter arrived: when the call's head came, from which on its sender may have known better.
    /// - Parameter now: when it counts.
    mutating func judge(_ bot: String, _ chat: String, _ rates: StandInRates, arrived: UInt64, now: UInt64) -> Verdict {
        var places: [(Place, [(count: Double, seconds: Double)])] = [
            (Place(bot: bot, chat: nil), [(rates.bot, 1)]), (Place(bot: bot, chat: chat), [(rates.chat, 1)]),
        ]
        if chat.hasPrefix("-") || chat.hasPrefix("@") { places[1].1.append((rates.group, 60)) }
        var wait: UInt64 = 0
        var isViolation = false
        for (place, windows) in places {
            var book = books[place] ?? Book()
            var until = book.closedUntil > now ? book.closedUntil : 0
            if until > 0 && arrived > book.closedAt { isViolation = true }
            for (rate, seconds) in windows { until = max(until, StandInLimiter.opens(book, rate, seconds, now)) }
            if until > now {
                let left = (until - now + 999_999_999) / 1_000_000_000
                book.closedUntil = max(book.closedUntil, now + left * 1_000_000_000)
                book.closedAt = now
                wait = max(wait, left)
            }
            books[place] = book
        }
        if isViolation { violations += 1 }
        if wait > 0 { return .limited(retryAfter: Int(wait)) }
        for (place, windows) in places {
            let longest = windows.map { UInt64($0.seconds * 1e9) }.max() ?? 0
            books[place]?.calls.removeAll { $0 + longest <= now }
            books[place]?.calls.append(now)
        }
        return .allowed
    }

    /// When there is room in a window.
    private static func opens(_ book: Book, _ rate: Double, _ seconds: Double, _ now: UInt64) -> UInt64 {
        // 0.5 a second is one in two seconds.
        let count = max(1, Int(rate))
        let span = UInt64(Double(count) / rate * seconds * 1e9)
        let recent = book.calls.filter { $0 + span > now }
        return recent.count < count ? 0 : recent[recent.count - count] + span
    }
}
