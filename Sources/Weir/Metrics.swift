internal import CWeir
internal import WeirHTTP
internal import WeirLive
internal import WeirLoop

/// What `/metrics` says: gathered when it is asked for. Label values are names from the configuration and words of this
/// program; nothing that a client sent.
@LoopActor
struct Metrics {
    let stations: Stations
    /// The server's router holds these metrics.
    unowned let server: Server
    let clients: ClientPools
    let watchdog: Watchdog
    let log: LogWriter
    let reloads: ReloadCounters
    var media: @LoopActor () -> MediaService? = { nil }
    var downloads: @LoopActor () -> DownloadService? = { nil }

    func text() -> [UInt8] {
        var text = PrometheusText()
        live(&text)
        fallbacks(&text)
        listeners(&text)
        TransportMetrics(stations: stations.all).write(to: &text)
        process(&text)
        http(&text)
        ClientPoolMetrics(pools: clients.all).write(to: &text)
        if let media = media() { MediaMetrics(media: media).write(to: &text) }
        if let service = downloads(), let downloads = service.downloads {
            DownloadMetrics(downloads: downloads, meters: service.meters).write(to: &text)
        }
        return text.bytes
    }

    private var labelled: [(labels: [PrometheusText.Label], subject: Station)] {
        stations.all.map { ([("station", $0.name)], $0) }
    }

    private func live(_ text: inout PrometheusText) {
        text.family("weir_live_source_state", .gauge, "1 for the state that a station's source is in.")
        for station in stations.all {
            for state in Supervision.State.allCases {
                text.sample(station.state == state ? 1 : 0, [("station", station.name), ("state", state.rawValue)])
            }
        }
        text.family("weir_live_source_info", .gauge, "1, with the kind of a source, and the URL of one that is pulled.")
        for station in stations.all {
            var url = ""
            if case .http(let origin) = station.options.source { url = origin.description }
            text.sample(
                1, [("station", station.name), ("kind", station.options.source.kind), ("url", url)])
        }
        text.family(
            "weir_live_received_bytes_total", .counter, "Bytes that a station's source delivered.", of: labelled
        ) { $0.receivedBytes }
        text.family(
            "weir_live_restarts_total", .counter, "Times that a station's source was started again.", of: labelled
        ) { $0.supervision.restarts }
        text.family("weir_live_bitrate", .gauge, "Bits a second of a station's stream; absent while not known.")
        for station in stations.all {
            if let rate = station.byteRate { text.sample(rate * 8, [("station", station.name)]) }
        }
    }

    private func fallbacks(_ text: inout PrometheusText) {
        let stations = labelled.filter { $0.subject.options.fallback != nil || $0.subject.fallbackSwitches > 0 }
        if stations.isEmpty { return }
        text.family(
            "weir_station_fallback", .gauge, "1 while another station is played in place of the source.", of: stations
        ) { $0.fallbackName == nil ? 0 : 1 }
        text.family(
            "weir_station_fallback_switches_total", .counter,
            "Times that another station was begun to be played in place of the source.", of: stations
        ) { $0.fallbackSwitches }
        text.family(
            "weir_station_fallback_bytes_total", .counter, "Bytes of other stations played in place of the source.",
            of: stations
        ) { $0.fallbackBytes }
    }

    private func listeners(_ text: inout PrometheusText) {
        let counters = labelled.map { (labels: $0.labels, subject: $0.subject.counters) }
        text.family("weir_live_listeners", .gauge, "Listeners of a station.", of: counters) { $0.listeners }
        text.family("weir_live_joins_total", .counter, "Listeners that joined.", of: counters) { $0.joined }
        text.family("weir_live_sent_bytes_total", .counter, "Bytes of the stream that sockets took.", of: counters) {
            $0.sentBytes
        }
        text.family(
            "weir_live_skipped_bytes_total", .counter, "Bytes of the stream that slow listeners lost.", of: counters
        ) { $0.skippedBytes }
        text.family(
            "weir_live_skips_total", .counter, "Times that a listener jumped to the newest unit or picture.",
            of: counters
        ) { $0.skips }
        text.family("weir_live_writes_total", .counter, "Writes to listeners.", of: counters) { $0.writes }
        text.family("weir_live_disconnects_total", .counter, "Listeners that ended, by reason.")
        for (labels, counters) in counters {
            for reason in Fanout.EndReason.allCases {
                text.sample(counters.ended(reason), labels + [("reason", reason.name)])
            }
        }
        text.family("weir_live_window_seconds", .gauge, "Flush window of a station.", of: labelled) { $0.windowSeconds }
        text.family("weir_live_lag_seconds", .histogram, "Age of what a listener is sent, at each flush.")
        for station in stations.all { text.sample(station.lag, [("station", station.name)]) }
        text.family("weir_live_join_seconds", .histogram, "Time from a listener's request to its place in the fan-out.")
        for station in stations.all { text.sample(station.joins, [("station", station.name)]) }
    }

