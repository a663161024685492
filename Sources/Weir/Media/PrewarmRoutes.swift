internal import WeirDatabase
internal import WeirHTTP
internal import WeirLive
internal import WeirLoop
internal import WeirMedia

/// `/prewarm`: the worker, its queue and its switches.
@LoopActor
struct PrewarmRoutes {
    let media: MediaRoutes

    func install(on router: Router) {
        router.get("/prewarm", audience: .sameOrigin) { try await show($0) }
        router.post("/prewarm/pause") { _ in
            let service = try media.media()
            service.worker.pause()
            return PrewarmRoutes.state(service)
        }
        router.post("/prewarm/resume") { _ in
            let service = try media.media()
            service.worker.resume()
            return PrewarmRoutes.state(service)
        }
        router.post("/prewarm/drain") { _ in
            let service = try media.media()
            await service.worker.drain()
            return PrewarmRoutes.state(service)
        }
        router.post("/prewarm/requeue") { try await requeue($0) }
    }

    private static func state(_ service: MediaService) -> Response {
        .json(
            .object([
                ("state", .string(service.worker.state.rawValue)),
                ("active_workers", .integer(Int64(service.worker.active))),
            ]))
    }

    private func show(_ request: Request) async throws -> Response {
        let service = try media.media()
        if let id = request.query["explain"] { return try await explain(id, service) }
        let counts = try await MediaRoutes.ask { () throws(DatabaseError) in try await service.database.counts() }
        let worker = service.worker
        let jobs = worker.jobs(limit: PrewarmWorker.shownJobs)
        return .json(
            .object([
                ("state", .string(worker.state.rawValue)), ("queue_size", .integer(Int64(counts.queued))),
                ("processing_count", .integer(Int64(counts.leased))),
                ("active_workers", .integer(Int64(worker.active))),
                ("max_concurrency", .integer(Int64(worker.options.concurrency))),
                ("max_queue_size", .integer(Int64(worker.options.queue))),
                ("utilization", .number(Double(worker.active) / Double(worker.options.concurrency))),
                ("ready", .integer(Int64(counts.ready))), ("warming", .integer(Int64(counts.warming))),
                ("waiting", .integer(Int64(counts.waiting))), ("failed", .integer(Int64(counts.failed))),
                ("oldest_seconds", .number(counts.oldestSeconds)),
                ("bots", .array(service.bots.map { .string($0.slug) })),
                ("download_cache", PrewarmRoutes.cache(service.cache)),
                ("jobs", .array(jobs.map { PrewarmRoutes.job($0) })),
            ]))
    }

    private static func job(_ job: PrewarmWorker.Job) -> JSON {
        .object([
            ("id", .integer(job.id)), ("bot", .string(job.key.bot)), ("sha256", .string(job.key.sha256)),
            ("kind", .string(job.key.kind.rawValue)), ("bytes", .integer(job.bytes)),
            ("state", job.isRunning ? "running" : "queued"), ("priority", .integer(Int64(job.score))),
            ("enqueued_at", MediaJSON.time(job.enqueuedAt)),
        ])
    }

    private static func cache(_ cache: DownloadCache) -> JSON {
        .object([
            ("entries", .integer(Int64(cache.count))), ("bytes", .integer(cache.bytes)),
            ("hits", .integer(Int64(clamping: cache.counters.hits))),
            ("misses", .integer(Int64(clamping: cache.counters.misses))),
            ("saved_bytes", .integer(Int64(clamping: cache.counters.saved))),
        ])
    }

    /// Which rules gave a job which points: one that this worker knows, or any in the database.
    private func explain(_ id: String, _ service: MediaService) async throws -> Response {
        guard let number = Int64(id) else {
            throw HTTPError.badRequest("explain is a job's number", code: "BAD_JOB")
        }
        if let job = service.worker.job(number) {
            return explanation(
                of: PrewarmRoutes.job(job), bytes: job.bytes, kind: job.key.kind, enqueuedAt: job.enqueuedAt,
                isPromoted: job.isPromoted, service)
        }
        let entry = try await MediaRoutes.ask { () throws(DatabaseError) in
            try await service.database.entry(id: number)
        }
        guard let entry else { throw HTTPError(404, "NO_JOB", "there is no job of this number") }
        let medium = entry.medium
        let rule = service.worker.options.priority.score(bytes: medium.bytes, kind: medium.key.kind)
        return explanation(
            of: PrewarmRoutes.job(entry), bytes: medium.bytes, kind: medium.key.kind, enqueuedAt: entry.enqueuedAt,
            isPromoted: entry.priority.score > rule, service)
    }

    private func explanation(
        of job: JSON, bytes: Int64, kind: MediaKind, enqueuedAt: Int64, isPromoted: Bool, _ service: MediaService
    ) -> Response {
        let age = service.worker.age(since: enqueuedAt)
        let reasons = service.worker.options.priority.reasons(bytes: bytes, kind: kind, age: age)
        return .json(
            .object([
                ("job", job), ("age_seconds", .number(age)),
                ("score", .integer(Int64(reasons.reduce(0) { $0 + $1.points }))),
                (
                    "rules",
                    .array(
                        reasons.map { .object([("rule", .string($0.rule)), ("points", .integer(Int64($0.points)))]) })
                ),
                ("promoted", .bool(isPromoted)), ("overdue", .bool(age > service.worker.options.agingCap)),
            ]))
    }

    /// One that waits in the database, is another worker's, or is over.
    private static func job(_ entry: MediaEntry) -> JSON {
        let key = entry.medium.key
        let state =
            switch entry.phase {
            case .queued: "queued"
            case .leased: "running"
            case .waiting: "waiting"
            case .done: entry.status.rawValue
            }
        return .object([
            ("id", .integer(entry.id)), ("bot", .string(key.bot)), ("sha256", .string(key.sha256)),
            ("kind", .string(key.kind.rawValue)), ("bytes", .integer(entry.medium.bytes)), ("state", .string(state)),
            ("priority", .integer(Int64(entry.priority.score))), ("enqueued_at", MediaJSON.time(entry.enqueuedAt)),
        ])
    }

    /// `?bot=`, and with `sha256=` and `kind=` one medium; nothing: every job that was given up.
    private func requeue(_ request: Request) async throws -> Response {
        let service = try media.media()
        var which = Requeue.all
        if let sha256 = request.query["sha256"] {
            guard let kind = request.query["kind"] else {
                throw HTTPError.badRequest("kind is missing beside sha256", code: "BAD_KIND")
            }
            which = .key(
                MediaKey(
                    bot: try MediaRoutes.bot(request.query["bot"], service), sha256: try MediaRoutes.digest(sha256),
                    kind: try MediaRoutes.kind(kind)))
        } else if let bot = request.query["bot"] {
            which = .bot(try MediaRoutes.bot(bot, service))
        }
        let count = try await MediaRoutes.ask { [which] () throws(DatabaseError) in
            try await service.database.requeue(which)
        }
        return .json(.object([("requeued", .integer(Int64(count)))]))
    }
}
