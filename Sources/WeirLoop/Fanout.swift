public import CWeir

/// One log to many listeners: `weir_fanout_t`. Nothing here runs for a listener's bytes; Swift hears of joins, skips and
/// ends only.
@LoopActor
public final class Fanout {
    /// What happens to a listener that is behind everything.
    public enum SlowPolicy: Sendable {
        case skip, disconnect, pause

        var core: weir_slow_policy_t {
            switch self {
            case .skip: WEIR_SLOW_SKIP
            case .disconnect: WEIR_SLOW_DISCONNECT
            case .pause: WEIR_SLOW_PAUSE
            }
        }
    }

    public struct Options {
        /// Nanoseconds between two flushes of a listener; 0 flushes at every write of the source.
        public var window: UInt64 = WEIR_FANOUT_DEFAULT_WINDOW
        public var policy: SlowPolicy = .skip
        /// Bytes of lag that `disconnect` tolerates; 0: all that the log keeps.
        public var maxLag: UInt64 = 0
        /// Nanoseconds without a byte accepted, or of skipping without catching up, that end a listener.
        public var timeout: UInt64 = WEIR_FANOUT_DEFAULT_TIMEOUT
        /// Bytes a second, for lag in seconds; 0 while it is not known.
        public var byteRate: UInt64 = 0
        /// The index of a transport stream: listeners that skip land where decoding can begin. On the same log; outlives the
        /// fan-out.
        public var track: Track?

        public init() {}
    }

    public let log: Log
    /// Kept as long as the core may ask it.
    private let track: Track?
    /// A listener skipped; at most once a second for each.
    public var onSkip: ((Listener) -> Void)?
    /// A listener ended, its socket is closed. The error is what lies behind the reason, if anything.
    public var onEnd: ((Listener, EndReason, CoreError?) -> Void)?
    /// `SlowPolicy.pause`: the source must stop, or may go on.
    public var onHold: ((Bool) -> Void)?

    private let clock: LoopClock
    private var memory: OpaquePointer?
    private var whenClosed: (@LoopActor () -> Void)?

    /// The core's handle; only while it is not closed.
    public var core: OpaquePointer {
        guard let memory else { preconditionFailure("the fan-out is closed") }
        return memory
    }

    public var isClosed: Bool { memory == nil }

    /// With a manual clock no timer is armed: call `turn()`.
    public init(log: Log, options: Options = Options(), clock: LoopClock = .monotonic) throws(CoreError) {
        self.log = log
        self.clock = clock
        track = options.track
        var core = weir_fanout_options_t()
        core.size = MemoryLayout<weir_fanout_options_t>.size
        core.log = log.core
        core.window = options.window
        core.window_is_zero = options.window == 0 ? 1 : 0
        core.policy = options.policy.core
        core.max_lag = options.maxLag
        core.timeout = options.timeout
        core.byte_rate = options.byteRate
        core.budget = Budget.shared()
        if let track = options.track {
            core.landing = weir_track_landing()
            core.landing_context = UnsafeMutableRawPointer(track.core)
        }
        core.on_skip = fanoutSkipped
        core.on_end = fanoutEnded
        core.on_hold = fanoutHeld
        if clock.isManual {
            core.clock = manualTime
            core.clock_context = Unmanaged.passUnretained(clock).toOpaque()
        }
        // The core's handle holds on to this object until it has closed.
        let me = Unmanaged.passRetained(self)
        core.data = me.toOpaque()
        let status = weir_fanout_create(LoopActor.loop, &memory, &core)
        if status < 0 {
            memory = nil
            me.release()
            throw CoreError(rawValue: status)
        }
    }

    /// Something other than the plain socket that a listener's bytes go through: `weir_sink_t` with its context.
    public struct Sink {
        let calls: UnsafePointer<weir_sink_t>
        let context: UnsafeMutableRawPointer
        /// What is told that it has been taken.
        let connection: TLSConnection

        /// `weir_sink_t` and its context, for other C that writes through it and does not take it.
        public var raw: (calls: UnsafeRawPointer, context: UnsafeMutableRawPointer) {
            (UnsafeRawPointer(calls), context)
        }
    }

