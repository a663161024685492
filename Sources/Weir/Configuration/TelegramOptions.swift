/// `telegram`: the Bot API, and the bots that media are warmed for.
public struct TelegramOptions: Sendable, Equatable {
    public struct Bot: Sendable, Equatable {
        /// What it is called in requests.
        public var slug = ""
        /// From `token` or its file.
        public var token: Secret?
        public var tokenFile: String?
        /// Chats that media are sent to in order to warm them, in turn.
        public var warmupChats: [Int64] = []
        public var byURL: ByURL = .auto

        public init() {}
    }

    /// Whether the Bot API fetches media by itself.
    public enum ByURL: String, Sendable, CaseIterable {
        /// Where it can: the store has a URL for the medium, and the API takes its kind and size that way.
        case auto
        /// Every medium is uploaded.
        case never
    }

    /// Most bots in a configuration.
    public static let botsLimit = 100

    /// Where the Bot API is: Telegram's, or a server of one's own.
    public var api = "https://api.telegram.org"
    /// Messages a second to one private chat.
    public var chatLimit = 1
    /// Messages a minute to one group or channel.
    public var groupLimit = 20
    /// Messages a second of one bot.
    public var botLimit = 30
    public var bots: [Bot] = []

    public init() {}
}
