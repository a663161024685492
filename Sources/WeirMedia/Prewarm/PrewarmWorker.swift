public import WeirDatabase
public import WeirLoop

/// Uploads media ahead of need: takes jobs from the durable queue in their order, so many at once, renews their leases, and
/// writes down how they ended.
///
/// A job that ends makes room for the next at once. New work wakes the worker; the tick is for retries whose time has come
/// and for leases of workers that have died. On the loop's thread.
@LoopActor
public final class PrewarmWorker {
    public enum State: String, Sendable {
        case stopped, running
        /// What is under way goes on, nothing is begun.
        case paused
        /// The same, until nothing is under way.
        case draining
    }

    /// The share of a lease after which it is renewed.
    static let renewals = 3.0
    /// Seconds between two tries to write down how a job ended, while its lease holds.
    static let settlePause = 1.0

    public let options: PrewarmOptions
    /// What others see as the holder of a lease.
    public let name: String
    public private(set) var state = State.stopped
    public internal(set) var counters = PrewarmCounters()
    /// Jobs in a claim.
    public private(set) var batches = Histogram()
    /// From a job's enqueueing to its first request, of first attempts; nanoseconds.
    public internal(set) var starts = Histogram()
    /// The same from when the job could start, enqueued and with a free slot, and without the wait for Telegram's limits:
    /// what the worker itself adds; nanoseconds.
    public internal(set) var dispatches = Histogram()
    /// From an attempt's beginning to its end; nanoseconds.
    public internal(set) var attempts = Histogram()
    public var onEvent: (@LoopActor (PrewarmEvent) -> Void)?
    /// Called when a medium has become ready here.
    var onReady: (@LoopActor (MediaKey, CachedFile) -> Void)?

    let database: any Database
    let upload: MediaUpload
    let bots: [String: Bot]
    let clock: LoopClock
    /// Milliseconds since 1970.
    let wall: @Sendable () -> Int64
    let arrivals: Arrivals
    let buffer: DispatchBuffer
    /// Jobs whose lease is held, by their number; also those whose end is being written down.
    var held: [Int64: HeldJob] = [:]
    var slots = PrewarmSlots()
    private let ticker: LoopTimer
    private let renewer: LoopTimer
    private var isDispatching = false
    /// Something has changed since the dispatcher looked.
    private var isDirty = false
    private var isSweeping = false
    private var drained: [UnsafeContinuation<Void, Never>] = []

    /// - Throws: `CoreError.option` for a queue that cannot be as long.
    public init(
        database: any Database, upload: MediaUpload, bots: [Bot], options: PrewarmOptions = PrewarmOptions(),
        name: String, clock: LoopClock = .monotonic, wall: @escaping @Sendable () -> Int64
    ) throws(CoreError) {
        self.database = database
        self.upload = upload
        self.bots = Dictionary(bots.map { ($0.slug, $0) }) { first, _ in first }
        self.options = options
        self.name = name
        self.clock = clock
        self.wall = wall
        arrivals = Arrivals(clock: clock)
        buffer = try DispatchBuffer(
            capacity: options.queue, freshPoints: options.priority.age.points, fresh: options.priority.age.below,
            agingCap: options.agingCap)
        ticker = LoopTimer(clock: clock)
        renewer = LoopTimer(clock: clock)
    }

    // MARK: Lifecycle

    public func start() {
        guard state == .stopped else { return }
        state = .running
        slots.open(options.concurrency, at: clock.now)
        onEvent?(
            .started(
                intervalMilliseconds: options.intervalMilliseconds, concurrency: options.concurrency,
                queue: options.queue))
        database.whenWorkArrives = { [weak self] in self?.workArrived() }
        buffer.hasOverflowed = true
        let interval = UInt64(options.lease / PrewarmWorker.renewals * 1e9)
        renewer.schedule(every: interval, from: clock.now + interval) { [weak self] _ in self?.renew() }
        tick()
    }

