internal import WeirLive
internal import WeirLoop

/// A station as it is written: its keys one by one, before they are put together and checked against each other.
struct StationDraft: Sendable {
    enum FormatWord: String, Sendable, CaseIterable {
        case pcm, raw
    }

    enum Kind: String, Sendable, CaseIterable {
        case exec, tone, file, stdin, fifo
    }

    var options = StationOptions(name: "")
    var format: FormatWord = .pcm
    var pcm = PCMFormat()
    var kind: Kind?
    var command: [String]?
    var directory: String?
    var environment: [String: String] = [:]
    var path: String?
    var loop = false
}

extension ConfigurationTable where Target == StationDraft {
    /// Every key of a station.
    static let station: ConfigurationTable<StationDraft> = {
        let standard = StationDraft()
        func key<Value>(
            _ path: String, _ type: ConfigurationType<Value>,
            _ field: any WritableKeyPath<StationDraft, Value> & Sendable, required: Bool = false, _ about: String
        ) -> ConfigurationKey<StationDraft> {
            ConfigurationKey(path, type, field, in: standard, required: required, about)
        }
        return ConfigurationTable(
            keys: [
                key(
                    "name", .stationName, \.options.name, required: true, "The name in the routes, `/live/NAME`; unique"
                ),
                key("format", .word(later: ["ts"]), \.format, "PCM in frames, or any bytes as they come"),
                key("pcm.sample", .word(), \.pcm.sample, "Encoding of a sample"),
                key("pcm.rate", .integer(PCMFormat.rateRange), \.pcm.rate, "Frames a second"),
                key("pcm.channels", .integer(PCMFormat.channelRange), \.pcm.channels, "Samples in a frame"),
                key(
                    "source.kind", .optional(.word(later: ["http", "push", "udp"])), \.kind, required: true,
                    "What delivers the bytes: a child process, a generated tone, a file in real time, standard input,"
                        + " or a named pipe"),
                key(
                    "source.command", .optional(.command), \.command,
                    "`exec`: the program and its arguments. Its standard output is the stream; no shell"),
                key(
                    "source.directory", .optional(.path), \.directory,
                    "`exec`: the directory it runs in; not given, Weir's own"),
                key("source.environment", .variables, \.environment, "`exec`: variables beside those that Weir has"),
                key("source.path", .optional(.path), \.path, "`file`, `fifo`: the file or the named pipe"),
                key("source.loop", .boolean, \.loop, "`file`: begins again at its end"),
                key(
                    "source.autostart", .word(), \.options.autostart,
                    "Runs always, while there are listeners, or when asked"),
                key(
                    "source.linger", .seconds(0...86400), \.options.linger,
                    "`on-demand`: how long it runs on after the last listener"),
                key(
                    "source.start_timeout", .seconds(0.1...300), \.options.startTimeout,
                    "How long a joiner waits for the first byte before it gets 503"),
                key(
                    "source.stall_timeout", .seconds(0.1...86400), \.options.stallTimeout,
                    "How long the source may be silent before it is restarted"),
                key(
                    "ring", .bytes(4096...(1 << 30)), \.options.ring,
                    "The memory that the station's bytes go round in: the most a listener can lag"),
                key(
                    "window", .window, \.options.window,
                    "How long bytes are gathered before they are sent; 0 sends at every write of the source"),
                key(
                    "listeners.max", .integer(1...1_000_000), \.options.listenersMax,
                    "Most listeners; the next gets 503"),
                key(
                    "listeners.alert", .integer(0...1_000_000), \.options.listenersAlert,
                    "Health is degraded above this many"),
                key(
                    "slow.policy", .word(), \.options.slowPolicy,
                    "A listener that is behind everything jumps to the newest frame, is ended, or holds up the source"),
                key("slow.max_lag", .seconds(0.01...3600), \.options.maxLag, "`disconnect`: the lag that is tolerated"),
                key(
                    "slow.timeout", .seconds(0.1...86400), \.options.slowTimeout,
                    "How long a listener may take no byte, or skip without catching up, before it is ended"),
                key(
                    "join", .seconds(0...3600), \.options.join,
                    "How far back a joiner starts, as far as the ring reaches; 0 is the newest frame"),
            ],
            later: ["warm", "fallback", "source.url"])
    }()
}

extension ConfigurationType where Value == String {
    static var stationName: Self {
        text(
            noun: "text, 1 to \(StationOptions.nameLimit) of `a-z A-Z 0-9 _ -`",
            expected: "1 to \(StationOptions.nameLimit) of a-z A-Z 0-9 _ -",
            check: { StationOptions.isName($0) ? nil : "\(quoted($0)) cannot be a station's name" })
    }
}

extension ConfigurationType where Value == StationOptions.Window {
    /// Milliseconds.
    static var windowRange: ClosedRange<Int> { 5...500 }

    static var window: Self {
        let limits = "\(windowRange.lowerBound)ms to \(windowRange.upperBound)ms"
        return Self(
            noun: "`auto`, 0, or duration, \(limits)", expected: "`auto`, 0, or a duration from \(limits)",
            kinds: [.text, .number],
            write: { window in
                switch window {
                case .auto: "auto"
                case .fixed(let milliseconds): Units.write(seconds: Double(milliseconds) / 1000)
                }
            },
            convert: { text throws(ConfigurationFault) in
                if text == "auto" { return .auto }
                let seconds = try ConfigurationType<Double>.duration(text)
                if seconds == 0 { return .fixed(milliseconds: 0) }
                guard let milliseconds = Int(exactly: (seconds * 1000).rounded()), windowRange.contains(milliseconds)
                else {
                    let bare = Int(text).map(windowRange.contains) ?? false
                    throw ConfigurationFault(
                        wrong: "\(text) is out of range", hint: bare ? "; did you mean `\(text)ms`?" : "")
                }
                return .fixed(milliseconds: milliseconds)
            })
    }
}
