internal import WeirHTTP
internal import WeirLive

/// What has to be done to get from the configuration that runs to another: values in, a plan out.
struct ConfigurationChange: Sendable {
    /// A station that differs, and the keys by which it does.
    struct Station: Sendable, Equatable {
        var options: StationOptions
        var keys: [String]
    }

    /// Keys outside of stations that take effect at once.
    private(set) var applied: [String] = []
    /// Keys that take effect when the program is started again. What runs keeps their former values.
    private(set) var pending: [String] = []
    private(set) var added: [StationOptions] = []
    private(set) var removed: [String] = []
    /// Running stations that take on other options.
    private(set) var adjusted: [Station] = []
    /// Stations whose place others take.
    private(set) var replaced: [Station] = []
    /// What runs then.
    private(set) var result: Configuration

    /// Keys that no running program can take on.
    static let fixed: Set<String> = ["listen", "data", "cache.dir", "database"]
    /// What the paths of others begin with.
    static let fixedGroups = ["storage.", "media.", "prewarm.", "telegram.", "downloads."]

    init(from former: Configuration, to next: Configuration) {
        result = next
        result.server.addresses = former.server.addresses
        result.data = former.data
        result.storage = former.storage
        result.database = former.database
        result.downloads = former.downloads
        result.mediaLimit = former.mediaLimit
        result.prewarm = former.prewarm
        result.telegram = former.telegram
        // Where it lies follows from `data` when nothing is given.
        result.cache.directory = former.cache.directory
        // What is spoken where is settled when listening begins; the files may be others.
        let isHTTPSKept = former.server.tls.isConfigured == next.server.tls.isConfigured
        if !isHTTPSKept { result.server.tls = former.server.tls }
        for key in ConfigurationTable.configuration.keys where !key.isSame(former, next) {
            let isFixed =
                Self.fixed.contains(key.path) || Self.fixedGroups.contains { key.path.hasPrefix($0) }
                || (!isHTTPSKept && key.path.hasPrefix("tls."))
            if isFixed { pending.append(key.path) } else { applied.append(key.path) }
        }
        compare(former.stations, next.stations)
    }

    private mutating func compare(_ former: [StationOptions], _ next: [StationOptions]) {
        let before = Dictionary(uniqueKeysWithValues: former.map { ($0.name, $0) })
        let after = Set(next.map(\.name))
        removed = former.map(\.name).filter { !after.contains($0) }
        for options in next {
            guard let known = before[options.name] else {
                added.append(options)
                continue
            }
            guard let change = known.changes(to: options) else { continue }
            let station = Station(options: options, keys: change.keys)
            if change.remedy == .adjust { adjusted.append(station) } else { replaced.append(station) }
        }
        // Which one is first is what `/stream.wav` plays.
        if former.map(\.name).filter(after.contains) != next.map(\.name).filter({ before[$0] != nil }) {
            applied.append("live.stations")
        }
    }

    /// Nothing takes effect.
    var isEmpty: Bool {
        applied.isEmpty && added.isEmpty && removed.isEmpty && adjusted.isEmpty && replaced.isEmpty
    }

    /// What the stations are told.
    var stations: Stations.Change {
        var change = Stations.Change()
        change.adjusted = adjusted.map(\.options)
        change.new = added + replaced.map(\.options)
        change.order = result.stations.map(\.name)
        change.listenersMax = result.limits.listeners
        return change
    }
}
