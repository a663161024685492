internal import WeirHTTP
internal import WeirLive
internal import WeirLoop

/// `GET /live`.
@LoopActor
enum LiveReport {
    /// Listeners that are written in one turn of the loop: about a millisecond.
    nonisolated static let slice = 250
    /// Seconds that the loop has in between.
    nonisolated static let pause = 0.001

    /// Written in slices: ten thousand listeners in one turn would make all of them wait for their bytes.
    static func bytes(_ stations: [StationReport]) async throws -> [UInt8] {
        var bytes = Array("{\"stations\":[".utf8)
        var written = 0
        for (index, station) in stations.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            head(station).write(to: &bytes)
            bytes.removeLast()
            bytes.append(contentsOf: ",\"listeners\":[".utf8)
            for (index, listener) in station.listeners.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                json(listener).write(to: &bytes)
                written += 1
                if written % slice == 0 { try await LoopClock.monotonic.sleep(for: pause) }
            }
            bytes.append(contentsOf: "]}".utf8)
        }
        bytes.append(contentsOf: "]}".utf8)
        return bytes
    }

    /// A station without its listeners.
    private static func head(_ station: StationReport) -> JSON {
        var members: [(String, JSON)] = [
            ("name", .string(station.name)), ("format", .string(station.format.name)),
            ("kind", .string(station.kind)), ("autostart", .string(station.autostart.rawValue)),
            ("access", .string(station.access.rawValue)),
            ("state", .string(station.state.rawValue)), ("position", .unsigned(station.position)),
            ("bitrate", station.bitrate.map { .number($0.rounded()) } ?? .null),
            ("restarts", .unsigned(station.restarts)),
            ("last_error", station.lastError.map { .string($0) } ?? .null),
            ("window_ms", station.window.rounded(to: 3)), ("listeners_max", .integer(Int64(station.listenersMax))),
            ("ends", .object(station.ends.map { ($0.reason, .unsigned($0.count)) })),
        ]
        if case .pcm(let pcm) = station.format { members.append(("pcm", json(pcm))) }
        if let fallback = station.fallback { members.append(("fallback", .string(fallback))) }
        if let title = station.title { members.append(("title", .string(title))) }
        if let sender = station.sender { members.append(("source", json(sender))) }
        if let origin = station.origin { members.append(("origin", json(origin))) }
        if let warm = station.warm { members.append(("warm", json(warm, station.isCommitRequested))) }
        if let transport = station.transport { members.append(("ts", json(transport))) }
        return .object(members)
    }

    private static func json(_ report: SenderReport) -> JSON {
        let sender = report.sender
        func text(_ text: String?) -> JSON { text.map { .string($0) } ?? .null }
        return .object([
            ("address", .string(sender.address)), ("since", .string(WallClock.text(sender.since))),
            ("bytes", .unsigned(report.bytes)), ("agent", text(sender.agent)), ("name", text(sender.name)),
            ("audio", text(sender.audio)),
        ])
    }

    private static func json(_ report: OriginReport) -> JSON {
        func text(_ text: String?) -> JSON { text.map { .string($0) } ?? .null }
        let answer = report.answer
        return .object([
            ("url", .string(report.url)), ("location", text(answer?.location)),
            ("since", text(answer.map { WallClock.text($0.since) })), ("type", text(answer?.type)),
            ("name", text(answer?.name)), ("server", text(answer?.server)),
        ])
    }

    private static func json(_ pcm: PCMFormat) -> JSON {
        .object([
            ("sample", .string(pcm.sample.rawValue)), ("rate", .integer(Int64(pcm.rate))),
            ("channels", .integer(Int64(pcm.channels))),
        ])
    }

    private static func json(_ warm: WarmReport, _ isCommitRequested: Bool) -> JSON {
        .object([
            ("bytes", .unsigned(warm.bytes)), ("seconds", warm.seconds.rounded(to: 3)), ("tail", .unsigned(warm.tail)),
            ("head", .unsigned(warm.head)), ("max", .unsigned(warm.max)), ("disk", .unsigned(warm.disk)),
            ("committed", .bool(warm.isCommitted)), ("commit_requested", .bool(isCommitRequested)),
            ("off", .bool(warm.isOff)),
        ])
    }

    private static func json(_ facts: TransportFacts) -> JSON {
        .object([
            ("state", .string(facts.state.rawValue)), ("packet_size", .integer(Int64(facts.stride))),
            ("packets", .unsigned(facts.packets)), ("sync_losses", .unsigned(facts.syncLosses)),
            ("continuity_errors", .unsigned(facts.continuityErrors)), ("access_points", .unsigned(facts.accessPoints)),
            ("gaps", .unsigned(facts.gaps)), ("programs", .array(facts.programs.map(json))),
        ])
    }

    private static func json(_ program: TransportFacts.Program) -> JSON {
        .object([
            ("number", .integer(Int64(program.number))), ("pmt_pid", .integer(Int64(program.pmtPID))),
            ("pcr_pid", program.pcrPID.map { .integer(Int64($0)) } ?? .null),
            (
                "streams",
                .array(
                    program.streams.map { stream in
                        .object([
                            ("pid", .integer(Int64(stream.pid))), ("type", .integer(Int64(stream.type))),
                            ("codec", .string(stream.codec)),
                        ])
                    })
            ),
        ])
    }

    private static func json(_ listener: ListenerReport) -> JSON { .object(members(listener)) }

    private static func members(_ listener: ListenerReport) -> [(String, JSON)] {
        [
            ("id", .unsigned(listener.id)), ("address", .string(listener.address)), ("path", .string(listener.path)),
            ("since", .string(WallClock.text(listener.since))), ("position", .unsigned(listener.position)),
            ("lag_bytes", .unsigned(listener.lagBytes)),
            ("lag_seconds", listener.lagSeconds.map { $0.rounded(to: 3) } ?? .null),
            ("skips", .unsigned(listener.skips)), ("skipped_bytes", .unsigned(listener.skippedBytes)),
            ("sent_bytes", .unsigned(listener.sentBytes)),
        ]
    }

    /// `GET /live/NAME/ends`, the newest first.
    static func ends(_ ends: RecentEnds, of name: String) -> JSON {
        let list = ends.newestFirst.map { end in
            JSON.object(
                members(end.listener) + [
                    ("until", .string(WallClock.text(end.until))), ("seconds", end.listener.seconds.rounded(to: 3)),
                    ("reason", .string(end.reason)), ("error", end.error.map { .string($0) } ?? .null),
                ])
        }
        return .object([
            ("name", .string(name)), ("limit", .integer(Int64(RecentEnds.limit))), ("ends", .array(list)),
        ])
    }
}
