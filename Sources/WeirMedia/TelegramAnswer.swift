internal import WeirHTTP

/// An answer of the Bot API: `{"ok":true,"result":…}`, or
/// `{"ok":false,"error_code":…,"description":…,"parameters":{…}}`.
struct TelegramAnswer {
    /// Bytes of an answer that are read, at most.
    static let limit = 1 << 20
    /// Characters of a description that are kept.
    static let descriptionLimit = 300
    /// Seconds of `retry_after` that are believed: a day.
    static let retryLimit: Double = 86_400

    var result: JSON?
    var code: Int?
    var description: String?
    var retryAfter: Double?
    var migratedTo: Int64?

    /// Nil when it is none: an error page of something between, for instance.
    init?(_ bytes: [UInt8]) {
        guard let json = try? JSON(reading: bytes), let ok = json["ok"]?.flag else { return nil }
        if ok {
            guard let result = json["result"] else { return nil }
            self.result = result
            return
        }
        code = json["error_code"]?.whole.flatMap { Int(exactly: $0) }.flatMap { (100...999).contains($0) ? $0 : nil }
        description = json["description"]?.text.map { TelegramAnswer.line($0) }
        let parameters = json["parameters"]
        retryAfter = parameters?["retry_after"]?.whole.map { min(max(1, Double($0)), TelegramAnswer.retryLimit) }
        migratedTo = parameters?["migrate_to_chat_id"]?.whole
    }

    /// For an answer that is none.
    init(status: Int, retryAfter: Double?) {
        code = status
        description = "the answer is not the Bot API's"
        self.retryAfter = retryAfter
    }

    /// In one line of bounded length: it goes into logs.
    static func line(_ text: String) -> String {
        let scalars = text.unicodeScalars.prefix(descriptionLimit).map {
            $0.value < 0x20 || $0.value == 0x7F ? " " : $0
        }
        return String(String.UnicodeScalarView(scalars))
    }
}

// MARK: - Results

extension TelegramSent {
    /// A message that was asked for as `kind`; nil when it has no number, or no chat.
    init?(_ result: JSON, asked kind: TelegramKind) {
        guard let message = result["message_id"]?.whole, let chat = result["chat"]?["id"]?.whole else { return nil }
        self.init(message: message, chat: chat, file: TelegramStored(in: result, asked: kind))
    }
}

extension TelegramStored {
    /// The file in a message. What was asked for goes first. An animation is there as a document too, for older programs.
    init?(in message: JSON, asked: TelegramKind) {
        let order = [asked] + [.animation, .video, .photo, .audio, .document].filter { $0 != asked }
        // A message with an animation has it as document as well: that is not what it is.
        let isAnimation = TelegramStored.file(.animation, in: message) != nil
        for kind in order where !(kind == .document && isAnimation) {
            guard let file = TelegramStored.file(kind, in: message), let id = file["file_id"]?.text else { continue }
            let uniqueID = file["file_unique_id"]?.text.flatMap { $0.isEmpty ? nil : $0 }
            self.init(
                id: id, uniqueID: uniqueID, kind: kind, bytes: file["file_size"]?.whole.flatMap { UInt64(exactly: $0) },
                isWeak: kind != asked || uniqueID == nil)
            return
        }
        return nil
    }

    /// Nil when there is none with an identifier. Of a photo's sizes the largest: they are in no promised order.
    private static func file(_ kind: TelegramKind, in message: JSON) -> JSON? {
        guard let value = message[kind.rawValue] else { return nil }
        func isUsable(_ file: JSON) -> Bool { file["file_id"]?.text?.isEmpty == false }
        guard kind == .photo else { return isUsable(value) ? value : nil }
        func area(_ size: JSON) -> Double {
            Double(size["width"]?.whole ?? 0) * Double(size["height"]?.whole ?? 0)
        }
        // The last of equals, as they mostly are in the order of their sizes.
        var largest: JSON?
        for size in value.items ?? [] where isUsable(size) {
            if largest.map({ area(size) >= area($0) }) ?? true { largest = size }
        }
        return largest
    }
}

extension TelegramBot {
    init?(_ result: JSON) {
        guard let id = result["id"]?.whole, result["is_bot"]?.flag == true else { return nil }
        self.init(id: id, username: result["username"]?.text, name: result["first_name"]?.text ?? "")
    }
}
