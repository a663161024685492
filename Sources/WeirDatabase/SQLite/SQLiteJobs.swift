#if SQLite
    /// The queue's statements. One connection writes at a time, so that what is read in a transaction stays true in it.
    enum SQLiteJobs {
        /// At start nobody works any more: the first sweep takes the jobs up, and counts their attempts.
        static let voidLeases = SQLiteQuery("UPDATE media_cache SET lease_until = 0 WHERE phase = 'leased'")

        private static func selection(_ index: String, _ condition: String, _ order: String) -> SQLiteQuery {
            SQLiteQuery(
                """
                SELECT \(MediaEntry.columns) FROM media_cache AS c INDEXED BY \(index) \(MediaEntry.join)
                WHERE c.phase = 'queued' AND \(condition) ORDER BY \(order) LIMIT ?1
                """)
        }

        private static let byScore = "c.score DESC, c.enqueued_at, c.id"
        private static let aged = selection("ix_media_cache_age", "c.enqueued_at <= ?2", "c.enqueued_at, c.id")
        private static let best = selection("ix_media_cache_warming", "c.enqueued_at > ?2", byScore)
        private static let small = selection("ix_media_cache_small", "c.small = 1", byScore)

        private static let queued = SQLiteQuery(
            """
            SELECT \(MediaEntry.columns) FROM media_cache AS c \(MediaEntry.join)
            WHERE c.id = ?1 AND c.phase = 'queued'
            """)
        private static let take = SQLiteQuery(
            """
            UPDATE media_cache SET phase = 'leased', lease_until = ?2, worker = ?3, fence = fence + 1,
              retry_count = retry_count + 1, updated_at = ?4
            WHERE id = ?1
            """)
        private static let prolong = SQLiteQuery(
            "UPDATE media_cache SET lease_until = ?3 WHERE id = ?1 AND fence = ?2 AND phase = 'leased'")

        private static func settlement(_ changes: String) -> SQLiteQuery {
            SQLiteQuery(
                """
                UPDATE media_cache SET \(changes), lease_until = NULL, worker = NULL, updated_at = ?3
                WHERE id = ?1 AND fence = ?2 AND phase = 'leased'
                """)
        }

        private static let settleReady = settlement(
            "status = 'ready', phase = 'done', file_id = ?4, file_unique_id = ?5, weak = ?6, last_error = NULL")
        private static let settleRetry = settlement("phase = 'waiting', next_retry_at = ?4, last_error = ?5")
        private static let settlePostpone = settlement(
            "phase = 'waiting', next_retry_at = ?4, last_error = ?5, retry_count = retry_count - 1")
        private static let settleFailed = settlement("status = 'failed', phase = 'done', last_error = ?4")
        private static let settleRelease = settlement("phase = 'queued', retry_count = retry_count - 1")

        private static let sweepDue = SQLiteQuery(
            """
            UPDATE media_cache SET phase = 'queued', next_retry_at = NULL, updated_at = ?1
            WHERE id IN (
              SELECT id FROM media_cache INDEXED BY ix_media_cache_retry
              WHERE phase = 'waiting' AND status = 'warming' AND next_retry_at <= ?1
              ORDER BY next_retry_at LIMIT \(PrewarmLimits.sweep))
            """)

        private static func ended(_ changes: String, _ condition: String) -> SQLiteQuery {
            SQLiteQuery(
                """
                UPDATE media_cache SET \(changes), lease_until = NULL, worker = NULL, updated_at = ?1
                WHERE id IN (
                  SELECT id FROM media_cache INDEXED BY ix_media_cache_lease
                  WHERE phase = 'leased' AND lease_until <= ?1 AND retry_count \(condition) ?2
                  LIMIT \(PrewarmLimits.sweep))
                """)
        }

        private static let sweepDead = ended(
            "status = 'failed', phase = 'done', last_error = '\(JobTexts.leaseEnded)'", ">=")
        private static let sweepExpired = ended("phase = 'queued', last_error = '\(JobTexts.leaseEnded)'", "<")
        private static let nextRetry = SQLiteQuery(
            """
            SELECT next_retry_at FROM media_cache INDEXED BY ix_media_cache_retry
            WHERE phase = 'waiting' AND status = 'warming' ORDER BY next_retry_at LIMIT 1
            """)
        private static let nextEnd = SQLiteQuery(
            """
            SELECT lease_until FROM media_cache INDEXED BY ix_media_cache_lease
            WHERE phase = 'leased' ORDER BY lease_until LIMIT 1
            """)

        private static let raise = SQLiteQuery(
            """
            UPDATE media_cache SET score = max(score, ?4), next_retry_at = NULL,
              phase = CASE phase WHEN 'waiting' THEN 'queued' ELSE phase END, updated_at = ?5
            WHERE bot_slug = ?1 AND sha256 = ?2 AND kind = ?3 AND status = 'warming'
            """)

        private static func requeue(_ condition: String) -> SQLiteQuery {
            SQLiteQuery(
                """
                UPDATE media_cache SET status = 'warming', phase = 'queued', retry_count = 0, enqueued_at = ?1,
                  updated_at = ?1
                WHERE id IN (
                  SELECT id FROM media_cache WHERE status = 'failed' AND \(condition) LIMIT \(PrewarmLimits.sweep))
                """)
        }

        private static let requeueKey = requeue("bot_slug = ?2 AND sha256 = ?3 AND kind = ?4")
        private static let requeueBot = requeue("bot_slug = ?2")
        private static let requeueAll = requeue("TRUE")

        private static let count = SQLiteQuery("SELECT phase, status, count(*) FROM media_cache GROUP BY phase, status")
        private static let oldest = SQLiteQuery(
            """
            SELECT enqueued_at FROM media_cache INDEXED BY ix_media_cache_age
            WHERE phase = 'queued' ORDER BY enqueued_at LIMIT 1
            """)

        /// For `QueueStatements`.
        static var round: [(name: String, text: String)] {
            [("aged", aged), ("best", best), ("take", take), ("ready", settleReady)].map { ($0, $1.text) }
        }

        static func peek(
            _ selection: JobSelection, _ now: Int64, _ connection: SQLiteConnection
        ) throws(DatabaseError) -> [MediaEntry] {
            let limit = selection.boundedLimit
            if limit == 0 { return [] }
            if selection.onlySmall {
                return try connection.rows(small, [.integer(limit)], MediaEntry.read)
            }
            let cut = SQLiteValue.integer(now - DatabaseClock.milliseconds(selection.agingCap))
            var entries = try connection.rows(aged, [.integer(limit), cut], MediaEntry.read)
            if entries.count < limit {
                entries += try connection.rows(best, [.integer(limit - entries.count), cut], MediaEntry.read)
            }
            return entries
        }

        static func claim(
            _ selection: JobSelection, _ lease: Double, _ worker: String, _ now: Int64, _ connection: SQLiteConnection
        ) throws(DatabaseError) -> [LeasedJob] {
            try take(try peek(selection, now, connection), lease, worker, now, connection)
        }

        static func claim(
            _ jobs: [Int64], _ lease: Double, _ worker: String, _ now: Int64, _ connection: SQLiteConnection
        ) throws(DatabaseError) -> [LeasedJob] {
            var leased: [LeasedJob] = []
            for job in jobs {
                let entry = try connection.rows(queued, [.integer(job)], MediaEntry.read)
                leased += try take(entry, lease, worker, now, connection)
            }
            return leased
        }

        private static func take(
            _ entries: [MediaEntry], _ lease: Double, _ worker: String, _ now: Int64, _ connection: SQLiteConnection
        ) throws(DatabaseError) -> [LeasedJob] {
            let end = now + DatabaseClock.milliseconds(lease)
            var leased: [LeasedJob] = []
            leased.reserveCapacity(entries.count)
            for var entry in entries {
                try connection.run(take, [.integer(entry.id), .integer(end), .text(worker), .integer(now)])
                entry.phase = .leased
                entry.leaseUntil = end
                entry.worker = worker
                entry.fence += 1
                entry.attempts += 1
                entry.updatedAt = now
                leased.append(LeasedJob(entry))
            }
            return leased
        }

        static func renew(
            _ leases: [Lease], _ lease: Double, _ now: Int64, _ connection: SQLiteConnection
        ) throws(DatabaseError) -> Set<Lease> {
            let end = SQLiteValue.integer(now + DatabaseClock.milliseconds(lease))
            var held: Set<Lease> = []
            for lease in leases
            where try connection.run(prolong, [.integer(lease.job), .integer(lease.fence), end]) == 1 {
                held.insert(lease)
            }
            return held
        }

        static func settle(
            _ outcomes: [(lease: Lease, outcome: JobOutcome)], _ now: Int64, _ connection: SQLiteConnection
        ) throws(DatabaseError) -> [Bool] {
            var settled: [Bool] = []
            settled.reserveCapacity(outcomes.count)
            for (lease, outcome) in outcomes {
                let common: [SQLiteValue] = [.integer(lease.job), .integer(lease.fence), .integer(now)]
                func due(_ seconds: Double) -> SQLiteValue { .integer(now + DatabaseClock.milliseconds(seconds)) }
                func kept(_ text: String) -> SQLiteValue { .text(ArgumentCheck.errorText(text)) }
                let changed =
                    switch outcome {
                    case .ready(let file):
                        try connection.run(
                            settleReady, common + [.text(file.id), .text(file.uniqueID), .bool(file.isWeak)])
                    case .retry(let after, let error):
                        try connection.run(settleRetry, common + [due(after), kept(error)])
                    case .postpone(let after, let reason):
                        try connection.run(settlePostpone, common + [due(after), kept(reason)])
                    case .failed(let error):
                        try connection.run(settleFailed, common + [kept(error)])
                    case .release:
                        try connection.run(settleRelease, common)
                    }
                settled.append(changed == 1)
            }
            return settled
        }

        static func sweep(
            attempts: Int, _ now: Int64, _ connection: SQLiteConnection
        ) throws(DatabaseError) -> SweepResult {
            var result = SweepResult()
            result.due = try connection.run(sweepDue, [.integer(now)])
            result.failed = try connection.run(sweepDead, [.integer(now), .integer(attempts)])
            result.expired = try connection.run(sweepExpired, [.integer(now), .integer(attempts)])
            result.isPartial = [result.due, result.failed, result.expired].contains(PrewarmLimits.sweep)
            let next = [nextRetry, nextEnd]
            var earliest: Int64?
            for query in next {
                let time = try connection.row(query) { (row) throws(DatabaseError) in row.integer(0) }
                if let time { earliest = min(earliest ?? time, time) }
            }
            result.nextDue = earliest.map { Double(max(0, $0 - now)) / 1000 }
            return result
        }

        static func promote(
            _ key: MediaKey, score: Int, _ now: Int64, _ connection: SQLiteConnection
        ) throws(DatabaseError) -> MediaEntry? {
            let score = JobPriority(score: score, isSmall: false).score
            let values = SQLiteMedia.values(key) + [.integer(score), .integer(now)]
            guard try connection.run(raise, values) == 1 else { return nil }
            return try SQLiteMedia.entry(key, connection)
        }

        static func requeue(
            _ which: Requeue, _ now: Int64, _ connection: SQLiteConnection
        ) throws(DatabaseError) -> Int {
            switch which {
            case .key(let key): try connection.run(requeueKey, [.integer(now)] + SQLiteMedia.values(key))
            case .bot(let bot): try connection.run(requeueBot, [.integer(now), .text(bot)])
            case .all: try connection.run(requeueAll, [.integer(now)])
            }
        }

        static func counts(_ now: Int64, _ connection: SQLiteConnection) throws(DatabaseError) -> JobCounts {
            var counts = JobCounts()
            let groups = try connection.rows(count) { (row) throws(DatabaseError) in
                (row.text(0), row.text(1), Int(row.integer(2)))
            }
            for (phase, status, count) in groups { counts.add(count, phase: phase, status: status) }
            let enqueued = try connection.row(oldest) { (row) throws(DatabaseError) in row.integer(0) }
            if let enqueued { counts.oldestSeconds = Double(max(0, now - enqueued)) / 1000 }
            return counts
        }
    }
#endif
