#if PostgreSQL
    internal import WeirLoop

    extension PostgreSQLDatabase {
        func find(_ key: String) async throws(DatabaseError) -> ArtefactRow? {
            try await read(PostgreSQLArtefacts.row(.text(node), .text(key))).first.map { ArtefactRow.read($0) }
        }

        func record(_ row: ArtefactRow) async throws(DatabaseError) {
            try ArgumentCheck.artefact(row)
            let (node, key) = (PostgreSQLValue.text(node), PostgreSQLValue.text(row.key))
            _ = try await write([
                PostgreSQLArtefacts.delete(node, key),
                PostgreSQLArtefacts.insert(
                    shift, node, key, .integer(Int64(row.bytes)), .integer(Int64(row.crc32)), .text(row.format),
                    .text(IdentifierList.text(row.chapters)), .text(row.book), .integer(row.cost),
                    .integer(row.hits), .integer(row.created), .integer(row.used)),
                PostgreSQLArtefacts.insertChapters(node, key, .array(row.distinctChapters.map { .text($0) })),
            ])
        }

        func remove(_ key: String) async throws(DatabaseError) -> Bool {
            try await write([PostgreSQLArtefacts.delete(.text(node), .text(key))]).first?.first != nil
        }

        func touch(_ uses: [String: Int]) async throws(DatabaseError) {
            if uses.isEmpty { return }
            let uses = uses.sorted { $0.key < $1.key }
            _ = try await write([
                PostgreSQLArtefacts.touch(
                    shift, .text(node), .array(uses.map { .text($0.key) }), .array(uses.map { .integer($0.value) }))
            ])
        }

        func rows(after: String?, limit: Int) async throws(DatabaseError) -> [ArtefactRow] {
            try await read(
                PostgreSQLArtefacts.page(
                    .text(node), .text(after ?? ""), .integer(CatalogueLimits.bounded(limit)))
            ).map { ArtefactRow.read($0) }
        }

        func invalidate(_ what: Invalidation) async throws(DatabaseError) -> [String] {
            let node = PostgreSQLValue.text(node)
            let command =
                switch what {
                case .chapters(let ids): PostgreSQLArtefacts.ofChapters(node, .array(ids.map { .text($0) }))
                case .books(let ids): PostgreSQLArtefacts.ofBooks(node, .array(ids.map { .text($0) }))
                case .key(let key): PostgreSQLArtefacts.ofKeys(node, .array([.text(key)]))
                }
            return (try await write([command]).first ?? []).map { $0.text(0) }.filter { !$0.isEmpty }
        }

        /// A notification of another node's: whose artefacts, and which.
        func heard(_ payload: String) {
            let words = payload.split(separator: " ")
            guard let first = words.first, first == node else { return }
            onInvalidation?(words.dropFirst().map { String($0) })
        }
    }

    /// The index's statements.
    enum PostgreSQLArtefacts {
        static let channel = "weir_invalidate"
        /// Keys in one notification: a payload has less than 8000 bytes, and a key takes 65.
        static let batch = 100

        static let row = PostgreSQLQuery(
            "artefact", "SELECT \(ArtefactRow.columns) FROM artefacts WHERE node = $1 AND key = $2")
        static let insert = PostgreSQLQuery(
            "artefact_insert",
            """
            INSERT INTO artefacts (node, \(ArtefactRow.columns))
            SELECT $2, $3, $4, $5, $6, $7, $8, $9, $10, t.created, greatest(t.created, $12::bigint)
            FROM (SELECT CASE WHEN $11::bigint > 0 THEN $11::bigint ELSE \(PostgreSQLEntry.now) END AS created) AS t
            """)
        static let insertChapters = PostgreSQLQuery(
            "artefact_chapters",
            """
            INSERT INTO artefact_chapters (chapter_id, node, key) SELECT g.id, $1, $2 FROM unnest($3::text[]) AS g (id)
            """)
        /// What hangs on it goes with it.
        static let delete = PostgreSQLQuery(
            "artefact_delete", "DELETE FROM artefacts WHERE node = $1 AND key = $2 RETURNING key")
        static let touch = PostgreSQLQuery(
            "artefact_touch",
            """
            UPDATE artefacts AS a SET hits = a.hits + g.count, used_at = greatest(a.used_at, \(PostgreSQLEntry.now))
            FROM unnest($3::text[], $4::bigint[]) AS g (key, count) WHERE a.node = $2 AND a.key = g.key
            """)
        static let page = PostgreSQLQuery(
            "artefact_page",
            "SELECT \(ArtefactRow.columns) FROM artefacts WHERE node = $1 AND key > $2 ORDER BY key LIMIT $3")

        static let ofChapters = invalidation(
            "chapters",
            """
            (node, key) IN (SELECT node, key FROM artefact_chapters WHERE chapter_id = ANY ($2::text[]))
            """)
        static let ofBooks = invalidation("books", "book = ANY ($2::text[])")
        static let ofKeys = invalidation("keys", "key = ANY ($2::text[])")

        /// Removes rows and tells their nodes, or neither. The keys of this node's; what others are told answers empty.
        private static func invalidation(_ name: String, _ condition: String) -> PostgreSQLQuery {
            PostgreSQLQuery(
                "artefact_invalidate_\(name)",
                """
                WITH gone AS (DELETE FROM artefacts WHERE \(condition) RETURNING node, key),
                numbered AS (
                  SELECT node, key, (row_number() OVER (PARTITION BY node ORDER BY key) - 1) / \(batch) AS part
                  FROM gone WHERE node <> $1),
                told AS (
                  SELECT pg_notify('\(channel)', node || ' ' || string_agg(key, ' '))::text AS key
                  FROM numbered GROUP BY node, part)
                SELECT key FROM gone WHERE node = $1 UNION ALL SELECT key FROM told
                """)
        }
    }
#endif
