/// As what a file is sent: each is a method of the Bot API, and a field of its messages.
public enum TelegramKind: String, Sendable, Hashable, CaseIterable {
    case photo, video, audio, document, animation

    /// `sendPhoto`, ...
    var method: String {
        switch self {
        case .photo: "sendPhoto"
        case .video: "sendVideo"
        case .audio: "sendAudio"
        case .document: "sendDocument"
        case .animation: "sendAnimation"
        }
    }

    /// The name of an upload that has none: what Telegram makes of a file depends on it.
    var defaultName: String {
        switch self {
        case .photo: "photo.jpg"
        case .video: "video.mp4"
        case .audio: "audio.mp3"
        case .document: "document.bin"
        case .animation: "animation.mp4"
        }
    }
}

/// How large files may be, in bytes. The defaults are those of api.telegram.org; MB are powers of ten.
public struct TelegramSizes: Sendable, Equatable {
    public var uploadedPhoto: UInt64 = 10_000_000
    public var uploadedFile: UInt64 = 50_000_000
    public var fetchedPhoto: UInt64 = 5_000_000
    public var fetchedFile: UInt64 = 20_000_000

    public init() {}

    /// Those of a local Bot API server (`telegram-bot-api --local`): uploads of up to 2000 MB.
    public static var local: TelegramSizes {
        var sizes = TelegramSizes()
        sizes.uploadedFile = 2_000_000_000
        return sizes
    }

    /// Bytes of a file of this kind that can be uploaded, at most.
    public func uploaded(_ kind: TelegramKind) -> UInt64 { kind == .photo ? uploadedPhoto : uploadedFile }

    /// Whether Telegram fetches such a file from a URL: of documents only GIF, PDF and ZIP.
    public func allowsURL(_ kind: TelegramKind, bytes: UInt64, type: String?) -> Bool {
        guard bytes > 0, bytes <= (kind == .photo ? fetchedPhoto : fetchedFile) else { return false }
        guard kind == .document else { return true }
        let essence = (type ?? "").prefix { $0 != ";" }.filter { $0 != " " }.lowercased()
        return TelegramSizes.fetchedDocuments.contains(essence)
    }

    private static let fetchedDocuments: Set = ["image/gif", "application/pdf", "application/zip"]
}
