internal import WeirDatabase
internal import WeirHTTP
internal import WeirLive
internal import WeirLoop
internal import WeirMedia
internal import WeirStorage

/// `/media`: taking media in, and what there is.
@LoopActor
struct MediaRoutes {
    /// Bytes of a form's field that is no file.
    static let fieldLimit = 1024

    /// Nil while there is none: no bot is configured.
    let service: @LoopActor () -> MediaService?

    func install(on router: Router) {
        router.post("/media", bodyLimit: .max) { try await add($0) }
        router.get("/media", audience: .sameOrigin) { try await list($0) }
        router.get("/media/:sha256", audience: .sameOrigin) { try await show($0) }
        router.on(.delete, "/media/:sha256") { try await remove($0) }
        router.post("/media/:sha256/warm") { try await warm($0) }
    }

    func media() throws -> MediaService {
        guard let service = service() else {
            throw HTTPError(404, "NO_BOTS", "no bot is configured; expected telegram.bots in the configuration")
        }
        return service
    }

    // MARK: Taking in

    /// What is said of a file beside its bytes.
    private struct Facts {
        var bot: String?
        var kind: String?
        var name: String?
    }

    private func add(_ request: Request) async throws -> Response {
        let service = try media()
        var facts = Facts(bot: request.query["bot"], kind: request.query["kind"], name: request.query["name"])
        // What can be refused is, before the bytes come.
        _ = try facts.bot.map { try MediaRoutes.bot($0, service) }
        _ = try facts.kind.map { try MediaRoutes.kind($0) }
        let type = request.fields["Content-Type"]?.prefix { $0 != ";" && $0 != " " }.lowercased() ?? ""
        // Of a form, each file is measured as it comes.
        if type != "multipart/form-data", let length = request.body.length, length > UInt64(service.library.limit) {
            throw MediaRoutes.tooLarge(service.library.limit)
        }
        do {
            var files: [(received: MediaLibrary.Received, name: String, mime: String)] = []
            if type == "multipart/form-data" {
                let form = try MultipartForm(request)
                while let part = try await form.nextPart() {
                    switch part.name {
                    case "bot": facts.bot = try await MediaRoutes.text(form)
                    case "kind": facts.kind = try await MediaRoutes.text(form)
                    case "name": facts.name = try await MediaRoutes.text(form)
                    case "file":
                        let received = try await service.library.receive { try await form.next() }
                        files.append((received, part.fileName ?? "", part.type ?? ""))
                    default:
                        throw HTTPError.badRequest(
                            "the form has a field that is none of bot, kind, name and file", code: "BAD_FIELD")
                    }
                }
                if files.isEmpty { throw HTTPError.badRequest("the form has no file in it", code: "NO_FILE") }
            } else {
                let received = try await service.library.receive { try await request.body.next() }
                files.append((received, "", request.fields["Content-Type"] ?? ""))
            }
            let bot = try MediaRoutes.bot(facts.bot, service)
            var additions: [Addition] = []
            for file in files {
                let mime = MediaRoutes.clean(file.mime, limit: 255)
                let name = MediaRoutes.clean(files.count == 1 ? facts.name ?? file.name : file.name, limit: 255)
                let kind = try facts.kind.map { try MediaRoutes.kind($0) } ?? MediaRoutes.kind(of: mime)
                additions.append(
                    try await service.library.add(file.received, bot: bot, kind: kind, name: name, mime: mime))
            }
            let isNew = additions.contains { $0.outcome == .added }
            let media = additions.map { MediaJSON.entry($0.entry) }
            return .json(media.count == 1 ? media[0] : .object([("media", .array(media))]), status: isNew ? 201 : 200)
        } catch let refusal as MediaLibrary.Refusal {
            throw MediaRoutes.error(refusal)
        }
    }

    private static func text(_ form: MultipartForm) async throws -> String {
        guard let text = String(validating: try await form.collect(limit: fieldLimit), as: UTF8.self) else {
            throw HTTPError.badRequest("a field of the form is not UTF-8", code: "BAD_FIELD")
        }
        return text
    }

    /// Without control characters, and cut.
    private static func clean(_ text: String, limit: Int) -> String {
        var kept = ""
        for scalar in text.unicodeScalars where scalar.properties.generalCategory != .control {
            if kept.utf8.count + UTF8.width(scalar) > limit { break }
            kept.unicodeScalars.append(scalar)
        }
        return kept
    }

    /// As what a file of a type is sent when nothing is said.
    static func kind(of mime: String) -> MediaKind {
        let type = mime.prefix { $0 != ";" && $0 != " " }.lowercased()
        switch type {
        case "image/jpeg", "image/png", "image/webp": return .photo
        case "image/gif": return .animation
        default:
            if type.hasPrefix("video/") { return .video }
            if type.hasPrefix("audio/") { return .audio }
            return .document
        }
    }

    // MARK: What there is