    /// Adds a listener and returns its id. The descriptor, and what is behind the sink, are the fan-out's from then on;
    /// when this throws they are still the caller's. `attachment` is kept until `onEnd`, which gets it back. With a
    /// `pace`, the way to head is limited.
    public func add(
        descriptor: Int32, sink: Sink? = nil, position: UInt64 = .max, preamble: [UInt8] = [],
        transform: weir_transform_t = WEIR_TRANSFORM_NONE, pace: Pace? = nil, framing: Framing? = nil, label: String,
        attachment: AnyObject? = nil
    ) throws(CoreError) -> UInt64 {
        var options = weir_listener_options_t()
        options.size = MemoryLayout<weir_listener_options_t>.size
        options.fd = descriptor
        options.sink = sink?.calls
        options.sink_context = sink?.context
        options.position = position
        options.transform = transform
        if let pace {
            options.pace = pace.byteRate
            options.free = pace.free
        }
        if let framing {
            options.head_length = framing.head
            options.icy_interval = UInt32(framing.titleInterval)
            options.chunked = framing.isChunked ? 1 : 0
        }
        let kept = attachment.map { Unmanaged.passRetained($0) }
        options.data = kept?.toOpaque()
        var id: UInt64 = 0
        let status = preamble.withUnsafeBytes { bytes in
            label.withCString { label in
                options.preamble = bytes.baseAddress
                options.preamble_length = bytes.count
                options.label = label
                return weir_fanout_add(core, &options, &id)
            }
        }
        if status < 0 {
            kept?.release()
            throw CoreError(rawValue: status)
        }
        sink?.connection.release()
        return id
    }

    /// The stream's title for listeners that asked for it; nil says that there is none.
    public func setTitle(_ title: String?) throws(CoreError) {
        try CoreError.check(weir_fanout_set_title(core, title ?? ""))
    }

    /// Ends one listener; `CoreError.noEntry` when there is none of that id.
    public func kick(_ id: UInt64) throws(CoreError) {
        try CoreError.check(weir_fanout_kick(core, id))
    }

    /// Ends all listeners in an orderly way.
    public func end(_ reason: EndReason = .shutdown) { weir_fanout_end(core, reason.core) }

    /// Says that the log has new bytes; sources do it themselves.
    public func published() { weir_fanout_published(core) }

    /// Whether the writer is held at present.
    public var isHeld: Bool { weir_fanout_is_held(core) != 0 }

    /// Nanoseconds; 0 flushes at every write.
    public var window: UInt64 { weir_fanout_window(core) }

    public func setWindow(_ nanoseconds: UInt64) throws(CoreError) {
        try CoreError.check(weir_fanout_set_window(core, nanoseconds))
    }

    public func setByteRate(_ bytes: UInt64) { weir_fanout_set_byte_rate(core, bytes) }

    /// Bytes of lag that `disconnect` tolerates; 0: all that the log keeps.
    public func setMaxLag(_ bytes: UInt64) { weir_fanout_set_max_lag(core, bytes) }

    /// Nanoseconds without progress that end a listener; 0: the default.
    public func setTimeout(_ nanoseconds: UInt64) { weir_fanout_set_timeout(core, nanoseconds) }

    /// Serves what is due, with a manual clock.
    public func turn() { weir_fanout_turn(core) }

    /// - Complexity: O(n).
    public var listeners: [Listener] {
        final class Found { var listeners: [Listener] = [] }
        let found = Found()
        let each: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<weir_listener_info_t>?) -> Void = {
            context, info in
            guard let context, let info else { return }
            Unmanaged<Found>.fromOpaque(context).takeUnretainedValue().listeners.append(Listener(info.pointee))
        }
        weir_fanout_each(core, each, Unmanaged.passUnretained(found).toOpaque())
        return found.listeners
    }

    public var counters: Counters {
        var counters = weir_fanout_counters_t()
        weir_fanout_counters(core, &counters)
        return Counters(core: counters)
    }

    /// Listeners now.
    /// - Complexity: O(1).
    public var count: Int { counters.listeners }

    /// Lag in nanoseconds of the stream, one value for each flush of each listener.
    public var lag: Histogram { Histogram(copying: weir_fanout_lag(core)) }

    /// Bytes of heap that one listener costs.
    public var listenerBytes: Int { weir_fanout_listener_bytes(core) }

    /// Ends every listener and frees the handle; `done` is called when none of its handles is left.
    public func close(_ done: (@LoopActor () -> Void)? = nil) {
        guard let memory else {
            done?()
            return
        }
        whenClosed = done
        self.memory = nil
        weir_fanout_close(memory, fanoutClosed)
    }

    /// Ends every listener and frees the handle; returns when none of its handles is left.
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

extension Fanout {
    /// How fast a listener that begins in the past is brought to the head.
    public struct Pace: Sendable, Equatable {
        /// Bytes that it is sent as fast as it takes them.
        public var free: UInt64
        /// Bytes a second after those.
        public var byteRate: UInt64

        public init(free: UInt64, byteRate: UInt64) {
            self.free = free
            self.byteRate = byteRate
        }
    }

