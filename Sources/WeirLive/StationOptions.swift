public import WeirLoop

/// What a station is to be: one entry of `live.stations` in the configuration. Every default is the contract's.
public struct StationOptions: Sendable, Equatable {
    /// The stream's format. `ts` is an MPEG transport stream in packets of 188 bytes; `raw` is any bytes, its unit is one.
    public enum Format: Sendable, Equatable {
        case pcm(PCMFormat)
        case ts
        case raw
    }

    /// When the source runs.
    public enum Autostart: String, Sendable, CaseIterable {
        /// From the start of the program on.
        case always
        /// With the first listener, until `linger` after the last.
        case onDemand = "on-demand"
        /// When asked: `POST /live/NAME/start`, `/stop`.
        case manual
    }

    /// What delivers the bytes.
    public enum Source: Sendable, Equatable {
        /// A child process; its standard output is the stream. No shell.
        case exec(command: [String], directory: String?, environment: [String: String])
        /// A generated tone sequence, in real time.
        case tone
        /// A WAV, PCM or transport stream file, in real time.
        case file(path: String, loop: Bool)
        /// Standard input.
        case stdin
        /// A named pipe; waits for the next writer when one leaves.
        case fifo(path: String)
        /// A transport stream in datagrams, with or without RTP.
        case udp(DatagramAddress)
        /// Pulled from elsewhere: a relay.
        case http(HTTPOrigin)
        /// A client sends the stream: `PUT /live/NAME`, or Icecast's `SOURCE`.
        case push(PushAccess)

        /// The word that the configuration uses.
        public var kind: String {
            switch self {
            case .exec: "exec"
            case .tone: "tone"
            case .file: "file"
            case .stdin: "stdin"
            case .fifo: "fifo"
            case .udp: "udp"
            case .http: "http"
            case .push: "push"
            }
        }
    }

    /// Who may listen.
    public enum Access: String, Sendable, CaseIterable {
        /// Whoever reaches the program.
        case open
        /// Whoever has a signed link that is still valid, or the admin token.
        case signed
    }

    /// How long the engine gathers bytes before it sends them to a listener.
    public enum Window: Sendable, Equatable {
        /// Short while listeners are few, longer as they multiply.
        case auto
        /// 0: at every write of the source; else 5 ... 500 milliseconds.
        case fixed(milliseconds: Int)
    }

    /// What happens to a listener that is behind everything.
    public enum SlowPolicy: String, Sendable, CaseIterable {
        case skip, disconnect, pause
    }

    public var name: String
    public var access = Access.open
    public var format: Format = .pcm(PCMFormat())
    public var source: Source = .tone
    public var autostart: Autostart = .always
    /// Seconds that an on-demand source goes on after its last listener.
    public var linger: Double = 10
    /// Seconds a joiner waits for the source's first byte before 503.
    public var startTimeout: Double = 5
    /// Seconds without a byte after which the source is restarted.
    public var stallTimeout: Double = 10
    /// Bytes of the ring.
    public var ring = 1 << 20
    public var window: Window = .auto
    /// Most listeners of this station.
    public var listenersMax = 10
    /// Health is degraded above this many.
    public var listenersAlert = 5
    public var slowPolicy: SlowPolicy = .skip
    /// Seconds of lag that `disconnect` tolerates.
    public var maxLag: Double = 5
    /// Seconds without a byte accepted, or of skipping without catching up, that end a listener.
    public var slowTimeout: Double = 30
    /// Seconds of the past that a plain joiner gets; 0 is the newest unit, or the newest place where decoding can begin.
    public var join: Double = 0
    /// The name of the station that is played while this one has no source; nil: none.
    public var fallback: String?
    /// What is kept of a transport stream.
    public var warm = WarmOptions()

    /// `join` of a transport stream, where the configuration says nothing.
    public static let transportJoin = 6.0

    public init(name: String) {
        self.name = name
    }

    /// Whether it has a warm cache, where there is a place for one.
    public var keepsFiles: Bool { format == .ts && warm.seconds > 0 }

    /// The station that runs without a configuration.
    public static var demo: StationOptions {
        var options = StationOptions(name: "demo")
        options.listenersMax = 1000
        options.listenersAlert = 1000
        return options
    }

    /// The longest name of a station, in bytes.
    public static let nameLimit = 64

    /// A name is 1 ... 64 of `a-z A-Z 0-9 _ -`, so that it needs no quoting in a path, a label or a file name. Dots would
    /// collide with the routes' endings.
    public static func isName(_ text: String) -> Bool {
        (1...nameLimit).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}
