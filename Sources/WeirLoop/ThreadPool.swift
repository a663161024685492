internal import CWeir

/// Runs blocking work on the loop's thread pool, and the task that asked goes on with its result. At most two run at
/// once, so that a host keeps threads of its pool for itself; the others wait their turn.
@LoopActor
public func onPool<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    await PoolGate.enter()
    defer { PoolGate.leave() }
    let job = PoolJob(work)
    let result = await withUnsafeContinuation { (continuation: UnsafeContinuation<Int32, Never>) in
        job.continuation = continuation
        job.request.pointee.data = Unmanaged.passUnretained(job).toOpaque()
        let status = uv_queue_work(LoopActor.loop, job.request, poolWork, poolDone)
        if status != 0 {
            job.continuation = nil
            continuation.resume(returning: status)
        }
    }
    try CoreError.check(result)
    return try job.take()
}

/// What the C callbacks see of a job, whatever it returns.
private class AnyPoolJob: @unchecked Sendable {
    let request = UnsafeMutablePointer<uv_work_t>.allocate(capacity: 1)
    var continuation: UnsafeContinuation<Int32, Never>?

    deinit { request.deallocate() }

    func perform() {}
}

private final class PoolJob<Value: Sendable>: AnyPoolJob, @unchecked Sendable {
    private let work: @Sendable () throws -> Value
    private var result: Result<Value, any Error>?

    init(_ work: @escaping @Sendable () throws -> Value) {
        self.work = work
    }

    override func perform() {
        result = Result { try work() }
    }

    func take() throws -> Value {
        guard let result else { throw CoreError.closed }
        return try result.get()
    }
}

private let poolWork: uv_work_cb = { request in
    Unmanaged<AnyPoolJob>.fromOpaque(request!.pointee.data).takeUnretainedValue().perform()
}

private let poolDone: uv_after_work_cb = { request, status in
    nonisolated(unsafe) let data = request!.pointee.data
    LoopActor.enter {
        let job = Unmanaged<AnyPoolJob>.fromOpaque(data!).takeUnretainedValue()
        let continuation = job.continuation
        job.continuation = nil
        continuation?.resume(returning: status)
    }
}

/// Counts who is on the pool.
@LoopActor
private enum PoolGate {
    static let limit = 2
    static var inside = 0
    static var waiting: [UnsafeContinuation<Void, Never>] = []

    static func enter() async {
        if inside < limit {
            inside += 1
            return
        }
        await withUnsafeContinuation { waiting.append($0) }
    }

    static func leave() {
        if waiting.isEmpty {
            inside -= 1
        } else {
            waiting.removeFirst().resume()
        }
    }
}
