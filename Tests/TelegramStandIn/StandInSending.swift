import WeirHTTP
import WeirLoop

// Carrying out a call that sends a file.
extension TelegramStandIn {
    func send(_ kind: String, _ form: StandInForm, _ call: inout StandInCall) async throws -> JSON {
        guard let chat = form.fields["chat_id"], !chat.isEmpty else {
            throw StandInError.badRequest("chat_id is empty")
        }
        guard Int64(chat) != nil || chat.hasPrefix("@") else { throw StandInError.badRequest("chat not found") }
        call.caption = form.fields["caption"]
        guard (call.caption?.unicodeScalars.count ?? 0) <= 1024 else {
            throw StandInError.badRequest("message caption is too long")
        }
        let (file, stored) = try await file(kind, form, &call)
        // What is refused for itself is not counted.
        if let rates = options.rates {
            let verdict = limiter.judge(call.bot, chat, rates, arrived: call.arrived, now: clock.now)
            if case .limited(let seconds) = verdict { throw StandInError.limited(seconds) }
        }
        message += 1
        let number = Int64(chat) ?? -1_000_000_000_001
        var members: [(String, JSON)] = [
            ("message_id", .integer(message)), ("date", .integer(Int64(clock.now / 1_000_000_000))),
            ("chat", .object([("id", .integer(number)), ("type", number < 0 ? "supergroup" : "private")])),
        ]
        let (held, id) = files.members(stored, file, options, known: call.fileID)
        if call.fileID == nil { call.fileID = id }
        members += held
        if let caption = call.caption { members.append(("caption", .string(caption))) }
        return .object(members)
    }

    /// The file that a call sends, and as what it comes back.
    private func file(
        _ kind: String, _ form: StandInForm, _ call: inout StandInCall
    ) async throws -> (StandInFiles.File, String) {
        let sizes = options.sizes
        if let given = form.files[kind] {
            call.way = .upload
            (call.name, call.type) = (given.name, given.type)
            (call.bytes, call.sha256) = (given.bytes, given.sha256)
            guard given.bytes > 0 else { throw StandInError.badRequest("file must be non-empty") }
            if kind == "photo" && given.bytes > sizes.uploadedPhoto {
                throw StandInError.badRequest(
                    "file of size \(given.bytes) bytes is too big for a photo; the maximum size is "
                        + "\(sizes.uploadedPhoto) bytes")
            }
            guard given.bytes <= sizes.uploadedFile else { throw StandInError.tooLarge }
            let stored = try look(kind, given.look)
            return (made(stored, call), stored)
        }
        guard let value = form.fields[kind], !value.isEmpty else {
            throw StandInError.badRequest("there is no \(kind) in the request")
        }
        if value.hasPrefix("http://") || value.hasPrefix("https://") {
            call.way = .url
            let look = try await fetch(value, kind, kind == "photo" ? sizes.fetchedPhoto : sizes.fetchedFile, &call)
            let stored = try self.look(kind, look)
            return (made(stored, call), stored)
        }
        call.way = .id
        call.fileID = value
        guard let file = files[value], file.bot == call.bot else {
            throw StandInError.badRequest("wrong file identifier/HTTP URL specified")
        }
        (call.bytes, call.sha256) = (file.bytes, file.sha256)
        guard file.kind == kind || (file.kind == "animation" && kind == "document") else {
            throw StandInError.badRequest("can't use file of type \(file.kind.capitalized) as \(kind.capitalized)")
        }
        return (file, file.kind)
    }

    private func made(_ kind: String, _ call: StandInCall) -> StandInFiles.File {
        StandInFiles.File(
            kind: kind, bot: call.bot, bytes: call.bytes ?? 0, sha256: call.sha256 ?? "", name: call.name,
            type: call.type)
    }

    /// What Telegram makes of a file.
    private func look(_ kind: String, _ look: StandInLook) throws -> String {
        if kind == "photo" {
            if options.checksPhotos && !look.isPicture { throw StandInError.badRequest("IMAGE_PROCESS_FAILED") }
            if let (width, height) = look.dimensions,
                width + height > 10_000 || width > 20 * height || height > 20 * width
            {
                throw StandInError.badRequest("PHOTO_INVALID_DIMENSIONS")
            }
        }
        if kind == "video" && look.isSilentVideo { return "animation" }
        if kind == "document" && look.isGIF { return "animation" }
        return kind
    }

    /// Fetches a file from its URL, as Telegram would.
    private func fetch(
        _ url: String, _ kind: String, _ limit: Int, _ call: inout StandInCall
    ) async throws -> StandInLook {
        var look = StandInLook()
        let digest = StandInDigest()
        var count = 0
        do {
            let response = try await pool.send(ClientRequest(.get, url))
            guard response.status == 200 else { throw fetchFailed }
            let type = response.fields["Content-Type"]?.prefix { $0 != ";" }.lowercased() ?? ""
            call.type = type
            guard Self.takes(type, as: kind) else {
                throw StandInError.badRequest("wrong type of the web page content")
            }
            while let piece = try await response.body.next() {
                count += piece.count
                guard count <= limit else { throw fetchFailed }
                digest.update(piece[...])
                look.add(piece[...])
            }
        } catch is ClientError {
            throw fetchFailed
        }
        guard count > 0 else { throw fetchFailed }
        (call.bytes, call.sha256) = (count, digest.finish())
        return look
    }

    private var fetchFailed: StandInError { .badRequest("failed to get HTTP URL content") }

    /// "In sendDocument, sending by URL will currently only work for GIF, PDF and ZIP files"; "the target file must have the
    /// correct MIME type".
    private static func takes(_ type: String, as kind: String) -> Bool {
        switch kind {
        case "photo": type.hasPrefix("image/")
        case "video": type.hasPrefix("video/")
        case "audio": type.hasPrefix("audio/")
        case "animation": type == "image/gif" || type == "video/mp4"
        default: ["image/gif", "application/pdf", "application/zip"].contains(type)
        }
    }
}
