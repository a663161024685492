import Glibc

/// State that threads share, and a way to wait for it to change.
final class Monitor<State>: @unchecked Sendable {
    // Behind a pointer: as a property, a state without size would have the address of the next one, which
    // ThreadSanitizer takes for a race between the two.
    private let state = UnsafeMutablePointer<State>.allocate(capacity: 1)
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init(_ state: State) {
        self.state.initialize(to: state)
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(changed, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
        state.deinitialize(count: 1)
        state.deallocate()
    }

    /// Everyone who waits looks again afterwards.
    func with<Value>(_ body: (inout State) throws -> Value) rethrows -> Value {
        pthread_mutex_lock(mutex)
        defer {
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(mutex)
        }
        return try body(&state.pointee)
    }

    /// Waits until `body` gives a value; nil when the deadline passes first, or never without one.
    func wait<Value>(_ deadline: Deadline?, _ body: (inout State) throws -> Value?) rethrows -> Value? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let value = try body(&state.pointee) { return value }
            guard let deadline else {
                pthread_cond_wait(changed, mutex)
                continue
            }
            if deadline.hasPassed { return nil }
            var time = timespec(tv_sec: Int(deadline.end / 1_000_000_000), tv_nsec: Int(deadline.end % 1_000_000_000))
            pthread_cond_timedwait(changed, mutex, &time)
        }
    }
}

/// A thread of its own for `body`, which may block.
func onThread(_ body: @escaping @Sendable () -> Void) {
    final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    defer { pthread_attr_destroy(&attributes) }
    var thread = pthread_t()
    let box = Unmanaged.passRetained(Box(body))
    let status = pthread_create(
        &thread, &attributes,
        { context in
            Unmanaged<Box>.fromOpaque(context!).takeRetainedValue().body()
            return nil
        }, box.toOpaque())
    precondition(status == 0, "no thread: \(status)")
}
