internal import WeirDownloads
internal import WeirHTTP

/// Downloads as JSON.
enum DownloadJSON {
    static func explanation(_ explanation: DownloadExplanation) -> JSON {
        .object([
            ("key", .string(explanation.key)), ("cache", .string(explanation.cache.rawValue)),
            ("reason", .string(explanation.reason)), ("strategy", .string(explanation.strategy.rawValue)),
            ("bytes", explanation.length.map { number($0) } ?? .null),
            ("estimate_bytes", number(explanation.estimate)), ("pages", .integer(Int64(explanation.pages))),
            ("unknown_pages", .integer(Int64(explanation.unknown))),
            (
                "dropped",
                explanation.dropped.map {
                    .object([("at", .integer($0.at)), ("reason", .string($0.reason))])
                } ?? .null
            ),
        ])
    }

    /// Before anybody has asked for a download.
    static let idle = status(DownloadState(), DownloadCounters())

    static func status(_ state: DownloadState, _ counters: DownloadCounters) -> JSON {
        .object([
            ("hits", number(counters.hits)), ("misses", number(counters.misses)), ("joined", number(counters.joined)),
            ("generations", number(counters.generations)), ("failed", number(counters.generationsFailed)),
            ("evicted", number(counters.evicted)), ("artefacts", .integer(Int64(state.artefacts))),
            ("bytes", number(state.bytes)), ("budget", number(state.budget)),
            ("memory", number(state.memory.values.reduce(0, &+))), ("waiting", .integer(Int64(state.waiting))),
            ("trouble", state.trouble.map { .string($0) } ?? .null),
            (
                "fills",
                .array(
                    state.fills.map { fill in
                        .object([
                            ("title", .string(fill.title)), ("format", .string(fill.format.rawValue)),
                            ("done", number(fill.done)), ("length", number(fill.length)),
                            ("readers", .integer(Int64(fill.readers))), ("key", .string(fill.key)),
                        ])
                    })
            ),
        ])
    }

    private static func number(_ value: UInt64) -> JSON { .integer(Int64(clamping: value)) }
}
