internal import CWeir

/// A transport stream on its way into a log, and the index of where it can be joined: `weir_track_t`.
@LoopActor
public final class Track {
    /// Bytes of a transport packet: the unit of the log.
    public nonisolated static var packet: Int { Int(WEIR_TS_PACKET) }

    /// Where somebody starts.
    public struct Join: Sendable, Equatable {
        public var position: UInt64
        /// Seconds before head; 0 when they are not known.
        public var seconds: Double
        /// Whether decoding can begin there.
        public var isAccess: Bool
        /// PAT and PMTs of that place.
        public var preamble: [UInt8]
    }

    public let log: Log
    /// Locked or lost, programmes or streams, the first join point of a run. From within the source's writing.
    public var onChange: (() -> Void)?
    private var memory: OpaquePointer?

    /// The core's handle; only while it is not closed.
    public var core: OpaquePointer {
        guard let memory else { preconditionFailure("the track is closed") }
        return memory
    }

    /// The log's unit is a packet: `CoreError.option` otherwise.
    public init(log: Log) throws(CoreError) {
        self.log = log
        var options = weir_track_options_t()
        options.size = MemoryLayout<weir_track_options_t>.size
        options.log = log.core
        options.on_change = trackChanged
        options.data = Unmanaged.passUnretained(self).toOpaque()
        try CoreError.check(weir_track_create(&memory, &options))
    }

    /// Takes the next bytes of the source; the bytes appended to the log. Sources do it themselves.
    @discardableResult
    public func push(_ bytes: UnsafeRawBufferPointer) throws(CoreError) -> Int {
        let count = weir_track_push(core, bytes.baseAddress, bytes.count)
        if count < 0 { throw CoreError(rawValue: Int32(count)) }
        return Int(count)
    }

    /// The source has ended: appends what is still held back.
    @discardableResult
    public func end() -> Int { Int(weir_track_end(core)) }

    /// The next bytes do not continue the former: nobody starts before them any more, and a marker precedes them.
    public func gap() { weir_track_gap(core) }

    /// The place to start that is `seconds` back: 0 is the newest, infinity the oldest.
    public func join(seconds: Double) -> Join {
        let join = UnsafeMutablePointer<weir_track_join_t>.allocate(capacity: 1)
        defer { join.deallocate() }
        weir_track_join(core, seconds, join)
        // Swift does not import an array of this length as a member: it is the last one.
        let length = \weir_track_join_t.preamble_length
        let offset = MemoryLayout<weir_track_join_t>.offset(of: length)! + MemoryLayout<Int>.size
        let preamble = UnsafeRawBufferPointer(
            start: UnsafeRawPointer(join) + offset, count: join.pointee.preamble_length)
        return Join(
            position: join.pointee.position, seconds: join.pointee.seconds, isAccess: join.pointee.is_access != 0,
            preamble: [UInt8](preamble))
    }

    /// Nobody starts before it: where the last gap was.
    public var floor: UInt64 {
        var info = weir_track_info_t()
        weir_track_info(core, &info)
        return info.floor
    }

    /// The newest place to start at or before `position` that is not before `floor`; nil when there is none.
    public func before(_ position: UInt64, floor: UInt64) -> UInt64? {
        let found = weir_track_before(core, position, floor)
        return found == .max ? nil : found
    }

    /// Seconds of stream between two positions; 0 while they are not known.
    public func seconds(from: UInt64, to: UInt64) -> Double { weir_track_seconds(core, from, to) }

    /// Bits a second by PCR; nil while it is not known.
    public var bitrate: Double? {
        let bitrate = info.bitrate
        return bitrate > 0 ? bitrate : nil
    }

    /// What a source that turned out to be no transport stream looks like.
    public var looksLike: String { String(cString: weir_ts_foreign_name(info.foreign)) }

    private var info: weir_track_info_t {
        var info = weir_track_info_t()
        weir_track_info(core, &info)
        return info
    }

    public var facts: TransportFacts {
        let info = info
        let scanner = weir_track_scanner(core)
        var facts = TransportFacts()
        facts.state = TransportFacts.State(info.state)
        facts.stride = Int(info.stride)
        facts.bitrate = info.bitrate > 0 ? info.bitrate : nil
        facts.programs = (0..<weir_ts_programs(scanner)).compactMap { index in
            weir_ts_program(scanner, index).map { TransportFacts.Program($0.pointee) }
        }
        facts.packets = info.counters.packets
        facts.dropped = info.counters.dropped
        facts.skipped = info.counters.skipped
        facts.syncLosses = info.counters.losses
        facts.continuityErrors = info.counters.continuity
        facts.duplicates = info.counters.duplicates
        facts.transportErrors = info.counters.transport
        facts.badSections = info.counters.bad_sections
        facts.accessPoints = info.counters.access_points
        facts.gaps = info.gaps
        return facts
    }

    /// Frees it, after the fan-out and before the log. Closing twice is harmless.
    public func close() {
        weir_track_destroy(memory)
        memory = nil
        onChange = nil
    }
}

private let trackChanged: @convention(c) (OpaquePointer?) -> Void = { core in
    nonisolated(unsafe) let data = weir_track_data(core)!
    LoopActor.enter { Unmanaged<Track>.fromOpaque(data).takeUnretainedValue().onChange?() }
}
