internal import WeirDatabase
internal import WeirHTTP
internal import WeirMedia

/// What the prewarm worker does, as lines of the log, under the names that people search for.
enum PrewarmLog {
    static func write(_ event: PrewarmEvent, to log: LogWriter) {
        switch event {
        case .started(let interval, let concurrency, let queue):
            log.info(
                "[MEDIA][PREWARM][WORKER][START]",
                [
                    ("interval_ms", .integer(Int64(interval))), ("concurrency", .integer(Int64(concurrency))),
                    ("max_queue_size", .integer(Int64(queue))),
                ])
        case .stopped: log.info("[MEDIA][PREWARM][WORKER][STOP]", [])
        case .enqueued(let job, let key, let score):
            log.info("[MEDIA][PREWARM][ENQUEUE]", fields(job, key) + [("priority", .integer(Int64(score)))])
        case .duplicate(let job, let key):
            log.info("[MEDIA][PREWARM][SKIP_DUPLICATE]", fields(job, key))
        case .cacheHit(let object, let hits):
            log.info(
                "[MEDIA][PREWARM][DOWNLOAD_CACHE_HIT]",
                [("r2_key", .string(object)), ("hits", .integer(Int64(hits)))])
        case .batchDone(let size, let successful, let failed, let queued, let active):
            log.info(
                "[MEDIA][PREWARM][BATCH][DONE]",
                [
                    ("batch_size", .integer(Int64(size))), ("successful", .integer(Int64(successful))),
                    ("failed", .integer(Int64(failed))), ("queue_remaining", .integer(Int64(queued))),
                    ("active_workers", .integer(Int64(active))),
                ])
        case .attemptFailed(let job, let key, let attempt, let error, let retryAfter):
            log.write(
                retryAfter == nil ? .error : .warning, "[MEDIA][PREWARM][WORKER][ERR]",
                fields(job, key) + [
                    ("attempt", .integer(Int64(attempt))), ("error", .string(error)),
                    ("retry_seconds", retryAfter.map { $0.rounded(to: 3) } ?? .null),
                ])
        case .leaseLost(let job, let key):
            log.warning(
                "[MEDIA][PREWARM][WORKER][ERR]", fields(job, key) + [("error", "the job was taken over meanwhile")])
        case .trouble(let what):
            log.error("[MEDIA][PREWARM][WORKER][ERR]", [("error", .string(what))])
        }
    }

    private static func fields(_ job: Int64, _ key: MediaKey) -> [LogLine.Field] {
        [
            ("job_id", .integer(job)), ("bot", .string(key.bot)), ("sha256", .string(key.sha256)),
            ("kind", .string(key.kind.rawValue)),
        ]
    }
}
