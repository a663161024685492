#if PostgreSQL
    /// The queue's statements.
    enum PostgreSQLJobs {
        private static let now = PostgreSQLEntry.now
        private static let byScore = "score DESC, enqueued_at, id"
        private static let byAge = "enqueued_at, id"

        /// Of rows that are found by their ids. By `=` a plan would go by the index of the phase, as long as the statistics
        /// know few jobs in it: and read all that are in it by then, for each job. No index and no statistics serve a CASE.
        private static func isIn(_ phase: MediaEntry.Phase, _ column: String = "phase") -> String {
            "CASE \(column) WHEN '\(phase.rawValue)' THEN TRUE ELSE FALSE END"
        }

        // $2: how many; $3: the aging cap.
        static let peek = PostgreSQLQuery(
            "jobs_peek",
            """
            (SELECT \(MediaEntry.columns), 0 FROM media_cache AS c \(MediaEntry.join)
             WHERE c.phase = 'queued' AND c.enqueued_at <= \(now) - $3::bigint ORDER BY c.enqueued_at, c.id LIMIT $2)
            UNION ALL
            (SELECT \(MediaEntry.columns), 1 FROM media_cache AS c \(MediaEntry.join)
             WHERE c.phase = 'queued' AND c.enqueued_at > \(now) - $3::bigint ORDER BY c.score DESC, c.enqueued_at, c.id LIMIT $2)
            """)
        static let peekSmall = PostgreSQLQuery(
            "jobs_peek_small",
            """
            SELECT \(MediaEntry.columns), 1 FROM media_cache AS c \(MediaEntry.join)
            WHERE c.phase = 'queued' AND c.small ORDER BY c.score DESC, c.enqueued_at, c.id LIMIT $1
            """)

        /// Leases what `picked` picks: rows locked by others are passed over, and nobody waits.
        private static func claim(_ name: String, _ picked: String, lease: Int, worker: Int) -> PostgreSQLQuery {
            PostgreSQLQuery(
                name,
                """
                WITH \(picked)
                UPDATE media_cache AS c
                SET phase = 'leased', lease_until = \(now) + $\(lease)::bigint, worker = $\(worker), fence = c.fence + 1,
                  retry_count = c.retry_count + 1, updated_at = \(now)
                FROM picked AS p, media_store AS s
                WHERE c.id = p.id AND \(PostgreSQLEntry.same)
                RETURNING \(MediaEntry.columns), p.tier
                """)
        }

        static let claimBest = claim(
            "jobs_claim",
            """
            aged AS MATERIALIZED (
              SELECT id FROM media_cache WHERE phase = 'queued' AND enqueued_at <= \(now) - $3::bigint
              ORDER BY \(byAge) LIMIT $2 FOR UPDATE SKIP LOCKED),
            best AS MATERIALIZED (
              SELECT id FROM media_cache WHERE phase = 'queued' AND enqueued_at > \(now) - $3::bigint
              ORDER BY \(byScore) LIMIT $2 - (SELECT count(*) FROM aged) FOR UPDATE SKIP LOCKED),
            picked AS (SELECT id, 0 AS tier FROM aged UNION ALL SELECT id, 1 FROM best)
            """, lease: 4, worker: 5)
        static let claimSmall = claim(
            "jobs_claim_small",
            """
            picked AS MATERIALIZED (
              SELECT id, 1 AS tier FROM media_cache WHERE phase = 'queued' AND small
              ORDER BY \(byScore) LIMIT $2 FOR UPDATE SKIP LOCKED)
            """, lease: 3, worker: 4)
        static let claimThese = claim(
            "jobs_claim_these",
            """
            picked AS MATERIALIZED (
              SELECT id, 1 AS tier FROM media_cache WHERE id = ANY ($2::bigint[]) AND \(isIn(.queued))
              FOR UPDATE SKIP LOCKED)
            """, lease: 3, worker: 4)

        static let renew = PostgreSQLQuery(
            "jobs_renew",
            """
            UPDATE media_cache AS c SET lease_until = \(now) + $4::bigint
            FROM unnest($2::bigint[], $3::bigint[]) AS l (id, fence)
            WHERE c.id = l.id AND c.fence = l.fence AND \(isIn(.leased, "c.phase"))
            RETURNING c.id, c.fence
            """)

        static let settle = PostgreSQLQuery(
            "jobs_settle",
            """
            UPDATE media_cache AS c SET
              status = o.status, phase = o.phase,
              next_retry_at = CASE o.phase WHEN 'waiting' THEN \(now) + o.delay END,
              last_error = CASE o.phase WHEN 'queued' THEN c.last_error ELSE o.error END,
              retry_count = c.retry_count - o.refund,
              file_id = coalesce(o.file_id, c.file_id),
              file_unique_id = CASE WHEN o.file_id IS NULL THEN c.file_unique_id ELSE o.file_unique_id END,
              weak = CASE WHEN o.file_id IS NULL THEN c.weak ELSE o.weak END,
              lease_until = NULL, worker = NULL, updated_at = \(now)
            FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::integer[],
              $9::text[], $10::text[], $11::boolean[])
              AS o (id, fence, status, phase, delay, error, refund, file_id, file_unique_id, weak)
            WHERE c.id = o.id AND c.fence = o.fence AND \(isIn(.leased, "c.phase"))
            RETURNING c.id, c.fence, CASE o.phase WHEN 'queued' THEN \(PostgreSQLMedia.notify) END
            """)

        // $2: attempts at which a job has had its last.
        static let sweep = PostgreSQLQuery(
            "jobs_sweep",
            """
            WITH due AS (
              UPDATE media_cache SET phase = 'queued', next_retry_at = NULL, updated_at = \(now)
              WHERE id IN (
                SELECT id FROM media_cache WHERE phase = 'waiting' AND status = 'warming' AND next_retry_at <= \(now)
                ORDER BY next_retry_at LIMIT \(PrewarmLimits.sweep) FOR UPDATE SKIP LOCKED)
              RETURNING 1),
            ended AS (
              UPDATE media_cache SET
                status = CASE WHEN retry_count >= $2::integer THEN 'failed' ELSE 'warming' END,
                phase = CASE WHEN retry_count >= $2::integer THEN 'done' ELSE 'queued' END,
                lease_until = NULL, worker = NULL, last_error = '\(JobTexts.leaseEnded)', updated_at = \(now)
              WHERE id IN (
                SELECT id FROM media_cache WHERE phase = 'leased' AND lease_until <= \(now)
                LIMIT \(PrewarmLimits.sweep) FOR UPDATE SKIP LOCKED)
              RETURNING status),
            done AS (
              SELECT (SELECT count(*) FROM due) AS due,
                (SELECT count(*) FROM ended WHERE status = 'warming') AS expired,
                (SELECT count(*) FROM ended WHERE status = 'failed') AS failed)
            SELECT due, expired, failed, CASE WHEN due + expired > 0 THEN \(PostgreSQLMedia.notify) END FROM done
            """)
        static let nextDue = PostgreSQLQuery(
            "jobs_next_due",
            """
            SELECT least(
              (SELECT min(next_retry_at) FROM media_cache WHERE phase = 'waiting' AND status = 'warming'),
              (SELECT min(lease_until) FROM media_cache WHERE phase = 'leased')) - \(now)
            """)

        static let promote = PostgreSQLQuery(
            "jobs_promote",
            """
            UPDATE media_cache AS c SET score = greatest(c.score, $5::smallint), next_retry_at = NULL,
              phase = CASE c.phase WHEN 'waiting' THEN 'queued' ELSE c.phase END, updated_at = \(now)
            FROM media_store AS s
            WHERE c.bot_slug = $2 AND c.sha256 = $3 AND c.kind = $4 AND c.status = 'warming' AND \(PostgreSQLEntry.same)
            RETURNING \(MediaEntry.columns), CASE c.phase WHEN 'queued' THEN \(PostgreSQLMedia.notify) END
            """)

        private static func requeue(_ name: String, _ condition: String) -> PostgreSQLQuery {
            PostgreSQLQuery(
                name,
                """
                WITH requeued AS (
                  UPDATE media_cache SET status = 'warming', phase = 'queued', retry_count = 0, enqueued_at = \(now),
                    updated_at = \(now)
                  WHERE id IN (
                    SELECT id FROM media_cache WHERE status = 'failed' AND \(condition)
                    LIMIT \(PrewarmLimits.sweep) FOR UPDATE SKIP LOCKED)
                  RETURNING 1),
                counted AS (SELECT count(*) AS count FROM requeued)
                SELECT count, CASE WHEN count > 0 THEN \(PostgreSQLMedia.notify) END FROM counted
                """)
        }

        static let requeueKey = requeue("jobs_requeue_key", "bot_slug = $2 AND sha256 = $3 AND kind = $4")
        static let requeueBot = requeue("jobs_requeue_bot", "bot_slug = $2")
        static let requeueAll = requeue("jobs_requeue_all", "TRUE")

        static let counts = PostgreSQLQuery(
            "jobs_counts", "SELECT phase, status, count(*) FROM media_cache GROUP BY phase, status")
        static let oldest = PostgreSQLQuery(
            "jobs_oldest", "SELECT \(now) - min(enqueued_at) FROM media_cache WHERE phase = 'queued'")

        // MARK: Arrays of outcomes

        /// The parameters of `settle`, behind the clock's.
        static func parameters(_ outcomes: [(lease: Lease, outcome: JobOutcome)]) -> [PostgreSQLValue] {
            var columns = [[PostgreSQLValue]](repeating: [], count: 10)
            for (lease, outcome) in outcomes {
                var row: [PostgreSQLValue] = [.integer(lease.job), .integer(lease.fence)]
                switch outcome {
                case .ready(let file):
                    row += [.text("ready"), .text("done"), .integer(0), .text(nil), .integer(0)]
                    row += [.text(file.id), .text(file.uniqueID), .bool(file.isWeak)]
                case .retry(let after, let error): row += waiting(after, error, refund: 0)
                case .postpone(let after, let reason): row += waiting(after, reason, refund: 1)
                case .failed(let error):
                    row += [.text("failed"), .text("done"), .integer(0)]
                    row += [.text(ArgumentCheck.errorText(error)), .integer(0), .text(nil), .text(nil), .bool(false)]
                case .release:
                    row += [.text("warming"), .text("queued"), .integer(0), .text(nil), .integer(1)]
                    row += [.text(nil), .text(nil), .bool(false)]
                }
                for (column, value) in row.enumerated() { columns[column].append(value) }
            }
            return columns.map { .array($0) }
        }

        private static func waiting(_ after: Double, _ error: String, refund: Int) -> [PostgreSQLValue] {
            [
                .text("warming"), .text("waiting"), .integer(DatabaseClock.milliseconds(after)),
                .text(ArgumentCheck.errorText(error)), .integer(refund), .text(nil), .text(nil), .bool(false),
            ]
        }
    }
#endif
