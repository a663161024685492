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
            """
        ]
    }
#endif
