internal import CWeir

/// A timer on absolute deadlines, to be used again and again: arming it allocates nothing.
///
/// Deadlines are nanoseconds of its clock; it fires at the first whole millisecond of the loop at or after one, never
/// early. It does not keep the loop alive.
@LoopActor
public final class LoopTimer {
    public let clock: LoopClock
    /// When it fires next; meaningless while it is stopped.
    public private(set) var deadline: UInt64 = 0

    /// Made at the first arming; nil with a manual clock. Touched on the loop's thread, and by deinit.
    private nonisolated(unsafe) var handle: UnsafeMutablePointer<uv_timer_t>?
    private var isClosed = false
    /// Nanoseconds between two firings; 0: once.
    private var interval: UInt64 = 0
    private var handler: (@LoopActor (_ ticks: UInt64) -> Void)?
    private var sleeper: UnsafeContinuation<Bool, Never>?
    private var sleeps: UInt64 = 0

    public init(clock: LoopClock = .monotonic) {
        self.clock = clock
    }

    deinit {
        if let handle { LoopActor.executor.dispose(handle) }
    }

    /// Calls `handler` once, at `deadline`. Replaces what was scheduled before.
    public func schedule(at deadline: UInt64, _ handler: @escaping @LoopActor () -> Void) {
        begin { _ in handler() }
        interval = 0
        arm(deadline)
    }

    /// Calls `handler` at `first`, `first + interval`, `first + 2 × interval`, ...: the schedule does not drift. When the
    /// loop comes late, what was missed is one call, with the number of ticks it stands for.
    public func schedule(
        every interval: UInt64, from first: UInt64, _ handler: @escaping @LoopActor (_ ticks: UInt64) -> Void
    ) {
        precondition(interval > 0, "a schedule needs an interval")
        begin(handler)
        self.interval = interval
        arm(first)
    }

    /// Suspends the task until `deadline`. One task at a time.
    public func sleep(until deadline: UInt64) async throws(CancellationError) {
        begin(nil)
        interval = 0
        sleeps &+= 1
        let ticket = sleeps
        let slept = await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Bool, Never>) in
                guard !Task.isCancelled, !isClosed else {
                    continuation.resume(returning: false)
                    return
                }
                sleeper = continuation
                arm(deadline)
            }
        } onCancel: {
            if LoopActor.executor.isOnLoop {
                LoopActor.assumeIsolated { self.wake(ticket) }
            } else {
                spawn { self.wake(ticket) }
            }
        }
        if !slept { throw CancellationError() }
    }

    /// Nothing fires any more until it is scheduled again. A task that sleeps on it is woken with `CancellationError`.
    public func stop() {
        handler = nil
        interval = 0
        disarm()
        if let sleeper {
            self.sleeper = nil
            sleeper.resume(returning: false)
        }
    }

    /// Stops it for good and releases its handle. Closing twice is harmless.
    public func close() {
        stop()
        isClosed = true
        if let handle {
            self.handle = nil
            LoopActor.executor.dispose(handle)
        }
    }

    private func begin(_ handler: (@LoopActor (UInt64) -> Void)?) {
        precondition(sleeper == nil, "a task sleeps on this timer")
        self.handler = handler
    }

    private func wake(_ ticket: UInt64) {
        guard ticket == sleeps, let sleeper else { return }
        self.sleeper = nil
        disarm()
        sleeper.resume(returning: false)
    }

    func fire() {
        if let sleeper {
            self.sleeper = nil
            sleeper.resume(returning: true)
            return
        }
        guard let handler else { return }
        guard interval > 0 else {
            self.handler = nil
            handler(1)
            return
        }
        let now = clock.now
        let ticks = now > deadline ? (now - deadline) / interval + 1 : 1
        arm(deadline &+ ticks &* interval)
        handler(ticks)
    }

    private func arm(_ deadline: UInt64) {
        if isClosed { return }
        self.deadline = deadline
        if clock.isManual {
            clock.arm(self)
            return
        }
        let handle = handle ?? makeHandle()
        // Both are CLOCK_MONOTONIC: counted from the loop's own idea of now, the timer is due at an absolute time.
        let due = deadline / 1_000_000 + (deadline % 1_000_000 == 0 ? 0 : 1)
        let now = uv_now(handle.pointee.loop)
        uv_timer_start(handle, timerFired, due > now ? due - now : 0, 0)
    }

    private func disarm() {
        if clock.isManual {
            clock.disarm(self)
        } else if let handle {
            uv_timer_stop(handle)
        }
    }

    private func makeHandle() -> UnsafeMutablePointer<uv_timer_t> {
        let handle = UnsafeMutablePointer<uv_timer_t>.allocate(capacity: 1)
        uv_timer_init(LoopActor.loop, handle)
        LoopExecutor.withHandle(handle) { uv_unref($0) }
        handle.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        self.handle = handle
        return handle
    }

    // MARK: Sleeping tasks

    /// Timers of tasks that have woken, for the next that sleep.
    private static var spare: [LoopTimer] = []
    private static var closesSpares = false
    /// Spare timers kept.
    private static let spareLimit = 64

    static func take(clock: LoopClock) -> LoopTimer {
        if clock.isManual { return LoopTimer(clock: clock) }
        return spare.popLast() ?? LoopTimer()
    }

    func giveBack() {
        guard !clock.isManual, handle != nil, !isClosed else { return close() }
        guard LoopTimer.spare.count < LoopTimer.spareLimit else { return close() }
        if !LoopTimer.closesSpares {
            LoopTimer.closesSpares = true
            LoopActor.executor.whenDetaching.append { LoopActor.assumeIsolated { LoopTimer.closeSpares() } }
        }
        LoopTimer.spare.append(self)
    }

    private static func closeSpares() {
        for timer in spare { timer.close() }
        spare = []
        closesSpares = false
    }
}

private let enterTimer = LoopActor.Entry<LoopTimer> { $0.fire() }
private let timerFired: uv_timer_cb = { handle in
    enterTimer(Unmanaged<LoopTimer>.fromOpaque(handle!.pointee.data).takeUnretainedValue())
}
