import Testing

/// Gives each test a thread of its own, on which it may block, and lets so many run at once.
///
/// Tests here wait for processes and sockets in plain blocking calls. On the threads of Swift's pool, of which there are
/// as many as cores, two of them would keep all others from running.
struct Lane: SuiteTrait, TestTrait, TestScoping {
    /// Tests that run at once: most of the time they wait, but for a sanitizer's work.
    static let count = Pace.isSanitized ? 4 : 6

    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        await Gate.shared.enter()
        let thread = ThreadExecutor()
        defer { thread.stop() }
        do {
            try await withTaskExecutorPreference(thread) { try await function() }
        } catch {
            await Gate.shared.leave()
            throw error
        }
        await Gate.shared.leave()
    }

    private actor Gate {
        static let shared = Gate()
        private var free = Lane.count
        private var waiters: [CheckedContinuation<Void, Never>] = []

        func enter() async {
            if free > 0 {
                free -= 1
            } else {
                await withCheckedContinuation { waiters.append($0) }
            }
        }

        func leave() {
            if waiters.isEmpty {
                free += 1
            } else {
                waiters.removeFirst().resume()
            }
        }
    }
}

extension Trait where Self == Lane {
    /// The tests block: each gets a thread of its own.
    static var ownThread: Lane { Lane() }
}

/// Runs its tasks on one thread.
private final class ThreadExecutor: TaskExecutor {
    private struct Queue {
        var jobs: [UnownedJob] = []
        var isStopped = false
    }

    private let queue = Monitor(Queue())

    init() {
        onThread { [self] in
            while let job = queue.wait(nil, { next(&$0) }) ?? nil {
                job.runSynchronously(on: asUnownedTaskExecutor())
            }
        }
    }

    /// A job; nothing in it when there will be none.
    private func next(_ queue: inout Queue) -> UnownedJob?? {
        if !queue.jobs.isEmpty { return .some(queue.jobs.removeFirst()) }
        return queue.isStopped ? .some(nil) : nil
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.with { $0.jobs.append(job) }
    }

    func stop() { queue.with { $0.isStopped = true } }
}
