#if SQLite
    /// The registry's statements.
    enum SQLiteMedia {
        private static let byKey = SQLiteQuery(
            """
            SELECT \(MediaEntry.columns) FROM media_cache AS c \(MediaEntry.join)
            WHERE c.bot_slug = ?1 AND c.sha256 = ?2 AND c.kind = ?3
            """)
        private static let byNumber = SQLiteQuery(
            "SELECT \(MediaEntry.columns) FROM media_cache AS c \(MediaEntry.join) WHERE c.id = ?1")
        private static let byDigest = SQLiteQuery(
            """
            SELECT \(MediaEntry.columns) FROM media_cache AS c \(MediaEntry.join)
            WHERE c.bot_slug = ?1 AND c.sha256 = ?2 ORDER BY c.kind
            """)
        private static let file = SQLiteQuery(
            """
            SELECT file_id, file_unique_id, weak FROM media_cache INDEXED BY ix_media_cache_lookup
            WHERE bot_slug = ?1 AND sha256 = ?2 AND kind = ?3 AND status = 'ready'
            """)
        private static let insertStore = SQLiteQuery(
            """
            INSERT INTO media_store (bot_slug, sha256, kind, r2_key, bytes, mime, name, created_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
            """)
        private static let insertCache = SQLiteQuery(
            """
            INSERT INTO media_cache (bot_slug, sha256, kind, status, phase, score, small, enqueued_at, updated_at)
            VALUES (?1, ?2, ?3, 'warming', 'queued', ?4, ?5, ?6, ?6)
            """)
        private static let merge = SQLiteQuery(
            "UPDATE media_cache SET score = ?2, updated_at = ?3 WHERE id = ?1 AND score < ?2")
        private static let revive = SQLiteQuery(
            """
            UPDATE media_cache SET status = 'warming', phase = 'queued', score = ?2, small = ?3, retry_count = 0,
              enqueued_at = ?4, updated_at = ?4
            WHERE id = ?1
            """)
        private static let countWarming = SQLiteQuery("SELECT count(*) FROM media_cache WHERE status = 'warming'")
        private static let removeCache = SQLiteQuery(
            "DELETE FROM media_cache WHERE bot_slug = ?1 AND sha256 = ?2 AND kind = ?3")
        private static let removeStore = SQLiteQuery(
            "DELETE FROM media_store WHERE bot_slug = ?1 AND sha256 = ?2 AND kind = ?3")
        private static let isObjectUsed = SQLiteQuery("SELECT EXISTS (SELECT 1 FROM media_store WHERE r2_key = ?1)")
        private static let refuseFile = SQLiteQuery(
            """
            UPDATE media_cache SET status = 'warming', phase = 'queued', score = ?5, small = ?6, retry_count = 0,
              last_error = '\(JobTexts.fileRefused)', enqueued_at = ?7, updated_at = ?7
            WHERE bot_slug = ?1 AND sha256 = ?2 AND kind = ?3 AND status = 'ready' AND file_id = ?4
            """)

        static func values(_ key: MediaKey) -> [SQLiteValue] {
            [.text(key.bot), .text(key.sha256), .text(key.kind.rawValue)]
        }

        static func entry(_ key: MediaKey, _ connection: SQLiteConnection) throws(DatabaseError) -> MediaEntry? {
            try connection.row(byKey, values(key), MediaEntry.read)
        }

        static func entry(id: Int64, _ connection: SQLiteConnection) throws(DatabaseError) -> MediaEntry? {
            try connection.row(byNumber, [.integer(id)], MediaEntry.read)
        }

        static func entries(
            bot: String, sha256: String, _ connection: SQLiteConnection
        ) throws(DatabaseError) -> [MediaEntry] {
            try connection.rows(byDigest, [.text(bot), .text(sha256)], MediaEntry.read)
        }

        static func readyFile(_ key: MediaKey, _ connection: SQLiteConnection) throws(DatabaseError) -> CachedFile? {
            try connection.row(file, values(key)) { (row) throws(DatabaseError) in
                CachedFile(id: row.text(0), uniqueID: row.textOrNil(1), isWeak: row.integer(2) != 0)
            }
        }

        static func add(
            _ medium: Medium, _ priority: JobPriority, _ backlog: SQLiteBacklog, _ now: Int64,
            _ connection: SQLiteConnection
        ) throws(DatabaseError) -> Addition {
            let outcome: Addition.Outcome
            if let entry = try entry(medium.key, connection) {
                switch entry.status {
                case .ready: return Addition(outcome: .ready, entry: entry)
                case .warming:
                    try connection.run(merge, [.integer(entry.id), .integer(priority.score), .integer(now)])
                    outcome = .merged
                case .failed:
                    try reserve(backlog, now, connection)
                    try connection.run(
                        revive, [.integer(entry.id), .integer(priority.score), .bool(priority.isSmall), .integer(now)])
                    outcome = .revived
                }
            } else {
                try reserve(backlog, now, connection)
                try connection.run(
                    insertStore,
                    values(medium.key) + [
                        .text(medium.objectKey), .integer(medium.bytes), .text(medium.mime), .text(medium.name),
                        .integer(now),
                    ])
                try connection.run(
                    insertCache,
                    values(medium.key) + [.integer(priority.score), .bool(priority.isSmall), .integer(now)])
                outcome = .added
            }
            guard let entry = try entry(medium.key, connection) else {
                throw DatabaseError(.damaged, "\(connection.path): a row that was written is not there")
            }
            return Addition(outcome: outcome, entry: entry)
        }

        /// A place among the warming. If the transaction fails it counts until the rows are counted again.
        private static func reserve(
            _ backlog: SQLiteBacklog, _ now: Int64, _ connection: SQLiteConnection
        ) throws(DatabaseError) {
            if backlog.count.mustCount(now: now) {
                backlog.count.counted(Int(try connection.integer(countWarming)), now: now)
            }
            if backlog.count.isFull { throw backlog.count.error }
            backlog.count.added()
        }

        static func list(_ query: MediaQuery, _ connection: SQLiteConnection) throws(DatabaseError) -> MediaPage {
            let limit = query.boundedLimit
            let shape = ListShape(query)
            var values: [SQLiteValue] = [.integer(limit + 1), .text(query.bot)]
            if let after = query.after { values += SQLiteMedia.values(after) }
            guard let text = listQueries[shape] else { throw DatabaseError(.refused, "no statement for this list") }
            return MediaPage(try connection.rows(text, values, MediaEntry.read), limit: limit)
        }

        /// What a list's statement depends on.
        private struct ListShape: Hashable {
            let ofBot: Bool
            let status: MediaEntry.Status?
            let isContinued: Bool

            init(_ query: MediaQuery) {
                self.init(ofBot: query.bot != nil, status: query.status, isContinued: query.after != nil)
            }

            init(ofBot: Bool, status: MediaEntry.Status?, isContinued: Bool) {
                self.ofBot = ofBot
                self.status = status
                self.isContinued = isContinued
            }

            var query: SQLiteQuery {
                // The status is written out, so that the partial indexes serve.
                let conditions = [
                    ofBot ? "c.bot_slug = ?2" : "?2 IS NULL",
                    status.map { "c.status = '\($0.rawValue)'" },
                    isContinued ? "(c.bot_slug, c.sha256, c.kind) > (?3, ?4, ?5)" : nil,
                ].compactMap(\.self)
                return SQLiteQuery(
                    """
                    SELECT \(MediaEntry.columns) FROM media_cache AS c \(MediaEntry.join)
                    WHERE \(conditions.joined(separator: " AND "))
                    ORDER BY c.bot_slug, c.sha256, c.kind LIMIT ?1
                    """)
            }
        }

        private static let listQueries: [ListShape: SQLiteQuery] = {
            var queries: [ListShape: SQLiteQuery] = [:]
            for status in MediaEntry.Status.allCases.map(Optional.some) + [nil] {
                for (ofBot, isContinued) in [(false, false), (false, true), (true, false), (true, true)] {
                    let shape = ListShape(ofBot: ofBot, status: status, isContinued: isContinued)
                    queries[shape] = shape.query
                }
            }
            return queries
        }()

        static func remove(_ key: MediaKey, _ connection: SQLiteConnection) throws(DatabaseError) -> Removal? {
            guard let entry = try entry(key, connection) else { return nil }
            try connection.run(removeCache, values(key))
            try connection.run(removeStore, values(key))
            return Removal(medium: entry.medium, objectIsUnused: try !isUsed(entry.medium.objectKey, connection))
        }

        static func isUsed(_ object: String, _ connection: SQLiteConnection) throws(DatabaseError) -> Bool {
            try connection.integer(isObjectUsed, [.text(object)]) != 0
        }

        static func refuse(
            _ fileID: String, _ key: MediaKey, _ priority: JobPriority, _ now: Int64, _ connection: SQLiteConnection
        ) throws(DatabaseError) -> Bool {
            let values: [SQLiteValue] = [
                .text(fileID), .integer(priority.score), .bool(priority.isSmall), .integer(now),
            ]
            return try connection.run(refuseFile, SQLiteMedia.values(key) + values) == 1
        }
    }
#endif
