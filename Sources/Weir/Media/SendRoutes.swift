internal import WeirDatabase
internal import WeirHTTP
internal import WeirLoop
internal import WeirMedia

/// `POST /send`: a medium to a chat.
@LoopActor
struct SendRoutes {
    /// Bytes of a request.
    static let bodyLimit = 16384

    let media: MediaRoutes
    let clock: LoopClock

    func install(on router: Router) {
        router.post("/send", bodyLimit: SendRoutes.bodyLimit) { try await send($0) }
    }

    private func send(_ request: Request) async throws -> Response {
        let began = clock.now
        let service = try media.media()
        let send = try SendRoutes.read(try await request.body.collect(), service)
        do throws(MediaSend.Refusal) {
            let outcome = try await service.sender.send(send)
            return .json(
                .object([
                    ("ok", true), ("via", .string(outcome.way.rawValue)), ("message_id", .integer(outcome.message)),
                    ("file_id", .string(outcome.fileID)),
                    ("took_ms", .integer(Int64((clock.now - began) / 1_000_000))),
                ]))
        } catch {
            throw SendRoutes.error(error)
        }
    }

    // MARK: What is asked

    private static func read(_ bytes: [UInt8], _ service: MediaService) throws -> MediaSend {
        let json: JSON
        do throws(JSON.Problem) { json = try JSON(reading: bytes) } catch {
            throw HTTPError.badRequest("\(error)", code: "BAD_JSON")
        }
        guard case .object(let members) = json else { throw wrong("an object") }
        for (name, _) in members where !["bot", "chat", "media", "kind", "caption", "wait"].contains(name) {
            throw wrong("bot, chat, media, kind, caption and wait, and nothing else")
        }
        let bot = try MediaRoutes.bot(json["bot"].map { try text($0, "bot") }, service)
        guard let given = json["media"] else { throw wrong("media, a SHA-256") }
        var send = MediaSend(
            bot: bot, chat: try chat(json["chat"]), sha256: try MediaRoutes.digest(try text(given, "media")))
        if let kind = json["kind"] { send.kind = try MediaRoutes.kind(try text(kind, "kind")) }
        if let caption = json["caption"], caption != .null { send.caption = try text(caption, "caption") }
        if let wait = json["wait"] {
            guard let seconds = seconds(wait), (0...MediaSend.longestWait).contains(seconds) else {
                throw wrong("wait, seconds from 0 to \(Int(MediaSend.longestWait))")
            }
            send.wait = seconds
        }
        return send
    }

    private static func text(_ json: JSON, _ name: String) throws -> String {
        guard let text = json.text else { throw wrong("\(name) as text") }
        return text
    }

    private static func chat(_ json: JSON?) throws -> TelegramChat {
        let chat = json?.whole.flatMap { TelegramChat(String($0)) } ?? json?.text.flatMap { TelegramChat($0) }
        guard let chat else { throw wrong("chat, an id or @name") }
        return chat
    }

    private static func seconds(_ json: JSON) -> Double? {
        if case .number(let number) = json { return number }
        return json.whole.map { Double($0) }
    }

    private static func wrong(_ expected: String) -> HTTPError {
        .badRequest("the body is not what it should be; expected \(expected)", code: "BAD_SEND")
    }

    // MARK: What is answered

    private static func error(_ refusal: MediaSend.Refusal) -> HTTPError {
        switch refusal {
        case .noBot(let slug): HTTPError(404, "NO_BOT", "there is no such bot", detail: [("bot", .string(slug))])
        case .noMedium: MediaRoutes.noMedium
        case .notReady(let entry):
            HTTPError(
                409, "MEDIA_NOT_READY",
                entry.status == .failed ? "the medium could not be warmed" : "the medium is not warm yet",
                detail: [
                    ("status", .string(entry.status.rawValue)), ("attempts", .integer(Int64(entry.attempts))),
                    ("last_error", entry.lastError.map { .string($0) } ?? .null),
                ], fields: entry.status == .failed ? Fields() : ["Retry-After": "5"])
        case .busy: .unavailable("BOT_BUSY", "too many calls of this bot wait already")
        case .limited(let seconds):
            HTTPError(
                429, "CHAT_LIMITED", "Telegram's limits let nothing through to this chat for longer than wait",
                fields: ["Retry-After": retryAfter(seconds)])
        case .upload(let why): HTTPError(502, "UPLOAD_FAILED", why)
        case .database(let error): MediaRoutes.error(error)
        case .telegram(let error): SendRoutes.error(error)
        }
    }

    private static func error(_ error: TelegramError) -> HTTPError {
        var answer = HTTPError(
            502, "TELEGRAM_\(error.kind.name.uppercased())", "\(error)",
            detail: [
                ("telegram_status", error.status.map { .integer(Int64($0)) } ?? .null),
                ("may_have_arrived", .bool(error.mayHaveArrived)),
            ])
        if let seconds = error.retryAfter {
            answer.status = 429
            answer.fields["Retry-After"] = retryAfter(seconds)
        }
        return answer
    }

    private static func retryAfter(_ seconds: Double) -> String {
        String(Int(min(max(1, seconds.rounded(.up)), 86400)))
    }
}
