internal import CWeir

/// What writes a log: a descriptor, a file in real time, a tone: `weir_source_t`. It does not restart.
@LoopActor
public final class Source {
    public enum Kind: Sendable {
        /// A pipe, FIFO, socket or character device, as fast as it delivers. The source's on success.
        case descriptor(Int32)
        /// A regular file in real time. The source's on success.
        case file(descriptor: Int32, loop: Bool)
        /// The tone sequence, in real time.
        case tone
    }

    /// A WAV header was found. Returning an error ends the source with it; nil accepts the format. Without this a header
    /// that differs from `format` is `CoreError.format`.
    public var onFormat: ((PCMFormat) -> CoreError?)?
    /// The first byte of the stream is in the log.
    public var onFirst: (() -> Void)?
    /// Nothing more comes: nil at the end of the file, or what went wrong. Once.
    public var onEnd: ((CoreError?) -> Void)?

    private let format: PCMFormat?
    private let clock: LoopClock
    private var memory: OpaquePointer?
    private var whenClosed: (@LoopActor () -> Void)?

    /// `format` is what the log carries; nil for bytes that are not PCM. `detectWAV` looks for a header and strips it.
    public init(
        _ kind: Kind, log: Log, fanout: Fanout?, format: PCMFormat?, detectWAV: Bool = true,
        clock: LoopClock = .monotonic, onEnd: @escaping (CoreError?) -> Void
    ) throws(CoreError) {
        self.format = format
        self.clock = clock
        self.onEnd = onEnd
        var options = weir_source_options_t()
        options.size = MemoryLayout<weir_source_options_t>.size
        options.log = log.core
        options.fanout = fanout?.core
        if let format {
            options.detect_wav = detectWAV ? 1 : 0
            options.format = format.core
        }
        options.on_format = sourceFormat
        options.on_first = sourceFirst
        options.on_end = sourceEnded
        if clock.isManual {
            options.clock = manualTime
            options.clock_context = Unmanaged.passUnretained(clock).toOpaque()
        }
        let me = Unmanaged.passRetained(self)
        options.data = me.toOpaque()
        let status =
            switch kind {
            case .descriptor(let descriptor):
                weir_source_open_fd(LoopActor.loop, &memory, descriptor, &options)
            case .file(let descriptor, let loop):
                { () -> Int32 in
                    options.loop_file = loop ? 1 : 0
                    return weir_source_open_file(LoopActor.loop, &memory, descriptor, &options)
                }()
            case .tone:
                weir_source_open_tone(LoopActor.loop, &memory, &options)
            }
        if status < 0 {
            memory = nil
            me.release()
            throw CoreError(rawValue: status)
        }
    }

    public var isClosed: Bool { memory == nil }

    /// Stops writing, or goes on. Idempotent.
    public func hold(_ hold: Bool) {
        if let memory { weir_source_hold(memory, hold ? 1 : 0) }
    }

    /// Gives it another log and fan-out; only from within `onFormat`.
    public func move(to log: Log, _ fanout: Fanout?) {
        if let memory { weir_source_set_log(memory, log.core, fanout?.core) }
    }

    /// Bytes put into the log by this source.
    public var bytes: UInt64 { memory.map { weir_source_bytes($0) } ?? 0 }
    /// The clock's nanoseconds at the last bytes; at the opening before the first.
    public var last: UInt64 { memory.map { weir_source_last($0) } ?? 0 }

    /// Writes what is due, with a manual clock.
    public func turn() {
        if let memory { weir_source_turn(memory) }
    }

    /// Ends it without `onEnd`; `done` is called when it has let go of everything.
    public func close(_ done: (@LoopActor () -> Void)? = nil) {
        guard let memory else {
            done?()
            return
        }
        self.memory = nil
        onEnd = nil
        whenClosed = done
        weir_source_close(memory, sourceClosed)
    }

    /// Ends it without `onEnd`; returns when it has let go of everything.
    public func close() async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            close { continuation.resume() }
        }
    }

    fileprivate func found(_ core: weir_pcm_format_t) -> Int32 {
        guard let found = PCMFormat(core) else { return WEIR_EWAVFORMAT.rawValue }
        if let onFormat { return onFormat(found)?.rawValue ?? 0 }
        return found == format ? 0 : WEIR_EFORMAT.rawValue
    }

    fileprivate func ended(_ status: Int32) {
        let handler = onEnd
        onEnd = nil
        handler?(status < 0 ? CoreError(rawValue: status) : nil)
    }

    fileprivate func closed() {
        let done = whenClosed
        whenClosed = nil
        onFormat = nil
        onFirst = nil
        done?()
    }
}

// MARK: - From the core

@LoopActor
private func face(_ core: OpaquePointer?) -> Source {
    Unmanaged<Source>.fromOpaque(weir_source_data(core)).takeUnretainedValue()
}

private let sourceFormat: @convention(c) (OpaquePointer?, UnsafePointer<weir_pcm_format_t>?) -> Int32 = {
    core, format in
    nonisolated(unsafe) let core = core
    let format = format!.pointee
    return LoopActor.enter { face(core).found(format) }
}

private let sourceFirst: @convention(c) (OpaquePointer?) -> Void = { core in
    nonisolated(unsafe) let core = core
    LoopActor.enter { face(core).onFirst?() }
}

private let sourceEnded: @convention(c) (OpaquePointer?, Int32) -> Void = { core, status in
    nonisolated(unsafe) let core = core
    LoopActor.enter { face(core).ended(status) }
}

private let sourceClosed: @convention(c) (UnsafeMutableRawPointer?) -> Void = { data in
    nonisolated(unsafe) let data = data!
    LoopActor.enter { Unmanaged<Source>.fromOpaque(data).takeRetainedValue().closed() }
}
