internal import CWeir

/// Watches a descriptor, as `uv_poll_t` does: level-triggered. It neither owns nor closes the descriptor, and does not
/// keep the loop alive. Close it before the descriptor.
@LoopActor
public final class Poll {
    public struct Events: OptionSet, Sendable {
        public let rawValue: Int32

        public init(rawValue: Int32) {
            self.rawValue = rawValue
        }

        public static let readable = Events(rawValue: Int32(bitPattern: UV_READABLE.rawValue))
        public static let writable = Events(rawValue: Int32(bitPattern: UV_WRITABLE.rawValue))
        /// The peer closed its side.
        public static let disconnect = Events(rawValue: Int32(bitPattern: UV_DISCONNECT.rawValue))
    }

    /// Touched on the loop's thread, and by deinit.
    private nonisolated(unsafe) var handle: UnsafeMutablePointer<uv_poll_t>?
    private var watched: Events = []
    private var handler: (@LoopActor (Events) -> Void)?
    private var waiter: UnsafeContinuation<Events, Never>?

    /// Throws what libuv says: `EPERM` for a regular file, `EEXIST` when the descriptor is watched already.
    public init(descriptor: Int32) throws(CoreError) {
        let handle = UnsafeMutablePointer<uv_poll_t>.allocate(capacity: 1)
        let status = uv_poll_init(LoopActor.loop, handle, descriptor)
        guard status == 0 else {
            handle.deallocate()
            throw CoreError(rawValue: status)
        }
        LoopExecutor.withHandle(handle) { uv_unref($0) }
        self.handle = handle
        handle.pointee.data = Unmanaged.passUnretained(self).toOpaque()
    }

    deinit {
        if let handle { LoopActor.executor.dispose(handle) }
    }

    /// Calls `handler` whenever one of `events` holds; an error of the descriptor shows as all of them.
    public func start(_ events: Events, _ handler: @escaping @LoopActor (Events) -> Void) {
        self.handler = handler
        watch(events)
    }

    /// Suspends the task until one of `events` holds, and returns which; none after `interrupt()` or `close()`. One task
    /// at a time, and not together with `start`.
    ///
    /// The descriptor stays watched afterwards, until something happens that nobody waits for: a task that waits for the
    /// same again costs no system call.
    public func wait(for events: Events) async -> Events {
        precondition(waiter == nil, "a task waits on this descriptor")
        if handle == nil { return [] }
        return await withUnsafeContinuation { continuation in
            waiter = continuation
            watch(events)
        }
    }

    /// Wakes the task that waits, with no event.
    public func interrupt() {
        guard let waiter else { return }
        self.waiter = nil
        waiter.resume(returning: [])
    }

    /// `start`'s handler is not called any more. The descriptor stays watched until something happens, so that starting
    /// again soon costs no system call.
    public func pause() { handler = nil }

    public var isWaitedFor: Bool { waiter != nil }

    /// Stops watching; can be started again.
    public func stop() {
        handler = nil
        unwatch()
    }

    /// Stops for good; the descriptor may be closed at once afterwards. Closing twice is harmless.
    public func close() {
        handler = nil
        if let handle {
            self.handle = nil
            uv_poll_stop(handle)
            LoopActor.executor.dispose(handle)
        }
        interrupt()
    }

    private func watch(_ events: Events) {
        guard let handle, watched != events else { return }
        watched = events
        uv_poll_start(handle, events.rawValue, pollReady)
    }

    private func unwatch() {
        guard let handle, !watched.isEmpty else { return }
        watched = []
        uv_poll_stop(handle)
    }

    fileprivate func ready(_ status: Int32, _ events: Int32) {
        // An error stops the watching in libuv; the next read or write says what it was.
        let events = status < 0 ? watched : Events(rawValue: events)
        if status < 0 { watched = [] }
        if let handler {
            handler(events)
        } else if let waiter {
            self.waiter = nil
            waiter.resume(returning: events)
        } else {
            unwatch()
        }
    }
}

private let enterPoll = LoopActor.Entry<(Poll, Int32, Int32)> { $0.ready($1, $2) }
private let pollReady: uv_poll_cb = { handle, status, events in
    enterPoll((Unmanaged<Poll>.fromOpaque(handle!.pointee.data).takeUnretainedValue(), status, events))
}
