/// A bot that media are sent by and warmed for.
public struct Bot: Sendable {
    /// Whether the Bot API fetches media by itself.
    public enum ByURL: String, Sendable, CaseIterable {
        /// Where it can: the store has a URL for the medium, and the API takes its kind and size that way.
        case auto
        /// Every medium is uploaded.
        case never
    }

    /// What it is called in requests.
    public let slug: String
    public let client: TelegramClient
    public let limiter: TelegramLimiter
    public let byURL: ByURL
    /// There is a chat that uploads ahead of need can go to.
    public let isWarmed: Bool

    public init(slug: String, client: TelegramClient, limiter: TelegramLimiter, byURL: ByURL, isWarmed: Bool) {
        self.slug = slug
        self.client = client
        self.limiter = limiter
        self.byURL = byURL
        self.isWarmed = isWarmed
    }
}
