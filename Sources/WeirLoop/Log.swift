internal import CWeir

/// An append-only run of bytes with absolute positions, of which a ring keeps the last: `weir_log_t`.
@LoopActor
public final class Log {
    private var memory: OpaquePointer?
    /// Kept while the core may call it.
    var filesHandler: FilesHandler?

    /// The core's handle; only while it is not closed.
    public var core: OpaquePointer {
        guard let memory else { preconditionFailure("the log is closed") }
        return memory
    }

    /// `capacity` in bytes, rounded down to a multiple of `unit`; throws `CoreError.option` when out of range.
    public init(capacity: Int, unit: Int = 1) throws(CoreError) {
        var options = weir_log_options_t()
        options.size = MemoryLayout<weir_log_options_t>.size
        options.capacity = Swift.max(0, capacity)
        guard let unit = UInt32(exactly: unit) else { throw .option }
        options.unit = unit
        try CoreError.check(weir_log_create(&memory, &options))
    }

    public var capacity: Int { weir_log_capacity(core) }
    public var unit: Int { Int(weir_log_unit(core)) }
    /// The position after the last whole unit.
    public var head: UInt64 { weir_log_head(core) }
    /// The position after the last byte.
    public var written: UInt64 { weir_log_written(core) }
    /// The oldest position that can be read.
    public var tail: UInt64 { weir_log_tail(core) }
    /// The oldest position in memory.
    public var ringTail: UInt64 { weir_log_ring_tail(core) }

    /// The greatest unit boundary at or before `position`.
    public func align(_ position: UInt64) -> UInt64 { weir_log_align(core, position) }

    public func append(_ bytes: UnsafeRawBufferPointer) {
        weir_log_append(core, bytes.baseAddress, bytes.count)
    }

    public func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    /// Drops an incomplete unit at the end; returns how many bytes that was.
    @discardableResult
    public func trim() -> Int { Int(weir_log_trim(core)) }

    /// A copy of the bytes from `position` to head, at most `limit`.
    public func bytes(from position: UInt64, limit: Int) throws(CoreError) -> [UInt8] {
        var pieces: (iovec, iovec) = (iovec(), iovec())
        var count: Int32 = 0
        let length = withUnsafeMutablePointer(to: &pieces) { pieces in
            pieces.withMemoryRebound(to: iovec.self, capacity: 2) {
                weir_log_peek(core, position, limit, $0, &count)
            }
        }
        if length < 0 { throw CoreError(rawValue: Int32(length)) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(length))
        for piece in [pieces.0, pieces.1].prefix(Int(count)) {
            bytes.append(contentsOf: UnsafeRawBufferPointer(start: piece.iov_base, count: piece.iov_len))
        }
        return bytes
    }

    /// Frees it, after everything that uses it was closed, its files among it. Closing twice is harmless.
    public func close() {
        weir_log_destroy(memory)
        memory = nil
    }
}
