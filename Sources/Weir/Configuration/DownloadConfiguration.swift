public import WeirDatabase
public import WeirDownloads
public import WeirLive

/// `downloads`: how chapters and books are made into files, and how long those are kept.
public struct DownloadConfiguration: Sendable, Equatable {
    /// MiB of `threshold_mb` unless something else is said.
    public static let threshold = 100

    public var strategy = DownloadOptions.Strategy.hybrid
    /// MiB below which an artefact is small; nil: by the memory that the process may use.
    public var threshold: Int? = Self.threshold
    /// Bytes of disk.
    public var budget = 10 << 30
    /// Bytes of memory for artefacts that are made in it.
    public var memory = 256 << 20
    public var index = ArtefactIndexPlace.database
    /// Bytes a second for each client; 0: as fast as it takes them.
    public var rate = 0
    /// MiB above which the rate holds.
    public var rateAbove = 0
    public var verify = DownloadOptions.Verification.sample
    /// Nil: `downloads` in the directory of everything else.
    public var directory: String?
    /// Who may have them.
    public var access = StationOptions.Access.open

    public init() {}
}

/// `downloads.index`: where it is kept which artefacts there are.
public enum ArtefactIndexPlace: Sendable, Equatable, CustomStringConvertible {
    case database
    case redis(RedisURL)

    static let expected = "`database`, or \(RedisURL.expected)"

    /// Without a password.
    public var description: String {
        switch self {
        case .database: "database"
        case .redis(let url): url.description
        }
    }
}

extension Configuration {
    /// Where artefacts lie.
    public var downloadDirectory: String { downloads.directory ?? inData("downloads") }

    /// What the facade is given.
    var downloadOptions: DownloadOptions {
        var options = DownloadOptions(directory: downloadDirectory)
        options.strategy = downloads.strategy
        options.threshold = downloads.threshold.map { .fixed($0) } ?? .automatic
        options.budget = UInt64(downloads.budget)
        options.memory = UInt64(downloads.memory)
        options.rate = UInt64(downloads.rate)
        options.rateAbove = UInt64(downloads.rateAbove)
        options.verification = downloads.verify
        return options
    }
}

extension ConfigurationTable where Target == Configuration {
    /// The keys of `downloads`.
    static let downloadKeys: [ConfigurationKey<Configuration>] = {
        let standard = Configuration()
        func key<Value: Equatable>(
            _ path: String, _ type: ConfigurationType<Value>,
            _ field: any WritableKeyPath<Configuration, Value> & Sendable, default: String? = nil, _ about: String
        ) -> ConfigurationKey<Configuration> {
            ConfigurationKey(path, type, field, in: standard, default: `default`, about)
        }
        return [
            key(
                "downloads.strategy", .word(), \.downloads.strategy,
                "Whether all that can be is sent while it is made, or, as formerly, what is below the threshold is made in"
                    + " memory first"),
            key(
                "downloads.threshold_mb", .auto(.integer(1...1_000_000)), \.downloads.threshold,
                "MiB below which an artefact is small. `auto` follows the memory that the process may use; 50 does for a"
                    + " machine of 4 GB, 200 for 16 GB"),
            key(
                "downloads.budget", .bytes(0...(1 << 50)), \.downloads.budget,
                "Disk for artefacts; when it is short, the least valuable go. 0 keeps none"),
            key(
                "downloads.memory", .bytes((16 << 20)...(1 << 44)), \.downloads.memory,
                "Memory for artefacts that are made in it; past it requests wait"),
            key(
                "downloads.index", .artefactIndex, \.downloads.index,
                "Where it is kept which artefacts there are: `database`, or a Redis, such as `redis://HOST:6379/0` or `unix:///PATH`"
            ),
            key(
                "downloads.rate", .bytes(0...(1 << 40)), \.downloads.rate,
                "Bytes a second for each client, at most; 0 is as fast as it takes them"),
            key(
                "downloads.rate_above_mb", .integer(0...1_000_000), \.downloads.rateAbove,
                "MiB above which the rate holds for an artefact"),
            key(
                "downloads.verify", .word(), \.downloads.verify,
                "How a file that was kept is checked before it is sent, beside its length: not, by its CRC now and then, or"
                    + " each time"),
            key(
                "downloads.dir", .optional(.path), \.downloads.directory, default: "DATA/downloads",
                "The directory of artefacts; no other node may have the same"),
            key(
                "downloads.access", .word(), \.downloads.access,
                "Anyone may download, or whoever has a link that `weir link` signed, or the admin token"),
        ]
    }()
}

extension ConfigurationType where Value == ArtefactIndexPlace {
    /// No message shows the URL, which may have a password in it.
    static var artefactIndex: Self {
        Self(
            noun: "`database` or URL", expected: ArtefactIndexPlace.expected, kinds: [.text], quotes: true,
            write: { $0.description },
            convert: { text throws(ConfigurationFault) in
                if text == "database" { return .database }
                do throws(DatabaseError) {
                    return .redis(try RedisURL(parsing: text))
                } catch {
                    throw ConfigurationFault(wrong: error.message)
                }
            })
    }
}
