internal import CWeir

/// What the logs of the loop share to reach their files: `weir_disk_t`.
@LoopActor
public final class Disk {
    private var memory: OpaquePointer?
    /// Bytes that the files of all its logs may take together: what would exceed them waits to be written.
    public var limit = UInt64.max {
        didSet { weir_disk_set_limit(core, limit) }
    }
    private var whenClosed: (@LoopActor () -> Void)?

    var core: OpaquePointer {
        guard let memory else { preconditionFailure("the disk is closed") }
        return memory
    }

    public init() throws(CoreError) {
        try CoreError.check(weir_disk_create(LoopActor.loop, &memory, nil))
    }

    /// After the files of every log that uses it are closed; `done` is called when the operations under way are over.
    public func close(_ done: (@LoopActor () -> Void)? = nil) {
        guard let memory else {
            done?()
            return
        }
        self.memory = nil
        whenClosed = done
        weir_disk_close(memory, diskClosed, Unmanaged.passRetained(self).toOpaque())
    }

    /// After the files of every log that uses it are closed; returns when the operations under way are over.
    public func close() async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            close { continuation.resume() }
        }
    }

    fileprivate func closed() {
        let done = whenClosed
        whenClosed = nil
        done?()
    }
}

private let diskClosed: @convention(c) (UnsafeMutableRawPointer?) -> Void = { data in
    nonisolated(unsafe) let data = data!
    LoopActor.enter { Unmanaged<Disk>.fromOpaque(data).takeRetainedValue().closed() }
}
