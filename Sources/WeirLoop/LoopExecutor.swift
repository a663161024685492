internal import CWeir
import Glibc
import Synchronization

/// Runs the jobs of `LoopActor` on a libuv loop: a serial executor and a task executor, so that a resumed continuation
/// goes straight to the loop instead of over a thread of the pool (12 ... 28 µs).
///
/// There is one for the whole process. It is *attached* to a loop, its own or a host's, and detached again.
///
/// - A job from the loop's thread goes to a ring without a lock, drained before and after the loop polls. Each drain runs
///   at most `budget` jobs, or for about `slice`, so that I/O is not starved; while jobs remain, an idle handle keeps the
///   loop turning.
///   These handles are active only while there are jobs: a loop that only runs C code never enters Swift.
/// - A job from another thread goes to a locked queue; the first one wakes the loop.
/// - **While no loop is attached, jobs wait.** They run, in order, on the loop that is attached next. Nothing is dropped,
///   and nothing runs on another thread; when no loop ever comes, the waiting tasks stay suspended and hold their memory.
public final class LoopExecutor: SerialExecutor, TaskExecutor, @unchecked Sendable {
    /// Jobs run in one drain before the loop gets its turn.
    public static let budget = 256
    /// Nanoseconds that all drains of one turn of the loop may take, when jobs are long; each runs eight at least.
    public static let slice: UInt64 = 250_000

    /// Handles that drive the executor on one loop; freed when the last of them has closed.
    private struct Handles {
        var wake = uv_async_t()
        var before = uv_prepare_t()
        var after = uv_check_t()
        var turn = uv_idle_t()
    }

    /// What other threads put in; under `lock`.
    private struct Remote {
        var jobs: [UnownedJob] = []
        /// Handles whose owners went away on another thread.
        var orphans: [UnsafeMutablePointer<uv_handle_t>] = []
        /// Where to knock; nil while no loop is attached.
        var wake: UnsafeMutablePointer<uv_async_t>?
    }

    /// `pthread_self()` of the loop's thread; 0 while no loop is attached.
    private let owner = Atomic<UInt>(0)
    private let lock = ThreadLock()
    private var remote = Remote()

    /// What every job touches. Behind a pointer: stored properties would be checked for exclusive access each time.
    private struct Jobs {
        var ring = JobRing()
        var isArmed = false
        var isDraining = false
        /// When the drains of this turn are to end; 0: none has looked at the clock.
        var end: UInt64 = 0
        /// Times that C code entered Swift, and jobs run.
        var entries: UInt64 = 0
    }

    // From here on: touched on the loop's thread only.
    private let jobs: UnsafeMutablePointer<Jobs>
    private var handles: UnsafeMutablePointer<Handles>?
    private var attached: UnsafeMutablePointer<uv_loop_t>?
    private var taken: [UnownedJob] = []
    private var isClosing = false
    private var openHandles = 0
    private var whenDetached: (() -> Void)?
    private var holds = 0
    var whenDetaching: [() -> Void] = []

    /// The one executor, which is never freed.
    init() {
        jobs = .allocate(capacity: 1)
        jobs.initialize(to: Jobs())
    }

    var entries: UInt64 { jobs.pointee.entries }

    @inline(__always)
    func countEntry() { jobs.pointee.entries &+= 1 }

    /// Whether the caller is on the loop's thread.
    @inline(__always)
    public var isOnLoop: Bool { owner.load(ordering: .relaxed) == UInt(pthread_self()) }

    /// The loop. Only on its thread, and only while attached.
    var loop: UnsafeMutablePointer<uv_loop_t> {
        guard let attached else { preconditionFailure("LoopActor has no loop") }
        return attached
    }

    var isAttached: Bool { owner.load(ordering: .relaxed) != 0 }
    /// Jobs that are ready to run on the loop's thread.
    var waiting: Int { jobs.pointee.ring.count }

