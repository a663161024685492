import Glibc
import Testing
import WeirDatabase
import WeirDownloads
import WeirHTTP
import WeirLive
import WeirLoop
import WeirMedia

@testable import Weir

@Suite struct ConfigurationSourceTests {
    /// A value for every key that has a variable, other than its default.
    static let samples: [String: (value: String, isSet: @Sendable (Configuration) -> Bool)] = [
        "WEIR_LISTEN": (
            "127.0.0.1:0, [::1]:80,unix:/run/weir.sock",
            {
                $0.server.addresses == [
                    .internet(host: "127.0.0.1", port: 0), .internet(host: "::1", port: 80),
                    .unix(path: "/run/weir.sock"),
                ]
            }
        ),
        "WEIR_DATA": ("/srv/weir", { $0.data == "/srv/weir" }),
        "WEIR_SHUTDOWN_GRACE": ("500ms", { $0.shutdownGrace == 0.5 }),
        "WEIR_LOG_LEVEL": ("debug", { $0.log.level == .debug }),
        "WEIR_LOG_FORMAT": ("json", { $0.log.format == .json }),
        "WEIR_AUTH_ADMIN_TOKEN": ("1234567890123456", { $0.auth.adminToken == Secret("1234567890123456") }),
        "WEIR_AUTH_ADMIN_TOKEN_FILE": ("/dev/null", { $0.auth.adminTokenFile == "/dev/null" }),
        "WEIR_AUTH_LINK_KEY": ("abcdefghijklmnop", { $0.auth.linkKey == Secret("abcdefghijklmnop") }),
        "WEIR_AUTH_FORMER_LINK_KEY": (
            "0123456789abcdef", { $0.auth.formerLinkKey == Secret("0123456789abcdef") }
        ),
        "WEIR_AUTH_FORMER_LINK_KEY_FILE": ("/dev/null", { $0.auth.formerLinkKeyFile == "/dev/null" }),
        "WEIR_AUTH_LINK_KEY_FILE": ("/dev/null", { $0.auth.linkKeyFile == "/dev/null" }),
        "WEIR_HTTP_MAX_CONNECTIONS": ("2000", { $0.server.maxConnections == 2000 }),
        "WEIR_HTTP_CONNECTIONS_PER_ADDRESS": ("5", { $0.server.connectionsPerAddress == 5 }),
        "WEIR_HTTP_HEAD_TIMEOUT": ("3s", { $0.server.headTimeout == 3 }),
        "WEIR_HTTP_IDLE_TIMEOUT": ("2m", { $0.server.idleTimeout == 120 }),
        "WEIR_HTTP_SEND_TIMEOUT": ("1h", { $0.server.sendTimeout == 3600 }),
        "WEIR_HTTP_BODY_LIMIT": ("64KiB", { $0.server.bodyLimit == 65536 }),
        "WEIR_HTTP_TRUSTED_PROXIES": ("10.0.0.0/8,::1", { $0.server.trustedProxies == ["10.0.0.0/8", "::1"] }),
        "WEIR_HTTP_ALLOWED_HOSTS": ("radio.example.org", { $0.server.allowedHosts == ["radio.example.org"] }),
        "WEIR_HTTP_CORS": ("none", { $0.server.cors == "" }),
        "WEIR_TLS_CERTIFICATE": ("cert.pem", { $0.server.tls.certificate == "cert.pem" }),
        "WEIR_TLS_KEY": ("key.pem", { $0.server.tls.key == "key.pem" }),
        "WEIR_LIMITS_LISTENERS": ("100_000", { $0.limits.listeners == 100_000 }),
        "WEIR_LIMITS_MEMORY": ("100MB", { $0.limits.memory == 100_000_000 }),
        "WEIR_CACHE_DIR": ("/var/cache/weir", { $0.cacheDirectory == "/var/cache/weir" }),
        "WEIR_CACHE_BUDGET": ("3GiB", { $0.cache.budget == 3 << 30 }),
        "WEIR_STORAGE_KIND": ("r2", { $0.storage.kind == .r2 }),
        "WEIR_STORAGE_ACCOUNT": ("account", { $0.storage.account == "account" }),
        "WEIR_STORAGE_BUCKET": ("media", { $0.storage.bucket == "media" }),
        "WEIR_STORAGE_ACCESS_KEY_ID": ("id", { $0.storage.accessKeyID == "id" }),
        "WEIR_STORAGE_SECRET_ACCESS_KEY": (
            "0123456789abcdef", { $0.storage.secretAccessKey == Secret("0123456789abcdef") }
        ),
        "WEIR_STORAGE_SECRET_ACCESS_KEY_FILE": ("/dev/null", { $0.storage.secretAccessKeyFile == "/dev/null" }),
        "WEIR_STORAGE_ENDPOINT": ("http://s3.local:9000", { $0.storage.endpoint == "http://s3.local:9000" }),
        "WEIR_STORAGE_REGION": ("eu", { $0.storage.region == "eu" }),
        "WEIR_STORAGE_PUBLIC_BASE_URL": (
            "https://media.example.com", { $0.storage.publicBaseURL == "https://media.example.com" }
        ),
        "WEIR_STORAGE_CONNECTIONS": ("7", { $0.storage.connections == 7 }),
        "WEIR_DATABASE": ("sqlite:state.db", { $0.database.file(in: "/data") == "/data/state.db" }),
        "WEIR_DOWNLOADS_STRATEGY": ("classic", { $0.downloads.strategy == .classic }),
        "WEIR_DOWNLOADS_THRESHOLD_MB": ("auto", { $0.downloads.threshold == nil }),
        "WEIR_DOWNLOADS_BUDGET": ("1GiB", { $0.downloads.budget == 1 << 30 }),
        "WEIR_DOWNLOADS_MEMORY": ("64MiB", { $0.downloads.memory == 64 << 20 }),
        "WEIR_DOWNLOADS_INDEX": (
            "redis://:word@127.0.0.1:6379/1",
            {
                "\($0.downloads.index)" == "redis://127.0.0.1:6379/1"
            }
        ),
        "WEIR_DOWNLOADS_RATE": ("10MB", { $0.downloads.rate == 10_000_000 }),
        "WEIR_DOWNLOADS_RATE_ABOVE_MB": ("7", { $0.downloads.rateAbove == 7 }),
        "WEIR_DOWNLOADS_VERIFY": ("always", { $0.downloads.verify == .always }),
        "WEIR_DOWNLOADS_DIR": (
            "/elsewhere", { $0.downloads.directory == "/elsewhere" && $0.downloadDirectory == "/elsewhere" }
        ),
        "WEIR_DOWNLOADS_ACCESS": ("signed", { $0.downloads.access == .signed && $0.asksForLinks }),
        "WEIR_MEDIA_MAX_BYTES": ("1MB", { $0.mediaLimit == 1_000_000 }),
        "WEIR_PREWARM_CONCURRENCY": ("7", { $0.prewarm.concurrency == 7 }),
        "WEIR_PREWARM_INTERVAL_MS": ("777", { $0.prewarm.intervalMilliseconds == 777 }),
        "WEIR_PREWARM_QUEUE": ("7", { $0.prewarm.queue == 7 }),
        "WEIR_PREWARM_BACKLOG": ("7", { $0.prewarm.backlog == 7 }),
        "WEIR_PREWARM_RETRIES": ("7", { $0.prewarm.retry.attempts == 7 }),
        "WEIR_PREWARM_LEASE": ("7", { $0.prewarm.lease == 7 }),
        "WEIR_PREWARM_RETRY_WEAK_ID": ("7", { $0.prewarm.weakRetries == 7 }),
        "WEIR_PREWARM_AGING_CAP": ("7", { $0.prewarm.agingCap == 7 }),
        "WEIR_PREWARM_SMALL_BYTES": ("7", { $0.prewarm.smallBytes == 7 }),
        "WEIR_PREWARM_PRIORITY_BASE": ("7", { $0.prewarm.priority.base == 7 }),
        "WEIR_PREWARM_PRIORITY_FRESH": ("7", { $0.prewarm.priority.age.below == 7 }),
        "WEIR_PREWARM_PRIORITY_FRESH_POINTS": ("7", { $0.prewarm.priority.age.points == 7 }),
        "WEIR_PREWARM_DOWNLOAD_CACHE_TTL": ("7", { $0.prewarm.downloadCache.ttl == 7 }),
        "WEIR_PREWARM_DOWNLOAD_CACHE_ENTRIES": ("7", { $0.prewarm.downloadCache.entries == 7 }),
        "WEIR_PREWARM_DOWNLOAD_CACHE_BYTES": ("7", { $0.prewarm.downloadCache.bytes == 7 }),
        "WEIR_TELEGRAM_API": ("https://b.example", { $0.telegram.api == "https://b.example" }),
        "WEIR_TELEGRAM_LIMITS_CHAT": ("7", { $0.telegram.chatLimit == 7 }),
        "WEIR_TELEGRAM_LIMITS_GROUP": ("7", { $0.telegram.groupLimit == 7 }),
        "WEIR_TELEGRAM_LIMITS_BOT": ("7", { $0.telegram.botLimit == 7 }),
        "WEIR_PREWARM_PRIORITY_PHOTO": ("7", { $0.prewarm.priority.kinds[.photo] ?? 0 == 7 }),
        "WEIR_PREWARM_PRIORITY_VIDEO": ("7", { $0.prewarm.priority.kinds[.video] ?? 0 == 7 }),
        "WEIR_PREWARM_PRIORITY_AUDIO": ("7", { $0.prewarm.priority.kinds[.audio] ?? 0 == 7 }),
        "WEIR_PREWARM_PRIORITY_DOCUMENT": ("7", { $0.prewarm.priority.kinds[.document] ?? 0 == 7 }),
        "WEIR_PREWARM_PRIORITY_ANIMATION": ("7", { $0.prewarm.priority.kinds[.animation] ?? 0 == 7 }),
    ]

