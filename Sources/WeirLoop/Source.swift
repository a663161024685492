internal import CWeir
internal import Glibc

/// What writes a log: a descriptor, a file in real time, datagrams, a tone: `weir_source_t`. It does not restart.
@LoopActor
public final class Source {
    public enum Kind: Sendable {
        /// A pipe, FIFO, socket or character device, as fast as it delivers. The source's on success.
        case descriptor(Int32)
        /// A regular file in real time. The source's on success.
        case file(descriptor: Int32, loop: Bool)
        /// A bound UDP socket: transport packets, with or without RTP; of one `sender` alone, a numeric address of the
        /// socket's family, where it is named. Needs a track. The source's on success.
        case datagrams(Int32, sender: String? = nil)
        /// The tone sequence, in real time.
        case tone
        /// A socket that sends a stream as the body of a message. The source's on success.
        case body(Body)
    }

    /// The body of an HTTP message, from the socket that it comes by.
    public struct Body: Sendable {
        /// How its end is known.
        public enum Framing: Sendable, Equatable {
            /// By the connection's.
            case close
            case chunked
            /// More than 0.
            case length(UInt64)
        }

        public var descriptor: Int32
        /// What was read from the socket before, framing included.
        public var prefix: [UInt8]
        public var framing: Framing
        /// What its bytes come through; its handshake is done.
        public var tls: TLSConnection?

        public init(
            descriptor: Int32, prefix: [UInt8] = [], framing: Framing = .close, tls: TLSConnection? = nil
        ) {
            self.descriptor = descriptor
            self.prefix = prefix
            self.framing = framing
            self.tls = tls
        }
    }

    /// What stands between the bytes of a descriptor's stream, or how they differ from the log's.
    public struct Coding: Sendable, Equatable {
        /// Bytes between two titles (`icy-metaint`), 1 ... 16 MiB; 0: there are none.
        public var titleInterval = 0
        /// Bytes of a sample of PCM that comes in the other byte order, which is turned; 0: it does not.
        public var swapWidth = 0

        /// `icy-metaint` may be this, at most.
        public static let titleIntervalMax = Int(WEIR_ICY_INTERVAL_MAX)

        public init(titleInterval: Int = 0, swapWidth: Int = 0) {
            self.titleInterval = titleInterval
            self.swapWidth = swapWidth
        }
    }

    /// A WAV header was found that differs from `format`. nil accepts it, after `setLog` where the unit of the log differs;
    /// an error ends the source with it. Without this it is `CoreError.format`.
    public var onFormat: ((PCMFormat) -> CoreError?)?
    /// The first byte of the stream is in the log.
    public var onFirst: (() -> Void)?
    /// Another text stood between the bytes (`Coding.titleInterval`), as it was; once a second at most.
    public var onTitle: (([UInt8]) -> Void)?
    /// After `yield()`: its next byte goes into the log when this returns, and whoever wrote there must have stopped. It must
    /// not close the source.
    public var onReturn: (() -> Void)?
    /// Nothing more comes: nil at the end of the file, or what went wrong. Once.
    public var onEnd: ((CoreError?) -> Void)?

    private let clock: LoopClock
    /// Kept as long as the core writes through it.
    private let track: Track?
    private let tls: TLSConnection?
    private var memory: OpaquePointer?
    private var whenClosed: (@LoopActor () -> Void)?

