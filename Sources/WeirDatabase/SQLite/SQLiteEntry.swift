#if SQLite
    /// `MediaEntry` from a row.
    enum SQLiteEntry {
        static let columns = """
            c.id, c.bot_slug, c.sha256, c.kind, s.r2_key, s.bytes, s.mime, s.name, c.status, c.phase, c.score, c.small, \
            c.retry_count, c.fence, c.lease_until, c.worker, c.next_retry_at, c.last_error, c.file_id, \
            c.file_unique_id, c.weak, c.enqueued_at, c.updated_at, s.created_at
            """
        static let join = "JOIN media_store AS s USING (bot_slug, sha256, kind)"

        static func read(_ row: SQLiteRow) throws(DatabaseError) -> MediaEntry {
            guard let kind = MediaKind(rawValue: row.text(3)),
                let status = MediaEntry.Status(rawValue: row.text(8)),
                let phase = MediaEntry.Phase(rawValue: row.text(9))
            else {
                throw DatabaseError(.damaged, "media_cache, id \(row.integer(0)): no such kind, status or phase")
            }
            let key = MediaKey(bot: row.text(1), sha256: row.text(2), kind: kind)
            return MediaEntry(
                id: row.integer(0),
                medium: Medium(
                    key: key, objectKey: row.text(4), bytes: row.integer(5), mime: row.text(6), name: row.text(7)),
                status: status, phase: phase,
                priority: JobPriority(
                    score: Int(truncatingIfNeeded: row.integer(10)), isSmall: row.integer(11) != 0),
                attempts: Int(truncatingIfNeeded: row.integer(12)), fence: row.integer(13),
                leaseUntil: row.integerOrNil(14), worker: row.textOrNil(15), nextRetryAt: row.integerOrNil(16),
                lastError: row.textOrNil(17),
                file: row.textOrNil(18).map {
                    CachedFile(id: $0, uniqueID: row.textOrNil(19), isWeak: row.integer(20) != 0)
                },
                enqueuedAt: row.integer(21), updatedAt: row.integer(22), createdAt: row.integer(23))
        }
    }
#endif