    private func list(_ request: Request) async throws -> Response {
        let service = try media()
        var query = MediaQuery(bot: request.query["bot"])
        if let status = request.query["status"] {
            guard let status = MediaEntry.Status(rawValue: status) else {
                throw HTTPError.badRequest("status is warming, ready or failed", code: "BAD_STATUS")
            }
            query.status = status
        }
        if let after = request.query["after"] {
            guard let key = MediaJSON.key(cursor: after) else {
                throw HTTPError.badRequest("after is what the page before had as next", code: "BAD_CURSOR")
            }
            query.after = key
        }
        if let limit = request.query["limit"] {
            guard let limit = Int(limit), (1...MediaQuery.limitMax).contains(limit) else {
                throw HTTPError.badRequest("limit is 1 to \(MediaQuery.limitMax)", code: "BAD_LIMIT")
            }
            query.limit = limit
        }
        let page = try await MediaRoutes.ask { () throws(DatabaseError) in try await service.database.list(query) }
        return .json(
            .object([
                ("media", .array(page.entries.map { MediaJSON.entry($0) })),
                ("next", page.next.map { .string(MediaJSON.cursor($0)) } ?? .null),
            ]))
    }

    private func show(_ request: Request) async throws -> Response {
        let service = try media()
        let entries = try await entries(request, service)
        return .json(.object([("media", .array(entries.map { MediaJSON.entry($0) }))]))
    }

    /// What the request means: of one bot, of one kind or all.
    private func entries(_ request: Request, _ service: MediaService) async throws -> [MediaEntry] {
        let bot = try MediaRoutes.bot(request.query["bot"], service)
        let kind = try request.query["kind"].map { try MediaRoutes.kind($0) }
        let sha256 = try MediaRoutes.digest(request.parameter("sha256"))
        let entries = try await MediaRoutes.ask { () throws(DatabaseError) in
            try await service.database.entries(bot: bot, sha256: sha256)
        }.filter { kind == nil || $0.medium.key.kind == kind }
        if entries.isEmpty { throw MediaRoutes.noMedium }
        return entries
    }

    private func remove(_ request: Request) async throws -> Response {
        let service = try media()
        do {
            for entry in try await entries(request, service) {
                _ = try await service.library.remove(entry.medium.key)
            }
        } catch let refusal as MediaLibrary.Refusal {
            throw MediaRoutes.error(refusal)
        }
        return Response(204)
    }

    private func warm(_ request: Request) async throws -> Response {
        let service = try media()
        var media: [JSON] = []
        for entry in try await entries(request, service) {
            let entry = try await MediaRoutes.ask { () throws(DatabaseError) in
                try await service.library.warm(entry.medium.key)
            }
            if let entry { media.append(MediaJSON.entry(entry)) }
        }
        return .json(.object([("media", .array(media))]))
    }

    // MARK: What is wrong

    static let noMedium = HTTPError(404, "NO_MEDIUM", "the bot has no such medium")

    /// The only bot, when none is named.
    static func bot(_ slug: String?, _ service: MediaService) throws -> String {
        if let slug {
            guard service.bots.contains(where: { $0.slug == slug }) else {
                throw HTTPError(
                    404, "NO_BOT", "there is no such bot", detail: [("bot", .string(clean(slug, limit: 64)))])
            }
            return slug
        }
        guard service.bots.count == 1 else {
            throw HTTPError.badRequest("bot is missing, and there are several", code: "BOT_MISSING")
        }
        return service.bots[0].slug
    }

    static func kind(_ text: String) throws -> MediaKind {
        guard let kind = MediaKind(rawValue: text) else {
            throw HTTPError.badRequest(
                "kind is \(alternatives(MediaKind.allCases.map(\.rawValue)))", code: "BAD_KIND")
        }
        return kind
    }

    nonisolated static func digest(_ text: String) throws -> String {
        let text = text.lowercased()
        guard text.utf8.count == 64,
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else {
            throw HTTPError.badRequest("a medium is named by its SHA-256, 64 hexadecimal digits", code: "BAD_SHA256")
        }
        return text
    }

    static func ask<Value: Sendable>(
        _ question: @LoopActor () async throws(DatabaseError) -> Value
    ) async throws -> Value {
        do throws(DatabaseError) { return try await question() } catch { throw MediaRoutes.error(error) }
    }

    static func error(_ error: DatabaseError) -> HTTPError {
        switch error.kind {
        case .backlogFull:
            HTTPError(
                429, "QUEUE_FULL", "as many media wait to be warmed as may", fields: ["Retry-After": "30"])
        case .argument: .badRequest(error.message, code: "BAD_MEDIUM")
        default: .unavailable("DATABASE_UNAVAILABLE", "the database does not answer: \(error.message)")
        }
    }

    private static func tooLarge(_ limit: Int) -> HTTPError {
        HTTPError(
            413, "MEDIUM_TOO_LARGE", "the file is larger than media.max_bytes",
            detail: [("limit", .integer(Int64(limit)))])
    }

    private static func error(_ refusal: MediaLibrary.Refusal) -> HTTPError {
        switch refusal {
        case .empty: .badRequest("the file is empty", code: "EMPTY_MEDIUM")
        case .tooLarge(let limit): tooLarge(limit)
        case .spool(let why): .unavailable("DISK_FAILED", "the file cannot be written: \(why)")
        case .store(let error): .unavailable("STORE_FAILED", "the object store failed: \(error.message)")
        case .database(let error): MediaRoutes.error(error)
        }
    }
}
