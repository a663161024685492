internal import CWeir

/// Calls a closure on the loop when the process gets a signal. For a program: an embedded engine installs no handler.
@LoopActor
public final class SignalWatch {
    private nonisolated(unsafe) var handle: UnsafeMutablePointer<uv_signal_t>?
    private let handler: @LoopActor () -> Void

    /// Throws what libuv says: `EINVAL` for a signal that cannot be caught.
    public init(_ signal: Int32, _ handler: @escaping @LoopActor () -> Void) throws(CoreError) {
        self.handler = handler
        let handle = UnsafeMutablePointer<uv_signal_t>.allocate(capacity: 1)
        let status = uv_signal_init(LoopActor.loop, handle)
        guard status == 0 else {
            handle.deallocate()
            throw CoreError(rawValue: status)
        }
        self.handle = handle
        handle.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        LoopExecutor.withHandle(handle) { uv_unref($0) }
        let started = uv_signal_start(handle, signalCame, signal)
        guard started == 0 else {
            close()
            throw CoreError(rawValue: started)
        }
    }

    deinit {
        if let handle { LoopActor.executor.dispose(handle) }
    }

    /// The signal gets its former meaning back. Closing twice is harmless.
    public func close() {
        guard let handle else { return }
        self.handle = nil
        uv_signal_stop(handle)
        LoopActor.executor.dispose(handle)
    }

    fileprivate func came() { handler() }
}

private let signalCame: uv_signal_cb = { handle, _ in
    nonisolated(unsafe) let data = handle?.pointee.data
    LoopActor.enter { Unmanaged<SignalWatch>.fromOpaque(data!).takeUnretainedValue().came() }
}
