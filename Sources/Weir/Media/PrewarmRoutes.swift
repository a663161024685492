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
        if let id = request.query["explain"] { return try explain(id, service) }
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
                ("oldest_seconds", .number(counts.oldestSeconds)), ("jobs", .array(jobs.map { PrewarmRoutes.job($0) })),
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

    /// Which rules gave a job which points.
    private func explain(_ id: String, _ service: MediaService) throws -> Response {
        guard let number = Int64(id), let job = service.worker.job(number) else {
            throw HTTPError(
                404, "NO_JOB", "no job of this number is under way or next in the queue")
        }
        let age = service.worker.age(of: job)
        let reasons = service.worker.options.priority.reasons(bytes: job.bytes, kind: job.key.kind, age: age)
        return .json(
            .object([
                ("job", PrewarmRoutes.job(job)), ("age_seconds", .number(age)),
                ("score", .integer(Int64(reasons.reduce(0) { $0 + $1.points }))),
                (
                    "rules",
                    .array(
                        reasons.map { .object([("rule", .string($0.rule)), ("points", .integer(Int64($0.points)))]) })
                ),
                ("promoted", .bool(job.isPromoted)), ("overdue", .bool(age > service.worker.options.agingCap)),
            ]))
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
