internal import CWeir
internal import WeirHTTP

/// The report as JSON; docs/scan.md says what each member is.
extension ScanReport {
    func json(file: String) -> JSON {
        .object([
            ("file", .string(file)),
            ("bytes", .unsigned(counters.bytes)),
            ("packet_size", locks.first.map { .unsigned(UInt64($0.stride)) } ?? .null),
            ("lock_offset", locks.first.map { .unsigned($0.from) } ?? .null),
            ("duration", duration?.rounded(to: 3) ?? .null),
            ("bitrate", bitrate?.rounded(to: 0) ?? .null),
            ("packets", .unsigned(counters.packets)),
            ("sync_losses", .unsigned(counters.losses)),
            ("dropped_packets", .unsigned(counters.dropped)),
            ("skipped_bytes", .unsigned(counters.skipped)),
            ("trailing_bytes", .unsigned(trailing)),
            ("continuity_errors", .unsigned(counters.continuity)),
            ("discontinuities", .unsigned(counters.announced)),
            ("duplicate_packets", .unsigned(counters.duplicates)),
            ("transport_errors", .unsigned(counters.transport)),
            ("sections", .unsigned(counters.sections)),
            ("damaged_sections", .unsigned(counters.bad_sections)),
            ("locks", .array(locks.map(\.json))),
            ("programs", .array(programs.map(\.json))),
            ("pids", .array(pids.map(json))),
            (
                "access_points",
                .object([
                    ("count", .unsigned(counters.access_points)),
                    ("is_complete", .bool(counters.access_points == UInt64(accessPoints.count))),
                    ("by_pid", .array(access.map(\.json))),
                    ("points", .array(accessPoints.map(\.json))),
                ])
            ),
        ])
    }

    private func json(_ pid: PID) -> JSON {
        .object([
            ("pid", .unsigned(UInt64(pid.pid))), ("kind", .string(pid.role.kind)), ("name", .string(pid.role.name)),
            ("packets", .unsigned(pid.core.packets)), ("share", share(of: pid).rounded(to: 6)),
            ("bitrate", bitrate(of: pid)?.rounded(to: 0) ?? .null),
            ("continuity_errors", .unsigned(pid.core.continuity)),
            ("scrambled_packets", .unsigned(pid.core.scrambled)), ("clock_references", .unsigned(pid.core.pcrs)),
        ])
    }
}

extension ScanReport.Lock {
    fileprivate var json: JSON {
        .object([
            ("from", .unsigned(from)), ("to", to.map { .unsigned($0) } ?? .null),
            ("packet_size", .unsigned(UInt64(stride))),
        ])
    }
}

extension ScanReport.Program {
    fileprivate var json: JSON {
        .object([
            ("number", .unsigned(UInt64(number))), ("pmt_pid", .unsigned(UInt64(pmt))),
            ("pcr_pid", pcr.map { .unsigned(UInt64($0)) } ?? .null),
            ("version", version.map { .unsigned(UInt64($0)) } ?? .null),
            (
                "streams",
                .array(
                    streams.map { stream in
                        .object([
                            ("pid", .unsigned(UInt64(stream.pid))), ("type", .unsigned(UInt64(stream.type))),
                            ("kind", .string(stream.codec.kind)),
                            ("codec", stream.codec.name.map { .string($0) } ?? .null),
                        ])
                    })
            ),
        ])
    }
}

extension ScanReport.Access {
    fileprivate var json: JSON {
        .object([
            ("pid", .unsigned(UInt64(pid))), ("count", .unsigned(points)),
            ("mean_interval", interval?.mean.rounded(to: 3) ?? .null),
            ("longest_interval", interval?.longest.rounded(to: 3) ?? .null),
        ])
    }
}

extension ScanReport.AccessPoint {
    fileprivate var json: JSON {
        .object([
            ("packet", .unsigned(packet)), ("offset", .unsigned(offset)), ("pid", .unsigned(UInt64(pid))),
            ("seconds", seconds?.rounded(to: 3) ?? .null), ("by", .string(reason)),
        ])
    }
}
