internal import WeirHTTP
internal import WeirLoop
internal import WeirMedia

/// What `/metrics` says of media: the worker, the download cache, sending.
@LoopActor
struct MediaMetrics {
    /// Bounds of the buckets of `media_prewarm_batch_size`.
    static let batchBounds: [UInt64] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]

    let media: MediaService

    func write(to text: inout PrometheusText) {
        prewarm(&text)
        downloads(&text)
        sends(&text)
    }

    private func prewarm(_ text: inout PrometheusText) {
        let worker = media.worker
        text.family("media_prewarm_active_workers", .gauge, "Jobs under way.")
        text.sample(worker.active)
        text.family("media_prewarm_queue_size", .gauge, "Jobs that wait in the worker's queue.")
        text.sample(worker.queued)
        text.family("media_prewarm_queue_utilization", .gauge, "Jobs under way, of those that may be at once.")
        text.sample(Double(worker.active) / Double(worker.options.concurrency))
        text.family("media_prewarm_concurrency_blocked", .gauge, "Due jobs that wait for a slot.")
        text.sample(worker.freeSlots > 0 ? 0 : worker.queued)
        let counters = worker.counters
        text.family("media_prewarm_jobs_total", .counter, "Attempts that ended, by how.")
        for (result, count) in [
            ("ready", counters.ready), ("failed", counters.failed), ("retried", counters.retried),
            ("postponed", counters.postponed), ("released", counters.released), ("lost", counters.lost),
        ] {
            text.sample(count, [("result", result)])
        }
        text.family("media_prewarm_retry_total", .counter, "Attempts that are made again.")
        text.sample(counters.retried + counters.postponed)
        text.family("media_prewarm_weak_ids_total", .counter, "Answers whose id is weak.")
        text.sample(counters.weak)
        text.family("media_prewarm_uploads_total", .counter, "Files that went to Telegram, by how.")
        text.sample(media.upload.uploads, [("way", "bytes")])
        text.sample(media.upload.byURL, [("way", "url")])
        text.family("media_prewarm_uploaded_bytes_total", .counter, "Bytes of these that passed through here.")
        text.sample(media.upload.uploadedBytes)
        text.family("media_prewarm_database_errors_total", .counter, "Times that the database failed the worker.")
        text.sample(counters.databaseErrors)
        text.family("media_prewarm_batch_size", .histogram, "Jobs of a claim.")
        text.sample(counts: worker.batches, bounds: MediaMetrics.batchBounds)
        text.family("media_prewarm_start_seconds", .histogram, "From a job's enqueueing to its first request.")
        text.sample(worker.starts)
        text.family(
            "media_prewarm_dispatch_seconds", .histogram,
            "The same since it could start, with a free slot, less what Telegram's limits held it back.")
        text.sample(worker.dispatches)
        text.family("media_prewarm_attempt_seconds", .histogram, "From an attempt's beginning to its end.")
        text.sample(worker.attempts)
    }

    private func downloads(_ text: inout PrometheusText) {
        let cache = media.cache
        text.family("media_prewarm_download_cache_hit_total", .counter, "Files that were in the download cache.")
        text.sample(cache.counters.hits + cache.counters.joined)
        text.family("media_prewarm_download_cache_miss_total", .counter, "Files that were fetched into it.")
        text.sample(cache.counters.misses)
        text.family("media_prewarm_download_cache_evicted_total", .counter, "Files that were dropped, by why.")
        text.sample(cache.counters.evicted, [("reason", "full")])
        text.sample(cache.counters.expired, [("reason", "expired")])
        text.family("media_prewarm_download_cache_saved_bytes_total", .counter, "Bytes that were not fetched again.")
        text.sample(cache.counters.saved)
        text.family("media_prewarm_download_cache_entries", .gauge, "Files in the download cache.")
        text.sample(cache.count)
        text.family("media_prewarm_download_cache_bytes", .gauge, "Bytes of these.")
        text.sample(Int(cache.bytes))
    }

    private func sends(_ text: inout PrometheusText) {
        let counters = media.sender.counters
        text.family("media_send_total", .counter, "Sends, by what came of them.")
        for (result, count) in [
            ("file_id", counters.hits), ("joined", counters.joined), ("upload", counters.uploads),
            ("not_ready", counters.notReady), ("failed", counters.failed),
        ] {
            text.sample(count, [("result", result)])
        }
        text.family("media_send_refused_ids_total", .counter, "file_ids that Telegram refused.")
        text.sample(counters.refusedIDs)
        text.family("media_send_seconds", .histogram, "From a send to Telegram's answer.")
        text.sample(media.sender.latency)
        text.family("media_send_overhead_seconds", .histogram, "Of this, what passes before its turn and the call.")
        text.sample(media.sender.overhead)
        text.family("media_telegram_limited_total", .counter, "Calls that Telegram answered with 429.")
        for bot in media.bots { text.sample(bot.limiter.limited, [("bot", bot.slug)]) }
        text.family("media_telegram_waiting", .gauge, "Calls that wait for their turn.")
        for bot in media.bots {
            text.sample(bot.limiter.waitingSends, [("bot", bot.slug), ("for", "send")])
            text.sample(bot.limiter.waitingUploads, [("bot", bot.slug), ("for", "prewarm")])
        }
    }
}
