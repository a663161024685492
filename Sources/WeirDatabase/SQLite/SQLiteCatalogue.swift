#if SQLite
    internal import WeirLoop

    extension SQLiteDatabase {
        func put(_ chapter: Chapter) async throws(DatabaseError) -> CatalogueChange {
            try ArgumentCheck.chapter(chapter)
            let clock = clock
            return try await write { (connection) throws(DatabaseError) in
                try SQLiteCatalogue.put(chapter, clock.now, connection)
            }
        }

        func put(_ book: Book) async throws(DatabaseError) -> CatalogueChange {
            try ArgumentCheck.book(book)
            let clock = clock
            return try await write { (connection) throws(DatabaseError) in
                try SQLiteCatalogue.put(book, clock.now, connection)
            }
        }

        func chapter(_ id: String) async throws(DatabaseError) -> Chapter? {
            try await read { (connection) throws(DatabaseError) in try SQLiteCatalogue.chapter(id, connection) }
        }

        func book(_ id: String) async throws(DatabaseError) -> Book? {
            try await read { (connection) throws(DatabaseError) in try SQLiteCatalogue.book(id, connection) }
        }

        func removeChapter(_ id: String) async throws(DatabaseError) -> Bool {
            try await write { (connection) throws(DatabaseError) in try SQLiteCatalogue.removeChapter(id, connection) }
        }

        func removeBook(_ id: String) async throws(DatabaseError) -> Bool {
            try await write { (connection) throws(DatabaseError) in
                try connection.run(SQLiteCatalogue.deleteBook, [.text(id)]) == 1
            }
        }

        func chapters(after: String?, limit: Int) async throws(DatabaseError) -> [CatalogueLine] {
            try await lines(SQLiteCatalogue.chapterLines, after, limit)
        }

        func books(after: String?, limit: Int) async throws(DatabaseError) -> [CatalogueLine] {
            try await lines(SQLiteCatalogue.bookLines, after, limit)
        }

        private func lines(
            _ query: SQLiteQuery, _ after: String?, _ limit: Int
        ) async throws(DatabaseError) -> [CatalogueLine] {
            try await read { (connection) throws(DatabaseError) in
                try connection.rows(query, [.text(after ?? ""), .integer(CatalogueLimits.bounded(limit))]) {
                    (row) throws(DatabaseError) in CatalogueLine.read(row)
                }
            }
        }

        func learn(_ facts: [String: PageFacts]) async throws(DatabaseError) {
            for (key, facts) in facts { try ArgumentCheck.facts(facts, of: key) }
            if facts.isEmpty { return }
            let clock = clock
            try await write { (connection) throws(DatabaseError) in
                let now = clock.now
                for (key, facts) in facts {
                    try connection.run(
                        SQLiteCatalogue.learn,
                        [
                            .text(key), .integer(Int64(facts.length)), .integer(Int64(facts.crc32)), .text(facts.etag),
                            .text(facts.image?.text), .integer(now),
                        ])
                }
            }
        }

        func forget(chapter id: String) async throws(DatabaseError) -> Bool {
            let clock = clock
            return try await write { (connection) throws(DatabaseError) in
                try SQLiteCatalogue.forget(id, clock.now, connection)
            }
        }
    }

    /// The catalogue's statements.
    enum SQLiteCatalogue {
        private static let nextRevision = SQLiteQuery(
            "UPDATE catalogue_revision SET value = value + 1 RETURNING value")

        private static let chapterHead = SQLiteQuery("SELECT title, revision FROM chapters WHERE id = ?1")
        private static let pages = SQLiteQuery(
            """
            SELECT \(Page.columns) FROM chapter_pages AS p LEFT JOIN page_facts AS f USING (object_key)
            WHERE p.chapter_id = ?1 ORDER BY p.place
            """)
        private static let upsertChapter = SQLiteQuery(
            """
            INSERT INTO chapters (id, title, page_count, revision, updated_at) VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (id) DO UPDATE SET title = excluded.title, page_count = excluded.page_count,
              revision = excluded.revision, updated_at = excluded.updated_at
            """)
        private static let deletePages = SQLiteQuery("DELETE FROM chapter_pages WHERE chapter_id = ?1")
        private static let insertPage = SQLiteQuery(
            "INSERT INTO chapter_pages (chapter_id, place, object_key, name) VALUES (?1, ?2, ?3, ?4)")
        private static let deleteChapter = SQLiteQuery("DELETE FROM chapters WHERE id = ?1")
        static let chapterLines = SQLiteQuery(
            "SELECT \(CatalogueLine.chapterColumns) FROM chapters WHERE id > ?1 ORDER BY id LIMIT ?2")

        private static let bookRow = SQLiteQuery("SELECT \(Book.columns) FROM books WHERE id = ?1")
        private static let upsertBook = SQLiteQuery(
            """
            INSERT INTO books (id, title, chapters, chapter_count, revision, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT (id) DO UPDATE SET title = excluded.title, chapters = excluded.chapters,
              chapter_count = excluded.chapter_count, revision = excluded.revision, updated_at = excluded.updated_at
            """)
        static let deleteBook = SQLiteQuery("DELETE FROM books WHERE id = ?1")
        static let bookLines = SQLiteQuery(
            "SELECT \(CatalogueLine.bookColumns) FROM books WHERE id > ?1 ORDER BY id LIMIT ?2")

        /// Of an object that no chapter has nothing is kept.
        static let learn = SQLiteQuery(
            """
            INSERT INTO page_facts (object_key, bytes, crc32, etag, image, learnt_at)
            SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM chapter_pages WHERE object_key = ?1)
            ON CONFLICT (object_key) DO UPDATE SET bytes = excluded.bytes, crc32 = excluded.crc32,
              etag = excluded.etag, image = excluded.image, learnt_at = excluded.learnt_at
            """)
        private static let forgetUnused = SQLiteQuery(
            """
            DELETE FROM page_facts WHERE object_key = ?1
              AND NOT EXISTS (SELECT 1 FROM chapter_pages WHERE object_key = ?1)
            """)
        /// Others with one of its objects have changed with it.
        private static let sharing = SQLiteQuery(
            """
            UPDATE chapters SET revision = ?2, updated_at = ?3 WHERE id = ?1 OR id IN (
              SELECT o.chapter_id FROM chapter_pages AS p JOIN chapter_pages AS o USING (object_key)
              WHERE p.chapter_id = ?1)
            """)
        private static let forgetPages = SQLiteQuery(
            """
            DELETE FROM page_facts WHERE object_key IN (SELECT object_key FROM chapter_pages WHERE chapter_id = ?1)
            """)

        static func chapter(_ id: String, _ connection: SQLiteConnection) throws(DatabaseError) -> Chapter? {
            // One statement after the other sees one state: a read transaction.
            try connection.execute("BEGIN")
            defer { _ = try? connection.execute("COMMIT") }
            return try read(id, connection)
        }

        private static func read(_ id: String, _ connection: SQLiteConnection) throws(DatabaseError) -> Chapter? {
            guard
                var chapter = try connection.row(
                    chapterHead, [.text(id)],
                    { (row) throws(DatabaseError) in
                        Chapter(id: id, title: row.text(0), pages: [], revision: row.integer(1))
                    })
            else { return nil }
            chapter.pages = try connection.rows(pages, [.text(id)]) { (row) throws(DatabaseError) in Page.read(row) }
            return chapter
        }

        static func put(
            _ chapter: Chapter, _ now: Int64, _ connection: SQLiteConnection
        ) throws(DatabaseError) -> CatalogueChange {
            let before = try read(chapter.id, connection)
            if let before, before.title.isSame(chapter.title),
                before.pages.elementsEqual(chapter.pages, by: Page.isSame)
            {
                return CatalogueChange(outcome: .unchanged, revision: before.revision)
            }
            let revision = try connection.integer(nextRevision)
            let id = SQLiteValue.text(chapter.id)
            try connection.run(
                upsertChapter,
                [id, .text(chapter.title), .integer(chapter.pages.count), .integer(revision), .integer(now)])
            try connection.run(deletePages, [id])
            for (place, page) in chapter.pages.enumerated() {
                try connection.run(insertPage, [id, .integer(place + 1), .text(page.objectKey), .text(page.name)])
            }
            if let before {
                let kept = Set(chapter.pages.map(\.objectKey))
                try drop(Set(before.pages.map(\.objectKey)).subtracting(kept), connection)
            }
            return CatalogueChange(outcome: before == nil ? .added : .changed, revision: revision)
        }

        static func removeChapter(_ id: String, _ connection: SQLiteConnection) throws(DatabaseError) -> Bool {
            guard let chapter = try read(id, connection) else { return false }
            try connection.run(deletePages, [.text(id)])
            try connection.run(deleteChapter, [.text(id)])
            try drop(Set(chapter.pages.map(\.objectKey)), connection)
            return true
        }

        /// What is known of objects that a chapter had, unless another has them.
        private static func drop(_ objects: Set<String>, _ connection: SQLiteConnection) throws(DatabaseError) {
            for object in objects { try connection.run(forgetUnused, [.text(object)]) }
        }

        static func forget(
            _ id: String, _ now: Int64, _ connection: SQLiteConnection
        ) throws(DatabaseError) -> Bool {
            let revision = try connection.integer(nextRevision)
            guard
                try connection.run(sharing, [.text(id), .integer(revision), .integer(now)]) > 0
            else { return false }
            try connection.run(forgetPages, [.text(id)])
            return true
        }

        static func book(_ id: String, _ connection: SQLiteConnection) throws(DatabaseError) -> Book? {
            try connection.row(bookRow, [.text(id)]) { (row) throws(DatabaseError) in Book.read(row) }
        }

        static func put(
            _ book: Book, _ now: Int64, _ connection: SQLiteConnection
        ) throws(DatabaseError) -> CatalogueChange {
            let before = try SQLiteCatalogue.book(book.id, connection)
            if let before, before.title.isSame(book.title),
                before.chapters.elementsEqual(book.chapters, by: { $0.isSame($1) })
            {
                return CatalogueChange(outcome: .unchanged, revision: before.revision)
            }
            let revision = try connection.integer(nextRevision)
            try connection.run(
                upsertBook,
                [
                    .text(book.id), .text(book.title), .text(IdentifierList.text(book.chapters)),
                    .integer(book.chapters.count), .integer(revision), .integer(now),
                ])
            return CatalogueChange(outcome: before == nil ? .added : .changed, revision: revision)
        }
    }
#endif
