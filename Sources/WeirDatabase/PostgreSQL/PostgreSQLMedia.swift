#if PostgreSQL
    /// The registry's statements.
    enum PostgreSQLMedia {
        private static let ofKey = "c.bot_slug = $1 AND c.sha256 = $2 AND c.kind = $3"
        static let notify = "pg_notify('\(PostgreSQLListener.channel)', '')::text"

        static let byKey = PostgreSQLQuery(
            "media_entry",
            "SELECT \(MediaEntry.columns) FROM media_cache AS c \(MediaEntry.join) WHERE \(ofKey)")
        static let byNumber = PostgreSQLQuery(
            "media_entry_by_number",
            "SELECT \(MediaEntry.columns) FROM media_cache AS c \(MediaEntry.join) WHERE c.id = $1")
        static let byDigest = PostgreSQLQuery(
            "media_entries",
            """
            SELECT \(MediaEntry.columns) FROM media_cache AS c \(MediaEntry.join)
            WHERE c.bot_slug = $1 AND c.sha256 = $2 ORDER BY c.kind
            """)
        static let isObjectUsed = PostgreSQLQuery(
            "media_object_used", "SELECT EXISTS (SELECT 1 FROM media_store WHERE r2_key = $1)")
        static let file = PostgreSQLQuery(
            "media_file",
            """
            SELECT file_id, file_unique_id, weak FROM media_cache
            WHERE bot_slug = $1 AND sha256 = $2 AND kind = $3 AND status = 'ready'
            """)
        /// Locked until the transaction ends: what `upsert` finds is what this found.
        static let before = PostgreSQLQuery(
            "media_before", "SELECT c.status FROM media_cache AS c WHERE \(ofKey) FOR UPDATE")
        static let store = PostgreSQLQuery(
            "media_store",
            """
            INSERT INTO media_store (bot_slug, sha256, kind, r2_key, bytes, mime, name, created_at)
            VALUES ($2, $3, $4, $5, $6, $7, $8, \(PostgreSQLEntry.now))
            ON CONFLICT DO NOTHING
            """)
        /// No row when it is ready. Who fails gets a new start; who is warming keeps the higher score.
        static let upsert = PostgreSQLQuery(
            "media_upsert",
            """
            INSERT INTO media_cache AS c (bot_slug, sha256, kind, status, phase, score, small, enqueued_at, updated_at)
            VALUES ($2, $3, $4, 'warming', 'queued', $5, $6, \(PostgreSQLEntry.now), \(PostgreSQLEntry.now))
            ON CONFLICT (bot_slug, sha256, kind) DO UPDATE SET
              score = CASE c.status WHEN 'failed' THEN excluded.score ELSE greatest(c.score, excluded.score) END,
              small = CASE c.status WHEN 'failed' THEN excluded.small ELSE c.small END,
              phase = CASE c.status WHEN 'failed' THEN 'queued' ELSE c.phase END,
              retry_count = CASE c.status WHEN 'failed' THEN 0 ELSE c.retry_count END,
              enqueued_at = CASE c.status WHEN 'failed' THEN excluded.enqueued_at ELSE c.enqueued_at END,
              updated_at = excluded.updated_at, status = 'warming'
            WHERE c.status <> 'ready'
            RETURNING c.xmax = 0 AS is_new, \(notify)
            """)
        static let countWarming = PostgreSQLQuery(
            "media_warming", "SELECT count(*) FROM media_cache WHERE status = 'warming'")
        static let removeCache = PostgreSQLQuery(
            "media_remove_cache", "DELETE FROM media_cache AS c WHERE \(ofKey)")
        static let removeStore = PostgreSQLQuery(
            "media_remove_store",
            """
            WITH removed AS (
              DELETE FROM media_store AS c WHERE \(ofKey) RETURNING bot_slug, sha256, kind, r2_key, bytes, mime, name)
            SELECT r.r2_key, r.bytes, r.mime, r.name, NOT EXISTS (
              SELECT 1 FROM media_store AS o
              WHERE o.r2_key = r.r2_key AND (o.bot_slug, o.sha256, o.kind) <> (r.bot_slug, r.sha256, r.kind))
            FROM removed AS r
            """)
        static let refuse = PostgreSQLQuery(
            "media_refuse",
            """
            UPDATE media_cache SET status = 'warming', phase = 'queued', score = $6, small = $7, retry_count = 0,
              last_error = '\(JobTexts.fileRefused)', enqueued_at = \(PostgreSQLEntry.now),
              updated_at = \(PostgreSQLEntry.now)
            WHERE bot_slug = $2 AND sha256 = $3 AND kind = $4 AND status = 'ready' AND file_id = $5
            RETURNING \(notify)
            """)
        static let limiterState = PostgreSQLQuery(
            "limiter_state", "SELECT state FROM limiter_state WHERE bot_slug = $1")
        static let saveLimiterState = PostgreSQLQuery(
            "limiter_save",
            """
            INSERT INTO limiter_state (bot_slug, state, updated_at) VALUES ($2, $3::bytea, \(PostgreSQLEntry.now))
            ON CONFLICT (bot_slug) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at
            """)

        /// A page's statement. Its text depends on what is asked, so that indexes serve.
        static func list(_ query: MediaQuery) -> PostgreSQLCommand {
            var name = "media_list"
            var conditions: [String] = []
            var values: [PostgreSQLValue] = [.integer(query.boundedLimit + 1)]
            if let bot = query.bot {
                values.append(.text(bot))
                conditions.append("c.bot_slug = $\(values.count)")
                name += "_bot"
            }
            if let status = query.status {
                conditions.append("c.status = '\(status.rawValue)'")
                name += "_\(status.rawValue)"
            }
            if let after = query.after {
                values += [.text(after.bot), .text(after.sha256), .text(after.kind.rawValue)]
                let last = values.count
                conditions.append("(c.bot_slug, c.sha256, c.kind) > ($\(last - 2), $\(last - 1), $\(last))")
                name += "_after"
            }
            let condition = conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ")
            let text = """
                SELECT \(MediaEntry.columns) FROM media_cache AS c \(MediaEntry.join) \(condition)
                ORDER BY c.bot_slug, c.sha256, c.kind LIMIT $1
                """
            return PostgreSQLCommand(query: PostgreSQLQuery(name, text), values: values.map(\.text))
        }
    }
#endif
