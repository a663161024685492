public import WeirDatabase
public import WeirHTTP
public import WeirLive
public import WeirMedia

/// Everything that can be configured, with the defaults that hold without a configuration. `ConfigurationSource` makes
/// one from a file, the environment and the command line.
public struct Configuration: Sendable, Equatable {
    /// `listen` and `http`.
    public var server = ServerOptions()
    /// The directory of everything that Weir keeps.
    public var data = "./weir-data"
    /// Seconds that a shutdown may take.
    public var shutdownGrace: Double = 10
    public var log = LogOptions()
    public var auth = AuthOptions()
    public var limits = LimitOptions()
    public var cache = CacheOptions()
    public var storage = StorageOptions()
    /// Bytes of the largest medium that is taken in.
    public var mediaLimit = 2_000_000_000
    /// Where the state is.
    public var database = DatabaseURL.sqlite
    public var downloads = DownloadConfiguration()
    public var prewarm = PrewarmOptions()
    public var telegram = TelegramOptions()
    /// `live.stations`. The first is the one that `/stream.wav` plays.
    public var stations: [StationOptions] = [.demo]

    public init() {}

    /// Where caches lie.
    public var cacheDirectory: String { cache.directory ?? inData("cache") }

    /// The path of something in the directory of everything that Weir keeps.
    func inData(_ name: String) -> String { data.hasSuffix("/") ? "\(data)\(name)" : "\(data)/\(name)" }
}

/// `log`: what is written, and how.
public struct LogOptions: Sendable, Equatable {
    /// From the least important to the most.
    public enum Level: String, Sendable, CaseIterable, Comparable {
        case debug, info, warning, error

        public static func < (left: Level, right: Level) -> Bool { left.rank < right.rank }

        private var rank: Int {
            switch self {
            case .debug: 0
            case .info: 1
            case .warning: 2
            case .error: 3
            }
        }
    }

    public enum Format: String, Sendable, CaseIterable {
        /// A line for people.
        case text
        /// An object a line.
        case json
    }

    /// The least important level that is written.
    public var level: Level = .info
    public var format: Format = .text

    public init() {}
}

/// `auth`: who may change anything.
public struct AuthOptions: Sendable, Equatable {
    /// What `Authorization: Bearer` must carry; nil: generated at the first start. From `admin_token` or its file.
    public var adminToken: Secret?
    public var adminTokenFile: String?
    /// The key that signs links. From `link_key` or its file.
    public var linkKey: Secret?
    public var linkKeyFile: String?
    /// The key before that, whose links are valid until they expire. From `former_link_key` or its file.
    public var formerLinkKey: Secret?
    public var formerLinkKeyFile: String?

    public init() {}
}

/// `limits`: of the process as a whole.
public struct LimitOptions: Sendable, Equatable {
    /// Most listeners of all stations together.
    public var listeners = 1000
    /// Bytes of resident memory that health measures against; nil is a quarter of what the process may use.
    public var memory: Int?

    public init() {}
}

/// `cache`: what is kept in files and can be lost.
public struct CacheOptions: Sendable, Equatable {
    /// Nil: `cache` in the directory of everything else.
    public var directory: String?
    /// Bytes of disk for the warm caches of all stations.
    public var budget = Int(WarmCaches.budget)

    public init() {}
}

/// A text that no log, message or dump shows.
public struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The text itself. Compare what a client sent with it in constant time.
    public let text: String

    public init(_ text: String) {
        self.text = text
    }

    public var description: String { "(secret)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: EmptyCollection()) }
}
