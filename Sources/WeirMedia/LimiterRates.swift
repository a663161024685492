/// How often a bot may call: what the Bot API's documentation says of messages ("My bot is hitting limits").
public struct LimiterRates: Sendable, Equatable {
    /// Calls to one chat, a second.
    public var chat: Double = 1
    /// Calls to one group or channel, a minute.
    public var group: Double = 20
    /// Calls of the bot, a second.
    public var bot: Double = 30

    public init() {}

    /// Calls a minute that these chats and this bot allow: the cap of a prewarm worker that uploads to them.
    /// - Complexity: O(chats)
    public func cap(_ chats: [TelegramChat]) -> Double {
        let sum = Set(chats).reduce(0) { sum, chat in
            sum + (chat.isGroup ? min(group, self.chat * 60) : self.chat * 60)
        }
        return min(sum, bot * 60)
    }

    /// What a rate may be, in its own unit.
    public static let range = 0.001...1_000_000.0

    var clamped: LimiterRates {
        func clamp(_ rate: Double) -> Double {
            rate.isFinite ? min(max(rate, LimiterRates.range.lowerBound), LimiterRates.range.upperBound) : 1
        }
        var rates = self
        rates.chat = clamp(chat)
        rates.group = clamp(group)
        rates.bot = clamp(bot)
        return rates
    }
}
