#if PostgreSQL
    internal import WeirLoop

    /// State that several nodes share. Times are the server's.
    @LoopActor
    final class PostgreSQLDatabase: Database {
        private let pool: PostgreSQLPool
        private let listener: PostgreSQLListener
        private let offset: DatabaseClockOffset?
        private var backlog: BacklogCount
        /// Whose artefacts are its own.
        let node: String
        private(set) var state = DatabaseState.ok
        var whenWorkArrives: (@LoopActor () -> Void)?
        var onInvalidation: (@LoopActor ([String]?) -> Void)? {
            didSet { if hasListened { onInvalidation?(nil) } }
        }
        /// What came before there was anybody to tell is lost.
        private var hasListened = false

        private init(_ parameters: PostgreSQLParameters, _ options: DatabaseOptions) {
            pool = PostgreSQLPool(parameters, options.pool, waiting: options.waiting)
            listener = PostgreSQLListener(parameters, options.pool)
            offset = options.clockOffset
            node = options.node ?? ""
            backlog = BacklogCount(limit: options.backlog)
        }

        static func open(url: String, options: DatabaseOptions) async throws(DatabaseError) -> PostgreSQLDatabase {
            let parameters = try PostgreSQLParameters(url: url, statementTimeout: options.pool.query)
            let database = PostgreSQLDatabase(parameters, options)
            do throws(DatabaseError) {
                try await PostgreSQLSchema.migrate(database.pool, shown: parameters.shown)
            } catch {
                await database.pool.close()
                throw error
            }
            database.listener.whenNotified = { [weak database] notification in
                guard let database else { return }
                switch notification {
                case .connected:
                    database.hasListened = true
                    database.workArrived()
                    database.onInvalidation?(nil)
                case .message(PostgreSQLArtefacts.channel, let payload): database.heard(payload)
                case .message: database.workArrived()
                }
            }
            database.listener.start()
            return database
        }

        func ping() async throws(DatabaseError) { _ = try await read(PostgreSQLDatabase.one()) }

        private static let one = PostgreSQLQuery("ping", "SELECT 1")

        func close() async {
            whenWorkArrives = nil
            onInvalidation = nil
            await listener.close()
            await pool.close()
        }

        // MARK: MediaRegistry

        func add(_ medium: Medium, priority: JobPriority) async throws(DatabaseError) -> Addition {
            try ArgumentCheck.medium(medium)
            let key = medium.key
            try await admit(key)
            let (bot, digest, kind) = (key.bot, key.sha256, key.kind.rawValue)
            let rows = try await write([
                PostgreSQLMedia.before(.text(bot), .text(digest), .text(kind)),
                PostgreSQLMedia.store(
                    shift, .text(bot), .text(digest), .text(kind), .text(medium.objectKey), .integer(medium.bytes),
                    .text(medium.mime), .text(medium.name)),
                PostgreSQLMedia.upsert(
                    shift, .text(bot), .text(digest), .text(kind), .integer(priority.score), .bool(priority.isSmall)),
                PostgreSQLMedia.byKey(.text(bot), .text(digest), .text(kind)),
            ])
            guard rows.count == 4, let row = rows[3].first else {
                throw DatabaseError(.damaged, "PostgreSQL: a row that was written is not there")
            }
            let entry = try MediaEntry.read(row)
            let before = rows[0].first?.text(0)
            guard let changed = rows[2].first else { return Addition(outcome: .ready, entry: entry) }
            let outcome: Addition.Outcome = changed.bool(0) ? .added : before == "failed" ? .revived : .merged
            if outcome != .merged {
                backlog.added()
                workArrived()
            }
            return Addition(outcome: outcome, entry: entry)
        }

        /// Throws `.backlogFull` when the medium would be one too many.
        private func admit(_ key: MediaKey) async throws(DatabaseError) {
            if backlog.mustCount(now: DatabaseClock.now + (offset?.milliseconds ?? 0)) {
                let count = try await read(PostgreSQLMedia.countWarming()).first?.integer(0) ?? 0
                backlog.counted(Int(count), now: DatabaseClock.now + (offset?.milliseconds ?? 0))
            }
            guard backlog.isFull else { return }
            // One that is there already takes no place.
            if let entry = try await entry(key), entry.status != .failed { return }
            throw backlog.error
        }

        func entry(_ key: MediaKey) async throws(DatabaseError) -> MediaEntry? {
            guard let row = try await read(PostgreSQLMedia.byKey(key)).first else { return nil }
            return try MediaEntry.read(row)
        }

        func entry(id: Int64) async throws(DatabaseError) -> MediaEntry? {
            guard let row = try await read(PostgreSQLMedia.byNumber(.integer(id))).first else { return nil }
            return try MediaEntry.read(row)
        }

        func entries(bot: String, sha256: String) async throws(DatabaseError) -> [MediaEntry] {
            try PostgreSQLEntry.read(try await read(PostgreSQLMedia.byDigest(.text(bot), .text(sha256))))
        }

        func isUsed(object key: String) async throws(DatabaseError) -> Bool {
            try await read(PostgreSQLMedia.isObjectUsed(.text(key))).first?.bool(0) ?? false
        }

        func readyFile(_ key: MediaKey) async throws(DatabaseError) -> CachedFile? {
            try await read(PostgreSQLMedia.file(key)).first.map {
                CachedFile(id: $0.text(0), uniqueID: $0.textOrNil(1), isWeak: $0.bool(2))
            }
        }

        func list(_ query: MediaQuery) async throws(DatabaseError) -> MediaPage {
            MediaPage(try PostgreSQLEntry.read(try await read(PostgreSQLMedia.list(query))), limit: query.boundedLimit)
        }

        func remove(_ key: MediaKey) async throws(DatabaseError) -> Removal? {
            let rows = try await write([PostgreSQLMedia.removeCache(key), PostgreSQLMedia.removeStore(key)])
            guard let row = rows.last?.first else { return nil }
            let medium = Medium(
                key: key, objectKey: row.text(0), bytes: row.integer(1), mime: row.text(2), name: row.text(3))
            return Removal(medium: medium, objectIsUnused: row.bool(4))
        }

        func refuse(_ fileID: String, of key: MediaKey, priority: JobPriority) async throws(DatabaseError) -> Bool {
            let rows = try await write([
                PostgreSQLMedia.refuse(
                    shift, .text(key.bot), .text(key.sha256), .text(key.kind.rawValue), .text(fileID),
                    .integer(priority.score), .bool(priority.isSmall))
            ])
            guard rows.first?.first != nil else { return false }
            workArrived()
            return true
        }

        // MARK: PrewarmQueue

        func peek(_ selection: JobSelection) async throws(DatabaseError) -> [MediaEntry] {
            let limit = selection.boundedLimit
            if limit == 0 { return [] }
            let command =
                selection.onlySmall
                ? PostgreSQLJobs.peekSmall(.integer(limit))
                : PostgreSQLJobs.peek(shift, .integer(limit), milliseconds(selection.agingCap))
            return Array(try ordered(try await read(command)).prefix(limit))
        }

        func claim(_ jobs: [Int64], lease: Double, worker: String) async throws(DatabaseError) -> [LeasedJob] {
            try ArgumentCheck.text(worker, "the worker's name", 1...ArgumentCheck.shortMax)
            if jobs.isEmpty { return [] }
            let ids = PostgreSQLValue.array(jobs.map { .integer($0) })
            let rows = try await write([
                PostgreSQLJobs.claimThese(shift, ids, milliseconds(lease), .text(worker))
            ])
            var found: [Int64: MediaEntry] = [:]
            for entry in try PostgreSQLEntry.read(rows.first ?? []) { found[entry.id] = entry }
            return jobs.compactMap { found.removeValue(forKey: $0).map(LeasedJob.init) }
        }

        func claim(
            _ selection: JobSelection, lease: Double, worker: String
        ) async throws(DatabaseError) -> [LeasedJob] {
            try ArgumentCheck.text(worker, "the worker's name", 1...ArgumentCheck.shortMax)
            let limit = selection.boundedLimit
            if limit == 0 { return [] }
            let command =
                selection.onlySmall
                ? PostgreSQLJobs.claimSmall(shift, .integer(limit), milliseconds(lease), .text(worker))
                : PostgreSQLJobs.claimBest(
                    shift, .integer(limit), milliseconds(selection.agingCap), milliseconds(lease), .text(worker))
            return try ordered(try await write([command]).first ?? []).map(LeasedJob.init)
        }

        /// PostgreSQL promises no order of what an update returns, or of a union.
        private func ordered(_ rows: [PostgreSQLRow]) throws(DatabaseError) -> [MediaEntry] {
            var found: [(tier: Int64, entry: MediaEntry)] = []
            for row in rows { found.append((row.integer(PostgreSQLEntry.extra), try MediaEntry.read(row))) }
            return found.sorted { left, right in
                if left.tier != right.tier { return left.tier < right.tier }
                let (first, second) = (left.entry, right.entry)
                if left.tier == 1, first.priority.score != second.priority.score {
                    return first.priority.score > second.priority.score
                }
                return (first.enqueuedAt, first.id) < (second.enqueuedAt, second.id)
            }.map(\.entry)
        }

        func renew(_ leases: [Lease], lease: Double) async throws(DatabaseError) -> Set<Lease> {
            if leases.isEmpty { return [] }
            let rows = try await write([
                PostgreSQLJobs.renew(
                    shift, .array(leases.map { .integer($0.job) }), .array(leases.map { .integer($0.fence) }),
                    milliseconds(lease))
            ])
            return PostgreSQLDatabase.leases(rows.first ?? [])
        }

        func settle(_ outcomes: [(lease: Lease, outcome: JobOutcome)]) async throws(DatabaseError) -> [Bool] {
            if outcomes.isEmpty { return [] }
            for case (_, .ready(let file)) in outcomes { try ArgumentCheck.file(file) }
            // Of two words about one lease the first is heard; in the order of ids, so that two nodes do not deadlock.
            var seen: Set<Lease> = []
            let firsts = outcomes.filter { seen.insert($0.lease).inserted }.sorted { $0.lease.job < $1.lease.job }
            let command = PostgreSQLCommand(
                query: PostgreSQLJobs.settle, values: ([shift] + PostgreSQLJobs.parameters(firsts)).map(\.text))
            var held = PostgreSQLDatabase.leases(try await write([command]).first ?? [])
            let settled = outcomes.map { held.remove($0.lease) != nil }
            if zip(outcomes, settled).contains(where: { $0.outcome == .release && $1 }) { workArrived() }
            return settled
        }

        private static func leases(_ rows: [PostgreSQLRow]) -> Set<Lease> {
            Set(rows.map { Lease(job: $0.integer(0), fence: $0.integer(1)) })
        }

        func sweep(attempts: Int) async throws(DatabaseError) -> SweepResult {
            let rows = try await write([
                PostgreSQLJobs.sweep(shift, .integer(attempts)), PostgreSQLJobs.nextDue(shift),
            ])
            guard rows.count == 2, let swept = rows[0].first else { return SweepResult() }
            let counts = (0..<3).map { Int(swept.integer($0)) }
            return SweepResult(
                due: counts[0], expired: counts[1], failed: counts[2],
                isPartial: counts[0] == PrewarmLimits.sweep || counts[1] + counts[2] == PrewarmLimits.sweep,
                nextDue: rows[1].first?.integerOrNil(0).map { Double(max(0, $0)) / 1000 })
        }

        func promote(_ key: MediaKey, score: Int) async throws(DatabaseError) -> MediaEntry? {
            let score = JobPriority(score: score, isSmall: false).score
            let rows = try await write([
                PostgreSQLJobs.promote(
                    shift, .text(key.bot), .text(key.sha256), .text(key.kind.rawValue), .integer(score))
            ])
            guard let row = rows.first?.first else { return nil }
            let entry = try MediaEntry.read(row)
            if entry.phase == .queued { workArrived() }
            return entry
        }

        func requeue(_ which: Requeue) async throws(DatabaseError) -> Int {
            let command =
                switch which {
                case .key(let key):
                    PostgreSQLJobs.requeueKey(shift, .text(key.bot), .text(key.sha256), .text(key.kind.rawValue))
                case .bot(let bot): PostgreSQLJobs.requeueBot(shift, .text(bot))
                case .all: PostgreSQLJobs.requeueAll(shift)
                }
            var total = 0
            while true {
                let count = Int(try await write([command]).first?.first?.integer(0) ?? 0)
                total += count
                if count > 0 { workArrived() }
                if count < PrewarmLimits.sweep { return total }
            }
        }

        func counts() async throws(DatabaseError) -> JobCounts {
            let rows = try await noting {
                () async throws(DatabaseError) in
                try await self.pool.run([PostgreSQLJobs.counts(), PostgreSQLJobs.oldest(self.shift)], isRead: true)
            }
            var counts = JobCounts()
            for row in rows.first ?? [] { counts.add(Int(row.integer(2)), phase: row.text(0), status: row.text(1)) }
            counts.oldestSeconds = Double(max(0, rows.last?.first?.integer(0) ?? 0)) / 1000
            return counts
        }

        // MARK: LimiterStates

        func limiterState(bot: String) async throws(DatabaseError) -> [UInt8]? {
            try await read(PostgreSQLMedia.limiterState(.text(bot))).first?.bytes(0)
        }

        func saveLimiterState(_ state: [UInt8], bot: String) async throws(DatabaseError) {
            try ArgumentCheck.limiterState(state, bot: bot)
            _ = try await write([PostgreSQLMedia.saveLimiterState(shift, .text(bot), .bytes(state))])
        }

        // MARK: The pool

        private func workArrived() { whenWorkArrives?() }

        /// By how much a test moved the clock.
        var shift: PostgreSQLValue { .integer(offset?.milliseconds ?? 0) }

        private func milliseconds(_ seconds: Double) -> PostgreSQLValue {
            .integer(DatabaseClock.milliseconds(seconds))
        }

        func write(_ commands: [PostgreSQLCommand]) async throws(DatabaseError) -> [[PostgreSQLRow]] {
            try await noting { () async throws(DatabaseError) in try await self.pool.run(commands) }
        }

        func read(_ command: PostgreSQLCommand) async throws(DatabaseError) -> [PostgreSQLRow] {
            try await noting { () async throws(DatabaseError) in
                try await self.pool.run([command], isRead: true).first ?? []
            }
        }

        private func noting<Value>(
            _ work: () async throws(DatabaseError) -> Value
        ) async throws(DatabaseError) -> Value {
            do {
                let value = try await work()
                state = .ok
                return value
            } catch {
                if error.isOfTheDatabase { state = .failing(error) }
                throw error
            }
        }
    }

    extension PostgreSQLQuery {
        func callAsFunction(_ key: MediaKey) -> PostgreSQLCommand {
            self(.text(key.bot), .text(key.sha256), .text(key.kind.rawValue))
        }
    }
#endif
