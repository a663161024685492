/// When a bot may call: per chat, per group and in all, learning from the answers that it called too often.
///
/// Values in, decisions out; nothing waits here (that is `TelegramLimiter`). Times are nanoseconds of one clock, and only
/// grow. What Telegram counts by is nowhere written, so nothing is taken for granted: every span of time holds as many
/// calls as the documentation allows, and 429 makes the spans longer where calls were close to their limit. They become
/// shorter again with the calls that succeed, so that about one in 200 probes for a limit that is lower than configured.
public struct Limiter: Sendable {
    /// Who asks. Both use the same budget; a call that somebody waits for goes first, and finds one place free.
    public enum Priority: Sendable, Hashable {
        case send, prewarm
    }

    /// How much longer than configured a span is, as a part of it: for calls that are on their way for different times.
    public static let slack = 0.02
    /// By what 429 makes a span longer, and until it is this many times its length.
    public static let stretchStep = 1.1
    public static let stretchLimit = 8.0
    /// What is left of that after a call that succeeded.
    public static let stretchDecay = 0.9995
    /// Seconds that are added to `retry_after`, which is whole seconds.
    public static let retryMargin = 0.25
    /// Chats that are remembered, at most; further ones wait until one of them can be forgotten.
    public static let chatLimit = 10_000
    /// Seconds after which what was learnt of a chat that is not called is forgotten.
    public static let memory: Double = 3600
    /// Uploads ahead of need that may follow each other at once; else they go evenly, so that a place is soon free.
    public static let burst = 3

    public let rates: LimiterRates
    private(set) var bot: LimiterBook
    private(set) var chats: [TelegramChat: LimiterBook] = [:]
    /// When the next upload ahead of need is due, if they go evenly.
    private var pace: UInt64 = 0
    /// Chats at which it is looked for some to forget.
    private var sweepAt = Limiter.firstSweep
    private static let firstSweep = 64

    /// - Parameter rates: brought into their range.
    public init(rates: LimiterRates = LimiterRates()) {
        self.rates = rates.clamped
        bot = LimiterBook(windows: [LimiterWindow(rate: self.rates.bot, in: 1)])
    }

    func book(for chat: TelegramChat) -> LimiterBook {
        if let book = chats[chat] { return book }
        var windows = [LimiterWindow(rate: rates.chat, in: 1)]
        if chat.isGroup { windows.append(LimiterWindow(rate: rates.group, in: 60)) }
        return LimiterBook(windows: windows)
    }

    // MARK: Asking

    /// When a chat may be called, as things are; `now` or earlier means at once.
    /// - Complexity: O(1)
    public func opens(_ chat: TelegramChat, for priority: Priority, at now: UInt64) -> UInt64 {
        if chats[chat] == nil && chats.count >= Limiter.chatLimit {
            // A forgotten one makes room; `take` has looked for some.
            return now + 1_000_000_000
        }
        return max(book(for: chat).opens(), opens(for: priority))
    }

    /// When the bot may call at all.
    public func opens(for priority: Priority) -> UInt64 {
        switch priority {
        case .send: return bot.opens()
        case .prewarm:
            let lead = Double(Limiter.burst - 1) * interval
            let due = Double(pace) > lead ? pace - UInt64(lead) : 0
            return max(bot.opens(reserve: reserve), due)
        }
    }

    /// Places that are left to sends.
    private var reserve: Int { bot.windows[0].count >= 10 ? 1 : 0 }

    /// Nanoseconds between two calls of the bot, if they go evenly.
    private var interval: Double { bot.windows[0].span * bot.stretch / Double(bot.windows[0].count) }

    // MARK: Telling

    /// A call is made now, and counts from now on whatever becomes of it; nil when it may not be made yet.
    public mutating func take(_ chat: TelegramChat, for priority: Priority, at now: UInt64) -> LimiterTurn? {
        if chats.count >= sweepAt { sweep(at: now) }
        guard opens(chat, for: priority, at: now) <= now else { return nil }
        var book = book(for: chat)
        let turn = LimiterTurn(
            chat: chat, priority: priority, time: now, isChatBusy: book.isBusy(at: now), isBotBusy: bot.isBusy(at: now))
        book.note(now)
        chats[chat] = book
        bot.note(now)
        if priority == .prewarm { pace = LimiterWindow.add(max(pace, now), interval) }
        return turn
    }

