import Glibc

/// A lock between threads that lives as long as the process. A `pthread_mutex_t` and not `Synchronization.Mutex`, which
/// ThreadSanitizer does not see: everything that is handed to the loop from another thread would look like a race.
struct ThreadLock: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>

    init() {
        mutex = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
    }

    @inline(__always)
    func with<Value>(_ body: () throws -> Value) rethrows -> Value {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body()
    }
}
