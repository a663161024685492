#if SQLite
    internal import Glibc
    internal import WeirLoop

    /// A database's file: one engine has it, and it is brought to this Weir's schema before anything else.
    final class SQLiteFile: @unchecked Sendable {
        let path: String
        /// Holds the lock, on a file of its own: closing any descriptor of the database's file would drop SQLite's locks.
        private var lock: Int32

        /// Takes the lock. Throws `.locked` when another engine has it, in this process or another.
        init(path: String) throws(DatabaseError) {
            self.path = path
            let lockPath = path + "-lock"
            let descriptor = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw SQLiteFile.error(lockPath, errno) }
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
                let number = errno
                Glibc.close(descriptor)
                guard number == EWOULDBLOCK else { throw SQLiteFile.error(lockPath, number) }
                throw DatabaseError(.locked, "\(path): another Weir has this database open")
            }
            lock = descriptor
        }

        deinit { unlock() }

        /// Lets another engine have the file. When no connection is open any more; twice is harmless.
        func unlock() {
            if lock >= 0 {
                // A child that another thread starts has it too, until it has become another program.
                _ = flock(lock, LOCK_UN)
                Glibc.close(lock)
            }
            lock = -1
        }

        /// The writer's connection, at `versions.count`.
        func openWriter(
            synchronous: DatabaseURL.Synchronous, versions: [String]
        ) throws(DatabaseError) -> SQLiteConnection {
            // Objects' names and people's captions are in it.
            let isNew = access(path, F_OK) != 0
            let connection = try SQLiteConnection(path: path, readOnly: false)
            if isNew { chmod(path, 0o600) }
            try connection.execute(
                """
                PRAGMA journal_mode = WAL;
                PRAGMA synchronous = \(synchronous.rawValue);
                PRAGMA foreign_keys = ON;
                PRAGMA journal_size_limit = 67108864;
                PRAGMA cache_size = -8192;
                """)
            try migrate(connection, versions)
            return connection
        }

        func openReader() throws(DatabaseError) -> SQLiteConnection {
            let connection = try SQLiteConnection(path: path, readOnly: true)
            try connection.execute("PRAGMA query_only = ON; PRAGMA cache_size = -8192;")
            return connection
        }

        // MARK: Versions

        private func migrate(_ connection: SQLiteConnection, _ versions: [String]) throws(DatabaseError) {
            let application = try connection.integer(SQLiteQuery("PRAGMA application_id"))
            let version = Int(try connection.integer(SQLiteQuery("PRAGMA user_version")))
            let tables = try connection.integer(SQLiteQuery("SELECT count(*) FROM sqlite_schema"))
            guard application == SQLiteSchema.applicationID || (application == 0 && version == 0 && tables == 0) else {
                throw DatabaseError(.refused, "\(path): a database of another program")
            }
            guard version <= versions.count else {
                throw DatabaseError(
                    .newerSchema,
                    "\(path): its schema is version \(version), of a newer Weir; this one knows up to \(versions.count)"
                )
            }
            if version == versions.count { return }
            if version > 0 {
                try check(connection)
                try backUp(connection, version: version)
            }
            try connection.execute("BEGIN EXCLUSIVE")
            do {
                for script in versions[version...] { try connection.execute(script) }
                try connection.execute(
                    """
                    PRAGMA application_id = \(SQLiteSchema.applicationID);
                    PRAGMA user_version = \(versions.count);
                    COMMIT;
                    """)
            } catch {
                if connection.isInTransaction { _ = try? connection.execute("ROLLBACK") }
                throw error
            }
        }

        /// A damaged database is not changed, nor is a good backup replaced by a damaged one.
        private func check(_ connection: SQLiteConnection) throws(DatabaseError) {
            let complaints = try connection.rows(SQLiteQuery("PRAGMA integrity_check(10)")) {
                (row) throws(DatabaseError) in row.text(0)
            }
            guard complaints == ["ok"] else {
                throw DatabaseError(.damaged, "\(path): \(complaints.joined(separator: "; "))")
            }
        }

        /// Where the state before a migration from `version` is kept.
        static func backupPath(_ path: String, version: Int) -> String { "\(path).v\(version)-backup" }

        private func backUp(_ connection: SQLiteConnection, version: Int) throws(DatabaseError) {
            let backup = SQLiteFile.backupPath(path, version: version)
            let partial = backup + ".partial"
            unlink(partial)
            try connection.run(SQLiteQuery("VACUUM INTO ?1"), [.text(partial)])
            let descriptor = open(partial, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw SQLiteFile.error(partial, errno) }
            let synced = fsync(descriptor)
            let number = errno
            Glibc.close(descriptor)
            guard synced == 0 else { throw SQLiteFile.error(partial, number) }
            chmod(partial, 0o600)
            guard rename(partial, backup) == 0 else { throw SQLiteFile.error(backup, errno) }
            try SQLiteFile.syncDirectory(of: backup)
        }

        private static func syncDirectory(of path: String) throws(DatabaseError) {
            let directory = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
            let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard descriptor >= 0 else { throw error(directory, errno) }
            defer { Glibc.close(descriptor) }
            guard fsync(descriptor) == 0 else { throw error(directory, errno) }
        }

        /// No more can be written: the disk is full, or the user's quota, or the file as large as one may be.
        static func isFull(_ number: Int32) -> Bool { [ENOSPC, EDQUOT, EFBIG].contains(number) }

        private static func error(_ path: String, _ number: Int32) -> DatabaseError {
            let kind: DatabaseError.Kind = isFull(number) ? .diskFull : .file
            return DatabaseError(kind, "\(path): \(CoreError(errno: number))")
        }
    }
#endif
