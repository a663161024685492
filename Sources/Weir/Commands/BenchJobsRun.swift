internal import Glibc
internal import WeirDatabase
internal import WeirLoop

/// What `weir bench jobs` does to a database.
@LoopActor
final class BenchJobsRun {
    /// Jobs that are added at once.
    private static let adders = 64
    /// Seconds that a lease lasts: none ends while it is measured.
    private static let lease: Double = 240
    /// Seconds within which an added job must have started.
    private static let patience: Double = 240

    private let plan: BenchJobs.Plan
    private var directory = ""
    private var figures = BenchJobs.Figures()
    /// Every job of a run has a digest of its own: this, and its number.
    private let mark: String
    private var added = 0

    nonisolated init(_ plan: BenchJobs.Plan) {
        self.plan = plan
        let now = String(LoopClock.monotonic.now, radix: 16)
        mark = String(repeating: "0", count: 24 - now.count) + now
    }

    func run() async throws -> BenchJobs.Figures {
        try makeDirectory()
        let database = try await openDatabase(plan.database, directory: directory, options: options)
        do {
            if [.all, .fill].contains(plan.step) { try await fill(database) }
            if [.all, .drain].contains(plan.step) { try await drain(database) }
            if [.all, .wake].contains(plan.step) { try await wake(database) }
        } catch {
            await database.close()
            removeDirectory()
            throw error
        }
        await database.close()
        removeDirectory()
        return figures
    }

    private var options: DatabaseOptions {
        var options = DatabaseOptions()
        options.pool = DatabasePoolOptions(concurrency: plan.parallel)
        return options
    }

    // MARK: The directory

