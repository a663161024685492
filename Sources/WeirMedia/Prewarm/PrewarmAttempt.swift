internal import WeirDatabase
internal import WeirLoop

// What becomes of one attempt.
extension PrewarmWorker {
    func run(_ job: HeldJob) async {
        let outcome = await attempt(job)
        job.isRunning = false
        slots.free(at: clock.now)
        attempts.record(clock.now - job.began)
        // The next one starts while this one's end is written down.
        wake()
        await finish(job, outcome)
    }

    /// Writes down how an attempt ended, and lets go of it.
    private func finish(_ job: HeldJob, _ outcome: JobOutcome) async {
        let entry = job.entry
        let isHeld = job.isLost ? false : await settle(job, outcome)
        if isHeld { count(outcome, of: job) } else { lost(entry) }
        var isReady = false
        if isHeld, case .ready = outcome { isReady = true }
        ended(job, isReady: isReady)
        // It may be queued again, and was passed over while it was held here.
        if !isHeld { workArrived() }
    }

    private func attempt(_ job: HeldJob) async -> JobOutcome {
        if job.isGivenBack { return .release }
        let medium = job.entry.medium
        guard let bot = bots[medium.key.bot] else {
            return .failed(error: "no bot \(medium.key.bot) is configured")
        }
        var weak: CachedFile?
        for _ in 0...options.weakRetries {
            do throws(MediaUpload.Failure) {
                let sent = try await upload.send(medium, by: bot, to: .warmup) { self.asked(job, held: $0) }
                guard let file = sent.file else {
                    return decide(.transient, "the answer has no file in it", job)
                }
                let cached = CachedFile(id: file.id, uniqueID: file.uniqueID, isWeak: file.isWeak)
                if !file.isWeak { return .ready(cached) }
                counters.weak += 1
                weak = cached
            } catch {
                if job.isGivenBack { return .release }
                // A weak id is better than none.
                if let weak { return .ready(weak) }
                if error.telegram?.subject == .bot { onEvent?(.trouble("the bot \(bot.slug): \(error.reason)")) }
                return decide(error.failure, error.reason, job)
            }
        }
        return weak.map { .ready($0) } ?? .release
    }

    /// A request for the job goes out, which the bot's limits held back for so many nanoseconds.
    private func asked(_ job: HeldJob, held: UInt64) {
        guard !job.hasAsked, job.entry.attempts <= 1 else { return }
        job.hasAsked = true
        let waited = UInt64(max(0, wall() - job.entry.enqueuedAt)) * 1_000_000
        starts.record(waited)
        // It could start when it was there, and a slot was.
        let slotWaited = clock.now - job.slotSince
        let due = min(waited, slotWaited)
        dispatches.record(due > held ? due - held : 0)
    }

    private func decide(_ failure: RetrySchedule.Failure, _ reason: String, _ job: HeldJob) -> JobOutcome {
        let random = Double.random(in: 0..<1)
        switch options.retry.decide(failure, made: job.entry.attempts, random: random) {
        case .dead: return .failed(error: reason)
        case .retry(let after, true): return .retry(after: after, error: reason)
        case .retry(let after, false): return .postpone(after: after, reason: reason)
        }
    }

    /// Writes down how it ended, again and again as long as the lease holds. False when it did not.
    private func settle(_ job: HeldJob, _ outcome: JobOutcome) async -> Bool {
        while !job.isLost {
            do throws(DatabaseError) {
                return try await database.settle([(job.lease, outcome)]).first ?? false
            } catch {
                failed(error)
                guard error.isTransient || error.outcomeIsUnknown else { return false }
                // At shutdown nobody waits for a database that is away.
                if state == .stopped && job.isGivenBack { return false }
                // In a task of its own: one that was cancelled would not wait at all.
                let pause = spawn { [clock] in _ = try? await clock.sleep(for: PrewarmWorker.settlePause) }
                await pause.value
            }
        }
        return false
    }

    private func count(_ outcome: JobOutcome, of job: HeldJob) {
        let entry = job.entry
        func report(_ error: String, _ retryAfter: Double?) {
            onEvent?(
                .attemptFailed(
                    job: entry.id, key: entry.medium.key, attempt: entry.attempts, error: error,
                    retryAfter: retryAfter))
        }
        switch outcome {
        case .ready(let file):
            counters.ready += 1
            onReady?(entry.medium.key, file)
        case .retry(let after, let error):
            counters.retried += 1
            report(error, after)
        case .postpone(let after, let reason):
            counters.postponed += 1
            report(reason, after)
        case .failed(let error):
            counters.failed += 1
            report(error, nil)
        case .release: counters.released += 1
        }
        // When the next attempt is due, is the sweep's to find out.
        switch outcome {
        case .retry(let after, _), .postpone(let after, _): lookAgain(after: after)
        default: break
        }
    }

    private func lost(_ entry: MediaEntry) {
        counters.lost += 1
        onEvent?(.leaseLost(job: entry.id, key: entry.medium.key))
    }
}

// Jobs that somebody waits for, who uploads them himself.
extension PrewarmWorker {
    /// Leases a job outside of the slots; nil when somebody else has it.
    func take(_ id: Int64) async throws(DatabaseError) -> HeldJob? {
        guard held[id] == nil else { return nil }
        let leased = try await database.claim([id], lease: options.lease, worker: name)
        guard let job = leased.first, held[id] == nil else { return nil }
        let one = HeldJob(
            job, batch: PrewarmBatch(count: 1), until: clock.deadline(after: options.lease), clock.now)
        one.isRunning = false
        held[id] = one
        return one
    }

    /// Uploads it to where it is wanted; its identifier is kept.
    func send(
        _ job: HeldJob, _ bot: Bot, to destination: MediaUpload.Destination
    ) async throws(MediaUpload.Failure) -> TelegramSent {
        do throws(MediaUpload.Failure) {
            let sent = try await upload.send(job.entry.medium, by: bot, to: destination)
            guard let file = sent.file else {
                throw MediaUpload.Failure(.transient, "the answer has no file in it")
            }
            await finish(job, .ready(CachedFile(id: file.id, uniqueID: file.uniqueID, isWeak: file.isWeak)))
            return sent
        } catch {
            // What is the chat's fault is not the medium's.
            let isOfFile = error.failure == .permanent && (error.telegram.map { $0.subject == .file } ?? true)
            await finish(job, isOfFile ? .failed(error: error.reason) : .release)
            throw error
        }
    }
}
