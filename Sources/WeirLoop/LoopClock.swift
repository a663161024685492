internal import CWeir
import Synchronization

/// Monotonic time in nanoseconds. Everything that waits takes its time from one of these, so that a test can move it.
public final class LoopClock: @unchecked Sendable {
    /// The system's monotonic clock.
    public static let monotonic = LoopClock(isManual: false, start: 0)

    /// A clock that stands still until `advance(by:)`.
    public static func manual(at start: UInt64 = 1_000_000_000) -> LoopClock {
        LoopClock(isManual: true, start: start)
    }

    public let isManual: Bool
    private let time: Atomic<UInt64>
    /// Timers that wait for a manual clock; on the loop's thread only.
    private var armed: [LoopTimer] = []

    private init(isManual: Bool, start: UInt64) {
        self.isManual = isManual
        time = Atomic(start)
    }

    /// Nanoseconds since some point in the past. Any thread.
    @inline(__always)
    public var now: UInt64 { isManual ? time.load(ordering: .relaxed) : uv_hrtime() }

    /// The time `seconds` from now; far in the future for one that does not fit.
    public func deadline(after seconds: Double) -> UInt64 {
        let now = now
        let span = seconds * 1e9
        guard span > 0 else { return now }
        guard span < 1e18 else { return .max }
        return now &+ UInt64(span)
    }

    /// Suspends the task until `deadline`, or until it is cancelled. Allocates nothing once a timer was there before.
    @LoopActor
    public func sleep(until deadline: UInt64) async throws(CancellationError) {
        let timer = LoopTimer.take(clock: self)
        defer { timer.giveBack() }
        try await timer.sleep(until: deadline)
    }

    @LoopActor
    public func sleep(for seconds: Double) async throws(CancellationError) {
        try await sleep(until: deadline(after: seconds))
    }

    // MARK: A manual clock

    /// Moves a manual clock. Timers that fall due fire in the order of their deadlines, each at its own time.
    @LoopActor
    public func advance(by nanoseconds: UInt64) {
        precondition(isManual, "the system's clock cannot be moved")
        let target = now &+ nanoseconds
        while let timer = armed.min(by: { $0.deadline < $1.deadline }), timer.deadline <= target {
            fire(timer)
        }
        time.store(target, ordering: .relaxed)
    }

    /// The same, and between the deadlines every task that could run has run.
    @LoopActor
    public func advance(seconds: Double) async {
        precondition(isManual, "the system's clock cannot be moved")
        await LoopActor.settle()
        let target = now &+ UInt64(seconds * 1e9)
        while let timer = armed.min(by: { $0.deadline < $1.deadline }), timer.deadline <= target {
            fire(timer)
            await LoopActor.settle()
        }
        time.store(target, ordering: .relaxed)
        await LoopActor.settle()
    }

    /// Timers that wait for this manual clock.
    @LoopActor
    public var waitingTimers: Int { armed.count }

    @LoopActor
    private func fire(_ timer: LoopTimer) {
        time.store(max(now, timer.deadline), ordering: .relaxed)
        disarm(timer)
        timer.fire()
    }

    @LoopActor
    func arm(_ timer: LoopTimer) {
        if !armed.contains(where: { $0 === timer }) { armed.append(timer) }
    }

    @LoopActor
    func disarm(_ timer: LoopTimer) {
        armed.removeAll { $0 === timer }
    }
}
