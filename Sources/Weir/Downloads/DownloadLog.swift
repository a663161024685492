internal import WeirDownloads
internal import WeirHTTP

/// What happens to downloads, as lines of the log, under the names that people search for.
enum DownloadLog {
    static func write(_ event: DownloadEvent, to log: LogWriter) {
        switch event {
        case .threshold(let megabytes): log.info("Download cache threshold: \(megabytes)MB", [])
        case .size(let key, let estimate, let actual):
            var fields: [LogLine.Field] = [("key", .string(key)), ("estimate_bytes", .unsigned(estimate))]
            if let actual { fields.append(("actual_bytes", .unsigned(actual))) }
            log.info("Estimated size: \(Units.round(bytes: Int(clamping: estimate)))", fields)
        case .strategy(let key, let strategy):
            let name = strategy == .buffer ? "buffer" : "streaming"
            log.info("Using \(name) cache strategy", [("key", .string(key))])
        case .hit(let key): log.info("Cache hit for key: \(key)", [])
        case .saved(let key, let bytes, let milliseconds):
            log.info("Async cache saved: \(key)", [("bytes", .unsigned(bytes)), ("ms", .integer(milliseconds))])
        case .failed(let key, let error):
            log.warning(
                "download failed",
                [
                    ("key", .string(key)), ("error", .string(error.message)),
                    ("page", error.page.map { .string($0.objectKey) } ?? .null),
                ])
        case .bypassed(let key, let reason):
            log.warning("download not kept", [("key", .string(key)), ("reason", .string(reason.rawValue))])
        case .evicted(let key, let bytes):
            log.info("download evicted", [("key", .string(key)), ("bytes", .unsigned(bytes))])
        case .damaged(let key, let what):
            log.warning("kept download damaged", [("key", .string(key)), ("problem", .string(what))])
        case .swept(let temporary, let files, let rows):
            log.info(
                "downloads of dead processes removed",
                [
                    ("temporary", .integer(Int64(temporary))), ("files", .integer(Int64(files))),
                    ("rows", .integer(Int64(rows))),
                ])
        case .trouble(let what): log.error("downloads not kept", [("error", .string(what))])
        }
    }
}
