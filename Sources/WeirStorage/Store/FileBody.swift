internal import CWeirStorage
internal import Glibc
internal import WeirHTTP
internal import WeirLoop

/// A part of a file that is the body of a request or a response, moved in C: what libcurl has on one side, the file on the
/// other, and two blocks of 128 KiB between them.
@LoopActor
final class FileBody {
    enum Direction { case give, take }

    private var core: OpaquePointer?
    private var waiter: UnsafeContinuation<Void, Never>?
    /// Whom it lets go on.
    private var given: ClientSource?
    private var taken: ClientSink?

    /// The file stays the caller's, until `close()` has returned. `length` is at least 1.
    init(_ lane: PumpLane, _ direction: Direction, file: Int32, offset: UInt64, length: UInt64) throws(CoreError) {
        core = weir_file_body_open(
            lane.core, direction == .take ? 1 : 0, file, offset, length, fileBodyHappened,
            Unmanaged.passUnretained(self).toOpaque())
        if core == nil { throw CoreError(errno: ENOMEM) }
    }

    isolated deinit { if let core { weir_file_body_close(core, nil, nil) } }

    /// For the body of one request, of one that gives. Once.
    func source() -> ClientSource {
        let made = ClientSource(weir_file_body_give, core.map { UnsafeMutableRawPointer($0) })
        given = made
        return made
    }

    /// For the body of one response, of one that takes. Once.
    func sink() -> ClientSink {
        let made = ClientSink(weir_file_body_take, core.map { UnsafeMutableRawPointer($0) })
        taken = made
        return made
    }

    /// Bytes that have gone to the transfer, or are in the file.
    var moved: UInt64 { core.map { weir_file_body_moved($0) } ?? 0 }

    /// The libuv error that the file has failed with, or 0.
    var failure: Int32 { core.map { weir_file_body_status($0) } ?? 0 }

    /// Returns when all that was taken is in the file, or cannot be. A disk that hangs is waited for.
    func finish() async {
        guard let core else { return }
        weir_file_body_finish(core)
        if weir_file_body_is_finished(core) == 0 { await withUnsafeContinuation { waiter = $0 } }
    }

    /// When no transfer uses it any more. Returns when the file is not used any more either.
    func close() async {
        guard let core else { return }
        self.core = nil
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            weir_file_body_close(core, fileBodyClosed, unsafeBitCast(continuation, to: UnsafeMutableRawPointer.self))
        }
    }

    fileprivate func happened() {
        given?.resume()
        taken?.resume()
        if let core, weir_file_body_is_finished(core) != 0 {
            waiter?.resume()
            waiter = nil
        }
    }
}

private let fileBodyHappened: @convention(c) (UnsafeMutableRawPointer?) -> Void = { data in
    nonisolated(unsafe) let data = data!
    LoopActor.enter { Unmanaged<FileBody>.fromOpaque(data).takeUnretainedValue().happened() }
}

private let fileBodyClosed: @convention(c) (UnsafeMutableRawPointer?) -> Void = { data in
    nonisolated(unsafe) let data = data!
    LoopActor.enter { unsafeBitCast(data, to: UnsafeContinuation<Void, Never>.self).resume() }
}
