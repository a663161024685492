#if SQLite
    internal import WeirLoop

    /// State in a file: one thread writes, with group commit, another reads beside it.
    @LoopActor
    final class SQLiteDatabase: Database {
        private let file: SQLiteFile
        private let writer: SQLiteThread
        private let reader: SQLiteThread
        private let backlog: SQLiteBacklog
        let clock: SQLiteClock
        /// Whose artefacts are its own.
        let node: String
        private(set) var state = DatabaseState.ok
        var whenWorkArrives: (@LoopActor () -> Void)?
        /// Never called: nobody else has the file.
        var onInvalidation: (@LoopActor ([String]?) -> Void)?

        private init(
            file: SQLiteFile, writer: SQLiteThread, reader: SQLiteThread, clock: SQLiteClock, node: String,
            backlog: SQLiteBacklog
        ) {
            self.file = file
            self.writer = writer
            self.reader = reader
            self.clock = clock
            self.node = node
            self.backlog = backlog
        }

        /// Opens or makes the file at `path`, whose directory is there. Leases of the engine that had it are over.
        static func open(
            path: String, synchronous: DatabaseURL.Synchronous, options: DatabaseOptions,
            versions: [String] = SQLiteSchema.versions
        ) async throws(DatabaseError) -> SQLiteDatabase {
            let file = try SQLiteFile(path: path)
            let writer = try await SQLiteThread.start(isWriter: true, limit: options.waiting) {
                () throws(DatabaseError) in
                let connection = try file.openWriter(synchronous: synchronous, versions: versions)
                try connection.run(SQLiteJobs.voidLeases)
                return connection
            }
            let reader: SQLiteThread
            do {
                reader = try await SQLiteThread.start(isWriter: false, limit: options.waiting) {
                    () throws(DatabaseError) in try file.openReader()
                }
            } catch {
                await writer.close()
                throw error
            }
            return SQLiteDatabase(
                file: file, writer: writer, reader: reader, clock: SQLiteClock(offset: options.clockOffset),
                node: options.node ?? "", backlog: SQLiteBacklog(limit: options.backlog))
        }

        func ping() async throws(DatabaseError) {
            try await write { (connection) throws(DatabaseError) in
                _ = try connection.integer(SQLiteQueries.one)
            }
        }

        func close() async {
            whenWorkArrives = nil
            onInvalidation = nil
            await reader.close()
            await writer.close()
            file.unlock()
        }

        // MARK: MediaRegistry

        func add(_ medium: Medium, priority: JobPriority) async throws(DatabaseError) -> Addition {
            try ArgumentCheck.medium(medium)
            let (clock, backlog) = (clock, backlog)
            let addition = try await write { (connection) throws(DatabaseError) in
                try SQLiteMedia.add(medium, priority, backlog, clock.now, connection)
            }
            if addition.outcome == .added || addition.outcome == .revived { workArrived() }
            return addition
        }

        func entry(_ key: MediaKey) async throws(DatabaseError) -> MediaEntry? {
            try await read { (connection) throws(DatabaseError) in try SQLiteMedia.entry(key, connection) }
        }

        func entry(id: Int64) async throws(DatabaseError) -> MediaEntry? {
            try await read { (connection) throws(DatabaseError) in try SQLiteMedia.entry(id: id, connection) }
        }

        func entries(bot: String, sha256: String) async throws(DatabaseError) -> [MediaEntry] {
            try await read { (connection) throws(DatabaseError) in
                try SQLiteMedia.entries(bot: bot, sha256: sha256, connection)
            }
        }

        func isUsed(object key: String) async throws(DatabaseError) -> Bool {
            // Not by the reader: what was written a moment ago counts.
            try await write { (connection) throws(DatabaseError) in try SQLiteMedia.isUsed(key, connection) }
        }

        func readyFile(_ key: MediaKey) async throws(DatabaseError) -> CachedFile? {
            try await read { (connection) throws(DatabaseError) in try SQLiteMedia.readyFile(key, connection) }
        }

        func list(_ query: MediaQuery) async throws(DatabaseError) -> MediaPage {
            try await read { (connection) throws(DatabaseError) in try SQLiteMedia.list(query, connection) }
        }

        func remove(_ key: MediaKey) async throws(DatabaseError) -> Removal? {
            try await write { (connection) throws(DatabaseError) in try SQLiteMedia.remove(key, connection) }
        }

        func refuse(_ fileID: String, of key: MediaKey, priority: JobPriority) async throws(DatabaseError) -> Bool {
            let clock = clock
            let refused = try await write { (connection) throws(DatabaseError) in
                try SQLiteMedia.refuse(fileID, key, priority, clock.now, connection)
            }
            if refused { workArrived() }
            return refused
        }

        // MARK: PrewarmQueue

        func peek(_ selection: JobSelection) async throws(DatabaseError) -> [MediaEntry] {
            let clock = clock
            return try await read { (connection) throws(DatabaseError) in
                try SQLiteJobs.peek(selection, clock.now, connection)
            }
        }

        func claim(_ jobs: [Int64], lease: Double, worker: String) async throws(DatabaseError) -> [LeasedJob] {
            try ArgumentCheck.text(worker, "the worker's name", 1...ArgumentCheck.shortMax)
            if jobs.isEmpty { return [] }
            let clock = clock
            return try await write { (connection) throws(DatabaseError) in
                try SQLiteJobs.claim(jobs, lease, worker, clock.now, connection)
            }
        }

        func claim(
            _ selection: JobSelection, lease: Double, worker: String
        ) async throws(DatabaseError) -> [LeasedJob] {
            try ArgumentCheck.text(worker, "the worker's name", 1...ArgumentCheck.shortMax)
            if selection.boundedLimit == 0 { return [] }
            let clock = clock
            return try await write { (connection) throws(DatabaseError) in
                try SQLiteJobs.claim(selection, lease, worker, clock.now, connection)
            }
        }

        func renew(_ leases: [Lease], lease: Double) async throws(DatabaseError) -> Set<Lease> {
            if leases.isEmpty { return [] }
            let clock = clock
            return try await write { (connection) throws(DatabaseError) in
                try SQLiteJobs.renew(leases, lease, clock.now, connection)
            }
        }

        func settle(_ outcomes: [(lease: Lease, outcome: JobOutcome)]) async throws(DatabaseError) -> [Bool] {
            if outcomes.isEmpty { return [] }
            for case (_, .ready(let file)) in outcomes { try ArgumentCheck.file(file) }
            let clock = clock
            let settled = try await write { (connection) throws(DatabaseError) in
                try SQLiteJobs.settle(outcomes, clock.now, connection)
            }
            if zip(outcomes, settled).contains(where: { $0.outcome == .release && $1 }) { workArrived() }
            return settled
        }

        func sweep(attempts: Int) async throws(DatabaseError) -> SweepResult {
            let clock = clock
            return try await write { (connection) throws(DatabaseError) in
                try SQLiteJobs.sweep(attempts: attempts, clock.now, connection)
            }
        }

        func promote(_ key: MediaKey, score: Int) async throws(DatabaseError) -> MediaEntry? {
            let clock = clock
            let entry = try await write { (connection) throws(DatabaseError) in
                try SQLiteJobs.promote(key, score: score, clock.now, connection)
            }
            if entry?.phase == .queued { workArrived() }
            return entry
        }

        func requeue(_ which: Requeue) async throws(DatabaseError) -> Int {
            let clock = clock
            var total = 0
            while true {
                let count = try await write { (connection) throws(DatabaseError) in
                    try SQLiteJobs.requeue(which, clock.now, connection)
                }
                total += count
                if count > 0 { workArrived() }
                // The jobs of a whole database come in several transactions: others write between them.
                if count < PrewarmLimits.sweep { return total }
            }
        }

        func counts() async throws(DatabaseError) -> JobCounts {
            let clock = clock
            return try await read { (connection) throws(DatabaseError) in try SQLiteJobs.counts(clock.now, connection) }
        }

        // MARK: LimiterStates

        func limiterState(bot: String) async throws(DatabaseError) -> [UInt8]? {
            try await read { (connection) throws(DatabaseError) in
                try connection.row(SQLiteQueries.limiterState, [.text(bot)]) { (row) throws(DatabaseError) in
                    row.blob(0)
                }
            }
        }

        func saveLimiterState(_ state: [UInt8], bot: String) async throws(DatabaseError) {
            try ArgumentCheck.limiterState(state, bot: bot)
            let clock = clock
            try await write { (connection) throws(DatabaseError) in
                _ = try connection.run(
                    SQLiteQueries.saveLimiterState, [.text(bot), .blob(state), .integer(clock.now)])
            }
        }

        // MARK: The threads

        private func workArrived() { whenWorkArrives?() }

        func write<Value: Sendable>(
            _ work: @escaping @Sendable (SQLiteConnection) throws(DatabaseError) -> Value
        ) async throws(DatabaseError) -> Value {
            try await noting(writer, work)
        }

        func read<Value: Sendable>(
            _ work: @escaping @Sendable (SQLiteConnection) throws(DatabaseError) -> Value
        ) async throws(DatabaseError) -> Value {
            try await noting(reader, work)
        }

        private func noting<Value: Sendable>(
            _ thread: SQLiteThread, _ work: @escaping @Sendable (SQLiteConnection) throws(DatabaseError) -> Value
        ) async throws(DatabaseError) -> Value {
            do {
                let value = try await thread.perform(work)
                // A full disk can be read, which does not make it well.
                if thread === writer { state = .ok }
                return value
            } catch {
                if error.isOfTheDatabase { state = .failing(error) }
                throw error
            }
        }
    }

    /// The clock of leases and retries: the system's, in milliseconds since 1970.
    struct SQLiteClock: Sendable {
        let offset: DatabaseClockOffset?

        var now: Int64 { DatabaseClock.now + (offset?.milliseconds ?? 0) }
    }

    /// On the writer's thread only.
    final class SQLiteBacklog: @unchecked Sendable {
        var count: BacklogCount

        init(limit: Int) {
            count = BacklogCount(limit: limit)
        }
    }

    enum SQLiteQueries {
        static let one = SQLiteQuery("SELECT 1")
        static let limiterState = SQLiteQuery("SELECT state FROM limiter_state WHERE bot_slug = ?1")
        static let saveLimiterState = SQLiteQuery(
            """
            INSERT INTO limiter_state (bot_slug, state, updated_at) VALUES (?1, ?2, ?3)
            ON CONFLICT (bot_slug) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at
            """)
    }
#endif
