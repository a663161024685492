#if SQLite
    internal import WeirLoop

    extension SQLiteDatabase {
        func find(_ key: String) async throws(DatabaseError) -> ArtefactRow? {
            let node = node
            return try await read { (connection) throws(DatabaseError) in
                try connection.row(SQLiteArtefacts.row, [.text(node), .text(key)]) {
                    (row) throws(DatabaseError) in ArtefactRow.read(row)
                }
            }
        }

        func record(_ row: ArtefactRow) async throws(DatabaseError) {
            try ArgumentCheck.artefact(row)
            let (node, clock) = (node, clock)
            try await write { (connection) throws(DatabaseError) in
                try SQLiteArtefacts.record(row, node, clock.now, connection)
            }
        }

        func remove(_ key: String) async throws(DatabaseError) -> Bool {
            let node = node
            return try await write { (connection) throws(DatabaseError) in
                try connection.run(SQLiteArtefacts.delete, [.text(node), .text(key)]) == 1
            }
        }

        func touch(_ uses: [String: Int]) async throws(DatabaseError) {
            if uses.isEmpty { return }
            let (node, clock) = (node, clock)
            try await write { (connection) throws(DatabaseError) in
                let now = clock.now
                for (key, count) in uses {
                    try connection.run(
                        SQLiteArtefacts.touch, [.text(node), .text(key), .integer(count), .integer(now)])
                }
            }
        }

        func rows(after: String?, limit: Int) async throws(DatabaseError) -> [ArtefactRow] {
            let node = node
            return try await read { (connection) throws(DatabaseError) in
                try connection.rows(
                    SQLiteArtefacts.page,
                    [.text(node), .text(after ?? ""), .integer(CatalogueLimits.bounded(limit))]
                ) { (row) throws(DatabaseError) in ArtefactRow.read(row) }
            }
        }

        func invalidate(_ what: Invalidation) async throws(DatabaseError) -> [String] {
            let node = node
            return try await write { (connection) throws(DatabaseError) in
                try SQLiteArtefacts.invalidate(what, node, connection)
            }
        }
    }

    /// The index's statements. One engine has the file: rows of another node are what a data directory left behind.
    enum SQLiteArtefacts {
        static let row = SQLiteQuery("SELECT \(ArtefactRow.columns) FROM artefacts WHERE node = ?1 AND key = ?2")
        private static let insert = SQLiteQuery(
            """
            INSERT INTO artefacts (node, \(ArtefactRow.columns))
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
            """)
        private static let insertChapter = SQLiteQuery(
            "INSERT INTO artefact_chapters (chapter_id, node, key) VALUES (?1, ?2, ?3)")
        /// What hangs on it goes with it.
        static let delete = SQLiteQuery("DELETE FROM artefacts WHERE node = ?1 AND key = ?2")
        static let touch = SQLiteQuery(
            "UPDATE artefacts SET hits = hits + ?3, used_at = max(used_at, ?4) WHERE node = ?1 AND key = ?2")
        static let page = SQLiteQuery(
            "SELECT \(ArtefactRow.columns) FROM artefacts WHERE node = ?1 AND key > ?2 ORDER BY key LIMIT ?3")
        private static let ofChapter = SQLiteQuery(
            """
            DELETE FROM artefacts WHERE (node, key) IN (
              SELECT node, key FROM artefact_chapters WHERE chapter_id = ?1)
            RETURNING node, key
            """)
        private static let ofBook = SQLiteQuery("DELETE FROM artefacts WHERE book = ?1 RETURNING node, key")
        private static let ofKey = SQLiteQuery("DELETE FROM artefacts WHERE key = ?1 RETURNING node, key")

        static func record(
            _ row: ArtefactRow, _ node: String, _ now: Int64, _ connection: SQLiteConnection
        ) throws(DatabaseError) {
            let created = row.created > 0 ? row.created : now
            let names: [SQLiteValue] = [.text(node), .text(row.key)]
            try connection.run(delete, names)
            try connection.run(
                insert,
                names + [
                    .integer(Int64(row.bytes)), .integer(Int64(row.crc32)), .text(row.format),
                    .text(IdentifierList.text(row.chapters)), .text(row.book), .integer(row.cost), .integer(row.hits),
                    .integer(created), .integer(max(created, row.used)),
                ])
            for chapter in row.distinctChapters { try connection.run(insertChapter, [.text(chapter)] + names) }
        }

        static func invalidate(
            _ what: Invalidation, _ node: String, _ connection: SQLiteConnection
        ) throws(DatabaseError) -> [String] {
            let (query, names) =
                switch what {
                case .chapters(let ids): (ofChapter, ids)
                case .books(let ids): (ofBook, ids)
                case .key(let key): (ofKey, [key])
                }
            var keys: [String] = []
            for name in names {
                let gone = try connection.rows(query, [.text(name)]) { (row) throws(DatabaseError) in
                    (row.text(0), row.text(1))
                }
                keys += gone.filter { $0.0 == node }.map(\.1)
            }
            return keys
        }
    }
#endif