    /// What a listener's bytes are wrapped in.
    public struct Framing: Sendable, Equatable {
        /// Bytes at the start of the preamble that go out as they are: a response's head.
        public var head: Int
        /// Bytes of body between two ICY titles; 0: none.
        public var titleInterval: Int
        /// In chunks (RFC 9112 §7.1).
        public var isChunked: Bool

        public init(head: Int, titleInterval: Int, isChunked: Bool) {
            self.head = head
            self.titleInterval = titleInterval
            self.isChunked = isChunked
        }
    }

    /// Why a listener ended.
    public enum EndReason: UInt32, Sendable, CaseIterable {
        case closed, lag, stalled, kicked, shutdown, error

        var core: weir_end_reason_t { weir_end_reason_t(rawValue: rawValue) }

        /// The word in logs and metrics.
        public var name: String { weir_end_reason_name(core).map { String(cString: $0) } ?? "unknown" }
    }

    /// A listener as it stood when it was asked about.
    public struct Listener {
        public let id: UInt64
        /// As given: the peer's address.
        public let label: String
        public let attachment: AnyObject?
        /// The clock's nanoseconds when it joined.
        public let since: UInt64
        /// The next byte of the log it will be sent.
        public let position: UInt64
        /// Bytes between its position and the log's head.
        public let lag: UInt64
        public let sentBytes: UInt64
        public let skippedBytes: UInt64
        public let skips: UInt64

        init(_ core: weir_listener_info_t) {
            id = core.id
            label = core.label.map { String(cString: $0) } ?? ""
            attachment = core.data.map { Unmanaged<AnyObject>.fromOpaque($0).takeUnretainedValue() }
            since = core.since
            position = core.position
            lag = core.lag
            sentBytes = core.sent_bytes
            skippedBytes = core.skipped_bytes
            skips = core.skips
        }
    }

    /// Totals since the fan-out was made.
    public struct Counters: Sendable {
        let core: weir_fanout_counters_t

        public var joined: UInt64 { core.joined }
        public var sentBytes: UInt64 { core.sent_bytes }
        public var skippedBytes: UInt64 { core.skipped_bytes }
        public var skips: UInt64 { core.skips }
        /// Calls of a sink's write.
        public var writes: UInt64 { core.writes }
        /// Times the source was held.
        public var holds: UInt64 { core.holds }
        public var listeners: Int { Int(core.listeners) }
        public var listenersPeak: Int { Int(core.listeners_peak) }

        /// How many ended for a reason.
        public func ended(_ reason: EndReason) -> UInt64 {
            withUnsafeBytes(of: core.ended) { $0.load(fromByteOffset: Int(reason.rawValue) * 8, as: UInt64.self) }
        }
    }
}

// MARK: - From the core

@LoopActor
private func face(_ core: OpaquePointer?) -> Fanout {
    Unmanaged<Fanout>.fromOpaque(weir_fanout_data(core)).takeUnretainedValue()
}

private let fanoutSkipped: @convention(c) (OpaquePointer?, UnsafePointer<weir_listener_info_t>?) -> Void = {
    core, who in
    nonisolated(unsafe) let (core, who) = (core, who!.pointee)
    LoopActor.enter { face(core).onSkip?(Fanout.Listener(who)) }
}

private let fanoutEnded:
    @convention(c) (OpaquePointer?, UnsafePointer<weir_listener_info_t>?, weir_end_reason_t, Int32) -> Void = {
        core, who, reason, error in
        nonisolated(unsafe) let (core, who) = (core, who!.pointee)
        LoopActor.enter {
            let listener = Fanout.Listener(who)
            if let data = who.data { Unmanaged<AnyObject>.fromOpaque(data).release() }
            face(core).onEnd?(
                listener, Fanout.EndReason(rawValue: reason.rawValue) ?? .error,
                error < 0 ? CoreError(rawValue: error) : nil)
        }
    }

private let fanoutHeld: @convention(c) (OpaquePointer?, Int32) -> Void = { core, hold in
    nonisolated(unsafe) let core = core
    LoopActor.enter { face(core).onHold?(hold != 0) }
}

private let fanoutClosed: @convention(c) (UnsafeMutableRawPointer?) -> Void = { data in
    nonisolated(unsafe) let data = data!
    LoopActor.enter { Unmanaged<Fanout>.fromOpaque(data).takeRetainedValue().closed() }
}

/// The time of a manual `LoopClock`, for handles that are given a clock.
let manualTime: @convention(c) (UnsafeMutableRawPointer?) -> UInt64 = { context in
    Unmanaged<LoopClock>.fromOpaque(context!).takeUnretainedValue().now
}