    /// Begins nothing more; what is under way has `grace` seconds to end, and is given back then.
    public func stop(grace: Double) async {
        guard state != .stopped else { return }
        state = .stopped
        database.whenWorkArrives = nil
        ticker.close()
        let deadline = LoopTimer(clock: clock)
        deadline.schedule(at: clock.deadline(after: grace)) { [weak self] in
            for job in self?.held.values.map({ $0 }) ?? [] { job.giveBack() }
            // Also for those who upload to where somebody waits: they are nobody's to cancel.
            self?.upload.cache?.stopFetching()
        }
        await becomeIdle()
        deadline.close()
        renewer.close()
        onEvent?(.stopped)
    }

    public func pause() { if state == .running || state == .draining { state = .paused } }

    public func resume() {
        guard state == .paused || state == .draining else { return }
        state = .running
        slots.open(at: clock.now)
        workArrived()
    }

    /// Begins nothing more, and returns when nothing is under way; it is paused then.
    public func drain() async {
        guard state == .running || state == .paused else { return }
        state = .draining
        await becomeIdle()
        if state == .draining { state = .paused }
    }

    private func becomeIdle() async {
        guard !held.isEmpty || isDispatching else { return }
        await withUnsafeContinuation { drained.append($0) }
    }

    private func lookIdle() {
        guard held.isEmpty, !isDispatching else { return }
        let waiting = drained
        drained = []
        for continuation in waiting { continuation.resume() }
    }

    // MARK: Work

    /// A job that was just enqueued: it may start at once.
    public func offer(_ addition: Addition) {
        let entry = addition.entry
        switch addition.outcome {
        case .added, .revived:
            onEvent?(.enqueued(job: entry.id, key: entry.medium.key, score: entry.priority.score))
            push(entry)
        case .merged:
            onEvent?(.duplicate(job: entry.id, key: entry.medium.key))
            // Its score may be another now.
            push(entry)
        case .ready: break
        }
    }

    func push(_ entry: MediaEntry) {
        guard entry.phase == .queued, held[entry.id] == nil else { return }
        if !buffer.push(entry, now: wall()) { buffer.update(entry.id, score: entry.priority.score, now: wall()) }
        wake()
    }

    func workArrived() {
        buffer.hasOverflowed = true
        wake()
    }

    /// Looks whether something can start.
    func wake() {
        isDirty = true
        guard state == .running, !isDispatching else { return }
        isDispatching = true
        spawn { [self] in
            await dispatch()
            isDispatching = false
            lookIdle()
        }
    }

    private func dispatch() async {
        while state == .running, isDirty {
            isDirty = false
            guard freeSlots > 0 else { return }
            await refill()
            let jobs = take()
            guard !jobs.isEmpty, state == .running else { continue }
            do throws(DatabaseError) {
                counters.claims += 1
                let leased = try await database.claim(jobs, lease: options.lease, worker: name)
                batches.record(UInt64(leased.count))
                let batch = PrewarmBatch(count: leased.count)
                for job in leased { begin(job, batch) }
                // Some may have been taken by others; there may be more.
                if buffer.count > 0 || buffer.hasOverflowed { isDirty = true }
            } catch {
                // They are in the durable queue still. The tick looks again.
                buffer.hasOverflowed = true
                failed(error)
                return
            }
        }
    }

    /// Jobs under way, without those whose end is only written down.
    public var active: Int { held.values.count { $0.isRunning } }
    public var freeSlots: Int { max(0, options.concurrency - active) }
    /// Jobs in the buffer. There may be more in the durable queue.
    public var queued: Int { buffer.count }
    /// Seconds that the oldest of these has waited.
    public var oldest: Double { buffer.oldest.map { max(0, Double(wall() - $0) / 1000) } ?? 0 }
    /// Slots that large jobs may have: of two and more, one is kept for small ones.
    private var largeSlots: Int { options.concurrency > 1 ? options.concurrency - 1 : 1 }