    private func makeDirectory() throws {
        if let data = plan.data {
            directory = data
            return
        }
        var name = Array("/var/tmp/weir-bench-jobs.XXXXXX".utf8CString)
        guard mkdtemp(&name) != nil else { throw CoreError(errno: errno) }
        directory = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func removeDirectory() {
        guard plan.data == nil, !directory.isEmpty else { return }
        if let file = plan.database.file(in: directory), file.hasPrefix(directory) {
            for suffix in ["", "-wal", "-shm", "-lock"] { unlink(file + suffix) }
        }
        rmdir(directory)
    }

    // MARK: Filling

    private func medium(_ number: Int) -> (medium: Medium, priority: JobPriority) {
        let digits = String(number, radix: 16)
        let digest = mark + String(repeating: "0", count: 40 - digits.count) + digits
        let key = MediaKey(bot: "bench", sha256: digest, kind: .photo)
        let medium = Medium(
            key: key, objectKey: "media/\(digest)", bytes: 2000, mime: "image/jpeg", name: "\(number).jpg")
        // As many scores as the rules have.
        return (medium, JobPriority(score: 100 + number * 7 % 86, isSmall: true))
    }

    private func add(to database: any Database) async throws {
        let number = added
        added += 1
        let (medium, priority) = medium(number)
        guard try await database.add(medium, priority: priority).outcome == .added else {
            throw BenchJobsFailure("a job was there already")
        }
    }

    private func fill(_ database: any Database) async throws {
        let clock = LoopClock.monotonic
        let began = clock.now
        let adders = (0..<min(BenchJobsRun.adders, plan.jobs)).map { _ in
            spawn { while self.added < self.plan.jobs { try await self.add(to: database) } }
        }
        for adder in adders { try await adder.value }
        figures.filled = (plan.jobs, Double(clock.now - began) / 1e9)
    }

    // MARK: Draining

    private func drain(_ database: any Database) async throws {
        let queued = try await database.counts().queued
        guard queued > 0 else { throw BenchJobsFailure("no job is queued") }
        // A connection for each is made before: the raw limit's are too.
        let pings = (0..<plan.parallel).map { _ in spawn { try await database.ping() } }
        for ping in pings { try await ping.value }
        let clock = LoopClock.monotonic
        let before = (time: clock.now, cpu: BenchJobsRun.processSeconds())
        let workers = (0..<plan.parallel).map { number in
            spawn { try await self.work(database, "bench-\(number)") }
        }
        var done = 0
        for worker in workers { done += try await worker.value }
        let seconds = Double(clock.now - before.time) / 1e9
        figures.drained = (done, seconds, BenchJobsRun.processSeconds() - before.cpu)
        let left = try await database.counts()
        guard done == queued, left.warming == 0 else {
            throw BenchJobsFailure("\(done) of \(queued) jobs were completed, \(left.warming) are left")
        }
    }

    /// Claims and completes until nothing is queued; how many.
    private func work(_ database: any Database, _ name: String) async throws -> Int {
        let selection = JobSelection(limit: plan.batch)
        var done = 0
        while true {
            let jobs = try await database.claim(selection, lease: BenchJobsRun.lease, worker: name)
            if jobs.isEmpty { return done }
            let outcomes = jobs.map { job in
                (lease: job.lease, outcome: JobOutcome.ready(CachedFile(id: "file", uniqueID: "unique")))
            }
            let settled = try await database.settle(outcomes)
            guard settled.allSatisfy({ $0 }) else { throw BenchJobsFailure("a lease did not hold") }
            done += settled.count
        }
    }

    /// Of all threads: SQLite has its own.
    private static func processSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    // MARK: Waking

    /// From the call that adds a job to its claim by a node that waits for work; with PostgreSQL that is another one.
    private func wake(_ database: any Database) async throws {
        var other: (any Database)?
        if case .postgresql = plan.database.place {
            other = try await openDatabase(plan.database, directory: directory, options: options)
        }
        let node = BenchJobsNode(database, lease: BenchJobsRun.lease)
        do {
            for _ in 0..<plan.wakes {
                let began = LoopClock.monotonic.now
                try await add(to: other ?? database)
                let started = try await node.started(within: BenchJobsRun.patience)
                figures.wakes.append(started - began)
            }
        } catch {
            await node.stop()
            await other?.close()
            throw error
        }
        await node.stop()
        await other?.close()
        figures.wakes.sort()
    }
}

/// Claims one job whenever work arrives.
@LoopActor
private final class BenchJobsNode {
    private let database: any Database
    private let lease: Double
    private let arrival = LoopTimer()
    private var claiming: Task<Void, Never>?
    private var isDirty = false
    private var startedAt: UInt64?
    private var failure: DatabaseError?

    init(_ database: any Database, lease: Double) {
        self.database = database
        self.lease = lease
        database.whenWorkArrives = { [weak self] in self?.look() }
    }

    private func look() {
        isDirty = true
        guard claiming == nil else { return }
        claiming = spawn {
            while self.isDirty {
                self.isDirty = false
                await self.claim()
            }
            self.claiming = nil
        }
    }

    private func claim() async {
        do throws(DatabaseError) {
            let jobs = try await database.claim(JobSelection(limit: 1), lease: lease, worker: "bench")
            guard let job = jobs.first else { return }
            startedAt = LoopClock.monotonic.now
            arrival.stop()
            _ = try await database.settle([(job.lease, .ready(CachedFile(id: "file", uniqueID: nil)))])
        } catch {
            failure = error
            arrival.stop()
        }
    }

    /// When the job that was added has started.
    func started(within seconds: Double) async throws -> UInt64 {
        if startedAt == nil && failure == nil {
            try? await arrival.sleep(until: LoopClock.monotonic.deadline(after: seconds))
        }
        if let failure { throw failure }
        guard let time = startedAt else { throw BenchJobsFailure("a job did not start within \(seconds) s") }
        startedAt = nil
        // What is left of the round before does not count for the next.
        while let claiming { await claiming.value }
        return time
    }

    func stop() async {
        database.whenWorkArrives = nil
        while let claiming { await claiming.value }
        arrival.close()
    }
}
