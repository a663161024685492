internal import WeirHTTP

/// What a limiter knows, as it outlives a process: a small text, of the chats that matter only.
///
/// Times in it are of the wall clock, since no other one goes on. One that was set back makes waits longer, never shorter;
/// one that was set forward makes them shorter by so much.
public struct LimiterState: Sendable, Equatable {
    /// Seconds since 1970 at which it was taken.
    public var taken: Double
    var bot: Entry
    var chats: [(chat: TelegramChat, entry: Entry)]

    /// Of a chat, or of the bot as a whole.
    struct Entry: Sendable, Equatable {
        /// Seconds for which it is closed.
        var closed: Double
        var stretch: Double
        /// Seconds since each of the calls that count, the oldest first.
        var calls: [Double]
    }

    public static func == (a: LimiterState, b: LimiterState) -> Bool {
        a.taken == b.taken && a.bot == b.bot
            && a.chats.elementsEqual(b.chats) { $0.chat == $1.chat && $0.entry == $1.entry }
    }

    // MARK: As text

    /// JSON, in UTF-8.
    public var bytes: [UInt8] {
        let chats = chats.map { JSON.object([("chat", .string($0.chat.description))] + $0.entry.members) }
        return JSON.object([
            ("version", 1), ("taken", .number(taken)), ("bot", .object(bot.members)), ("chats", .array(chats)),
        ]).bytes
    }

    /// Nil when it is no such text. What is out of range is brought into it.
    public init?(_ bytes: [UInt8]) {
        guard let json = try? JSON(reading: bytes), json["version"]?.whole == 1,
            let taken = json["taken"]?.seconds, let bot = json["bot"].flatMap({ Entry($0) }),
            let items = json["chats"]?.items
        else { return nil }
        self.taken = taken
        self.bot = bot
        chats = []
        for item in items.prefix(Limiter.chatLimit) {
            guard let chat = item["chat"]?.text.flatMap({ TelegramChat($0) }), let entry = Entry(item) else {
                return nil
            }
            chats.append((chat, entry))
        }
    }

    init(taken: Double, bot: Entry, chats: [(chat: TelegramChat, entry: Entry)]) {
        self.taken = taken
        self.bot = bot
        self.chats = chats
    }
}

extension LimiterState.Entry {
    /// Milliseconds are enough.
    private static func rounded(_ seconds: Double) -> JSON { .number((seconds * 1000).rounded() / 1000) }

    fileprivate var members: [(String, JSON)] {
        [
            ("closed", Self.rounded(closed)), ("stretch", .number((stretch * 1e6).rounded() / 1e6)),
            ("calls", .array(calls.map { Self.rounded($0) })),
        ]
    }

    fileprivate init?(_ json: JSON) {
        guard let closed = json["closed"]?.seconds, let stretch = json["stretch"]?.seconds,
            let items = json["calls"]?.items, items.count <= LimiterWindow.most
        else { return nil }
        let calls = items.compactMap { $0.seconds }
        guard calls.count == items.count else { return nil }
        self.init(closed: closed, stretch: stretch, calls: calls)
    }
}

extension JSON {
    /// A number of seconds that a clock can count: 0 up to three hundred centuries.
    fileprivate var seconds: Double? {
        let number: Double? =
            switch self {
            case .integer(let number): Double(number)
            case .unsigned(let number): Double(number)
            case .number(let number): number
            default: nil
            }
        return number.map { min(max(0, $0), 1e12) }
    }
}

// MARK: - Taking and putting back

extension Limiter {
    /// - Parameters:
    ///   - now: of the clock that the limiter is told the time by.
    ///   - wall: seconds since 1970, at the same moment.
    /// - Complexity: O(chats)
    public func state(at now: UInt64, wall: Double) -> LimiterState {
        func seconds(_ from: UInt64, _ to: UInt64) -> Double { to > from ? Double(to - from) / 1e9 : 0 }
        func entry(_ book: LimiterBook) -> LimiterState.Entry {
            // The longest window has all the calls that the others have, or more.
            let calls = book.windows.map { $0.recent }.max { $0.count < $1.count } ?? []
            return LimiterState.Entry(
                closed: seconds(now, book.closedUntil), stretch: book.stretch, calls: calls.map { seconds($0, now) })
        }
        return LimiterState(
            taken: wall, bot: entry(bot),
            chats: chats.filter { $0.value.matters(at: now) }.map { (chat: $0.key, entry: entry($0.value)) }
                .sorted { $0.chat.description < $1.chat.description })
    }

    /// Goes on where another one was.
    /// - Parameter now: at least as many nanoseconds as the calls of the state lie back: those before the clock's beginning
    ///   count from there.
    public init(rates: LimiterRates, _ state: LimiterState, at now: UInt64, wall: Double) {
        self.init(rates: rates)
        let passed = max(0, wall - state.taken)
        func book(_ fresh: LimiterBook, _ entry: LimiterState.Entry) -> LimiterBook {
            var windows = fresh.windows
            for age in entry.calls.sorted(by: >) {
                let back = (age + passed) * 1e9
                let time = back < Double(now) ? now - UInt64(back) : 0
                for index in windows.indices { windows[index].note(time) }
            }
            return LimiterBook(
                windows: windows, closedUntil: LimiterWindow.add(now, max(0, entry.closed - passed) * 1e9),
                stretch: entry.stretch)
        }
        restore(bot: book(bot, state.bot))
        for (chat, entry) in state.chats { restore(chat, book(self.book(for: chat), entry)) }
        sweep(at: now)
    }
}
