#if SQLite
    /// The tables, version by version. What is released does not change; what comes is another version.
    enum SQLiteSchema {
        /// `Weir` in ASCII, in the file's header: `PRAGMA application_id`.
        static let applicationID: Int64 = 0x5765_6972

        /// Version n is reached by running the n-th.
        static let versions = [
            """
            CREATE TABLE media_store (
              bot_slug TEXT NOT NULL,
              sha256 TEXT NOT NULL,
              kind TEXT NOT NULL CHECK (kind IN ('photo', 'video', 'audio', 'document', 'animation')),
              r2_key TEXT NOT NULL,
              bytes INTEGER NOT NULL CHECK (bytes >= 0),
              mime TEXT NOT NULL,
              name TEXT NOT NULL,
              created_at INTEGER NOT NULL,
              PRIMARY KEY (bot_slug, sha256, kind)
            ) STRICT, WITHOUT ROWID;

            CREATE INDEX ix_media_store_object ON media_store (r2_key);

            -- A number is never used twice, or a lease of a removed job would fit a new one: AUTOINCREMENT.
            CREATE TABLE media_cache (
              id INTEGER PRIMARY KEY AUTOINCREMENT,
              bot_slug TEXT NOT NULL,
              sha256 TEXT NOT NULL,
              kind TEXT NOT NULL,
              status TEXT NOT NULL CHECK (status IN ('warming', 'ready', 'failed')),
              phase TEXT NOT NULL CHECK (phase IN ('queued', 'leased', 'waiting', 'done')),
              score INTEGER NOT NULL,
              small INTEGER NOT NULL,
              retry_count INTEGER NOT NULL DEFAULT 0,
              fence INTEGER NOT NULL DEFAULT 0,
              lease_until INTEGER,
              worker TEXT,
              next_retry_at INTEGER,
              last_error TEXT,
              file_id TEXT,
              file_unique_id TEXT,
              weak INTEGER NOT NULL DEFAULT 0,
              enqueued_at INTEGER NOT NULL,
              updated_at INTEGER NOT NULL,
              UNIQUE (bot_slug, sha256, kind),
              FOREIGN KEY (bot_slug, sha256, kind) REFERENCES media_store (bot_slug, sha256, kind),
              CHECK ((status = 'warming') = (phase <> 'done')),
              CHECK ((phase = 'leased') = (lease_until IS NOT NULL)),
              CHECK ((phase = 'waiting') = (next_retry_at IS NOT NULL)),
              CHECK (status <> 'ready' OR file_id IS NOT NULL)
            ) STRICT;

            CREATE INDEX ix_media_cache_lookup ON media_cache (bot_slug, sha256, kind, status) WHERE status = 'ready';
            CREATE INDEX ix_media_cache_warming ON media_cache (score DESC, enqueued_at, id) WHERE phase = 'queued';
            CREATE INDEX ix_media_cache_small ON media_cache (score DESC, enqueued_at, id)
              WHERE phase = 'queued' AND small = 1;
            CREATE INDEX ix_media_cache_age ON media_cache (enqueued_at, id) WHERE phase = 'queued';
            CREATE INDEX ix_media_cache_retry ON media_cache (status, next_retry_at, retry_count)
              WHERE phase = 'waiting';
            CREATE INDEX ix_media_cache_lease ON media_cache (lease_until) WHERE phase = 'leased';
            CREATE INDEX ix_media_cache_failed ON media_cache (bot_slug, sha256, kind) WHERE status = 'failed';

            CREATE TABLE limiter_state (
              bot_slug TEXT NOT NULL PRIMARY KEY,
              state BLOB NOT NULL,
              updated_at INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID;
            """,
            """
            -- Of the last change of any chapter or book. From the clock's milliseconds on: a database that is made anew
            -- does not give a revision again under which files of the one before may still lie.
            CREATE TABLE catalogue_revision (value INTEGER NOT NULL) STRICT;
            INSERT INTO catalogue_revision VALUES (CAST(strftime('%s', 'now') AS INTEGER) * 1000);

            CREATE TABLE chapters (
              id TEXT NOT NULL PRIMARY KEY,
              title TEXT NOT NULL,
              page_count INTEGER NOT NULL,
              revision INTEGER NOT NULL,
              updated_at INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID;

            CREATE TABLE chapter_pages (
              chapter_id TEXT NOT NULL REFERENCES chapters (id) ON DELETE CASCADE,
              place INTEGER NOT NULL,
              object_key TEXT NOT NULL,
              name TEXT NOT NULL,
              PRIMARY KEY (chapter_id, place)
            ) STRICT, WITHOUT ROWID;

            CREATE INDEX ix_chapter_pages_object ON chapter_pages (object_key);

            CREATE TABLE page_facts (
              object_key TEXT NOT NULL PRIMARY KEY,
              bytes INTEGER NOT NULL CHECK (bytes >= 0),
              crc32 INTEGER NOT NULL,
              etag TEXT NOT NULL,
              image TEXT,
              learnt_at INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID;

            -- Chapters, here and below: their ids, one a line.
            CREATE TABLE books (
              id TEXT NOT NULL PRIMARY KEY,
              title TEXT NOT NULL,
              chapters TEXT NOT NULL,
              chapter_count INTEGER NOT NULL,
              revision INTEGER NOT NULL,
              updated_at INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID;

            CREATE TABLE artefacts (
              node TEXT NOT NULL,
              key TEXT NOT NULL,
              bytes INTEGER NOT NULL CHECK (bytes >= 0),
              crc32 INTEGER NOT NULL,
              format TEXT NOT NULL,
              chapters TEXT NOT NULL,
              book TEXT,
              cost INTEGER NOT NULL,
              hits INTEGER NOT NULL,
              created_at INTEGER NOT NULL,
              used_at INTEGER NOT NULL,
              PRIMARY KEY (node, key)
            ) STRICT, WITHOUT ROWID;

            CREATE INDEX ix_artefacts_key ON artefacts (key);
            CREATE INDEX ix_artefacts_book ON artefacts (book) WHERE book IS NOT NULL;

            CREATE TABLE artefact_chapters (
              chapter_id TEXT NOT NULL,
              node TEXT NOT NULL,
              key TEXT NOT NULL,
              PRIMARY KEY (chapter_id, node, key),
              FOREIGN KEY (node, key) REFERENCES artefacts (node, key) ON DELETE CASCADE
            ) STRICT, WITHOUT ROWID;

            CREATE INDEX ix_artefact_chapters_artefact ON artefact_chapters (node, key);
            """,
        ]
    }
#endif
