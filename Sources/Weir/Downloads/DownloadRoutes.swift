internal import WeirDatabase
internal import WeirDownloads
internal import WeirHTTP
internal import WeirLoop

/// `/downloads`: chapters and books as files, what is kept of them, and why.
@LoopActor
struct DownloadRoutes {
    /// What may be kept outside must be asked for again: a chapter may have changed. Mostly that is a 304.
    static let cacheControl = "no-cache"

    let service: DownloadService
    let access: ListenerAccess
    /// They are for those with a signed link, or the admin token.
    let needsLink: Bool

    func install(on router: Router) {
        router.get("/downloads/chapters/:id") { try await send($0, .chapter($0.parameter("id"))) }
        router.get("/downloads/books/:id") { try await send($0, .book($0.parameter("id"))) }
        router.get("/downloads") { try await send($0, try DownloadQuery.chapters($0.query["chapters"])) }
        router.get("/downloads/explain", audience: .sameOrigin) { try await explain($0) }
        router.get("/downloads/status", audience: .sameOrigin) { try status($0) }
        router.post("/downloads/invalidate") { try await invalidate($0) }
    }

    // MARK: Sending

    private func send(_ request: Request, _ subject: DownloadRequest.Subject) async throws -> Response {
        try check(request, subject)
        let format = try DownloadQuery.format(request.query["format"], of: subject)
        let downloads = try await service.get()
        let open: OpenDownload
        do throws(DownloadError) {
            open = OpenDownload(try await downloads.find(DownloadRequest(subject, as: format)))
        } catch {
            throw DownloadRoutes.error(error)
        }
        let download = open.download
        var fields: Fields = [
            "ETag": download.etag, "Cache-Control": DownloadRoutes.cacheControl,
        ]
        let conditions = Conditions(request.fields, tag: EntityTag(download.key), length: download.length)
        let range: RangeRequest
        switch conditions {
        case .answer(.unsatisfiable) where request.isHead: range = .whole
        case .notModified: return Response(304, fields: fields)
        case .failed:
            throw HTTPError(
                412, "PRECONDITION_FAILED", "the download is not the one that was asked for", fields: fields)
        case .answer(.unsatisfiable):
            fields["Content-Range"] = RangeRequest.unsatisfiable.contentRange(of: download.length)
            fields["Accept-Ranges"] = "bytes"
            throw HTTPError(
                416, "RANGE_NOT_SATISFIABLE", "the range begins behind the end of the download",
                detail: [("length", .integer(Int64(clamping: download.length)))], fields: fields)
        // RFC 9110 §14.2: a range is for GET.
        case .answer(let answered): range = request.isHead ? .whole : answered
        }
        fields["Accept-Ranges"] = "bytes"
        fields["Content-Type"] = DownloadQuery.type(of: download.format, subject)
        fields["Content-Disposition"] = ContentDisposition.attachment(
            title: download.title, extension: DownloadQuery.suffix(of: download.format, subject))
        var part: Range<UInt64>?
        if case .part(let bytes) = range {
            part = bytes
            fields["Content-Range"] = range.contentRange(of: download.length)
        }
        if !request.isHead {
            do throws(DownloadError) {
                try await download.begin(part)
            } catch {
                throw DownloadRoutes.error(error)
            }
        }
        fields["X-Cache"] = download.cache.rawValue
        let length = part.map { UInt64($0.count) } ?? download.length
        return Response(
            part == nil ? 200 : 206, fields: fields,
            body: .stream(length: length, framing: .close) { writer in
                defer { open.download.close() }
                try await open.download.send(to: writer)
            })
    }

    /// Closes a download, also when nobody came to take it.
    @LoopActor
    private final class OpenDownload {
        let download: Download

        init(_ download: Download) { self.download = download }

        isolated deinit { download.close() }
    }

    /// A link is for a path. What else a request says is not signed, so that one for a list of chapters could be used for any.
    private func check(_ request: Request, _ subject: DownloadRequest.Subject) throws {
        guard needsLink, !request.isAdmin else { return }
        if case .chapters = subject {
            throw HTTPError(
                403, "LINK_REQUIRED",
                "a list of chapters needs the admin token here; links are signed for a chapter or a book")
        }
        try access.check(request, "download")
    }

    // MARK: What is kept

    private func explain(_ request: Request) async throws -> Response {
        try checkLooking(request)
        let subject = try DownloadQuery.subject(request.query)
        let format = try DownloadQuery.format(request.query["format"], of: subject)
        let downloads = try await service.get()
        do throws(DownloadError) {
            let explanation = try await downloads.explain(DownloadRequest(subject, as: format))
            return .json(DownloadJSON.explanation(explanation))
        } catch {
            throw DownloadRoutes.error(error)
        }
    }

    /// Where links are needed, what there is is for the admin.
    private func checkLooking(_ request: Request) throws {
        guard needsLink, !request.isAdmin else { return }
        throw HTTPError(
            403, "TOKEN_REQUIRED", "downloads need signed links here, and what is known of them the admin token")
    }

    private func status(_ request: Request) throws -> Response {
        try checkLooking(request)
        guard let downloads = service.downloads else { return .json(DownloadJSON.idle) }
        return .json(DownloadJSON.status(downloads.state, downloads.counters))
    }

    private func invalidate(_ request: Request) async throws -> Response {
        let what = try DownloadQuery.invalidations(try await request.body.collect())
        let downloads = try await service.get()
        var keys: Set<String> = []
        do throws(DownloadError) {
            for invalidation in what { keys.formUnion(try await downloads.invalidate(invalidation)) }
        } catch {
            throw DownloadRoutes.error(error)
        }
        return .json(.object([("invalidated", .array(keys.sorted().map { .string($0) }))]))
    }

    // MARK: What is wrong

    static func error(_ error: DownloadError) -> HTTPError {
        let (status, code) =
            switch error.kind {
            case .notFound: (404, "NOT_FOUND")
            case .notEmbeddable: (422, "NOT_EMBEDDABLE")
            case .pageMissing: (502, "PAGE_MISSING")
            case .pageShort: (502, "PAGE_SHORT")
            case .pageChanged: (502, "PAGE_CHANGED")
            case .store: (502, "STORE_FAILED")
            case .database: (503, "DATABASE_UNAVAILABLE")
            case .busy: (503, "BUSY")
            case .overMemory: (503, "OVER_MEMORY")
            case .file: (503, "FILE_FAILED")
            case .closed: (503, "SHUTTING_DOWN")
            }
        var detail: [(String, JSON)] = []
        if let page = error.page {
            detail = [("page", .integer(Int64(page.number))), ("key", .string(page.objectKey))]
        }
        var fields = Fields()
        if let seconds = error.retryAfter ?? (status == 503 ? 5 : nil) { fields["Retry-After"] = String(seconds) }
        return HTTPError(status, code, error.message, detail: detail, fields: fields)
    }
}
