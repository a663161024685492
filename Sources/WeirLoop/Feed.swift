internal import CWeir

/// One log written from another as that grows, in the core: `weir_feed_t`. Whole units only; it may be closed at any moment.
@LoopActor
public final class Feed {
    /// The first unit is in the log.
    private var onFirst: (() -> Void)?
    /// Kept as long as the core asks them.
    private let held: [AnyObject]
    private var memory: OpaquePointer?
    /// Of the time before it was closed.
    private var lastBytes: UInt64 = 0
    private var lastSkipped: UInt64 = 0

    /// Follows the log of `from` from `position` on, a unit boundary that is in memory; writes `preamble`, whole units,
    /// before it. With a `track`, that of `to`'s log, it is a transport stream. `CoreError.option` where the units differ,
    /// `behind` where the position is gone.
    public init(
        from: Fanout, position: UInt64 = .max, preamble: [UInt8] = [], to: Fanout, track: Track? = nil,
        onFirst: @escaping () -> Void
    ) throws(CoreError) {
        self.onFirst = onFirst
        held = [from, to] + (track.map { [$0] } ?? [])
        var options = weir_feed_options_t()
        options.size = MemoryLayout<weir_feed_options_t>.size
        options.from = from.core
        options.to = to.core
        options.track = track?.core
        options.position = position
        options.on_first = feedFirst
        let me = Unmanaged.passRetained(self)
        options.data = me.toOpaque()
        let status = preamble.withUnsafeBytes { bytes in
            options.preamble = bytes.baseAddress
            options.preamble_length = bytes.count
            return weir_feed_open(LoopActor.loop, &memory, &options)
        }
        if status < 0 {
            memory = nil
            me.release()
            throw CoreError(rawValue: status)
        }
    }

    public var isClosed: Bool { memory == nil }

    /// Bytes that it took from the log it follows.
    public var bytes: UInt64 { memory.map { weir_feed_bytes($0) } ?? lastBytes }
    /// Bytes that were gone before it could take them.
    public var skipped: UInt64 { memory.map { weir_feed_skipped($0) } ?? lastSkipped }

    /// Writes what there is now; for tests.
    public func turn() {
        if let memory { weir_feed_turn(memory) }
    }

    /// Writes nothing more. Idempotent.
    public func close() {
        guard let memory else { return }
        lastBytes = bytes
        lastSkipped = skipped
        self.memory = nil
        onFirst = nil
        weir_feed_close(memory, feedClosed)
    }

    fileprivate func began() { onFirst?() }
}

// MARK: - From the core

private let feedFirst: @convention(c) (OpaquePointer?) -> Void = { core in
    nonisolated(unsafe) let core = core
    LoopActor.enter { Unmanaged<Feed>.fromOpaque(weir_feed_data(core)).takeUnretainedValue().began() }
}

private let feedClosed: @convention(c) (UnsafeMutableRawPointer?) -> Void = { data in
    nonisolated(unsafe) let data = data!
    LoopActor.enter { Unmanaged<Feed>.fromOpaque(data).release() }
}
