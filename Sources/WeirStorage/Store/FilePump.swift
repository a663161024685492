internal import CWeirStorage
internal import Glibc
internal import WeirLoop

/// Bytes from a pipe or socket into a file, moved in C; Swift is entered at the end.
@LoopActor
final class FilePump {
    private var core: OpaquePointer?
    private var status: Int32?
    private var waiter: UnsafeContinuation<Void, Never>?

    /// `socket` is the pump's from then on; the file stays the caller's, until `close()` has returned. `length` is at least
    /// 1.
    init(
        _ lane: PumpLane, file: Int32, length: UInt64, socket: Int32, hashes: Bool = false
    ) throws(CoreError) {
        let result = weir_pump_open(
            lane.core, &core, file, 0, length, socket, pumpDone, Unmanaged.passUnretained(self).toOpaque())
        if result < 0 {
            core = nil
            throw CoreError(rawValue: result)
        }
        if hashes { weir_pump_digests(core) }
    }

    isolated deinit { if let core { weir_pump_close(core, nil, nil) } }

    /// Bytes that are in the file.
    var moved: UInt64 { core.map { weir_pump_moved($0) } ?? 0 }

    /// 0 when all has been moved, or a libuv error; negative as well after `cancel()`.
    func ended() async -> Int32 {
        await withTaskCancellationHandler {
            if status == nil { await withUnsafeContinuation { waiter = $0 } }
        } onCancel: {
            spawn { self.cancel() }
        }
        return status ?? CoreError.closed.rawValue
    }

    func cancel() { done(CoreError.closed.rawValue) }

    /// SHA-256 of what passed, in hexadecimal; once.
    func digest() -> String {
        var bytes = [UInt8](repeating: 0, count: Int(WEIR_SHA256_SIZE))
        if let core { weir_pump_digest(core, &bytes) }
        return SHA256.hex(bytes)
    }

    /// Returns when the file is not used any more.
    func close() async {
        guard let core else { return }
        self.core = nil
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            weir_pump_close(core, pumpClosed, unsafeBitCast(continuation, to: UnsafeMutableRawPointer.self))
        }
    }

    fileprivate func done(_ status: Int32) {
        guard self.status == nil else { return }
        self.status = status
        waiter?.resume()
        waiter = nil
    }
}

/// What the files of a store share: their turn on the pool.
@LoopActor
final class PumpLane {
    let core: OpaquePointer

    /// `CoreError` without memory.
    init() throws(CoreError) {
        guard let core = weir_lane_open(LoopActor.loop) else { throw CoreError(errno: ENOMEM) }
        self.core = core
    }

    isolated deinit { weir_lane_close(core) }
}

private let pumpDone: @convention(c) (UnsafeMutableRawPointer?, Int32) -> Void = { data, status in
    nonisolated(unsafe) let data = data!
    LoopActor.enter { Unmanaged<FilePump>.fromOpaque(data).takeUnretainedValue().done(status) }
}

private let pumpClosed: @convention(c) (UnsafeMutableRawPointer?) -> Void = { data in
    nonisolated(unsafe) let data = data!
    LoopActor.enter { unsafeBitCast(data, to: UnsafeContinuation<Void, Never>.self).resume() }
}

/// libuv's numbers for how bytes end.
enum UV {
    static let endOfFile: Int32 = -4095
}
