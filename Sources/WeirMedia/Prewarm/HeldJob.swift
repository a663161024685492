internal import WeirDatabase
internal import WeirLoop

/// A job that this process holds.
@LoopActor
final class HeldJob {
    let entry: MediaEntry
    let lease: Lease
    let batch: PrewarmBatch
    /// When the lease ends, unless it is renewed.
    var until: UInt64
    /// When the attempt began.
    let began: UInt64
    /// Since when there had been a slot for it.
    let slotSince: UInt64
    /// Its first request has gone out.
    var hasAsked = false
    var task: Task<Void, Never>?
    /// It takes a slot: it is not only written down any more.
    var isRunning = true
    /// The lease is another's by now.
    private(set) var isLost = false
    /// It is to be queued again as it was.
    private(set) var isGivenBack = false

    init(_ job: LeasedJob, batch: PrewarmBatch, until: UInt64, slotSince: UInt64? = nil, _ now: UInt64) {
        entry = job.entry
        lease = job.lease
        self.batch = batch
        self.until = until
        began = now
        self.slotSince = slotSince ?? now
    }

    var isSmall: Bool { entry.priority.isSmall }

    /// Ends the attempt: what it does is not heard any more.
    func lose() {
        isLost = true
        task?.cancel()
    }

    /// Ends the attempt without counting it.
    func giveBack() {
        isGivenBack = true
        task?.cancel()
    }
}

/// The jobs of one claim.
@LoopActor
final class PrewarmBatch {
    let size: Int
    private(set) var successful = 0
    private var left: Int

    init(count: Int) {
        size = count
        left = count
    }

    /// True for the last one.
    func ended(isReady: Bool) -> Bool {
        left -= 1
        if isReady { successful += 1 }
        return left == 0
    }
}
