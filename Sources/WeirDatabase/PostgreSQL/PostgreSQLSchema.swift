#if PostgreSQL
    internal import WeirLoop

    /// The tables, version by version. What is released does not change; what comes is another version.
    ///
    /// They lie in the first schema of the connection's `search_path`.
    enum PostgreSQLSchema {
        /// Nodes that start together migrate one after the other: a lock's number, `Weir` in ASCII.
        static let lock: Int64 = 0x5765_6972

        static let versions = [
            [
                """
                CREATE TABLE media_store (
                  bot_slug text COLLATE "C" NOT NULL,
                  sha256 text COLLATE "C" NOT NULL,
                  kind text COLLATE "C" NOT NULL
                    CHECK (kind IN ('photo', 'video', 'audio', 'document', 'animation')),
                  r2_key text COLLATE "C" NOT NULL,
                  bytes bigint NOT NULL CHECK (bytes >= 0),
                  mime text NOT NULL,
                  name text NOT NULL,
                  created_at bigint NOT NULL,
                  PRIMARY KEY (bot_slug, sha256, kind)
                )
                """,
                "CREATE INDEX ix_media_store_object ON media_store (r2_key)",
                // Rows change several times and then rest: room for that in the page, and vacuum soon.
                """
                CREATE TABLE media_cache (
                  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                  bot_slug text COLLATE "C" NOT NULL,
                  sha256 text COLLATE "C" NOT NULL,
                  kind text COLLATE "C" NOT NULL,
                  status text COLLATE "C" NOT NULL CHECK (status IN ('warming', 'ready', 'failed')),
                  phase text COLLATE "C" NOT NULL CHECK (phase IN ('queued', 'leased', 'waiting', 'done')),
                  score smallint NOT NULL,
                  small boolean NOT NULL,
                  retry_count integer NOT NULL DEFAULT 0,
                  fence bigint NOT NULL DEFAULT 0,
                  lease_until bigint,
                  worker text,
                  next_retry_at bigint,
                  last_error text,
                  file_id text,
                  file_unique_id text,
                  weak boolean NOT NULL DEFAULT false,
                  enqueued_at bigint NOT NULL,
                  updated_at bigint NOT NULL,
                  UNIQUE (bot_slug, sha256, kind),
                  FOREIGN KEY (bot_slug, sha256, kind) REFERENCES media_store (bot_slug, sha256, kind),
                  CHECK ((status = 'warming') = (phase <> 'done')),
                  CHECK ((phase = 'leased') = (lease_until IS NOT NULL)),
                  CHECK ((phase = 'waiting') = (next_retry_at IS NOT NULL)),
                  CHECK (status <> 'ready' OR file_id IS NOT NULL)
                ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05)
                """,
                """
                CREATE INDEX ix_media_cache_lookup ON media_cache (bot_slug, sha256, kind, status) WHERE status = 'ready'
                """,
                """
                CREATE INDEX ix_media_cache_warming ON media_cache (score DESC, enqueued_at, id) WHERE phase = 'queued'
                """,
                """
                CREATE INDEX ix_media_cache_small ON media_cache (score DESC, enqueued_at, id)
                  WHERE phase = 'queued' AND small
                """,
                "CREATE INDEX ix_media_cache_age ON media_cache (enqueued_at, id) WHERE phase = 'queued'",
                """
                CREATE INDEX ix_media_cache_retry ON media_cache (status, next_retry_at, retry_count)
                  WHERE phase = 'waiting'
                """,
                "CREATE INDEX ix_media_cache_lease ON media_cache (lease_until) WHERE phase = 'leased'",
                "CREATE INDEX ix_media_cache_failed ON media_cache (bot_slug, sha256, kind) WHERE status = 'failed'",
                """
                CREATE TABLE limiter_state (
                  bot_slug text COLLATE "C" PRIMARY KEY,
                  state bytea NOT NULL,
                  updated_at bigint NOT NULL
                )
                """,
            ],
            [
                // Of changes of chapters and books. From the clock's milliseconds on: a database that is made anew does
                // not give a revision again under which files of the one before may still lie.
                "CREATE SEQUENCE catalogue_revision",
                "SELECT setval('catalogue_revision', (extract(epoch FROM now()) * 1000)::bigint)",
                """
                CREATE TABLE chapters (
                  id text COLLATE "C" PRIMARY KEY,
                  title text NOT NULL,
                  page_count integer NOT NULL,
                  revision bigint NOT NULL,
                  updated_at bigint NOT NULL
                )
                """,
                """
                CREATE TABLE chapter_pages (
                  chapter_id text COLLATE "C" NOT NULL REFERENCES chapters (id) ON DELETE CASCADE,
                  place integer NOT NULL,
                  object_key text COLLATE "C" NOT NULL,
                  name text NOT NULL,
                  PRIMARY KEY (chapter_id, place)
                )
                """,
                "CREATE INDEX ix_chapter_pages_object ON chapter_pages (object_key)",
                """
                CREATE TABLE page_facts (
                  object_key text COLLATE "C" PRIMARY KEY,
                  bytes bigint NOT NULL CHECK (bytes >= 0),
                  crc32 bigint NOT NULL,
                  etag text NOT NULL,
                  image text,
                  learnt_at bigint NOT NULL
                )
                """,
                // Chapters, here and below: their ids, one a line.
                """
                CREATE TABLE books (
                  id text COLLATE "C" PRIMARY KEY,
                  title text NOT NULL,
                  chapters text NOT NULL,
                  chapter_count integer NOT NULL,
                  revision bigint NOT NULL,
                  updated_at bigint NOT NULL
                )
                """,
                """
                CREATE TABLE artefacts (
                  node text COLLATE "C" NOT NULL,
                  key text COLLATE "C" NOT NULL,
                  bytes bigint NOT NULL CHECK (bytes >= 0),
                  crc32 bigint NOT NULL,
                  format text NOT NULL,
                  chapters text NOT NULL,
                  book text COLLATE "C",
                  cost bigint NOT NULL,
                  hits bigint NOT NULL,
                  created_at bigint NOT NULL,
                  used_at bigint NOT NULL,
                  PRIMARY KEY (node, key)
                )
                """,
                "CREATE INDEX ix_artefacts_key ON artefacts (key)",
                "CREATE INDEX ix_artefacts_book ON artefacts (book) WHERE book IS NOT NULL",
                """
                CREATE TABLE artefact_chapters (
                  chapter_id text COLLATE "C" NOT NULL,
                  node text COLLATE "C" NOT NULL,
                  key text COLLATE "C" NOT NULL,
                  PRIMARY KEY (chapter_id, node, key),
                  FOREIGN KEY (node, key) REFERENCES artefacts (node, key) ON DELETE CASCADE
                )
                """,
                "CREATE INDEX ix_artefact_chapters_artefact ON artefact_chapters (node, key)",
            ],
        ]

        private static let locked = PostgreSQLQuery("migrate_lock", "SELECT pg_advisory_xact_lock($1::bigint)")
        private static let make = PostgreSQLQuery(
            "migrate_make", "CREATE TABLE IF NOT EXISTS weir_schema (version integer NOT NULL)")
        private static let exists = PostgreSQLQuery("migrate_exists", "SELECT to_regclass('weir_schema') IS NOT NULL")
        private static let version = PostgreSQLQuery(
            "migrate_version", "SELECT coalesce(max(version), 0) FROM weir_schema")

        /// Brings the tables to this Weir's version. One that lost a race with another node looks again.
        @LoopActor
        static func migrate(_ pool: PostgreSQLPool, shown: String) async throws(DatabaseError) {
            var tries = 3
            while true {
                tries -= 1
                let found = try await found(pool)
                guard found <= versions.count else {
                    throw DatabaseError(
                        .newerSchema,
                        "\(shown): its schema is version \(found), of a newer Weir; this one knows up to \(versions.count)"
                    )
                }
                if found == versions.count { return }
                do throws(DatabaseError) {
                    _ = try await pool.run(steps(from: found))
                    return
                } catch  where tries > 0 && error.kind == .refused {
                    // It may have been another node; if not, the same comes again.
                }
            }
        }

        @LoopActor
        private static func found(_ pool: PostgreSQLPool) async throws(DatabaseError) -> Int {
            guard let exists = try await pool.run([exists()], isRead: true).first?.first, exists.bool(0) else {
                return 0
            }
            return Int(try await pool.run([version()], isRead: true).first?.first?.integer(0) ?? 0)
        }

        /// One transaction: all or nothing. It fails when the version is not `found` any more, by making a table twice.
        private static func steps(from found: Int) -> [PostgreSQLCommand] {
            var commands = [locked(.integer(lock)), make()]
            for (number, statements) in versions.enumerated() where number >= found {
                for (index, statement) in statements.enumerated() {
                    commands.append(PostgreSQLQuery("migrate_\(number + 1)_\(index)", statement)())
                }
            }
            let insert = PostgreSQLQuery("migrate_done", "INSERT INTO weir_schema (version) VALUES ($1::integer)")
            return commands + [insert(.integer(versions.count))]
        }
    }
#endif
