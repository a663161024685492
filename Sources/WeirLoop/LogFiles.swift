internal import CWeir

/// The file tier of a log: what is kept on disk beyond the ring.
extension Log {
    /// How the tier stands.
    public struct FilesInfo: Sendable, Equatable {
        /// The oldest position kept in files.
        public var tail: UInt64
        /// The position after the last byte that is written.
        public var head: UInt64
        /// Bytes that may be kept.
        public var max: UInt64
        /// Bytes between tail and head.
        public var bytes: UInt64
        /// Bytes that the segments take, those among them that are about to go.
        public var disk: UInt64
        public var segments: Int
        /// Times that old bytes were cut off.
        public var rotations: UInt64
        /// Times that it emptied, because the disk was too slow or failed.
        public var restarts: UInt64
        /// What the disk said at the last restart; nil when it was too slow, or never restarted.
        public var error: CoreError?
        /// It failed too often in a row, and waits for `retryFiles()`.
        public var isOff: Bool
    }

    /// What the tier asks and says, on the loop.
    public final class FilesHandler {
        /// What is kept is about to exceed `max`: the position to cut at. Nil: the newest three quarters stay.
        public var onFull: (@LoopActor (_ tail: UInt64, _ head: UInt64, _ max: UInt64) -> UInt64)?
        /// The tier emptied: the disk's error, nil when it was too slow, and how many bytes were kept until then.
        public var onRestart: (@LoopActor (CoreError?, _ lost: UInt64) -> Void)?

        public init() {}
    }

    /// Gives the log a file tier that begins at its head. `directory` is an open directory for this log alone; it is the
    /// log's when this returns, and the caller's when it throws.
    public func openFiles(
        on disk: Disk, directory: Int32, max: UInt64, handler: FilesHandler
    ) throws(CoreError) {
        var options = weir_log_files_options_t()
        options.size = MemoryLayout<weir_log_files_options_t>.size
        options.disk = disk.core
        options.directory = directory
        options.max = max
        options.on_full = handler.onFull == nil ? nil : filesFull
        options.on_restart = filesRestarted
        options.data = Unmanaged.passUnretained(handler).toOpaque()
        try CoreError.check(weir_log_files_open(core, &options))
        filesHandler = handler
    }

    /// Takes the tier away, with its segments; returns when nothing is left of it. Harmless when there is none.
    public func closeFiles() async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            let done = Unmanaged.passRetained(FilesClosing(continuation)).toOpaque()
            weir_log_files_close(core, filesClosed, done)
        }
        filesHandler = nil
    }

    public var hasFiles: Bool { weir_log_has_files(core) != 0 }

    /// Changes how many bytes are kept; what is too much goes at once. `CoreError.option` below `leastFiles`.
    public func setFilesMax(_ max: UInt64) throws(CoreError) {
        try CoreError.check(weir_log_files_set_max(core, max))
    }

    /// The least that a file tier can be told to keep, in bytes.
    public nonisolated static var leastFiles: UInt64 { 1 << 20 }
    /// A segment holds this part of what is kept: so much more there may be on disk.
    public nonisolated static var filesSegments: UInt64 { UInt64(WEIR_LOG_FILES_SEGMENTS) }

    /// Cuts off what is older than a position.
    public func cutFiles(at position: UInt64) { weir_log_files_cut(core, position) }
    /// Empties the tier; it begins again at the log's head.
    public func clearFiles() { weir_log_files_clear(core) }
    /// Turns the tier on again after failures.
    public func retryFiles() { weir_log_files_retry(core) }

    public var filesInfo: FilesInfo {
        var info = weir_log_files_info_t()
        weir_log_files_info(core, &info)
        return FilesInfo(
            tail: info.tail, head: info.head, max: info.max, bytes: info.bytes, disk: info.disk,
            segments: Int(info.segments), rotations: info.rotations, restarts: info.restarts,
            error: info.error < 0 ? CoreError(rawValue: info.error) : nil, isOff: info.is_off != 0)
    }

    /// A copy of the bytes of a range of positions, from wherever they are; fewer at the head. `CoreError.behind` when the
    /// beginning is not kept any more, or what was cut off meanwhile could not be kept until it was read.
    public func read(_ range: Range<UInt64>) async throws(CoreError) -> [UInt8] {
        guard hasFiles else { return try bytes(from: range.lowerBound, limit: range.count) }
        let reading = LogReading(range.count)
        let result = await withUnsafeContinuation { (continuation: UnsafeContinuation<Int64, Never>) in
            reading.continuation = continuation
            let context = Unmanaged.passRetained(reading)
            let status = weir_log_read(
                core, range.lowerBound, reading.buffer.baseAddress, reading.buffer.count, logRead, context.toOpaque())
            if status < 0 {
                context.release()
                continuation.resume(returning: Int64(status))
            }
        }
        if result < 0 { throw CoreError(rawValue: Int32(truncatingIfNeeded: result)) }
        return [UInt8](reading.buffer.prefix(Int(result)))
    }
}

private final class FilesClosing {
    let continuation: UnsafeContinuation<Void, Never>

    init(_ continuation: UnsafeContinuation<Void, Never>) {
        self.continuation = continuation
    }
}

/// A buffer that outlives the reading, whatever becomes of the log.
private final class LogReading {
    let buffer: UnsafeMutableRawBufferPointer
    var continuation: UnsafeContinuation<Int64, Never>?

    init(_ count: Int) {
        buffer = .allocate(byteCount: count, alignment: 1)
    }

    deinit { buffer.deallocate() }
}

// MARK: - From the core

private let filesFull: @convention(c) (OpaquePointer?, UInt64, UInt64, UInt64) -> UInt64 = { log, tail, head, max in
    nonisolated(unsafe) let data = weir_log_files_data(log)!
    return LoopActor.enter {
        Unmanaged<Log.FilesHandler>.fromOpaque(data).takeUnretainedValue().onFull?(tail, head, max) ?? tail
    }
}

private let filesRestarted: @convention(c) (OpaquePointer?, Int32, UInt64) -> Void = { log, error, lost in
    nonisolated(unsafe) let data = weir_log_files_data(log)!
    LoopActor.enter {
        Unmanaged<Log.FilesHandler>.fromOpaque(data).takeUnretainedValue()
            .onRestart?(error < 0 ? CoreError(rawValue: error) : nil, lost)
    }
}

private let filesClosed: @convention(c) (UnsafeMutableRawPointer?) -> Void = { data in
    nonisolated(unsafe) let data = data!
    LoopActor.enter { Unmanaged<FilesClosing>.fromOpaque(data).takeRetainedValue().continuation.resume() }
}

private let logRead: @convention(c) (UnsafeMutableRawPointer?, Int64) -> Void = { context, result in
    nonisolated(unsafe) let context = context!
    LoopActor.enter {
        let reading = Unmanaged<LogReading>.fromOpaque(context).takeRetainedValue()
        reading.continuation?.resume(returning: result)
    }
}
