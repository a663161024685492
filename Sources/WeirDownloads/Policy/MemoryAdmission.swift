internal import WeirLoop

/// Memory for artefacts that are made in it: who asks first is first, and waits until there is enough.
@LoopActor
final class MemoryAdmission {
    /// Requests that may wait.
    static let waitingLimit = 1000

    /// A part of it, which is given back once.
    struct Grant: Sendable {
        fileprivate let id: UInt64
        let bytes: UInt64
    }

    @LoopActor
    private final class Waiter {
        let bytes: UInt64
        var continuation: UnsafeContinuation<Bool, Never>?

        init(_ bytes: UInt64) { self.bytes = bytes }
    }

    let limit: UInt64
    private(set) var used: UInt64 = 0
    private var waiters: [Waiter] = []
    private var grants: Set<UInt64> = []
    private var last: UInt64 = 0

    init(limit: UInt64) { self.limit = limit }

    var waiting: Int { waiters.count }

    /// - Throws: `.overMemory` for more than there ever is, `.busy` when too many wait, `.closed` when the task is cancelled.
    func acquire(_ bytes: UInt64) async throws(DownloadError) -> Grant {
        guard bytes <= limit else {
            throw DownloadError(
                .overMemory, "\(bytes) bytes are needed in memory, and downloads.memory is \(limit)")
        }
        if waiters.isEmpty, bytes <= limit - used { return grant(bytes) }
        guard waiters.count < MemoryAdmission.waitingLimit else {
            throw DownloadError(
                .busy, "\(waiters.count) downloads wait for memory already", retryAfter: DownloadError.retry)
        }
        let waiter = Waiter(bytes)
        waiters.append(waiter)
        let isGranted = await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Bool, Never>) in
                waiter.continuation = continuation
                if Task.isCancelled { leave(waiter) }
            }
        } onCancel: {
            spawn { self.leave(waiter) }
        }
        guard isGranted else { throw DownloadError(.closed, "the request was given up") }
        last &+= 1
        grants.insert(last)
        return Grant(id: last, bytes: bytes)
    }

    private func grant(_ bytes: UInt64) -> Grant {
        used += bytes
        last &+= 1
        grants.insert(last)
        return Grant(id: last, bytes: bytes)
    }

    private func leave(_ waiter: Waiter) {
        guard let index = waiters.firstIndex(where: { $0 === waiter }) else { return }
        waiters.remove(at: index)
        waiter.continuation?.resume(returning: false)
        admit()
    }

    /// Gives it back. Twice is harmless.
    func release(_ grant: Grant) {
        guard grants.remove(grant.id) != nil else { return }
        used -= grant.bytes
        admit()
    }

    private func admit() {
        while let first = waiters.first, first.bytes <= limit - used {
            waiters.removeFirst()
            used += first.bytes
            first.continuation?.resume(returning: true)
        }
    }

    /// Nobody waits any more.
    func close() {
        let all = waiters
        waiters = []
        for waiter in all { waiter.continuation?.resume(returning: false) }
    }
}

/// A grant that is given back with its last reference.
@LoopActor
final class HeldMemory {
    private let grant: MemoryAdmission.Grant
    private let memory: MemoryAdmission

    init(_ grant: MemoryAdmission.Grant, _ memory: MemoryAdmission) {
        (self.grant, self.memory) = (grant, memory)
    }

    isolated deinit { memory.release(grant) }
}
