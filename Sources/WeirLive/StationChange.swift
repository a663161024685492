// How two sets of options for a station differ, and what that takes.

extension StationOptions {
    /// What has to be done about a difference.
    public enum Remedy: Sendable, Equatable {
        /// A running station takes it on; its source and its listeners do not notice.
        case adjust
        /// Another station takes its place.
        case replace
    }

    /// The keys of the configuration by which other options differ, and what that takes; nil when they are the same.
    public func changes(to other: StationOptions) -> (keys: [String], remedy: Remedy)? {
        if self == other { return nil }
        let changed = StationOptions.parts.filter { $0.differs(self, other) }
        let isLive = !changed.isEmpty && changed.allSatisfy(\.isLive) && keepsFiles == other.keepsFiles
        return (changed.map(\.key), isLive ? .adjust : .replace)
    }

    private struct Part: Sendable {
        let key: String
        let isLive: Bool
        let differs: @Sendable (StationOptions, StationOptions) -> Bool
    }

    private static func part<Value: Equatable & Sendable>(
        _ key: String, _ field: any KeyPath<StationOptions, Value> & Sendable, isLive: Bool
    ) -> Part {
        Part(key: key, isLive: isLive) { $0[keyPath: field] != $1[keyPath: field] }
    }

    /// Every part; one that is missing here would have the station replaced.
    private static let parts: [Part] = [
        part("access", \.access, isLive: true),
        part("format", \.format, isLive: false),
        part("source", \.source, isLive: false),
        part("source.autostart", \.autostart, isLive: false),
        part("source.linger", \.linger, isLive: true),
        part("source.start_timeout", \.startTimeout, isLive: true),
        part("source.stall_timeout", \.stallTimeout, isLive: true),
        part("ring", \.ring, isLive: false),
        part("window", \.window, isLive: true),
        part("listeners.max", \.listenersMax, isLive: true),
        part("listeners.alert", \.listenersAlert, isLive: true),
        part("slow.policy", \.slowPolicy, isLive: false),
        part("slow.max_lag", \.maxLag, isLive: true),
        part("slow.timeout", \.slowTimeout, isLive: true),
        part("join", \.join, isLive: true),
        part("fallback", \.fallback, isLive: true),
        part("warm", \.warm, isLive: true),
    ]
}
