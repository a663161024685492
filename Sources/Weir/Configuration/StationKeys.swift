internal import WeirHTTP
internal import WeirLive
internal import WeirLoop

/// A station as it is written: its keys one by one, before they are put together and checked against each other.
struct StationDraft: Sendable {
    enum FormatWord: String, Sendable, CaseIterable {
        case pcm, ts, raw
    }

    enum Kind: String, Sendable, CaseIterable {
        case exec, tone, file, stdin, fifo, udp, http, push
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
    var address: DatagramAddress?
    var interface: String?
    var sender: String?
    var url: String?
    var caFile: String?
    var user: String?
    var password: Secret?
    var passwordFile: String?
    /// Nil: the format's default.
    var join: Double?
}

extension ConfigurationTable where Target == StationDraft {
    /// Every key of a station.
    static let station: ConfigurationTable<StationDraft> = {
        let standard = StationDraft()
        func key<Value: Equatable>(
            _ path: String, _ type: ConfigurationType<Value>,
            _ field: any WritableKeyPath<StationDraft, Value> & Sendable, required: Bool = false,
            default: String? = nil, _ about: String
        ) -> ConfigurationKey<StationDraft> {
            ConfigurationKey(path, type, field, in: standard, required: required, default: `default`, about)
        }
        return ConfigurationTable(
            keys: [
                key(
                    "name", .stationName, \.options.name, required: true, "The name in the routes, `/live/NAME`; unique"
                ),
                key(
                    "access", .word(), \.options.access,
                    "Anyone may listen, or whoever has a link that `weir link` signed, or the admin token"),
                key(
                    "format", .word(), \.format,
                    "PCM in frames, an MPEG transport stream in packets, or any bytes as they come"),
                key("pcm.sample", .word(), \.pcm.sample, "Encoding of a sample"),
                key("pcm.rate", .integer(PCMFormat.rateRange), \.pcm.rate, "Frames a second"),
                key("pcm.channels", .integer(PCMFormat.channelRange), \.pcm.channels, "Samples in a frame"),
                key(
                    "source.kind", .optional(.word()), \.kind, required: true,
                    "What delivers the bytes: a child process, a generated tone, a file in real time, standard input,"
                        + " a named pipe, datagrams, what another server plays, or a client that sends"),
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
                    "source.address", .optional(.datagrams), \.address,
                    "`udp`: the address and port that datagrams are sent to: a multicast group, or one of this machine"),
                key(
                    "source.interface", .optional(.interface), \.interface,
                    "`udp`: the interface on which they come; not given, the one that the system's routes say"),
                key(
                    "source.from", .optional(.host), \.sender,
                    "`udp`: the only sender that is listened to, whatever its port; not given, everybody"),
                key(
                    "source.url", .optional(.streamURL), \.url,
                    "`http`: what is pulled, such as another Weir's or an Icecast's stream; redirects are followed"),
                key(
                    "source.ca", .optional(.path), \.caFile,
                    "`http`: a file with certificates (PEM) that are trusted, instead of the system's"),
                key(
                    "source.user", .optional(.userName), \.user, default: "for `push` `source`",
                    "`push`: whom the client says it is. `http`: whom Weir says it is, to the URL's host alone"),
                key(
                    "source.password", .optional(.secret), \.password,
                    "`push`: the client's password; without one the admin token is needed. `http`: Weir's own"),
                key(
                    "source.password_file", .optional(.path), \.passwordFile,
                    "`push`, `http`: the file that the password is in"),
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
                    "fallback", .optional(.stationName), \.options.fallback,
                    "The station of the same format whose stream listeners hear while this one has no source"),
                key(
                    "join", .optional(.seconds(0...3600)), \.join, default: "0, for `ts` `6s`",
                    "How far back a joiner starts, as far as what is kept reaches; 0 is the newest frame, or the newest"
                        + " place where decoding can begin"),
                key(
                    "warm.seconds", .seconds(0...3600), \.options.warm.seconds,
                    "`ts`: how much of the stream is kept in files for joiners; 0 keeps nothing there"),
                key(
                    "warm.max", .auto(.bytes(Int(WarmBudget.least)...(1 << 40))), \.options.warm.max,
                    "`ts`: the size of the files. `auto` follows the bitrate such that the seconds fit"),
                key(
                    "warm.min", .bytes(Int(WarmBudget.least)...(1 << 40)), \.options.warm.min,
                    "`ts`: what `auto` does not go below"),
                key(
                    "warm.ceiling", .bytes(Int(WarmBudget.least)...(1 << 40)), \.options.warm.ceiling,
                    "`ts`: what `auto` does not exceed"),
                key(
                    "warm.pace", .word(), \.options.warm.pace,
                    "`ts`: how a joiner catches up: as fast as it takes the bytes, or after the first picture at 1.5"
                        + " times the stream's rate"),
            ],
            later: [])
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

extension ConfigurationType where Value == String {
    /// A colon ends a user where it is sent with a password (RFC 7617 §2).
    static var userName: Self {
        text(
            noun: "text without a colon", expected: "text without a colon",
            check: { $0.utf8.contains(UInt8(ascii: ":")) ? "\(quoted($0)) has a colon in it" : nil })
    }
}

extension ConfigurationType where Value == String {
    /// A URL that can be pulled from. A message repeats nothing of it: there may be a password or a signature in it.
    static var streamURL: Self {
        text(
            noun: "URL", expected: "a URL such as http://origin.example:8000/live/tv.ts",
            check: { text in
                do throws(ClientError) {
                    _ = try ClientURL(text)
                    return nil
                } catch {
                    return error.reason
                }
            })
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
