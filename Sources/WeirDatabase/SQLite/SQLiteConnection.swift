#if SQLite
    internal import CSQLite
    internal import Glibc

    /// A statement's text, made once; the connection finds what it compiled from it by identity.
    final class SQLiteQuery: Sendable {
        let text: String

        init(_ text: String) {
            self.text = text
        }
    }

    enum SQLiteValue {
        case null
        case integer(Int64)
        case text(String)
        case blob([UInt8])

        static func text(_ value: String?) -> SQLiteValue { value.map { .text($0) } ?? .null }
        static func integer(_ value: Int) -> SQLiteValue { .integer(Int64(value)) }
        static func bool(_ value: Bool) -> SQLiteValue { .integer(value ? 1 : 0) }
    }

    /// A connection, for one thread. Statements are compiled once and kept.
    final class SQLiteConnection {
        /// Milliseconds that it waits for another program's lock, such as that of a person's `sqlite3`.
        static let busyTimeout: Int32 = 5000

        private let handle: OpaquePointer
        private var isClosed = false
        /// With their queries: a query that went away could leave its identity to the next.
        private var statements: [ObjectIdentifier: (query: SQLiteQuery, compiled: OpaquePointer)] = [:]
        let path: String

        init(path: String, readOnly: Bool) throws(DatabaseError) {
            var opened: OpaquePointer?
            // One thread has it: no lock of SQLite's own. EXRESCODE: the codes say which disk operation failed.
            let flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
            let mode = readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
            let status = sqlite3_open_v2(path, &opened, mode | flags, nil)
            guard status == SQLITE_OK, let opened else {
                let error = SQLiteConnection.error(status, of: opened, path: path)
                sqlite3_close(opened)
                throw error
            }
            handle = opened
            self.path = path
            sqlite3_busy_timeout(opened, SQLiteConnection.busyTimeout)
        }

        deinit { close() }

        /// Nothing may be asked of it afterwards. Closing twice is harmless.
        func close() {
            if isClosed { return }
            isClosed = true
            for statement in statements.values { sqlite3_finalize(statement.compiled) }
            statements = [:]
            sqlite3_close(handle)
        }

        /// Runs statements without parameters or results.
        func execute(_ sql: String) throws(DatabaseError) {
            try check(sqlite3_exec(handle, sql, nil, nil, nil))
        }

        /// Runs a statement to its end, and returns how many rows it changed.
        @discardableResult
        func run(_ query: SQLiteQuery, _ values: [SQLiteValue] = []) throws(DatabaseError) -> Int {
            _ = try rows(query, values) { (_) throws(DatabaseError) in }
            return Int(sqlite3_changes64(handle))
        }

        /// What `read` makes of each row.
        func rows<Value>(
            _ query: SQLiteQuery, _ values: [SQLiteValue] = [],
            _ read: (SQLiteRow) throws(DatabaseError) -> Value
        ) throws(DatabaseError) -> [Value] {
            let statement = try prepared(query)
            defer {
                sqlite3_reset(statement)
                sqlite3_clear_bindings(statement)
            }
            for (index, value) in values.enumerated() { try bind(value, to: statement, at: Int32(index + 1)) }
            var result: [Value] = []
            while true {
                let status = sqlite3_step(statement)
                if status == SQLITE_DONE { return result }
                guard status == SQLITE_ROW else { throw error(status) }
                result.append(try read(SQLiteRow(statement: statement)))
            }
        }

        /// The first row, of a statement that has one at most.
        func row<Value>(
            _ query: SQLiteQuery, _ values: [SQLiteValue] = [],
            _ read: (SQLiteRow) throws(DatabaseError) -> Value
        ) throws(DatabaseError) -> Value? {
            try rows(query, values, read).first
        }

        /// A pragma's or a count's only number.
        func integer(_ query: SQLiteQuery, _ values: [SQLiteValue] = []) throws(DatabaseError) -> Int64 {
            try row(query, values) { (row) throws(DatabaseError) in row.integer(0) } ?? 0
        }

        /// False inside a transaction; SQLite ends one by itself after some failures.
        var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

        private func prepared(_ query: SQLiteQuery) throws(DatabaseError) -> OpaquePointer {
            if let statement = statements[ObjectIdentifier(query)] { return statement.compiled }
            var statement: OpaquePointer?
            let flags = UInt32(SQLITE_PREPARE_PERSISTENT)
            try check(sqlite3_prepare_v3(handle, query.text, -1, flags, &statement, nil))
            guard let statement else { throw DatabaseError(.refused, "a statement without content") }
            statements[ObjectIdentifier(query)] = (query, statement)
            return statement
        }

        private func bind(_ value: SQLiteValue, to statement: OpaquePointer, at index: Int32) throws(DatabaseError) {
            // SQLITE_TRANSIENT, a macro that Swift does not see: SQLite copies what it is given.
            let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
            let status =
                switch value {
                case .null: sqlite3_bind_null(statement, index)
                case .integer(let number): sqlite3_bind_int64(statement, index, number)
                case .text(var text):
                    text.withUTF8 { bytes in
                        bytes.withMemoryRebound(to: CChar.self) {
                            sqlite3_bind_text(statement, index, $0.baseAddress, Int32($0.count), copied)
                        }
                    }
                case .blob(let bytes):
                    bytes.isEmpty
                        ? sqlite3_bind_zeroblob(statement, index, 0)
                        : sqlite3_bind_blob(statement, index, bytes, Int32(bytes.count), copied)
                }
            try check(status)
        }

        private func check(_ status: Int32) throws(DatabaseError) {
            if status != SQLITE_OK { throw error(status) }
        }

        private func error(_ status: Int32) -> DatabaseError {
            SQLiteConnection.error(status, of: handle, path: path)
        }

        static var version: String { String(cString: sqlite3_libversion()) }

        private static func error(_ status: Int32, of handle: OpaquePointer?, path: String) -> DatabaseError {
            // Of a COMMIT that failed SQLite keeps none; nothing has failed since.
            let last = errno
            var number = handle.map { sqlite3_system_errno($0) } ?? 0
            if number == 0 && status & 0xff == SQLITE_IOERR { number = last }
            let kind: DatabaseError.Kind =
                switch status & 0xff {
                case SQLITE_FULL: .diskFull
                // SQLite knows ENOSPC only.
                case SQLITE_IOERR where SQLiteFile.isFull(number): .diskFull
                case SQLITE_BUSY, SQLITE_LOCKED: .busy
                case SQLITE_IOERR, SQLITE_CANTOPEN, SQLITE_READONLY, SQLITE_PERM: .file
                case SQLITE_CORRUPT, SQLITE_NOTADB: .damaged
                default: .refused
                }
            var message = handle.map { String(cString: sqlite3_errmsg($0)) } ?? String(cString: sqlite3_errstr(status))
            if number != 0, kind == .file || kind == .diskFull { message += ": " + String(cString: strerror(number)) }
            return DatabaseError(kind, code: "SQLite \(status)", "\(path): \(message)")
        }
    }

    /// A row that a statement stands on. Columns count from 0.
    struct SQLiteRow: MediaRow {
        fileprivate let statement: OpaquePointer

        func isNull(_ column: Int) -> Bool { sqlite3_column_type(statement, Int32(column)) == SQLITE_NULL }

        func integer(_ column: Int) -> Int64 { sqlite3_column_int64(statement, Int32(column)) }

        func bool(_ column: Int) -> Bool { integer(column) != 0 }

        func integerOrNil(_ column: Int) -> Int64? { isNull(column) ? nil : integer(column) }

        /// Empty for NULL. What is no UTF-8 is repaired.
        func text(_ column: Int) -> String {
            guard let start = sqlite3_column_text(statement, Int32(column)) else { return "" }
            let count = Int(sqlite3_column_bytes(statement, Int32(column)))
            return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
        }

        func textOrNil(_ column: Int) -> String? { isNull(column) ? nil : text(column) }

        func blob(_ column: Int) -> [UInt8] {
            guard let start = sqlite3_column_blob(statement, Int32(column)) else { return [] }
            let count = Int(sqlite3_column_bytes(statement, Int32(column)))
            return Array(UnsafeRawBufferPointer(start: start, count: count))
        }
    }
#endif