    /// Looks at the durable queue when there is more than the buffer has, and room for half of it.
    private func refill() async {
        guard buffer.hasOverflowed else { return }
        let limit = min(buffer.capacity, JobSelection.limitMax)
        do throws(DatabaseError) {
            if buffer.count <= limit / 2 {
                buffer.hasOverflowed = false
                let entries = try await database.peek(JobSelection(limit: limit, agingCap: options.agingCap))
                // Each finds its place among the ages from where the one before it is.
                for entry in entries.sorted(by: { $0.enqueuedAt < $1.enqueuedAt }) where held[entry.id] == nil {
                    buffer.push(entry, now: wall())
                }
                if entries.count == limit { buffer.hasOverflowed = true }
            }
            // Only large ones are here: the slot for small ones would stand empty.
            guard buffer.hasOverflowed, buffer.smallCount == 0 else { return }
            let small = try await database.peek(JobSelection(limit: options.concurrency, onlySmall: true))
            for entry in small where held[entry.id] == nil { buffer.push(entry, now: wall()) }
        } catch {
            buffer.hasOverflowed = true
            failed(error)
        }
    }

    /// The jobs that start next, as many as there are slots.
    private func take() -> [Int64] {
        var large = held.values.count { $0.isRunning && !$0.isSmall }
        var jobs: [Int64] = []
        let now = wall()
        for _ in 0..<max(0, freeSlots) {
            guard let job = buffer.pop(onlySmall: large >= largeSlots, now: now) else { break }
            if !job.isSmall { large += 1 }
            jobs.append(job.id)
        }
        return jobs
    }

    private func begin(_ job: LeasedJob, _ batch: PrewarmBatch) {
        let one = HeldJob(
            job, batch: batch, until: clock.deadline(after: options.lease), slotSince: slots.take(), clock.now)
        held[job.entry.id] = one
        // It was claimed while the worker stopped.
        if state == .stopped { one.giveBack() }
        one.task = spawn { [self] in await run(one) }
    }

    /// A job is over, its end written down or given up.
    func ended(_ job: HeldJob, isReady: Bool) {
        held[job.entry.id] = nil
        arrivals.arrived(job.entry.medium.key)
        if job.batch.ended(isReady: isReady) {
            onEvent?(
                .batchDone(
                    size: job.batch.size, successful: job.batch.successful,
                    failed: job.batch.size - job.batch.successful,
                    queued: buffer.count, active: active))
        }
        lookIdle()
    }

    // MARK: Time

    /// Queues what is due, and comes again at the interval, or when the next job is due.
    private func tick() {
        guard !isSweeping, state != .stopped else { return }
        isSweeping = true
        spawn { [self] in
            var pause = Double(options.intervalMilliseconds) / 1000
            do throws(DatabaseError) {
                let swept = try await database.sweep(attempts: options.retry.attempts)
                // An empty buffer may have lost a job: to a claim that another node took back.
                if swept.due + swept.expired > 0 || buffer.count == 0 { buffer.hasOverflowed = true }
                if swept.isPartial { pause = 0 }
                if let due = swept.nextDue { pause = min(pause, max(due, PrewarmWorker.shortestPause)) }
            } catch {
                failed(error)
            }
            isSweeping = false
            guard state != .stopped else { return }
            ticker.schedule(at: clock.deadline(after: pause)) { [weak self] in self?.tick() }
            // Also for what a failure of the database has left.
            wake()
        }
    }

    /// A job is due in so many seconds, which may be before the next tick.
    func lookAgain(after seconds: Double) {
        let due = clock.deadline(after: max(seconds, PrewarmWorker.shortestPause))
        guard !isSweeping, state != .stopped, due < ticker.deadline else { return }
        ticker.schedule(at: due) { [weak self] in self?.tick() }
    }

    /// Seconds between two looks, at least, when the next job is nearly due.
    static let shortestPause = 0.01

    private func renew() {
        let now = clock.now
        // What could not be renewed in time is somebody else's by now.
        for job in held.values where job.until <= now { job.lose() }
        let leases = held.values.filter { !$0.isLost }.map(\.lease)
        guard !leases.isEmpty else { return }
        spawn { [self] in
            do throws(DatabaseError) {
                let kept = try await database.renew(leases, lease: options.lease)
                for lease in leases {
                    guard let job = held[lease.job], job.lease == lease else { continue }
                    if kept.contains(lease) { job.until = now + UInt64(options.lease * 1e9) } else { job.lose() }
                }
            } catch {
                failed(error)
            }
        }
    }

    func failed(_ error: DatabaseError) {
        counters.databaseErrors += 1
        onEvent?(.trouble("the database: \(error)"))
    }
}
