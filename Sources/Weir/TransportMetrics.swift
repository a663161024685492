internal import WeirLive
internal import WeirLoop

/// What `/metrics` says of transport streams, of what is kept of them, and of datagrams. Families without a station that
/// they concern are left out.
@LoopActor
struct TransportMetrics {
    let stations: [Station]

    func write(to text: inout PrometheusText) {
        transport(&text)
        warm(&text)
        datagrams(&text)
    }

    private func transport(_ text: inout PrometheusText) {
        let known = stations.compactMap { station in station.track.map { (labels: labels(station), subject: $0.facts) }
        }
        if known.isEmpty { return }
        func counter(_ name: String, _ help: String, _ field: KeyPath<TransportFacts, UInt64>) {
            text.family("weir_live_ts_\(name)_total", .counter, help, of: known) { $0[keyPath: field] }
        }
        text.family("weir_live_ts_locked", .gauge, "1 while packets are found in the source's bytes.", of: known) {
            $0.state == .search ? 0 : 1
        }
        counter("packets", "Transport packets from the source.", \.packets)
        counter("dropped_packets", "Packets with a bad sync byte.", \.dropped)
        counter("skipped_bytes", "Bytes of the source in no packet.", \.skipped)
        counter("sync_losses", "Times that the source's packets were lost and searched for anew.", \.syncLosses)
        counter("continuity_errors", "Continuity counters that were not what they had to be.", \.continuityErrors)
        counter("transport_errors", "Packets marked as damaged by whoever sent them.", \.transportErrors)
        counter("bad_sections", "PAT and PMT sections with a wrong checksum.", \.badSections)
        counter("access_points", "Places in the stream where decoding can begin.", \.accessPoints)
        counter("gaps", "Times that the stream went on after its source had been away.", \.gaps)
    }

    private func warm(_ text: inout PrometheusText) {
        let known = stations.compactMap { station in station.warmReport.map { (labels: labels(station), subject: $0) } }
        if known.isEmpty { return }
        func gauge(_ name: String, _ help: String, _ value: (WarmReport) -> Double) {
            text.family("weir_live_warm_\(name)", .gauge, help, of: known, value)
        }
        gauge("bytes", "Bytes of the stream that joiners can be given.") { Double($0.bytes) }
        gauge("seconds", "Seconds of the stream that joiners can be given.") { $0.seconds }
        gauge("max_bytes", "Bytes of the stream that may be kept in files.") { Double($0.max) }
        gauge("disk_bytes", "Bytes that the files take.") { Double($0.disk) }
        gauge("committed", "1 while the stream counts as watched.") { $0.isCommitted ? 1 : 0 }
        gauge("off", "1 while nothing is kept in files because of an error.") { $0.isOff ? 1 : 0 }
        text.family(
            "weir_live_warm_rotations_total", .counter, "Times that the old end of the files was cut off.", of: known
        ) { $0.rotations }
        text.family(
            "weir_live_warm_restarts_total", .counter, "Times that a slow or failing disk had the files emptied.",
            of: known
        ) { $0.restarts }
    }

    private func datagrams(_ text: inout PrometheusText) {
        let known = stations.compactMap { station -> (labels: [PrometheusText.Label], subject: Datagrams)? in
            if case .udp = station.options.source { (labels(station), station.datagrams) } else { nil }
        }
        if known.isEmpty { return }
        text.family("weir_live_udp_datagrams_total", .counter, "Datagrams received.", of: known) { $0.received }
        text.family("weir_live_udp_lost_total", .counter, "Datagrams missing by their RTP sequence numbers.", of: known)
        { $0.lost }
        text.family(
            "weir_live_udp_reordered_total", .counter, "Datagrams put right by their RTP sequence numbers.", of: known
        ) { $0.reordered }
        text.family("weir_live_udp_dropped_total", .counter, "Datagrams that were not used, by reason.")
        for (labels, datagrams) in known {
            let reasons: [(String, UInt64)] = [
                ("foreign", datagrams.foreign), ("truncated", datagrams.truncated), ("late", datagrams.late),
                ("duplicate", datagrams.duplicates), ("overflow", datagrams.overflows),
                ("stranger", datagrams.strangers),
            ]
            for (reason, count) in reasons { text.sample(count, labels + [("reason", reason)]) }
        }
    }

    private func labels(_ station: Station) -> [PrometheusText.Label] { [("station", station.name)] }
}
