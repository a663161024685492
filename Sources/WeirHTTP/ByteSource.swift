internal import CWeirHTTP
internal import Glibc
public import WeirLoop

/// Bytes with positions, for one response: `weir_byte_source_t`. Closed with its last reference.
@LoopActor
public final class ByteSource {
    nonisolated(unsafe) let core: UnsafeMutablePointer<weir_byte_source_t>

    /// Takes over a `weir_byte_source_t`.
    public init(adopting source: UnsafeMutableRawPointer) {
        core = source.assumingMemoryBound(to: weir_byte_source_t.self)
    }

    /// A complete file of `length` bytes, which is the source's from then on; when this throws, the caller's.
    public init(file descriptor: Int32, length: UInt64, on shelf: FileShelf) throws(CoreError) {
        var core: UnsafeMutablePointer<weir_byte_source_t>?
        let status = weir_file_source_open(&core, shelf.core, descriptor, length)
        guard status == 0, let core else { throw CoreError(rawValue: status) }
        self.core = core
    }

    isolated deinit { core.pointee.calls.pointee.close(core) }
}

/// What the files of a loop share while they are sent: memory for blocks, and their turn on the pool.
@LoopActor
public final class FileShelf {
    let core: OpaquePointer

    /// `CoreError` without memory.
    public init() throws(CoreError) {
        guard let core = weir_shelf_open(LoopActor.loop) else { throw CoreError(errno: ENOMEM) }
        self.core = core
    }

    isolated deinit { weir_shelf_close(core) }
}
