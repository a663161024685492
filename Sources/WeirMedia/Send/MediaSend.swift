public import WeirDatabase

/// A medium on its way to a chat: what is asked for, and what came of it.
public struct MediaSend: Sendable {
    /// Seconds that are waited: by default, and at most.
    public static let standardWait: Double = 10
    public static let longestWait: Double = 60

    public var bot: String
    public var chat: TelegramChat
    public var sha256: String
    /// Nil: as whatever the bot has it, one that is ready first.
    public var kind: MediaKind?
    public var caption: String?
    /// Seconds that all of it may wait, for the medium and for Telegram's limits: 0 ... `longestWait`.
    public var wait = MediaSend.standardWait

    public init(bot: String, chat: TelegramChat, sha256: String) {
        self.bot = bot
        self.chat = chat
        self.sha256 = sha256
    }

    public struct Outcome: Sendable, Equatable {
        public enum Way: String, Sendable {
            case fileID = "file_id"
            case upload
        }

        public let way: Way
        public let message: Int64
        public let fileID: String
    }

    public enum Refusal: Error, Sendable {
        case noBot(String)
        case noMedium
        /// It is not warm yet, or will not be; as it stands.
        case notReady(MediaEntry)
        /// Too many calls of the bot wait already.
        case busy
        /// Telegram's limits let nothing through to the chat for so many seconds, which is longer than `wait`.
        case limited(after: Double)
        case telegram(TelegramError)
        /// It had to be uploaded, and was not.
        case upload(String)
        case database(DatabaseError)
    }

    /// What has been sent since the sender was made.
    public struct Counters: Sendable, Equatable {
        /// By a `file_id` that was there.
        public var hits: UInt64 = 0
        /// By one that was waited for.
        public var joined: UInt64 = 0
        /// By an upload of its own.
        public var uploads: UInt64 = 0
        public var notReady: UInt64 = 0
        public var failed: UInt64 = 0
        /// `file_id`s that Telegram refused.
        public var refusedIDs: UInt64 = 0

        public init() {}
    }
}
