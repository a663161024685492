#if PostgreSQL
    /// What the statements share, beside `MediaEntry.columns`.
    enum PostgreSQLEntry {
        /// The column behind `MediaEntry.columns`.
        static let extra = 24
        static let same = "s.bot_slug = c.bot_slug AND s.sha256 = c.sha256 AND s.kind = c.kind"

        /// The server's clock in milliseconds since 1970, the same in the whole statement. Nodes need not agree on theirs.
        /// `$1` is what a test moves it by.
        static let now = "((extract(epoch FROM statement_timestamp()) * 1000)::bigint + $1::bigint)"

        static func read(_ rows: [PostgreSQLRow]) throws(DatabaseError) -> [MediaEntry] {
            var entries: [MediaEntry] = []
            for row in rows { entries.append(try MediaEntry.read(row)) }
            return entries
        }
    }
#endif