    private func process(_ text: inout PrometheusText) {
        text.family("weir_loop_delay_seconds", .histogram, "Time between two polls of the loop, without the wait.")
        text.sample(watchdog.wall)
        text.family("weir_loop_cpu_seconds", .histogram, "CPU time of the loop's thread between two polls.")
        text.sample(watchdog.cpu)
        text.family("weir_loop_delay_max_seconds", .gauge, "Longest time between two polls since the start.")
        text.sample(Double(watchdog.wall.max) / 1e9)
        text.family("weir_loop_cpu_max_seconds", .gauge, "Most CPU time between two polls since the start.")
        text.sample(Double(watchdog.cpu.max) / 1e9)
        text.family("weir_loop_entries_total", .counter, "Times that the core called the engine, and jobs run.")
        text.sample(LoopActor.entries)
        if let resident = ResidentMemory.now() {
            text.family("weir_resident_memory_bytes", .gauge, "Resident memory of the process.")
            text.sample(resident)
        }
        text.family("weir_log_dropped_lines_total", .counter, "Log lines that nobody took in time.")
        text.sample(log.droppedLines)
        text.family("weir_configuration_reloads_total", .counter, "Times that the configuration was read again.")
        for (result, count) in [("applied", reloads.applied), ("refused", reloads.refused)] {
            text.sample(count, [("result", result)])
        }
        text.family("weir_build_info", .gauge, "1, with the version as a label.")
        text.sample(1, [("version", String(cString: weir_version_string()))])
    }

    private func http(_ text: inout PrometheusText) {
        let counters = server.counters
        text.family("weir_http_connections", .gauge, "Connections, by what holds them.")
        text.sample(counters.active - counters.takenOver, [("holder", "server")])
        text.sample(counters.takenOver, [("holder", "live")])
        text.family("weir_http_connections_accepted_total", .counter, "Connections accepted.")
        text.sample(counters.accepted)
        text.family("weir_http_handshakes_total", .counter, "TLS handshakes that came to an end, by their result.")
        text.sample(counters.handshakes, [("result", "done")])
        text.sample(counters.handshakesFailed, [("result", "failed")])
        text.family("weir_http_responses_total", .counter, "Responses, by the class of their status.")
        for digit in 1...5 {
            text.sample(counters.responses[digit] ?? 0, [("class", "\(digit)xx")])
        }
        text.family("weir_http_sent_bytes_total", .counter, "Bytes of bodies that the server sent itself.")
        text.sample(counters.bytesSent)
        text.family("weir_http_refusals_total", .counter, "Connections and requests refused, by reason.")
        let refusals: [(String, UInt64)] = [
            ("full", counters.refusedFull), ("per_address", counters.refusedPerAddress),
            ("descriptors", counters.refusedDescriptors), ("malformed", counters.malformed),
            ("unauthorized", counters.unauthorized), ("host", counters.hostRefused), ("origin", counters.originRefused),
            ("body_too_large", counters.bodyTooLarge),
        ]
        for (reason, count) in refusals { text.sample(count, [("reason", reason)]) }
        text.family("weir_http_timeouts_total", .counter, "Connections ended by a timeout, by its kind.")
        let timeouts: [(String, UInt64)] = [
            ("handshake", counters.handshakeTimeouts), ("head", counters.headTimeouts), ("idle", counters.idleTimeouts),
            ("send", counters.sendTimeouts),
        ]
        for (kind, count) in timeouts { text.sample(count, [("kind", kind)]) }
        text.family(
            "weir_http_accept_pauses_total", .counter, "Times that accepting was suspended for want of descriptors.")
        text.sample(counters.acceptPauses)
    }
}
