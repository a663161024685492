internal import WeirHTTP

/// Why a call of the Bot API has no result. Neither the bot's token nor the URL of a file is in it.
public struct TelegramError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Hashable {
        // Of the file.
        /// Larger than Telegram takes; it was not sent, or is answered 413.
        case tooLarge
        /// Telegram does not take it for what it is sent as, or cannot read it.
        case badFile
        /// The `file_id` is not, or no longer, this bot's: the file has to be uploaded again.
        case wrongFileID
        /// Telegram did not get the file from its URL, or nothing it can use: it has to be uploaded.
        case cannotFetch
        /// The bytes to be uploaded could not be read, or were not as many as announced.
        case source

        // Of the chat.
        /// 403: the bot was kicked or blocked, or is not a member.
        case kicked
        /// There is no such chat, or the bot has never met it.
        case chatNotFound
        /// The group has become a supergroup of another number.
        case migrated(to: Int64)

        // Of the bot.
        /// 401, or 404: the token is wrong, or revoked.
        case unauthorised

        // Of the call.
        /// Another 4xx: the same call has the same answer.
        case refused

        // Of the moment.
        /// 429; seconds until the next call may be made.
        case limited(retryAfter: Double)
        /// 5xx.
        case server
        /// There was no answer in time.
        case timeout
        /// There was no connection, or it was cut.
        case connection
        /// The answer is not the Bot API's.
        case malformed
        /// The calling task was cancelled, or the pool was closed.
        case cancelled

        /// A word for metrics.
        public var name: String {
            switch self {
            case .tooLarge: "too_large"
            case .badFile: "bad_file"
            case .wrongFileID: "wrong_file_id"
            case .cannotFetch: "cannot_fetch"
            case .source: "source"
            case .kicked: "kicked"
            case .chatNotFound: "chat_not_found"
            case .migrated: "migrated"
            case .unauthorised: "unauthorised"
            case .refused: "refused"
            case .limited: "limited"
            case .server: "server"
            case .timeout: "timeout"
            case .connection: "connection"
            case .malformed: "malformed"
            case .cancelled: "cancelled"
            }
        }
    }

    /// What has to change before such a call can succeed.
    public enum Subject: String, Sendable, Hashable, CaseIterable {
        /// Other bytes, or another way to send them.
        case file
        /// Another chat.
        case chat
        /// The bot's token.
        case bot
        /// The call itself.
        case call
        /// Nothing: it may be made again later.
        case moment
    }

    public let kind: Kind
    /// `sendPhoto`, ...
    public let method: String
    /// Of the response; nil without one.
    public let status: Int?
    /// A sentence in English without a full stop; what the Bot API says, where it has answered.
    public let reason: String
    /// All of the request had gone when it failed: the message may have been sent.
    public let mayHaveArrived: Bool

    init(_ kind: Kind, method: String, status: Int? = nil, mayHaveArrived: Bool = false, _ reason: String) {
        self.kind = kind
        self.method = method
        self.status = status
        self.reason = reason
        self.mayHaveArrived = mayHaveArrived
    }

    public var subject: Subject {
        switch kind {
        case .tooLarge, .badFile, .wrongFileID, .cannotFetch: .file
        case .kicked, .chatNotFound, .migrated: .chat
        case .unauthorised: .bot
        case .refused: .call
        case .source, .limited, .server, .timeout, .connection, .malformed, .cancelled: .moment
        }
    }

    /// The same call never succeeds; false where time alone may help.
    public var isPermanent: Bool { subject != .moment }

    /// Seconds that Telegram wants to be left alone for; nil when it did not say so.
    public var retryAfter: Double? {
        if case .limited(let seconds) = kind { seconds } else { nil }
    }

    public var description: String {
        let said = status.map { " answered \($0)" } ?? ""
        return "\(method)\(said): \(reason)"
    }
}

// MARK: - From answers

extension TelegramError {
    /// What an error of the Bot API means. Its `description` is made for people and changes; where none is known it is
    /// `.refused`, and the same call is not made again.
    static func answered(
        _ status: Int, _ answer: TelegramAnswer, method: String, file: FileWay
    ) -> TelegramError {
        let code = answer.code ?? status
        let said = answer.description ?? "no description"
        func error(_ kind: Kind) -> TelegramError { TelegramError(kind, method: method, status: code, said) }
        if let chat = answer.migratedTo { return error(.migrated(to: chat)) }
        switch code {
        case 429: return error(.limited(retryAfter: answer.retryAfter ?? defaultRetryAfter))
        case 401, 404: return error(.unauthorised)
        case 403: return error(.kicked)
        case 413: return error(.tooLarge)
        case 500...: return error(.server)
        case 400: return error(badRequest(said.lowercased(), file))
        default: return error(.refused)
        }
    }

    /// Seconds that are waited after 429 without `retry_after`.
    static let defaultRetryAfter: Double = 5

    /// How a file was given, as the same words mean different things.
    enum FileWay { case none, id, url, upload }

    private static func badRequest(_ said: String, _ file: FileWay) -> Kind {
        func says(_ words: String...) -> Bool { words.contains { said.contains($0) } }
        if says("chat not found", "chat_id is empty", "group chat was deactivated", "peer_id_invalid") {
            return .chatNotFound
        }
        if says("not enough rights", "have no rights", "chat_write_forbidden", "chat_restricted", "need administrator")
        {
            return .kicked
        }
        if says("too big", "too large", "file_parts_invalid", "entity too large") { return .tooLarge }
        switch file {
        case .id:
            if says(
                "wrong file", "wrong remote file", "file_reference", "type of file mismatch", "can't use file",
                "file identifier", "file_id_invalid", "document_invalid", "photo_invalid", "media_empty")
            {
                return .wrongFileID
            }
        case .url:
            if says("http url", "web page content", "upload file by url", "wrong file", "media_empty", "webpage") {
                return .cannotFetch
            }
        case .upload, .none: break
        }
        if says(
            "image_process_failed", "photo_invalid", "photo_ext_invalid", "photo_save_file_invalid", "non-empty",
            "wrong file", "video_content_type", "document_invalid", "media_invalid", "media_empty", "wrong type",
            "there is no")
        {
            // What Telegram has fetched may not be what was to be fetched.
            return file == .url ? .cannotFetch : .badFile
        }
        return .refused
    }
}

// MARK: - From the client

extension TelegramError {
    /// - Parameter isWhole: all of the request had been handed over.
    init(_ error: ClientError, method: String, isWhole: Bool) {
        let kind: Kind =
            switch error.kind {
            case .timeout: .timeout
            case .resolve, .connect, .tls, .proxy, .closed: .connection
            case .malformed, .headTooLarge, .bodyTooLarge, .tooManyRedirects, .unrepeatable: .malformed
            case .upload: .source
            case .cancelled, .abandoned, .poolClosed: .cancelled
            case .queueFull, .memory: .server
            case .url, .request: .refused
            }
        // Without a connection nothing has gone anywhere.
        let hasBegun =
            switch error.kind {
            case .timeout(.resolve), .timeout(.connect), .timeout(.tls), .resolve, .connect, .tls, .proxy, .url,
                .request, .queueFull, .memory, .upload:
                false
            default: true
            }
        self.init(kind, method: method, mayHaveArrived: hasBegun && isWhole, error.reason)
    }
}