    /// The call was answered with 429: nothing is called for `retryAfter` seconds that it may have been about.
    ///
    /// The answer does not say whether the chat or the bot was called too often. It was the chat where that was close to its
    /// limit and the bot was not; in any other case all of the bot waits.
    public mutating func limited(_ turn: LimiterTurn, retryAfter: Double, at now: UInt64) {
        let until = LimiterWindow.add(now, (max(0, retryAfter) + Limiter.retryMargin) * 1e9)
        var book = book(for: turn.chat)
        book.close(until: until)
        if turn.isChatBusy || !turn.isBotBusy { book.lengthen(since: turn.time, at: now) }
        chats[turn.chat] = book
        if turn.isChatBusy && !turn.isBotBusy { return }
        bot.close(until: until)
        if turn.isBotBusy { bot.lengthen(since: turn.time, at: now) }
    }

    /// The call was answered, by anything else than 429.
    public mutating func answered(_ turn: LimiterTurn) {
        bot.shorten()
        chats[turn.chat]?.shorten()
    }

    /// Forgets chats of which nothing matters any more.
    /// - Complexity: O(chats)
    public mutating func sweep(at now: UInt64) {
        chats = chats.filter { $0.value.matters(at: now) }
        sweepAt = min(Limiter.chatLimit, max(Limiter.firstSweep, 2 * chats.count))
    }

    // MARK: Putting back

    mutating func restore(bot book: LimiterBook) { bot = book }
    mutating func restore(_ chat: TelegramChat, _ book: LimiterBook) {
        if chats.count < Limiter.chatLimit { chats[chat] = book }
    }
}

/// A call that may be made, once.
public struct LimiterTurn: Sendable, Hashable {
    public let chat: TelegramChat
    public let priority: Limiter.Priority
    /// When it was allowed.
    public let time: UInt64
    /// Whether the chat, and the bot, were closer than half to their limits.
    let isChatBusy: Bool
    let isBotBusy: Bool
}

/// What is known of a chat, or of the bot as a whole.
struct LimiterBook: Sendable, Equatable {
    /// All of them count every call.
    private(set) var windows: [LimiterWindow]
    /// Nothing may be called before.
    private(set) var closedUntil: UInt64 = 0
    /// How many times their length the windows are.
    private(set) var stretch = 1 + Limiter.slack
    /// The last 429, which stands for all calls that had been made by then.
    private var lengthened: UInt64 = 0

    init(windows: [LimiterWindow]) { self.windows = windows }

    init(windows: [LimiterWindow], closedUntil: UInt64, stretch: Double) {
        self.windows = windows
        self.closedUntil = closedUntil
        self.stretch = min(max(1 + Limiter.slack, stretch), Limiter.stretchLimit)
    }

    func opens(reserve: Int = 0) -> UInt64 {
        windows.reduce(closedUntil) { max($0, $1.opens(stretch: stretch, reserve: reserve)) }
    }

    /// Half of one of the windows is used, or was less than a span ago.
    func isBusy(at now: UInt64) -> Bool {
        windows.contains { 2 * $0.used(at: now, stretch: 2 * stretch) >= $0.count }
    }

    mutating func note(_ now: UInt64) { for index in windows.indices { windows[index].note(now) } }

    mutating func close(until: UInt64) { closedUntil = max(closedUntil, until) }

    /// - Parameter time: when the call was made: of those that were under way together, one counts.
    mutating func lengthen(since time: UInt64, at now: UInt64) {
        guard time >= lengthened else { return }
        lengthened = now
        stretch = min(stretch * Limiter.stretchStep, Limiter.stretchLimit)
    }

    mutating func shorten() { stretch = max(1 + Limiter.slack, stretch * Limiter.stretchDecay) }

    func matters(at now: UInt64) -> Bool {
        if closedUntil > now { return true }
        if windows.contains(where: { $0.used(at: now, stretch: stretch) > 0 }) { return true }
        guard stretch > 1 + Limiter.slack, let newest = windows.first?.newest else { return false }
        return LimiterWindow.add(newest, Limiter.memory * 1e9) > now
    }
}
