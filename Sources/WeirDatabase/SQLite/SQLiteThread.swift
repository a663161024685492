#if SQLite
    internal import Glibc
    internal import WeirLoop

    /// A thread with a connection of its own, on which requests run one after the other: SQLite blocks, the loop must not.
    ///
    /// A writer takes all that wait, 256 at most, into one transaction, each in a savepoint: many requests cost one
    /// `fsync`, and one that fails undoes itself alone. Nobody is told of success before the commit.
    final class SQLiteThread: @unchecked Sendable {
        /// Requests in one transaction.
        static let groupMax = 256

        private let isWriter: Bool
        private let limit: Int

        // Under the mutex.
        private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        private let wake = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        private var waiting: [SQLiteRequest] = []
        private var isClosing = false

        /// Set when the thread is made.
        private var thread = pthread_t()

        private init(isWriter: Bool, limit: Int) {
            self.isWriter = isWriter
            self.limit = limit
            pthread_mutex_init(mutex, nil)
            pthread_cond_init(wake, nil)
        }

        deinit {
            pthread_cond_destroy(wake)
            pthread_mutex_destroy(mutex)
            wake.deallocate()
            mutex.deallocate()
        }

        // MARK: On the loop

        /// Starts the thread, which opens its connection and runs until `close`. At most `limit` requests wait.
        @LoopActor
        static func start(
            isWriter: Bool, limit: Int, open: @escaping @Sendable () throws(DatabaseError) -> SQLiteConnection
        ) async throws(DatabaseError) -> SQLiteThread {
            let thread = SQLiteThread(isWriter: isWriter, limit: limit)
            let opened = await withUnsafeContinuation { (opened: UnsafeContinuation<DatabaseError?, Never>) in
                let errno = thread.launch(Main(thread: thread, open: open, opened: opened))
                if errno != 0 {
                    opened.resume(
                        returning: DatabaseError(.file, "no thread for the database: \(CoreError(errno: errno))"))
                }
            }
            guard let error = opened else { return thread }
            if thread.thread != pthread_t() { pthread_join(thread.thread, nil) }
            throw error
        }

        /// Runs `work` on the thread, in a transaction if it is a writer's.
        @LoopActor
        func perform<Value: Sendable>(
            _ work: @escaping @Sendable (SQLiteConnection) throws(DatabaseError) -> Value
        ) async throws(DatabaseError) -> Value {
            let result = await withUnsafeContinuation { continuation in
                submit(SQLiteWork(work, continuation))
            }
            return try result.get()
        }

        /// What waits is done first. Returns when the thread has ended and its connection is closed.
        @LoopActor
        func close() async {
            await withUnsafeContinuation { (ended: UnsafeContinuation<Void, Never>) in
                submit(SQLiteEnd(ended))
            }
            if thread != pthread_t() {
                pthread_join(thread, nil)
                thread = pthread_t()
            }
        }

        private func submit(_ request: SQLiteRequest) {
            pthread_mutex_lock(mutex)
            let refusal: DatabaseError? =
                if isClosing {
                    DatabaseError(.closed, "the database is closed")
                } else if waiting.count >= limit, !(request is SQLiteEnd) {
                    DatabaseError(.overloaded, "\(limit) requests wait for the database")
                } else {
                    nil
                }
            if refusal == nil {
                waiting.append(request)
                if request is SQLiteEnd { isClosing = true }
                pthread_cond_signal(wake)
            }
            pthread_mutex_unlock(mutex)
            if let refusal { request.finish(refusal) }
        }

        // MARK: On the thread

        /// What the thread is handed at its start.
        private final class Main {
            let thread: SQLiteThread
            let open: @Sendable () throws(DatabaseError) -> SQLiteConnection
            let opened: UnsafeContinuation<DatabaseError?, Never>

            init(
                thread: SQLiteThread, open: @escaping @Sendable () throws(DatabaseError) -> SQLiteConnection,
                opened: UnsafeContinuation<DatabaseError?, Never>
            ) {
                self.thread = thread
                self.open = open
                self.opened = opened
            }
        }

        private func launch(_ main: Main) -> Int32 {
            // The process's signals are the host's affair, and none is handled here.
            var all = sigset_t()
            var before = sigset_t()
            sigfillset(&all)
            pthread_sigmask(SIG_SETMASK, &all, &before)
            defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
            let context = Unmanaged.passRetained(main)
            var made = pthread_t()
            let status = pthread_create(&made, nil, sqliteThreadMain, context.toOpaque())
            if status != 0 { context.release() } else { thread = made }
            return status
        }

        fileprivate static func main(_ context: UnsafeMutableRawPointer) {
            let main = Unmanaged<Main>.fromOpaque(context).takeRetainedValue()
            let connection: SQLiteConnection
            do {
                connection = try main.open()
            } catch {
                main.opened.resume(returning: error)
                return
            }
            main.opened.resume(returning: nil)
            main.thread.serve(connection)
        }

        private func serve(_ connection: SQLiteConnection) {
            while true {
                var group = take()
                let end = group.last as? SQLiteEnd
                if end != nil { group.removeLast() }
                if isWriter {
                    SQLiteThread.commit(group, on: connection)
                } else {
                    for request in group { request.finish(request.run(connection)) }
                }
                if let end {
                    connection.close()
                    end.finish(nil)
                    return
                }
            }
        }

        private func take() -> [SQLiteRequest] {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            while waiting.isEmpty { pthread_cond_wait(wake, mutex) }
            if waiting.count <= SQLiteThread.groupMax {
                defer { waiting = [] }
                return waiting
            }
            defer { waiting.removeFirst(SQLiteThread.groupMax) }
            return Array(waiting[..<SQLiteThread.groupMax])
        }

        private static let begin = SQLiteQuery("BEGIN IMMEDIATE")
        private static let commit = SQLiteQuery("COMMIT")
        private static let rollback = SQLiteQuery("ROLLBACK")
        private static let savepoint = SQLiteQuery("SAVEPOINT request")
        private static let release = SQLiteQuery("RELEASE request")
        private static let undo = SQLiteQuery("ROLLBACK TO request")

        /// Runs all in one transaction, then tells them.
        private static func commit(_ group: [SQLiteRequest], on connection: SQLiteConnection) {
            if group.isEmpty { return }
            var outcomes: [DatabaseError?] = []
            do throws(DatabaseError) {
                try connection.run(begin)
                for request in group {
                    try connection.run(savepoint)
                    let failure = request.run(connection)
                    // SQLite undid everything: the others' work is gone as well.
                    if let failure, !connection.isInTransaction { throw failure }
                    if failure != nil { try connection.run(undo) }
                    try connection.run(release)
                    outcomes.append(failure)
                }
                try connection.run(commit)
            } catch {
                if connection.isInTransaction { _ = try? connection.run(rollback) }
                for request in group { request.finish(error) }
                return
            }
            for (request, outcome) in zip(group, outcomes) { request.finish(outcome) }
        }
    }

    private func sqliteThreadMain(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        if let context { SQLiteThread.main(context) }
        return nil
    }

    // MARK: - Requests

    /// Something to do on the thread, and who waits for it.
    private class SQLiteRequest {
        /// Does it; may be undone afterwards. Nil when it went well.
        func run(_ connection: SQLiteConnection) -> DatabaseError? { nil }

        /// Tells who waits: with an error, or that what was done stands. Once.
        func finish(_ error: DatabaseError?) {}
    }

    private final class SQLiteWork<Value: Sendable>: SQLiteRequest {
        private let work: @Sendable (SQLiteConnection) throws(DatabaseError) -> Value
        private let continuation: UnsafeContinuation<Result<Value, DatabaseError>, Never>
        private var value: Value?

        init(
            _ work: @escaping @Sendable (SQLiteConnection) throws(DatabaseError) -> Value,
            _ continuation: UnsafeContinuation<Result<Value, DatabaseError>, Never>
        ) {
            self.work = work
            self.continuation = continuation
        }

        override func run(_ connection: SQLiteConnection) -> DatabaseError? {
            do {
                value = try work(connection)
                return nil
            } catch {
                return error
            }
        }

        override func finish(_ error: DatabaseError?) {
            if let error {
                continuation.resume(returning: .failure(error))
            } else if let value {
                continuation.resume(returning: .success(value))
            } else {
                continuation.resume(returning: .failure(DatabaseError(.closed, "the database is closed")))
            }
        }
    }

    private final class SQLiteEnd: SQLiteRequest {
        private let continuation: UnsafeContinuation<Void, Never>

        init(_ continuation: UnsafeContinuation<Void, Never>) {
            self.continuation = continuation
        }

        override func finish(_ error: DatabaseError?) { continuation.resume() }
    }
#endif
