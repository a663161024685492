internal import CWeir

/// What a transport stream holds, in values.
struct ScanReport {
    struct Stream {
        var pid: UInt16
        var type: UInt8
        var codec: StreamCodec { StreamCodec(type: type) }
    }

    struct Program {
        var number: UInt16
        var pmt: UInt16
        /// Of the clock; nil: there is none, or the PMT was not seen.
        var pcr: UInt16?
        /// Of its PMT; nil: that was not seen.
        var version: UInt8?
        var streams: [Stream]
    }

    struct PID {
        var pid: UInt16
        var core: weir_ts_pid_t
        var role: PIDRole
    }

    struct Lock {
        var from: UInt64
        /// nil: to the end.
        var to: UInt64?
        var stride: UInt32
    }

    struct AccessPoint {
        var packet: UInt64
        var offset: UInt64
        var pid: UInt16
        /// From the first clock reference on; nil without a clock.
        var seconds: Double?
        var reason: String
    }

    /// How often decoding can begin, on one PID.
    struct Access {
        var pid: UInt16
        var points: UInt64
        /// Mean and greatest distance of those that are listed, in seconds.
        var interval: (mean: Double, longest: Double)?
    }

    let counters: weir_ts_counters_t
    let trailing: UInt64
    /// What it looks like if it is no transport stream.
    let foreign: String?
    /// Seconds by the clock of the first programme; nil without one.
    let duration: Double?
    /// Bits a second by the same, of packets of 188 bytes.
    let bitrate: Double?
    let programs: [Program]
    /// Those that have packets, in ascending order.
    let pids: [PID]
    /// The first `WEIR_TS_REPORT_LOCKS_MAX`.
    let locks: [Lock]
    /// The first `WEIR_TS_REPORT_ACCESS_MAX`.
    let accessPoints: [AccessPoint]
    let access: [Access]

    init(_ core: OpaquePointer) {
        var facts = weir_ts_facts_t()
        weir_ts_report_facts(core, &facts)
        counters = facts.counters
        trailing = facts.trailing
        foreign =
            facts.foreign == WEIR_TS_FOREIGN_UNKNOWN ? nil : String(cString: weir_ts_foreign_name(facts.foreign))
        let seconds = facts.duration > 0 ? Double(facts.duration) / Double(WEIR_TS_CLOCK) : nil
        duration = seconds
        bitrate = seconds.map { Double(facts.timed) * Double(WEIR_TS_PACKET) * 8 / $0 }
        let programs = (0..<facts.programs).compactMap { weir_ts_report_program(core, $0) }.map(Program.init)
        self.programs = programs
        let roles = PIDRole.roles(of: programs)
        pids = (0..<WEIR_TS_PIDS).compactMap { pid in
            guard let counts = weir_ts_report_pid(core, pid)?.pointee, counts.packets > 0 else { return nil }
            let pid = UInt16(pid)
            return PID(pid: pid, core: counts, role: roles[pid] ?? PIDRole(unlisted: pid))
        }
        locks = (0..<facts.locks).compactMap { weir_ts_report_lock(core, $0)?.pointee }.map {
            Lock(from: $0.from, to: $0.to == .max ? nil : $0.to, stride: $0.stride)
        }
        accessPoints = (0..<facts.moments).compactMap { weir_ts_report_moment(core, $0)?.pointee }.map { moment in
            AccessPoint(
                packet: moment.access.packet, offset: moment.access.offset, pid: moment.access.pid,
                seconds: seconds.map { _ in Double(moment.ticks) / Double(WEIR_TS_CLOCK) },
                reason: AccessPoint.name(of: moment.access.kind))
        }
        access = Access.byPID(pids, accessPoints)
    }

    /// Bits a second of a PID, by its share of the packets.
    func bitrate(of pid: PID) -> Double? { bitrate.map { $0 * share(of: pid) } }
    func share(of pid: PID) -> Double { Double(pid.core.packets) / Double(max(1, counters.packets)) }
}

extension ScanReport.Program {
    init(_ core: UnsafePointer<weir_ts_program_t>) {
        let program = core.pointee
        let isKnown = program.is_known != 0
        let count = min(Int(program.streams), Int(WEIR_TS_STREAMS_MAX))
        let streams = withUnsafeBytes(of: program.stream) { bytes in
            bytes.bindMemory(to: weir_ts_stream_t.self).prefix(count).map {
                ScanReport.Stream(pid: $0.pid, type: $0.type)
            }
        }
        self.init(
            number: program.number, pmt: program.pmt_pid,
            pcr: isKnown && program.pcr_pid != UInt16(WEIR_TS_NO_PID) ? program.pcr_pid : nil,
            version: isKnown ? program.version : nil, streams: isKnown ? streams : [])
    }
}

extension ScanReport.AccessPoint {
    static func name(of kind: weir_ts_access_kind_t) -> String {
        switch kind {
        case WEIR_TS_ACCESS_INDICATOR: "indicator"
        case WEIR_TS_ACCESS_PICTURE: "picture"
        default: "audio"
        }
    }
}

extension ScanReport.Access {
    fileprivate static func byPID(
        _ pids: [ScanReport.PID], _ points: [ScanReport.AccessPoint]
    ) -> [ScanReport.Access] {
        pids.filter { $0.core.access_points > 0 }.map { pid in
            let times = points.lazy.filter { $0.pid == pid.pid }.compactMap(\.seconds)
            var (first, last, longest, count) = (0.0, 0.0, 0.0, 0)
            for time in times {
                if count == 0 { first = time } else { longest = max(longest, time - last) }
                last = time
                count += 1
            }
            return ScanReport.Access(
                pid: pid.pid, points: pid.core.access_points,
                interval: count > 1 ? ((last - first) / Double(count - 1), longest) : nil)
        }
    }
}
