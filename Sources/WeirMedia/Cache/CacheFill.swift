internal import WeirLoop

/// A file that is being fetched, and those who wait for it. The last who leaves ends it.
@LoopActor
final class CacheFill {
    private var task: Task<Void, Never>?
    private var outcome: Result<CacheFile, any Error>?
    private var waiting: [Int: UnsafeContinuation<Void, Never>] = [:]
    private var asked = 0
    private var staying = 0
    /// Nobody waits for it any more, and it was ended.
    private(set) var isAbandoned = false

    nonisolated init() {}

    func run(_ fetch: @escaping @LoopActor () async throws -> CacheFile) {
        task = spawn { [self] in
            do { outcome = .success(try await fetch()) } catch { outcome = .failure(error) }
            for continuation in waiting.values { continuation.resume() }
            waiting = [:]
        }
    }

    /// Waits for it.
    /// - Throws: what the fetch throws; `CancellationError` as soon as the calling task is cancelled.
    func file() async throws -> CacheFile {
        asked += 1
        staying += 1
        let number = asked
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                if outcome != nil || Task.isCancelled { return continuation.resume() }
                waiting[number] = continuation
            }
        } onCancel: {
            spawn { self.waiting.removeValue(forKey: number)?.resume() }
        }
        staying -= 1
        if let outcome { return try outcome.get() }
        if staying == 0 {
            isAbandoned = true
            cancel()
        }
        throw CancellationError()
    }

    func cancel() { task?.cancel() }

    /// Returns when nothing is being fetched any more.
    func end() async { await task?.value }
}
