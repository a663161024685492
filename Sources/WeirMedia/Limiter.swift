/// When a bot may call: per chat, per group and in all, learning from the answers that it called too often.
///
/// Values in, decisions out; nothing waits here (that is `TelegramLimiter`). Times are nanoseconds of one clock, and only
/// grow. What Telegram counts by is nowhere written, so nothing is taken for granted: every span of time holds as many
/// calls as the documentation allows, and 429 lowers the rate where calls were close to their limit. It rises again with
/// the calls that succeed, so that about one in 200 probes for a limit that is lower than configured.
public struct Limiter: Sendable {
    /// Who asks. Both use the same budget; a call that somebody waits for goes first, and finds one place free.
    public enum Priority: Sendable, Hashable {
        case send, prewarm
    }

    /// How much longer than configured a span is, as a part of it: for calls that are on their way for different times.
    public static let slack = 0.02
    /// By what 429 divides a rate, and at most in all.
    public static let stretchStep = 1.1
    public static let stretchLimit = 8.0
    /// What is left of that after a call that succeeded.
    public static let stretchDecay = 0.9995
    /// Seconds that are added to `retry_after`, which is whole seconds.
    public static let retryMargin = 0.25
    /// Seconds of `retry_after` for which all of the bot waits, whoever called too often.
    public static let shortRetry: Double = 3
    /// Chats that are remembered, at most; further ones wait until one of them can be forgotten.
    public static let chatLimit = 10_000
    /// Seconds after which what was learnt of a chat that is not called is forgotten.
    public static let memory: Double = 3600
    /// Uploads ahead of need that may follow each other at once; else they go evenly, so that a place is soon free.
    public static let burst = 3
    /// The used part of a group's minute from which on uploads ahead of need go evenly there. Close to each other they might
    /// count within one second, as some take longer than others; the minute lets no more of them through anyway.
    public static let evenLoad = 0.5

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
        let book = book(for: chat)
        let even = priority == .prewarm ? book.even(at: now) : 0
        return max(book.opens(), even, opens(for: priority))
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
    private var interval: Double {
        let window = bot.windows[0]
        return window.length / Double(window.room)
    }

    // MARK: Telling

    /// A call is made now, and counts from now on whatever becomes of it; nil when it may not be made yet.
    public mutating func take(_ chat: TelegramChat, for priority: Priority, at now: UInt64) -> LimiterTurn? {
        if chats.count >= sweepAt { sweep(at: now) }
        guard opens(chat, for: priority, at: now) <= now else { return nil }
        var book = book(for: chat)
        let turn = LimiterTurn(
            chat: chat, priority: priority, time: now, chatLoads: book.windows.map { $0.load(at: now) },
            botLoad: bot.windows[0].load(at: now))
        book.note(now)
        chats[chat] = book
        bot.note(now)
        if priority == .prewarm { pace = LimiterWindow.add(max(pace, now), interval) }
        return turn
    }

    /// The call was answered with 429: nothing is called for `retryAfter` seconds that it may have been about.
    ///
    /// The answer does not say whether the chat or the bot was called too often. A short wait is all of the bot's. A long one
    /// is the chat's where that was close to its limit and the bot was not; else it is all of the bot's, too.
    public mutating func limited(_ turn: LimiterTurn, retryAfter: Double, at now: UInt64) {
        let until = LimiterWindow.add(now, (max(0, retryAfter) + Limiter.retryMargin) * 1e9)
        let isShort = retryAfter <= Limiter.shortRetry
        let isChats = turn.chatLoads.contains { $0 >= 0.5 }
        var book = book(for: turn.chat)
        book.answered(turn.time, at: now)
        book.close(until: until)
        for (index, load) in turn.chatLoads.enumerated() {
            // A minute's limit may be over within a second, a second's never lasts.
            let isSecond = index == 0
            let isMeant = isSecond ? isShort && load >= 0.5 : load >= (isShort ? 0.9 : 0.5)
            if isMeant { book.slow(index, since: turn.time, at: now) }
        }
        chats[turn.chat] = book
        if isChats && turn.botLoad < 0.75 && !isShort { return }
        bot.close(until: until)
        if turn.botLoad >= 0.5 { bot.slow(0, since: turn.time, at: now) }
    }

    /// The call was answered, by anything else than 429.
    public mutating func answered(_ turn: LimiterTurn, at now: UInt64) {
        bot.quicken()
        chats[turn.chat]?.quicken()
        lost(turn, at: now)
    }

    /// The call is over, and whether it counted is not known.
    public mutating func lost(_ turn: LimiterTurn, at now: UInt64) { chats[turn.chat]?.answered(turn.time, at: now) }

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
    /// Which part of its limits the chat, a second's first, and the bot had used by then.
    let chatLoads: [Double]
    let botLoad: Double
}

/// What is known of a chat, or of the bot as a whole.
struct LimiterBook: Sendable, Equatable {
    /// All of them count every call.
    private(set) var windows: [LimiterWindow]
    /// Nothing may be called before.
    private(set) var closedUntil: UInt64 = 0
    /// When the last call was made.
    private var latest: UInt64 = 0

    init(windows: [LimiterWindow], closedUntil: UInt64 = 0) {
        self.windows = windows
        self.closedUntil = closedUntil
    }

    func opens(reserve: Int = 0) -> UInt64 { windows.reduce(closedUntil) { max($0, $1.opens(reserve: reserve)) } }

    /// When the next call may be made so that they go evenly; 0 where they need not.
    func even(at now: UInt64) -> UInt64 {
        guard let window = windows.first(where: { $0.countsAnswers }), window.load(at: now) >= Limiter.evenLoad else {
            return 0
        }
        return LimiterWindow.add(latest, window.length / Double(window.room))
    }

    mutating func note(_ now: UInt64) {
        latest = now
        for index in windows.indices { windows[index].note(now) }
    }

    mutating func answered(_ time: UInt64, at now: UInt64) {
        for index in windows.indices { windows[index].answered(time, at: now) }
    }

    mutating func close(until: UInt64) { closedUntil = max(closedUntil, until) }

    mutating func slow(_ index: Int, since time: UInt64, at now: UInt64) {
        windows[index].slow(since: time, at: now)
    }

    mutating func quicken() { for index in windows.indices { windows[index].quicken() } }

    func matters(at now: UInt64) -> Bool {
        if closedUntil > now { return true }
        if windows.contains(where: { $0.load(at: now) > 0 }) { return true }
        guard windows.contains(where: { $0.stretch > 1 + Limiter.slack }), let newest = windows.first?.newest else {
            return false
        }
        return LimiterWindow.add(newest, Limiter.memory * 1e9) > now
    }
}
