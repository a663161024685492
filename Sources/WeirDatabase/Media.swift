/// How Telegram shows a medium. The same bytes sent as another kind are another medium.
public enum MediaKind: String, Sendable, Hashable, CaseIterable {
    case photo, video, audio, document, animation
}

/// Names a medium: the bytes, whose bot sends them, and as what.
public struct MediaKey: Sendable, Hashable {
    /// The bot's slug, as in the configuration. A `file_id` is of use to the bot that got it only.
    public let bot: String
    /// Of the bytes: 64 hexadecimal digits in lower case.
    public let sha256: String
    public let kind: MediaKind

    public init(bot: String, sha256: String, kind: MediaKind) {
        self.bot = bot
        self.sha256 = sha256
        self.kind = kind
    }
}

extension MediaKey: Comparable {
    /// By bot, digest and kind, as lists are sorted: byte by byte.
    public static func < (left: MediaKey, right: MediaKey) -> Bool {
        for (first, second) in [
            (left.bot, right.bot), (left.sha256, right.sha256), (left.kind.rawValue, right.kind.rawValue),
        ] where first != second {
            return first.utf8.lexicographicallyPrecedes(second.utf8)
        }
        return false
    }
}

/// A row of `media_store`: which object holds a medium's bytes.
public struct Medium: Sendable, Hashable {
    public let key: MediaKey
    /// The object's key in the object store. Media of several bots and kinds share an object.
    public let objectKey: String
    /// The object's length.
    public let bytes: Int64
    /// Such as `image/jpeg`.
    public let mime: String
    /// The file's name as it was given; shown to who receives it. May be empty.
    public let name: String

    public init(key: MediaKey, objectKey: String, bytes: Int64, mime: String, name: String) {
        self.key = key
        self.objectKey = objectKey
        self.bytes = bytes
        self.mime = mime
        self.name = name
    }
}

/// What Telegram calls a medium that was uploaded.
public struct CachedFile: Sendable, Hashable {
    /// Sending this sends the medium.
    public let id: String
    /// The same for every bot, and of no use for sending; nil when Telegram gave none.
    public let uniqueID: String?
    /// Another kind than asked for, or without `uniqueID`: it may not last.
    public let isWeak: Bool

    public init(id: String, uniqueID: String?, isWeak: Bool = false) {
        self.id = id
        self.uniqueID = uniqueID
        self.isWeak = isWeak
    }
}

/// A medium and where its warming stands: a row of `media_store` with its row of `media_cache`, which is also its job.
public struct MediaEntry: Sendable, Hashable {
    /// What others are told.
    public enum Status: String, Sendable, Hashable, CaseIterable {
        /// To be uploaded, or being uploaded.
        case warming
        /// There is a `file_id`.
        case ready
        /// Given up, until it is requeued.
        case failed
    }

    /// Where the job is. `warming` is the first three of these.
    public enum Phase: String, Sendable, Hashable, CaseIterable {
        /// May be claimed now.
        case queued
        /// A worker holds it.
        case leased
        /// For its next attempt's time; `sweep` queues it then.
        case waiting
        /// Ready or failed.
        case done
    }

    /// The job's number: larger than that of every one that was made before it.
    public internal(set) var id: Int64
    public internal(set) var medium: Medium
    public internal(set) var status: Status
    public internal(set) var phase: Phase
    public internal(set) var priority: JobPriority
    /// Attempts begun, the one that runs included (`retry_count`). What was postponed or given back does not count.
    public internal(set) var attempts: Int
    /// Grows with every claim. Whoever shows an older one has lost the job.
    public internal(set) var fence: Int64
    /// When the lease ends, if one holds it; milliseconds since 1970.
    public internal(set) var leaseUntil: Int64?
    /// Who holds it.
    public internal(set) var worker: String?
    /// When the next attempt is due, while it waits for that; milliseconds since 1970.
    public internal(set) var nextRetryAt: Int64?
    /// Why the last attempt failed; also while the next one runs. Nil after success.
    public internal(set) var lastError: String?
    /// Nil unless ready; kept while a refused one is replaced.
    public internal(set) var file: CachedFile?
    /// When it was queued first, or again after it was ready or had failed; retries keep it. Milliseconds since 1970.
    public internal(set) var enqueuedAt: Int64
    /// Of the last change; milliseconds since 1970.
    public internal(set) var updatedAt: Int64
    /// When the medium was added; milliseconds since 1970.
    public internal(set) var createdAt: Int64
}

/// Which media to list.
public struct MediaQuery: Sendable, Hashable {
    /// Of this bot only.
    public var bot: String?
    public var status: MediaEntry.Status?
    /// Those behind this one: the last of the page before.
    public var after: MediaKey?
    /// At most so many: 1 ... `MediaQuery.limitMax`; other values are brought into it.
    public var limit: Int

    public static let limitDefault = 100
    public static let limitMax = 1000

    public init(
        bot: String? = nil, status: MediaEntry.Status? = nil, after: MediaKey? = nil, limit: Int = limitDefault
    ) {
        self.bot = bot
        self.status = status
        self.after = after
        self.limit = limit
    }

    var boundedLimit: Int { min(max(limit, 1), MediaQuery.limitMax) }
}

/// Media in the order of their keys.
public struct MediaPage: Sendable, Hashable {
    public let entries: [MediaEntry]
    /// Where the next page begins; nil when this is the last.
    public let next: MediaKey?

    /// Of one row more than was asked for, if there was one.
    init(_ rows: [MediaEntry], limit: Int) {
        entries = Array(rows.prefix(limit))
        next = rows.count > limit ? entries.last?.medium.key : nil
    }
}
