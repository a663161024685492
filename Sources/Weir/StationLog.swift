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
        }
    }

    private static func who(_ listener: ListenerReport) -> [LogLine.Field] {
        [("listener", .unsigned(listener.id)), ("address", .string(listener.address))]
    }

    private static func text(_ format: StationOptions.Format) -> JSON {
        switch format {
        case .pcm(let pcm): .string(pcm.description)
        case .raw: "raw"
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