    /// `format` is what the log carries; nil for bytes that are not PCM. `detectWAV` looks for a header and strips it.
    /// With a `track` of the log, the bytes are a transport stream.
    public init(
        _ kind: Kind, log: Log, fanout: Fanout?, format: PCMFormat?, track: Track? = nil, detectWAV: Bool = true,
        coding: Coding = Coding(), clock: LoopClock = .monotonic, onEnd: @escaping (CoreError?) -> Void
    ) throws(CoreError) {
        self.clock = clock
        self.track = track
        if case .body(let body) = kind { tls = body.tls } else { tls = nil }
        self.onEnd = onEnd
        var options = weir_source_options_t()
        options.size = MemoryLayout<weir_source_options_t>.size
        options.log = log.core
        options.fanout = fanout?.core
        if let format {
            options.detect_wav = detectWAV ? 1 : 0
            options.format = format.core
        }
        options.track = track?.core
        options.title_interval = UInt32(clamping: coding.titleInterval)
        options.swap_width = UInt32(clamping: coding.swapWidth)
        options.on_title = sourceTitle
        options.on_format = sourceFormat
        options.on_first = sourceFirst
        options.on_end = sourceEnded
        options.on_return = sourceReturned
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
            case .datagrams(let descriptor, let sender):
                Source.withAddress(sender) { address in
                    options.sender = address
                    return weir_source_open_udp(LoopActor.loop, &memory, descriptor, &options)
                }
            case .tone:
                weir_source_open_tone(LoopActor.loop, &memory, &options)
            case .body(let body):
                body.prefix.withUnsafeBytes { prefix in
                    options.prefix = prefix.baseAddress
                    options.prefix_length = prefix.count
                    options.chunked = body.framing == .chunked ? 1 : 0
                    if case .length(let length) = body.framing { options.length = length }
                    if let reader = body.tls?.reader {
                        options.reader = reader.calls
                        options.reader_context = reader.context
                    }
                    return weir_source_open_fd(LoopActor.loop, &memory, body.descriptor, &options)
                }
            }
        if status < 0 {
            memory = nil
            me.release()
            throw CoreError(rawValue: status)
        }
    }

    /// Calls `body` with a numeric address of either family; with nil when there is none.
    private static func withAddress(
        _ text: String?, _ body: (UnsafePointer<sockaddr>?) -> Int32
    ) -> Int32 {
        guard let text else { return body(nil) }
        var four = sockaddr_in()
        four.sin_family = sa_family_t(AF_INET)
        if inet_pton(AF_INET, text, &four.sin_addr) == 1 {
            return withUnsafePointer(to: four) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0) }
            }
        }
        var six = sockaddr_in6()
        six.sin6_family = sa_family_t(AF_INET6)
        guard inet_pton(AF_INET6, text, &six.sin6_addr) == 1 else { return CoreError.invalid.rawValue }
        return withUnsafePointer(to: six) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0) }
        }
    }

    public var isClosed: Bool { memory == nil }

    /// Gives it another log and fan-out; only from within `onFormat`, where the unit of the log differs.
    public func setLog(_ log: Log, fanout: Fanout?) {
        if let memory { weir_source_set_log(memory, log.core, fanout?.core) }
    }

    /// Stops writing, or goes on. Idempotent.
    public func hold(_ hold: Bool) {
        if let memory { weir_source_hold(memory, hold ? 1 : 0) }
    }

    /// Another writes the log until the source has a byte again; `onFirst` is called again after that. A unit that it had
    /// begun is taken back, with the rest of it that is still to come. Idempotent.
    public func yield() {
        if let memory { weir_source_yield(memory) }
    }

    /// Bytes put into the log by this source.
    public var bytes: UInt64 { memory.map { weir_source_bytes($0) } ?? 0 }
    /// The clock's nanoseconds at the last bytes; at the opening before the first.
    public var last: UInt64 { memory.map { weir_source_last($0) } ?? 0 }

    /// What became of datagrams; zeros for another kind.
    public var datagrams: Datagrams {
        var core = weir_source_datagrams_t()
        if let memory { weir_source_datagrams(memory, &core) }
        return Datagrams(core)
    }

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
        return WEIR_EFORMAT.rawValue
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
        onTitle = nil
        onReturn = nil
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

private let sourceTitle: @convention(c) (OpaquePointer?, UnsafePointer<CChar>?, Int) -> Void = { core, text, count in
    nonisolated(unsafe) let core = core
    let text = [UInt8](UnsafeRawBufferPointer(start: text, count: count))
    LoopActor.enter { face(core).onTitle?(text) }
}

private let sourceReturned: @convention(c) (OpaquePointer?) -> Void = { core in
    nonisolated(unsafe) let core = core
    LoopActor.enter { face(core).onReturn?() }
}

private let sourceEnded: @convention(c) (OpaquePointer?, Int32) -> Void = { core, status in
    nonisolated(unsafe) let core = core
    LoopActor.enter { face(core).ended(status) }
}

private let sourceClosed: @convention(c) (UnsafeMutableRawPointer?) -> Void = { data in
    nonisolated(unsafe) let data = data!
    LoopActor.enter { Unmanaged<Source>.fromOpaque(data).takeRetainedValue().closed() }
}