    // MARK: Jobs

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if isOnLoop {
            jobs.pointee.ring.push(job)
            if !jobs.pointee.isArmed && !jobs.pointee.isDraining { arm() }
            return
        }
        lock.with {
            remote.jobs.append(job)
            // Inside the lock: detach() takes `wake` away under it, and a closed handle must not be knocked at.
            if remote.jobs.count == 1, let wake = remote.wake { uv_async_send(wake) }
        }
    }

    private func drain() {
        let jobs = jobs
        if jobs.pointee.isDraining { return }
        jobs.pointee.isDraining = true
        let serial = asUnownedSerialExecutor()
        let task = asUnownedTaskExecutor()
        var done = 0
        while done < LoopExecutor.budget, let job = jobs.pointee.ring.pop() {
            jobs.pointee.entries &+= 1
            done += 1
            job.runSynchronously(isolatedTo: serial, taskExecutor: task)
            // Looking at the clock costs a tenth of a job: once for eight.
            guard done % 8 == 0 else { continue }
            let now = uv_hrtime()
            if jobs.pointee.end == 0 {
                jobs.pointee.end = now + LoopExecutor.slice
            } else if now >= jobs.pointee.end {
                break
            }
        }
        jobs.pointee.isDraining = false
        if jobs.pointee.ring.isEmpty {
            jobs.pointee.ring.shrink()
            jobs.pointee.end = 0
            disarm()
        } else {
            arm()
        }
    }

    /// Jobs of other threads join the ring.
    private func collect() {
        let orphans = lock.with {
            swap(&remote.jobs, &taken)
            defer { remote.orphans.removeAll() }
            return remote.orphans
        }
        for job in taken { jobs.pointee.ring.push(job) }
        taken.removeAll(keepingCapacity: taken.capacity <= JobRing.initialCapacity)
        for handle in orphans { LoopExecutor.closeAndFree(handle) }
    }

    private func arm() {
        guard !jobs.pointee.isArmed, !isClosing, let handles else { return }
        jobs.pointee.isArmed = true
        uv_prepare_start(&handles.pointee.before, turnBefore)
        uv_check_start(&handles.pointee.after, turnAfter)
        uv_idle_start(&handles.pointee.turn, turnIdle)
    }

    private func disarm() {
        guard jobs.pointee.isArmed, let handles else { return }
        jobs.pointee.isArmed = false
        uv_prepare_stop(&handles.pointee.before)
        uv_check_stop(&handles.pointee.after)
        uv_idle_stop(&handles.pointee.turn)
    }

    // The three below enter Swift; they are stored so that no isolation check is made (32 ns each).
    private let turnBefore: uv_prepare_cb = { handle in LoopExecutor.of(handle?.pointee.data).entered() }
    private let turnAfter: uv_check_cb = { handle in
        let executor = LoopExecutor.of(handle?.pointee.data)
        executor.jobs.pointee.end = 0
        executor.entered()
    }
    /// Only its being active matters: the loop does not sleep.
    private let turnIdle: uv_idle_cb = { _ in }

    private static func of(_ data: UnsafeMutableRawPointer?) -> LoopExecutor {
        Unmanaged<LoopExecutor>.fromOpaque(data!)._withUnsafeGuaranteedRef { $0 }
    }

    private func entered() {
        countEntry()
        drain()
    }

    // MARK: Isolation

    public func checkIsolated() {
        precondition(isOnLoop, "not on the thread of LoopActor's loop")
    }

    public func isIsolatingCurrentContext() -> Bool? { isOnLoop }

    // MARK: Attaching

    /// Takes a loop into use, on the thread that runs it. Jobs that waited run at its next turn.
    ///
    /// Throws `CoreError.busy` when another loop is attached, or what libuv returns.
    func attach(to loop: UnsafeMutablePointer<uv_loop_t>) throws(CoreError) {
        let (mine, _) = owner.compareExchange(
            expected: 0, desired: UInt(pthread_self()), ordering: .acquiringAndReleasing)
        guard mine else { throw .busy }
        let handles = UnsafeMutablePointer<Handles>.allocate(capacity: 1)
        handles.initialize(to: Handles())
        let status = uv_async_init(loop, &handles.pointee.wake) { handle in
            let executor = LoopExecutor.of(handle?.pointee.data)
            executor.collect()
            executor.entered()
        }
        guard status == 0 else {
            handles.deallocate()
            owner.store(0, ordering: .releasing)
            throw CoreError(rawValue: status)
        }
        uv_prepare_init(loop, &handles.pointee.before)
        uv_check_init(loop, &handles.pointee.after)
        uv_idle_init(loop, &handles.pointee.turn)
        let me = Unmanaged.passUnretained(self).toOpaque()
        handles.pointee.wake.data = me
        handles.pointee.before.data = me
        handles.pointee.after.data = me
        handles.pointee.turn.data = me
        // The executor alone never keeps a host's loop alive; waiting jobs do, through the idle handle.
        LoopExecutor.withHandle(&handles.pointee.wake) { uv_unref($0) }
        LoopExecutor.withHandle(&handles.pointee.before) { uv_unref($0) }
        LoopExecutor.withHandle(&handles.pointee.after) { uv_unref($0) }
        self.handles = handles
        attached = loop
        let wake = withUnsafeMutablePointer(to: &handles.pointee.wake) { $0 }
        lock.with { remote.wake = wake }
        collect()
        if !jobs.pointee.ring.isEmpty { arm() }
    }

    /// Lets the loop go; `done` is called on its thread from the close callback of the last handle. Jobs that have not
    /// run by then wait for the next loop. Only on the loop's thread, once for each attach.
    func detach(_ done: @escaping () -> Void) {
        checkIsolated()
        guard let handles, !isClosing else { preconditionFailure("LoopActor is not attached") }
        lock.with { remote.wake = nil }
        for action in whenDetaching { action() }
        whenDetaching = []
        disarm()
        isClosing = true
        openHandles = 4
        whenDetached = done
        let closed: uv_close_cb = { handle in LoopExecutor.of(handle?.pointee.data).oneClosed() }
        LoopExecutor.withHandle(&handles.pointee.wake) { uv_close($0, closed) }
        LoopExecutor.withHandle(&handles.pointee.before) { uv_close($0, closed) }
        LoopExecutor.withHandle(&handles.pointee.after) { uv_close($0, closed) }
        LoopExecutor.withHandle(&handles.pointee.turn) { uv_close($0, closed) }
    }

    private func oneClosed() {
        openHandles -= 1
        guard openHandles == 0 else { return }
        handles?.deallocate()
        handles = nil
        attached = nil
        isClosing = false
        holds = 0
        // What is left waits in front of what came from elsewhere since.
        var left: [UnownedJob] = []
        while let job = jobs.pointee.ring.pop() { left.append(job) }
        lock.with { remote.jobs.insert(contentsOf: left, at: 0) }
        let done = whenDetached
        whenDetached = nil
        owner.store(0, ordering: .releasing)
        done?()
    }

    /// Keeps the loop alive until `release()`, as a program's main task does; counted.
    func hold() {
        holds += 1
        if holds == 1, let handles { LoopExecutor.withHandle(&handles.pointee.wake) { uv_ref($0) } }
    }

    func release() {
        holds -= 1
        if holds == 0, let handles { LoopExecutor.withHandle(&handles.pointee.wake) { uv_unref($0) } }
    }

    // MARK: Handles of others

    /// Closes a handle that was allocated on its own and frees it; from any thread, for a `deinit`.
    func dispose<Handle>(_ handle: UnsafeMutablePointer<Handle>) {
        let handle = UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)
        if isOnLoop {
            LoopExecutor.closeAndFree(handle)
            return
        }
        lock.with {
            remote.orphans.append(handle)
            if let wake = remote.wake { uv_async_send(wake) }
        }
    }

    private static func closeAndFree(_ handle: UnsafeMutablePointer<uv_handle_t>) {
        uv_close(handle) { handle in UnsafeMutableRawPointer(handle)?.deallocate() }
    }

    @inline(__always)
    static func withHandle<Handle>(
        _ handle: UnsafeMutablePointer<Handle>, _ body: (UnsafeMutablePointer<uv_handle_t>) -> Void
    ) {
        body(UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self))
    }
}
