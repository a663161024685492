#if PostgreSQL
    internal import WeirLoop

    extension PostgreSQLDatabase {
        func put(_ chapter: Chapter) async throws(DatabaseError) -> CatalogueChange {
            try ArgumentCheck.chapter(chapter)
            let id = PostgreSQLValue.text(chapter.id)
            let keys = PostgreSQLValue.array(chapter.pages.map { .text($0.objectKey) })
            let names = PostgreSQLValue.array(chapter.pages.map { .text($0.name) })
            let rows = try await write([
                PostgreSQLCatalogue.lock(id),
                PostgreSQLCatalogue.dropFacts(id, keys),
                PostgreSQLCatalogue.upsertChapter(
                    shift, id, .text(chapter.title), .integer(chapter.pages.count), keys, names),
                PostgreSQLCatalogue.cutPages(id, .integer(chapter.pages.count)),
                PostgreSQLCatalogue.mergePages(id, keys, names),
                PostgreSQLCatalogue.chapterRevision(id),
            ])
            return try PostgreSQLCatalogue.change(rows)
        }

        func put(_ book: Book) async throws(DatabaseError) -> CatalogueChange {
            try ArgumentCheck.book(book)
            let rows = try await write([
                PostgreSQLCatalogue.upsertBook(
                    shift, .text(book.id), .text(book.title), .text(IdentifierList.text(book.chapters)),
                    .integer(book.chapters.count)),
                PostgreSQLCatalogue.bookRevision(.text(book.id)),
            ])
            return try PostgreSQLCatalogue.change(rows)
        }

        func chapter(_ id: String) async throws(DatabaseError) -> Chapter? {
            // One statement sees one state: a chapter is not read half before and half after a change.
            let rows = try await read(PostgreSQLCatalogue.chapter(.text(id)))
            guard let head = rows.first else { return nil }
            return Chapter(
                id: id, title: head.text(Page.width),
                pages: rows.filter { $0.textOrNil(0) != nil }.map { Page.read($0) },
                revision: head.integer(Page.width + 1))
        }

        func book(_ id: String) async throws(DatabaseError) -> Book? {
            try await read(PostgreSQLCatalogue.book(.text(id))).first.map { Book.read($0) }
        }

        func removeChapter(_ id: String) async throws(DatabaseError) -> Bool {
            let id = PostgreSQLValue.text(id)
            let rows = try await write([
                PostgreSQLCatalogue.lock(id), PostgreSQLCatalogue.dropFacts(id, .array([])),
                PostgreSQLCatalogue.deleteChapter(id),
            ])
            return rows.last?.first != nil
        }

        func removeBook(_ id: String) async throws(DatabaseError) -> Bool {
            try await write([PostgreSQLCatalogue.deleteBook(.text(id))]).first?.first != nil
        }

        func chapters(after: String?, limit: Int) async throws(DatabaseError) -> [CatalogueLine] {
            try await read(
                PostgreSQLCatalogue.chapterLines(.text(after ?? ""), .integer(CatalogueLimits.bounded(limit)))
            ).map { CatalogueLine.read($0) }
        }

        func books(after: String?, limit: Int) async throws(DatabaseError) -> [CatalogueLine] {
            try await read(
                PostgreSQLCatalogue.bookLines(.text(after ?? ""), .integer(CatalogueLimits.bounded(limit)))
            ).map { CatalogueLine.read($0) }
        }

        func learn(_ facts: [String: PageFacts]) async throws(DatabaseError) {
            for (key, facts) in facts { try ArgumentCheck.facts(facts, of: key) }
            if facts.isEmpty { return }
            let facts = Array(facts)
            _ = try await write([
                PostgreSQLCatalogue.learn(
                    shift, .array(facts.map { .text($0.key) }), .array(facts.map { .integer(Int64($0.value.length)) }),
                    .array(facts.map { .integer(Int64($0.value.crc32)) }),
                    .array(facts.map { .text($0.value.etag) }), .array(facts.map { .text($0.value.image?.text) }))
            ])
        }

        func forget(chapter id: String) async throws(DatabaseError) -> Bool {
            let rows = try await write([
                PostgreSQLCatalogue.lock(.text(id)), PostgreSQLCatalogue.sharing(shift, .text(id)),
                PostgreSQLCatalogue.forgetPages(.text(id)),
            ])
            return rows.count > 1 && !rows[1].isEmpty
        }
    }

    /// The catalogue's statements.
    enum PostgreSQLCatalogue {
        /// Until the transaction ends nobody else changes the chapter: what follows is several statements. The first number
        /// keeps it apart from other locks: `cata` in ASCII.
        static let lock = PostgreSQLQuery(
            "chapter_lock", "SELECT pg_advisory_xact_lock(\(0x6361_7461), hashtext($1))")
        /// What is known of objects that the chapter has and is not to have any more, unless another has them.
        static let dropFacts = PostgreSQLQuery(
            "chapter_drop_facts",
            """
            DELETE FROM page_facts AS f USING chapter_pages AS p
            WHERE p.chapter_id = $1 AND f.object_key = p.object_key
              AND NOT EXISTS (SELECT 1 FROM unnest($2::text[]) AS g (object_key) WHERE g.object_key = p.object_key)
              AND NOT EXISTS (
                SELECT 1 FROM chapter_pages AS o WHERE o.object_key = p.object_key AND o.chapter_id <> $1)
            """)
        /// No row when it is the same.
        static let upsertChapter = PostgreSQLQuery(
            "chapter_upsert",
            """
            INSERT INTO chapters AS c (id, title, page_count, revision, updated_at)
            VALUES ($2, $3, $4, nextval('catalogue_revision'), \(PostgreSQLEntry.now))
            ON CONFLICT (id) DO UPDATE SET title = excluded.title, page_count = excluded.page_count,
              revision = excluded.revision, updated_at = excluded.updated_at
            WHERE c.title <> excluded.title
              OR coalesce((SELECT array_agg(object_key ORDER BY place) FROM chapter_pages WHERE chapter_id = $2), '{}')
                <> $5::text[]
              OR coalesce((SELECT array_agg(name ORDER BY place) FROM chapter_pages WHERE chapter_id = $2), '{}')
                <> $6::text[]
            RETURNING c.xmax = 0 AS is_new
            """)
        static let cutPages = PostgreSQLQuery(
            "chapter_cut", "DELETE FROM chapter_pages WHERE chapter_id = $1 AND place > $2")
        static let mergePages = PostgreSQLQuery(
            "chapter_pages",
            """
            INSERT INTO chapter_pages AS p (chapter_id, place, object_key, name)
            SELECT $1, g.place, g.object_key, g.name
            FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS g (object_key, name, place)
            ON CONFLICT (chapter_id, place) DO UPDATE SET object_key = excluded.object_key, name = excluded.name
            WHERE p.object_key <> excluded.object_key OR p.name <> excluded.name
            """)
        static let chapterRevision = PostgreSQLQuery(
            "chapter_revision", "SELECT revision FROM chapters WHERE id = $1")

        static let chapter = PostgreSQLQuery(
            "chapter",
            """
            SELECT \(Page.columns), c.title, c.revision
            FROM chapters AS c LEFT JOIN chapter_pages AS p ON p.chapter_id = c.id
              LEFT JOIN page_facts AS f USING (object_key)
            WHERE c.id = $1 ORDER BY p.place
            """)
        static let deleteChapter = PostgreSQLQuery(
            "chapter_delete", "DELETE FROM chapters WHERE id = $1 RETURNING id")
        static let chapterLines = PostgreSQLQuery(
            "chapter_lines",
            "SELECT \(CatalogueLine.chapterColumns) FROM chapters WHERE id > $1 ORDER BY id LIMIT $2")

        static let upsertBook = PostgreSQLQuery(
            "book_upsert",
            """
            INSERT INTO books AS b (id, title, chapters, chapter_count, revision, updated_at)
            VALUES ($2, $3, $4, $5, nextval('catalogue_revision'), \(PostgreSQLEntry.now))
            ON CONFLICT (id) DO UPDATE SET title = excluded.title, chapters = excluded.chapters,
              chapter_count = excluded.chapter_count, revision = excluded.revision, updated_at = excluded.updated_at
            WHERE b.title <> excluded.title OR b.chapters <> excluded.chapters
            RETURNING b.xmax = 0 AS is_new
            """)
        static let bookRevision = PostgreSQLQuery("book_revision", "SELECT revision FROM books WHERE id = $1")
        static let book = PostgreSQLQuery("book", "SELECT \(Book.columns) FROM books WHERE id = $1")
        static let deleteBook = PostgreSQLQuery("book_delete", "DELETE FROM books WHERE id = $1 RETURNING id")
        static let bookLines = PostgreSQLQuery(
            "book_lines", "SELECT \(CatalogueLine.bookColumns) FROM books WHERE id > $1 ORDER BY id LIMIT $2")

        /// Of an object that no chapter has nothing is kept.
        static let learn = PostgreSQLQuery(
            "facts_learn",
            """
            INSERT INTO page_facts (object_key, bytes, crc32, etag, image, learnt_at)
            SELECT g.object_key, g.bytes, g.crc32, g.etag, g.image, \(PostgreSQLEntry.now)
            FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[])
              AS g (object_key, bytes, crc32, etag, image)
            WHERE EXISTS (SELECT 1 FROM chapter_pages AS p WHERE p.object_key = g.object_key)
            ORDER BY g.object_key
            ON CONFLICT (object_key) DO UPDATE SET bytes = excluded.bytes, crc32 = excluded.crc32,
              etag = excluded.etag, image = excluded.image, learnt_at = excluded.learnt_at
            """)
        /// Others with one of its objects have changed with it.
        static let sharing = PostgreSQLQuery(
            "facts_sharing",
            """
            UPDATE chapters SET revision = nextval('catalogue_revision'), updated_at = \(PostgreSQLEntry.now)
            WHERE id = $2 OR id IN (
              SELECT o.chapter_id FROM chapter_pages AS p JOIN chapter_pages AS o USING (object_key)
              WHERE p.chapter_id = $2)
            RETURNING id
            """)
        static let forgetPages = PostgreSQLQuery(
            "facts_forget",
            """
            DELETE FROM page_facts WHERE object_key IN (SELECT object_key FROM chapter_pages WHERE chapter_id = $1)
            """)

        /// Of an upsert's rows, the last but two of a chapter's, and the row's revision, the last.
        static func change(_ rows: [[PostgreSQLRow]]) throws(DatabaseError) -> CatalogueChange {
            guard let revision = rows.last?.first?.integerOrNil(0) else {
                throw DatabaseError(.damaged, "PostgreSQL: a row that was written is not there")
            }
            let upserted = rows.count > 2 ? rows[2] : rows[0]
            let outcome: CatalogueChange.Outcome =
                upserted.first.map { $0.bool(0) ? .added : .changed } ?? .unchanged
            return CatalogueChange(outcome: outcome, revision: revision)
        }
    }
#endif
