/// A row of either database. Columns count from 0.
protocol MediaRow {
    /// Empty for NULL.
    func text(_ column: Int) -> String
    func textOrNil(_ column: Int) -> String?
    /// 0 for NULL.
    func integer(_ column: Int) -> Int64
    func integerOrNil(_ column: Int) -> Int64?
    func bool(_ column: Int) -> Bool
}

// What both databases are asked of a medium and its job: `media_cache AS c`, joined with its object.
extension MediaEntry {
    static let columns = """
        c.id, c.bot_slug, c.sha256, c.kind, s.r2_key, s.bytes, s.mime, s.name, c.status, c.phase, c.score, c.small, \
        c.retry_count, c.fence, c.lease_until, c.worker, c.next_retry_at, c.last_error, c.file_id, \
        c.file_unique_id, c.weak, c.enqueued_at, c.updated_at, s.created_at
        """
    static let join = "JOIN media_store AS s USING (bot_slug, sha256, kind)"

    /// From a row that begins with `columns`.
    static func read(_ row: some MediaRow) throws(DatabaseError) -> MediaEntry {
        guard let kind = MediaKind(rawValue: row.text(3)),
            let status = Status(rawValue: row.text(8)),
            let phase = Phase(rawValue: row.text(9))
        else {
            throw DatabaseError(.damaged, "media_cache, id \(row.integer(0)): no such kind, status or phase")
        }
        let key = MediaKey(bot: row.text(1), sha256: row.text(2), kind: kind)
        return MediaEntry(
            id: row.integer(0),
            medium: Medium(
                key: key, objectKey: row.text(4), bytes: row.integer(5), mime: row.text(6), name: row.text(7)),
            status: status, phase: phase,
            priority: JobPriority(score: Int(truncatingIfNeeded: row.integer(10)), isSmall: row.bool(11)),
            attempts: Int(truncatingIfNeeded: row.integer(12)), fence: row.integer(13),
            leaseUntil: row.integerOrNil(14), worker: row.textOrNil(15), nextRetryAt: row.integerOrNil(16),
            lastError: row.textOrNil(17),
            file: row.textOrNil(18).map {
                CachedFile(id: $0, uniqueID: row.textOrNil(19), isWeak: row.bool(20))
            },
            enqueuedAt: row.integer(21), updatedAt: row.integer(22), createdAt: row.integer(23))
    }
}
