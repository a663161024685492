internal import WeirHTTP
internal import WeirLive
internal import WeirLoop

/// What happens at stations, as lines of the log.
enum StationLog {
    static func write(_ event: StationEvent, of station: String, to log: LogWriter) {
        let name: LogLine.Field = ("station", .string(station))
        switch event {
        case .state(let from, let to, let error):
            var fields = [name, ("from", .string(from.rawValue)), ("to", .string(to.rawValue))]
            if let error, to == .failed || to == .stalled || to == .stopped { fields.append(("error", .string(error))) }
            log.write(to == .failed || to == .stalled ? .warning : .info, "station state", fields)
        case .started(let process):
            log.info("source started", [name, ("pid", .integer(Int64(process)))])
        case .line(let line, let suppressed):
            if suppressed > 0 {
                log.warning("source lines suppressed", [name, ("lines", .integer(Int64(suppressed)))])
            }
            log.info("source says", [name, ("line", .string(line))])
        case .format(let was, let now):
            log.info("source format", [name, ("configured", text(was)), ("format", text(now))])
        case .connected(let answer):
            log.info(
                "source connected",
                [name, ("url", .string(answer.location))] + text("type", answer.type) + text("name", answer.name)
                    + text("server", answer.server))
        case .senderCame(let sender):
            log.info(
                "source connected",
                [name, ("address", .string(sender.address))] + text("agent", sender.agent) + text("name", sender.name))
        case .senderLeft(let sender, let bytes, let seconds, let reason):
            log.write(
                reason.error == nil ? .info : .warning, "source left",
                [
                    name, ("address", .string(sender.address)), ("reason", .string(reason.name)),
                    ("bytes", .unsigned(bytes)), ("seconds", seconds.rounded(to: 3)),
                ] + text("error", reason.error))
        case .title(let title):
            log.info("station title", [name, ("title", title.map { .string($0) } ?? .null)])
        case .fallback(let other, let state):
            let state: LogLine.Field = ("state", .string(state.rawValue))
            if let other {
                log.warning("station fallback", [name, ("fallback", .string(other)), state])
            } else {
                log.info("station fallback over", [name, state])
            }
        case .fallbackFailed(let other, let error):
            log.warning(
                "station fallback failed", [name, ("fallback", .string(other)), ("error", .string(error))])
        case .retry(let seconds):
            log.info("source retry", [name, ("seconds", seconds.rounded(to: 3))])
        case .joined(let listener):
            log.debug("listener joined", [name] + who(listener) + [("position", .unsigned(listener.position))])
        case .skipped(let listener):
            log.warning(
                "listener skipped",
                [name] + who(listener) + [
                    ("reason", "lag"), ("skips", .unsigned(listener.skips)),
                    ("skipped", .unsigned(listener.skippedBytes)),
                    ("bytes", .unsigned(listener.sentBytes)), ("seconds", listener.seconds.rounded(to: 3)),
                ])
        case .left(let listener, let reason, let error):
            var fields =
                [name] + who(listener) + [
                    ("reason", .string(reason)), ("bytes", .unsigned(listener.sentBytes)),
                    ("seconds", listener.seconds.rounded(to: 3)), ("skipped", .unsigned(listener.skippedBytes)),
                ]
            if let error { fields.append(("error", .string(error))) }
            log.write(reason == "closed" || reason == "shutdown" ? .info : .warning, "listener left", fields)
        case .programs(let programs):
            log.info("source programmes", [name, ("programs", .array(programs.map { .string(text($0)) }))])
        case .warm(let event):
            write(event, name, to: log)
        case .sentWarm(let listener, let bytes, let seconds, let milliseconds):
            log.info(
                "SENT WARMCACHE",
                [name] + who(listener) + [
                    ("bytes", .unsigned(bytes)), ("seconds", seconds.rounded(to: 3)),
                    ("ms", milliseconds.rounded(to: 3)),
                ])
        }
    }

    private static func write(_ event: WarmEvent, _ name: LogLine.Field, to log: LogWriter) {
        switch event {
        case .committed(let committed):
            log.info(committed ? "stream committed" : "stream uncommitted", [name])
        case .sized(let bytes):
            log.debug("warm cache size", [name, ("max", .unsigned(bytes))])
        case .restarted(let error, let times, let lost):
            log.warning(
                "warm cache restarted",
                [
                    name, ("error", .string(error?.description ?? "the disk is too slow")),
                    ("times", .integer(Int64(times))), ("lost", .unsigned(lost)),
                ])
        case .off(let error, let retry):
            log.warning(
                "warm cache off", [name, ("error", .string(error.description)), ("retry", retry.rounded(to: 3))])
        case .retried:
            log.info("warm cache retry", [name])
        }
    }

    /// `1: H.264 256, AAC 257`.
    private static func text(_ program: TransportFacts.Program) -> String {
        "\(program.number): " + program.streams.map { "\($0.codec) \($0.pid)" }.joined(separator: ", ")
    }

    private static func text(_ key: String, _ value: String?) -> [LogLine.Field] {
        value.map { [(key, .string($0))] } ?? []
    }

    private static func who(_ listener: ListenerReport) -> [LogLine.Field] {
        [("listener", .unsigned(listener.id)), ("address", .string(listener.address))]
    }

    private static func text(_ format: StationOptions.Format) -> JSON {
        switch format {
        case .pcm(let pcm): .string(pcm.description)
        case .ts, .raw: .string(format.name)
        }
    }
}

extension Double {
    /// With so many decimal places, for people and JSON.
    func rounded(to places: Int) -> JSON {
        var scale = 1.0
        for _ in 0..<places { scale *= 10 }
        return .number((self * scale).rounded() / scale)
    }
}
