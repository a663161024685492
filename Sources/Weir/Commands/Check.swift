internal import WeirDownloads
internal import WeirHTTP
internal import WeirLive
internal import WeirLoop

/// `weir check`: every problem of a configuration, or the caps that it implies.
enum Check {
    static let command = Command(
        name: "check", about: "Checks a configuration, and prints the caps it implies",
        arguments: [.init(name: "FILE", about: "The configuration, YAML or JSON")],
        options: Serve.logOptions,
        notes: [
            """
            The variables of the environment count, as they would for `weir serve`.
            Exit code 0: valid. 1: every problem has been printed.
            """
        ])

    static func run(_ invocation: Invocation, environment: [String: String], _ console: Console) -> Int32 {
        let file = invocation.arguments[0]
        let options = Serve.overrides(invocation)
        let outcome = ConfigurationSource(file: file, environment: environment, options: options).load()
        for problem in outcome.problems { console.line(problem.description) }
        guard let configuration = outcome.configuration else {
            let errors = count(outcome.errors.count, "error")
            let warnings = outcome.warnings.count
            console.line("\(file): \(errors)\(warnings == 0 ? "" : ", \(count(warnings, "warning"))")")
            return Program.failed
        }
        console.line("\(file): valid")
        console.line(report(configuration, ConfigurationCaps(of: configuration)))
        return Program.done
    }

    /// What the configuration lets happen at most.
    static func report(_ configuration: Configuration, _ caps: ConfigurationCaps) -> String {
        var rows: [(String, String)] = []
        for (index, address) in configuration.server.addresses.enumerated() {
            rows.append((index == 0 ? "listen" : "", address.written))
        }
        let chosen = configuration.auth.adminToken != nil
        rows.append(("admin token", chosen ? "configured" : "generated into \(configuration.data)/admin.token"))
        if configuration.auth.linkKey != nil || configuration.asksForLinks {
            let path = Secrets.linkKeyPath(configuration)
            rows.append(("link key", configuration.auth.linkKey != nil ? "configured" : "generated into \(path)"))
        }
        if configuration.stations.isEmpty { rows.append(("stations", "none")) }
        for (station, cap) in zip(configuration.stations, caps.stations) {
            rows.append(("station", "\(station.name): \(station.source.kind), \(describe(station, cap))"))
        }
        let ofStations = caps.stations.reduce(0) { $0 + $1.listeners }
        rows.append(
            (
                "listeners",
                "at most \(caps.listeners): stations \(ofStations), limits.listeners \(configuration.limits.listeners),"
                    + " connections \(caps.connections)"
            ))
        let limit = configuration.limits.memory ?? ProcessLimits.memoryShare
        rows.append(
            (
                "memory",
                "rings \(Units.round(bytes: caps.rings)), "
                    + (caps.fileBuffers > 0 ? "file buffers \(Units.round(bytes: caps.fileBuffers)), " : "")
                    + "listeners \(Units.round(bytes: caps.heap)) at most;"
                    + " limits.memory \(Units.round(bytes: limit))"
            ))
        rows.append(("kernel", "send buffers \(Units.round(bytes: caps.sendBuffers)) at most"))
        if caps.disk > 0 {
            rows.append(
                (
                    "disk",
                    "warm caches \(Units.round(bytes: caps.disk)) at most, in \(configuration.cacheDirectory);"
                        + " cache.budget \(Units.round(bytes: configuration.cache.budget))"
                ))
        }
        rows.append(("downloads", describe(configuration.downloads, in: configuration.downloadDirectory)))
        for bot in caps.bots {
            let rate = Units.tenths(bot.mediaPerMinute)
            rows.append(
                ("bot", "\(bot.slug): at most \(rate) media a minute, by \(count(bot.chats, "warm-up chat"))"))
        }
        let width = (rows.map { $0.0.count }.max() ?? 0) + 2
        return rows.map { "  \($0.0)\(String(repeating: " ", count: width - $0.0.count))\($0.1)" }.joined(
            separator: "\n")
    }

    /// `pcm s16le 48000 Hz 2 ch, 192 kB/s; ring 1 MiB = 5.46 s; at most 10 listeners`, `ts; ring 1 MiB; warm 6 s in 54 MiB
    /// of files; …`.
    private static func describe(_ station: StationOptions, _ cap: ConfigurationCaps.Station) -> String {
        let format: String
        var ring: String
        switch (station.format, cap.byteRate) {
        case (.pcm(let pcm), let rate?):
            format = "pcm \(pcm), \(Units.tenths(Double(rate) / 1000)) kB/s"
            ring = " = \(Units.round(seconds: Double(cap.ring) / Double(rate)))"
        default: (format, ring) = (station.format.name, "")
        }
        if station.keepsFiles {
            let seconds = Units.round(seconds: station.warm.seconds)
            ring += "; warm \(seconds) in \(Units.round(bytes: cap.disk)) of files at most"
        }
        if station.access == .signed { ring += "; by signed links" }
        return "\(format); ring \(Units.round(bytes: cap.ring))\(ring); at most \(count(cap.listeners, "listener")),"
            + " send buffer \(Units.round(bytes: cap.sendBuffer)) each"
    }

    /// `hybrid, small below 100 MiB; at most 10 GiB of files in DIR, 256 MiB of memory; index in database`.
    private static func describe(_ downloads: DownloadConfiguration, in directory: String) -> String {
        let threshold = downloads.threshold.map { "\($0) MiB" } ?? "a size that follows the memory"
        var text = "\(downloads.strategy.rawValue), small below \(threshold); "
        text +=
            downloads.budget == 0
            ? "nothing is kept" : "at most \(Units.round(bytes: downloads.budget)) of files in \(directory)"
        text += ", \(Units.round(bytes: downloads.memory)) of memory; index in \(downloads.index)"
        if downloads.rate > 0 {
            text += "; \(Units.round(bytes: downloads.rate)) a second each"
            if downloads.rateAbove > 0 { text += " above \(downloads.rateAbove) MiB" }
        }
        if downloads.access == .signed { text += "; by signed links" }
        return text
    }

    private static func count(_ number: Int, _ noun: String) -> String {
        "\(number) \(noun)\(number == 1 ? "" : "s")"
    }
}
