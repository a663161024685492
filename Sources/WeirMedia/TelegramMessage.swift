internal import Glibc
internal import WeirLoop

/// A file with what belongs to it, to be sent to a chat.
public struct TelegramMessage: Sendable {
    public var chat: TelegramChat
    public var kind: TelegramKind
    public var file: TelegramFile
    /// At most 1024 characters; Telegram refuses more.
    public var caption: String?
    /// It makes no sound where it arrives.
    public var isSilent = false

    public init(_ kind: TelegramKind, to chat: TelegramChat, _ file: TelegramFile, caption: String? = nil) {
        self.chat = chat
        self.kind = kind
        self.file = file
        self.caption = caption
    }
}

/// The three ways in which a file gets to Telegram.
public enum TelegramFile: Sendable {
    /// It is there already; the identifier is this bot's.
    case id(String)
    /// Telegram fetches it: no byte passes through here.
    case url(String)
    case upload(TelegramUpload)
}

/// A file's bytes, read once while they are sent.
public struct TelegramUpload: Sendable {
    enum Bytes: Sendable {
        case memory([UInt8])
        case file(Int32, offset: UInt64)
        case pipe(Int32)
        case written(@LoopActor (TelegramBody) async throws -> Void)
    }

    let bytes: Bytes
    public let length: UInt64
    /// As it is shown; of the kind, when it is empty. Characters that a header cannot have are replaced.
    public var name: String
    /// MIME; `application/octet-stream` when it is none.
    public var type: String?

    public static func bytes(_ bytes: [UInt8], name: String, type: String? = nil) -> TelegramUpload {
        TelegramUpload(bytes: .memory(bytes), length: UInt64(bytes.count), name: name, type: type)
    }

    /// From a regular file, which stays the caller's and open until the call is over.
    public static func file(
        _ descriptor: Int32, offset: UInt64 = 0, length: UInt64, name: String, type: String? = nil
    ) -> TelegramUpload {
        TelegramUpload(bytes: .file(descriptor, offset: offset), length: length, name: name, type: type)
    }

    /// From a non-blocking pipe or socket, which is the client's from then on and closed in the end.
    public static func pipe(
        _ descriptor: Int32, length: UInt64, name: String, type: String? = nil
    ) -> TelegramUpload {
        TelegramUpload(bytes: .pipe(descriptor), length: length, name: name, type: type)
    }

    /// Its bytes can be read once.
    var isOnce: Bool {
        if case .pipe = bytes { true } else { false }
    }

    /// It is not sent: what came with it is let go of.
    func discard() {
        if case .pipe(let descriptor) = bytes { close(descriptor) }
    }

    /// Written by a function, which is called when the request has its turn; it writes `length` bytes or throws.
    public static func written(
        length: UInt64, name: String, type: String? = nil,
        _ write: @escaping @LoopActor (TelegramBody) async throws -> Void
    ) -> TelegramUpload {
        TelegramUpload(bytes: .written(write), length: length, name: name, type: type)
    }
}

/// What the Bot API says of a message that it has sent.
public struct TelegramSent: Sendable, Equatable {
    public var message: Int64
    public var chat: Int64
    /// What became of the file; nil when the message has none, which Telegram's never lack.
    public var file: TelegramStored?
}

/// A file that Telegram has.
public struct TelegramStored: Sendable, Equatable {
    /// To send it by; this bot's alone.
    public var id: String
    /// The same for all bots and for good; nothing can be sent by it.
    public var uniqueID: String?
    /// As what it came back: a silent video as an animation, for instance.
    public var kind: TelegramKind
    public var bytes: UInt64?
    /// It came back as another kind than it was sent as, or without `file_unique_id`.
    public var isWeak: Bool
}

/// A bot, as `getMe` has it.
public struct TelegramBot: Sendable, Equatable {
    public var id: Int64
    public var username: String?
    public var name: String
}