    /// Read from variables alone, before secrets are looked for.
    static func read(_ environment: [String: String]) -> (Configuration, [String]) {
        var reader = ConfigurationReader(file: nil)
        var configuration = Configuration()
        reader.read(environment: environment, into: &configuration)
        return (configuration, reader.problems.map(\.description))
    }

    @Test func everyKeyOutsideAStationHasAVariable() {
        let variables = ConfigurationTable.configuration.keys.filter { $0.parse != nil }.map(\.variable)
        #expect(Set(variables) == Set(Self.samples.keys))
    }

    @Test(arguments: samples.keys.sorted())
    func aVariableSetsItsKey(name: String) throws {
        let sample = try #require(Self.samples[name])
        let (configuration, problems) = Self.read([name: sample.value])
        #expect(problems == [])
        #expect(sample.isSet(configuration))
        #expect(!sample.isSet(Configuration()))
    }

    @Test(arguments: samples.keys.sorted())
    func anInvalidValueIsAnErrorThatNamesTheVariable(name: String) {
        let outcome = ConfigurationSource(environment: [name: "a\u{0} b"]).load()
        #expect(outcome.configuration == nil)
        #expect(outcome.errors.count == 1)
        #expect(
            outcome.errors.allSatisfy { $0.description.hasPrefix("\(name): ") && $0.message.contains("; expected ") })
    }

    @Test func anEmptyVariableCountsAsNotSet() {
        let empty = Dictionary(uniqueKeysWithValues: Self.samples.keys.map { ($0, "") })
        #expect(
            ConfigurationSource(environment: empty).load()
                == ConfigurationOutcome(configuration: Configuration(), problems: []))
    }

    @Test func anUnknownVariableIsAWarning() {
        let outcome = ConfigurationSource(environment: [
            "WEIR_LISEN": "1", "WEIR_LIVE_STATIONS_DEMO_RING": "1", "WEIRD": "1",
            "WEIR_CONFIG": "weir.yml", "PATH": "/bin",
        ]).load()
        #expect(outcome.configuration == Configuration())
        #expect(
            outcome.lines == [
                "WEIR_LISEN: warning: ignored: unknown variable; did you mean `WEIR_LISTEN`?",
                "WEIR_LIVE_STATIONS_DEMO_RING: warning: ignored: stations are configured in the file",
            ])
    }

    @Test func optionsOverrideVariablesAndVariablesTheFileAndTheFileTheDefaults() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write(
            "weir.json", "{ \"data\": \"/file\", \"log\": { \"level\": \"error\", \"format\": \"json\" } }")
        let source = ConfigurationSource(
            file: file, environment: ["WEIR_DATA": "/variable", "WEIR_LOG_LEVEL": "warning"],
            options: [.init(name: "--data", key: "data", values: ["/option"])])
        let configuration = try #require(source.load().configuration)
        #expect(configuration.data == "/option")
        #expect(configuration.log.level == .warning)
        #expect(configuration.log.format == .json)
        #expect(configuration.shutdownGrace == 10)
    }

    @Test func aWrongValueIsAnErrorAlsoWhenItIsOverridden() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("weir.json", "{ \"log\": { \"level\": \"loud\" } }")
        let outcome = ConfigurationSource(file: file, environment: ["WEIR_LOG_LEVEL": "info"]).load()
        #expect(outcome.configuration == nil)
        #expect(outcome.errors.map(\.path) == ["log.level"])
    }

    @Test func aWrongOptionIsNamedByItsDashes() {
        let outcome = ConfigurationSource(options: [
            .init(name: "--log-level", key: "log.level", values: ["warn"]),
            .init(name: "--data", key: "data", values: [""]),
        ]).load()
        #expect(
            outcome.lines == [
                "--log-level: \"warn\" is unknown; expected debug, info, warning or error; did you mean `warning`?",
                "--data: is empty; expected a path",
            ])
    }

    // MARK: Secrets

    @Test func aSecretsFileIsReadWithoutTheSpaceAroundIt() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("token", "\n  0123456789abcdef \r\n")
        let outcome = ConfigurationSource(environment: ["WEIR_AUTH_ADMIN_TOKEN_FILE": file]).load()
        #expect(outcome.configuration?.auth.adminToken == Secret("0123456789abcdef"))
        #expect(outcome.problems == [])
    }

    @Test(arguments: [
        ("", "is empty"), (" \n", "is empty"), ("two words", "has spaces, line breaks or other characters"),
        ("caf\u{E9}", "has spaces, line breaks or other characters"),
        (String(repeating: "x", count: 1025), "is longer than 1024 bytes"),
        (String(repeating: "x", count: 5000), "is larger than 4KiB"),
    ])
    func aSecretsFileThatHoldsNoneIsRefused(text: String, wrong: String) throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("token", text)
        let outcome = ConfigurationSource(environment: ["WEIR_AUTH_ADMIN_TOKEN_FILE": file]).load()
        #expect(outcome.configuration == nil)
        #expect(outcome.errors.count == 1)
        #expect(outcome.errors.allSatisfy { $0.message.contains(wrong) && $0.description.contains("ADMIN_TOKEN_FILE") })
    }

    @Test func aSecretsFileThatEveryoneReadsAndAShortSecretAreWarnings() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("token", "short", mode: 0o644)
        let outcome = ConfigurationSource(environment: ["WEIR_AUTH_ADMIN_TOKEN_FILE": file]).load()
        #expect(outcome.configuration?.auth.adminToken == Secret("short"))
        #expect(
            outcome.lines.map { $0.replacing(file) } == [
                "WEIR_AUTH_ADMIN_TOKEN_FILE: warning: \"FILE\" can be read by every user of the machine; expected mode 0600",
                "WEIR_AUTH_ADMIN_TOKEN_FILE: warning: is only 5 bytes long; 16 or more are hard to guess",
            ])
    }

    @Test func aVariableOverridesTheSecretsFileOfTheFile() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("weir.json", "{ \"auth\": { \"admin_token_file\": \"/nonexistent\" } }")
        let source = ConfigurationSource(file: file, environment: ["WEIR_AUTH_ADMIN_TOKEN": "0123456789abcdef"])
        #expect(source.load().configuration?.auth.adminToken == Secret("0123456789abcdef"))
    }

    /// Whoever wrote it has left: to wait for more could take for ever, and nothing would be an empty configuration.
    @Test func aPipeIsNotReadAgain() throws {
        let directory = try TemporaryDirectory()
        let file = directory.path + "/weir.yml"
        try #require(mkfifo(file, 0o600) == 0)
        let outcome = ConfigurationSource(file: file).load(again: true)
        #expect(outcome.configuration == nil)
        #expect(outcome.lines == ["weir.yml: cannot be read again; expected a regular file"])
        let token = ConfigurationSource(environment: ["WEIR_AUTH_ADMIN_TOKEN_FILE": file]).load(again: true)
        #expect(token.configuration == nil)
        #expect(token.errors.allSatisfy { $0.message.contains("cannot be read again") })
        #expect(ConfigurationSource(file: "/nonexistent").load(again: true).configuration == nil)
    }

    @Test func certificatesOfAnOriginAreAFile() throws {
        let directory = try TemporaryDirectory()
        let pipe = directory.path + "/ca.pem"
        try #require(mkfifo(pipe, 0o600) == 0)
        let file = try directory.write(
            "weir.json",
            """
            { "live": { "stations": [ { "name": "x", "source":
                { "kind": "http", "url": "https://127.0.0.1/", "ca": "\(pipe)" } } ] } }
            """)
        let outcome = ConfigurationSource(file: file).load()
        #expect(outcome.configuration == nil)
        #expect(outcome.errors.map { $0.path } == ["live.stations[0].source.ca"])
        #expect(outcome.errors.allSatisfy { $0.message.contains("is no file; expected certificates in PEM") })
    }

    // MARK: Exposure

    @Test(arguments: [
        "127.0.0.1:8080", "127.8.9.1:0", "[::1]:8080", "[::ffff:127.0.0.1]:80", "localhost:8080", "LOCALHOST:1",
        "unix:/run/weir.sock",
    ])
    func loopbackNeedsNoToken(address: String) {
        #expect(ConfigurationSource(environment: ["WEIR_LISTEN": address]).load().problems == [])
    }

    @Test(arguments: [
        "0.0.0.0:8080", "[::]:0", "192.168.1.2:80", "radio.example.org:80", "[fe80::1%eth0]:80", "10.0.0.1:0",
    ])
    func everyOtherAddressDoes(address: String) {
        let refused = ConfigurationSource(environment: ["WEIR_LISTEN": address]).load()
        #expect(refused.configuration == nil)
        #expect(refused.lines.count == 1)
        #expect(refused.lines.allSatisfy { $0.hasPrefix("WEIR_LISTEN: \(address) can be reached from other machines") })
        let token = ["WEIR_LISTEN": address, "WEIR_AUTH_ADMIN_TOKEN": "0123456789abcdef"]
        #expect(ConfigurationSource(environment: token).load().problems == [])
    }

    // MARK: Stations

    @Test func stationsAreReadWhole() throws {
        let directory = try TemporaryDirectory()
        let music = try directory.write("music.wav", "")
        let pipeline = "\(directory.path)/pipe"
        #expect(mkfifo(pipeline, 0o600) == 0)
        let outcome = try load(
            """
            { "live": { "stations": [
              { "name": "vinyl", "format": "pcm", "pcm": { "sample": "s24le", "rate": 44100, "channels": 1 },
                "source": { "kind": "exec", "command": ["cat", 5], "directory": "/tmp", "environment": { "TZ": "UTC", "N": 1 },
                            "autostart": "on-demand", "linger": "1m", "start_timeout": 2.5, "stall_timeout": 3 },
                "ring": "2MiB", "window": "20ms", "listeners": { "max": 1, "alert": 2 },
                "slow": { "policy": "pause", "max_lag": "2s", "timeout": 9 }, "join": 1.5 },
              { "name": "raw", "format": "raw", "source": { "kind": "stdin" }, "window": 0 },
              { "name": "wav", "source": { "kind": "file", "path": "\(music)", "loop": true }, "window": 0.1 },
              { "name": "pipe", "source": { "kind": "fifo", "path": "\(pipeline)" }, "window": "auto" }
            ] } }
            """, named: "weir.json")
        var vinyl = StationOptions(name: "vinyl")
        vinyl.format = .pcm(PCMFormat(sample: .s24le, rate: 44100, channels: 1))
        vinyl.source = .exec(command: ["cat", "5"], directory: "/tmp", environment: ["TZ": "UTC", "N": "1"])
        vinyl.autostart = .onDemand
        vinyl.linger = 60
        vinyl.startTimeout = 2.5
        vinyl.stallTimeout = 3
        vinyl.ring = 2 << 20
        vinyl.window = .fixed(milliseconds: 20)
        vinyl.listenersMax = 1
        vinyl.listenersAlert = 2
        vinyl.slowPolicy = .pause
        vinyl.maxLag = 2
        vinyl.slowTimeout = 9
        vinyl.join = 1.5
        var raw = StationOptions(name: "raw")
        raw.format = .raw
        raw.source = .stdin
        raw.window = .fixed(milliseconds: 0)
        var wav = StationOptions(name: "wav")
        wav.source = .file(path: music, loop: true)
        wav.window = .fixed(milliseconds: 100)
        var pipe = StationOptions(name: "pipe")
        pipe.source = .fifo(path: pipeline)
        #expect(outcome.lines == [])
        #expect(outcome.configuration?.stations == [vinyl, raw, wav, pipe])
    }

    @Test func whatStandsAtAPathIsLookedAt() throws {
        let directory = try TemporaryDirectory()
        let pipe = "\(directory.path)/pipe"
        #expect(mkfifo(pipe, 0o600) == 0)
        let outcome = try load(
            """
            { "live": { "stations": [
            { "name": "a", "source": { "kind": "fifo", "path": "/dev/null" } },
            { "name": "b", "source": { "kind": "file", "path": "/tmp" } },
            { "name": "c", "source": { "kind": "file", "path": "\(pipe)" } },
            { "name": "d", "source": { "kind": "file", "path": "/dev/null" } },
            { "name": "e", "source": { "kind": "fifo", "path": "\(pipe)" } }
            ] } }
            """, named: "weir.json")
        #expect(outcome.configuration?.stations.count == 5)
        let places = (0..<4).map { "weir.yml:\($0 + 2):52: warning: live.stations[\($0)].source.path: " }
        #expect(
            outcome.lines == [
                places[0] + "\"/dev/null\" is not a named pipe now; expected one, as mkfifo makes it",
                places[1] + "\"/tmp\" is a directory now; expected a file",
                places[2] + "\"\(pipe)\" is a named pipe now; expected a file, or kind `fifo`",
                places[3] + "\"/dev/null\" is not a regular file now; expected one",
            ])
    }

    @Test func anEmptyListOfStationsIsNone() throws {
        #expect(try load("{ \"live\": { \"stations\": [] } }", named: "weir.json").configuration?.stations == [])
        #expect(try load("{ \"live\": {} }", named: "weir.json").configuration?.stations == [.demo])
    }

    @Test func whatIsNotThereYetIsAWarning() throws {
        let outcome = try load(
            """
            { "limits": { "memory": "16MiB" }, "live": { "stations": [
              { "name": "a", "ring": "16MiB", "source": { "kind": "exec", "command": ["no-such-program"], "directory": "/nonexistent" } },
              { "name": "b", "source": { "kind": "file", "path": "/nonexistent.wav" } } ] } }
            """, named: "weir.json")
        #expect(outcome.configuration?.stations.count == 2)
        #expect(
            outcome.lines == [
                "weir.yml:1:25: warning: limits.memory: less than the rings of all stations, which take 17 MiB",
                "weir.yml:2:74: warning: live.stations[0].source.command: \"no-such-program\" is not a program that can be"
                    + " found now",
                "weir.yml:2:108: warning: live.stations[0].source.directory: \"/nonexistent\" is not a directory now",
                "weir.yml:3:54: warning: live.stations[1].source.path: \"/nonexistent.wav\" cannot be read now:"
                    + " No such file or directory",
            ])
    }
}

extension String {
    /// The text with a path in it as FILE.
    fileprivate func replacing(_ path: String) -> String {
        split(separator: path, omittingEmptySubsequences: false).joined(separator: "FILE")
    }
}
