/// Where a configuration is read from. Kept, so that it can be read again: SIGHUP.
public struct ConfigurationSource: Sendable, Equatable {
    /// An option of the command line that stands for a key.
    public struct Option: Sendable, Equatable {
        /// `--listen`.
        public var name: String
        /// `listen`.
        public var key: String
        /// As often as it was given.
        public var values: [String]

        public init(name: String, key: String, values: [String]) {
            self.name = name
            self.key = key
            self.values = values
        }
    }

    /// Largest file that is read, in bytes.
    public static let fileLimit = 1 << 20
    /// What the names of Weir's variables begin with.
    static let prefix = "WEIR_"
    /// Names of the systems that Weir replaces, and the keys that they stand for.
    static let formerVariables = [
        ("MEDIA_PREWARM_CONCURRENCY", "prewarm.concurrency"), ("MEDIA_PREWARM_INTERVAL_MS", "prewarm.interval_ms"),
        ("MEDIA_PREWARM_RETRY_WEAK_ID", "prewarm.retry_weak_id"),
        ("DOWNLOAD_CACHE_THRESHOLD_MB", "downloads.threshold_mb"),
    ]
    /// Stands for `--config`; not a key.
    static let fileVariable = "WEIR_CONFIG"

    /// YAML or JSON; nil: none.
    public var file: String?
    public var environment: [String: String]
    public var options: [Option]

    public init(file: String? = nil, environment: [String: String] = [:], options: [Option] = []) {
        self.file = file
        self.environment = environment
        self.options = options
    }

    /// Reads and checks everything: the options, then the environment, then the file, then the defaults. When it has been
    /// read before (`again`), a file that is no regular one is an error: a pipe has nothing more to say.
    public func load(again: Bool = false) -> ConfigurationOutcome {
        var reader = ConfigurationReader(file: file, again: again)
        var configuration = Configuration()
        if let file {
            do throws(ConfigurationFault) {
                try reader.read(
                    document: FileBytes.read(file, limit: Self.fileLimit, again: again), named: file,
                    into: &configuration)
            } catch {
                reader.report("\(error.wrong)\(error.hint)", at: "", .file(file))
            }
        }
        reader.read(environment: environment, into: &configuration)
        reader.read(options: options, into: &configuration)
        reader.finish(&configuration)
        // Swift's sort is stable: problems of one place stay in the order they were found.
        return ConfigurationOutcome(
            configuration: reader.hasErrors ? nil : configuration, problems: reader.problems.sorted())
    }
}

/// What came of reading a configuration.
public struct ConfigurationOutcome: Sendable, Equatable {
    /// Nil when there is an error among the problems.
    public var configuration: Configuration?
    /// Errors and warnings, in the order of the file.
    public var problems: [ConfigurationProblem]

    public var errors: [ConfigurationProblem] { problems.filter { $0.severity == .error } }
    public var warnings: [ConfigurationProblem] { problems.filter { $0.severity == .warning } }
}

extension ConfigurationReader {
    /// Reads a document: JSON by its name, YAML otherwise.
    mutating func read(document raw: [UInt8], named name: String, into configuration: inout Configuration) {
        do throws(DocumentFault) {
            let text = try DocumentText(raw)
            guard let node = try read(text, named: name) else { return }
            read(node, .configuration, into: &configuration)
        } catch {
            report(error)
        }
    }

    private mutating func read(_ text: DocumentText, named name: String) throws(DocumentFault) -> Node? {
        if name.lowercased().hasSuffix(".json") { return try JSONReader.read(text) }
        #if YAML
            let (node, faults) = try YAMLReader.read(text)
            for fault in faults { report(fault) }
            return node
        #else
            let isYAML = name.lowercased().hasSuffix(".yml") || name.lowercased().hasSuffix(".yaml")
            if !isYAML, text.bytes.first(where: { $0 > 0x20 }) == UInt8(ascii: "{") { return try JSONReader.read(text) }
            throw DocumentFault(
                mark: Mark(line: 1, column: 1),
                message:
                    "this build of Weir does not read YAML (trait YAML is off); expected JSON, in a file named .json")
        #endif
    }

    /// Every variable that begins with `WEIR_`, and those of the systems that Weir replaces, where the other is not set. An
    /// empty one counts as not set.
    mutating func read(environment: [String: String], into configuration: inout Configuration) {
        let keys = ConfigurationTable.configuration.keys.filter { $0.parse != nil }
        let later = ConfigurationTable.configuration.later
        for (name, path) in ConfigurationSource.formerVariables {
            guard let value = environment[name], !value.isEmpty, let key = keys.first(where: { $0.path == path }),
                environment[key.variable, default: ""].isEmpty
            else { continue }
            read(value, key, from: .environment(name), into: &configuration)
        }
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) {
            guard name.hasPrefix(ConfigurationSource.prefix), name != ConfigurationSource.fileVariable, !value.isEmpty,
                // The credentials of a store, which are read when it is opened.
                !name.hasPrefix("WEIR_R2_")
            else {
                continue
            }
            if let key = keys.first(where: { $0.variable == name }) {
                read(value, key, from: .environment(name), into: &configuration)
                continue
            }
            let reason: String
            if name.hasPrefix("WEIR_LIVE_STATIONS") {
                reason = "ignored: stations are configured in the file"
            } else if later.contains(where: { name.hasPrefix("WEIR_\($0.uppercased())") }) {
                reason = "ignored: not supported by this version"
            } else {
                reason = "ignored: unknown variable\(Suggestion.phrase(for: name, among: keys.map { $0.variable }))"
            }
            report(reason, at: "", .environment(name), severity: .warning)
        }
    }

    mutating func read(options: [ConfigurationSource.Option], into configuration: inout Configuration) {
        for option in options {
            guard let key = ConfigurationTable.configuration.key(option.key) else { continue }
            if option.values.contains("") {
                report("is empty; expected \(key.expected)", at: "", .option(option.name))
            } else if let parseEach = key.parseEach {
                read(parseEach(option.values), key, from: .option(option.name), into: &configuration)
            } else if let value = option.values.last {
                read(value, key, from: .option(option.name), into: &configuration)
            }
        }
    }
}
