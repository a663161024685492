/// One key of the configuration. A table of these is all that reader, environment, reference and tests know of it.
struct ConfigurationKey<Target: Sendable>: Sendable {
    /// From the target's root: `http.max_connections`.
    let path: String
    /// Type and range, for the reference.
    let noun: String
    /// Second half of a message.
    let expected: String
    /// As a configuration would write it; empty: there is none.
    let standard: String
    /// What it does, in a sentence without a full stop.
    let about: String
    let read: @Sendable (Node, String, inout ConfigurationReader, inout Target) -> Void
    /// Whether two targets agree in it.
    let isSame: @Sendable (Target, Target) -> Bool
    /// What text from the environment or an option stands for; nil: the key is for files only.
    let parse: (@Sendable (String) -> Node)?
    /// What the values of a repeated option stand for.
    let parseEach: (@Sendable ([String]) -> Node)?

    /// A key that sets a field. Its default is the field's, or what `default` says of it.
    init<Value: Equatable>(
        _ path: String, _ type: ConfigurationType<Value>, _ field: any WritableKeyPath<Target, Value> & Sendable,
        in standard: Target, required: Bool = false, default: String? = nil, _ about: String
    ) {
        self.path = path
        noun = type.noun
        expected = type.expected
        self.standard = required ? "required" : `default` ?? type.write(standard[keyPath: field])
        self.about = about
        parse = type.parse
        parseEach = type.parseEach
        isSame = { $0[keyPath: field] == $1[keyPath: field] }
        read = { node, path, reader, target in
            if let value = reader.value(of: node, type, at: path) { target[keyPath: field] = value }
        }
    }

    /// A key with a reader of its own, in files only. What has no `isSame` is compared elsewhere.
    init(
        _ path: String, noun: String, expected: String, standard: String, _ about: String,
        isSame: @escaping @Sendable (Target, Target) -> Bool = { _, _ in true },
        read: @escaping @Sendable (Node, String, inout ConfigurationReader, inout Target) -> Void
    ) {
        self.path = path
        self.noun = noun
        self.expected = expected
        self.standard = standard
        self.about = about
        self.read = read
        self.isSame = isSame
        parse = nil
        parseEach = nil
    }

    /// `WEIR_HTTP_MAX_CONNECTIONS`.
    var variable: String { "WEIR_" + String(path.uppercased().map { $0 == "." ? "_" : $0 }) }
}

/// The keys below one root, and those that a later version brings.
struct ConfigurationTable<Target: Sendable>: Sendable {
    let keys: [ConfigurationKey<Target>]
    /// Paths that are refused by name, so that nobody takes them for spelling mistakes.
    let later: [String]

    func key(_ path: String) -> ConfigurationKey<Target>? {
        keys.first { $0.path == path }
    }

    func isGroup(_ path: String) -> Bool {
        keys.contains { $0.path.hasPrefix(path + ".") }
    }

    /// The names directly below a group ("" is the root), in the table's order.
    func names(in group: String) -> [String] {
        let prefix = group.isEmpty ? "" : group + "."
        var names: [String] = []
        for key in keys where key.path.hasPrefix(prefix) {
            let name = String(key.path.dropFirst(prefix.count).prefix { $0 != "." })
            if !names.contains(name) { names.append(name) }
        }
        return names
    }
}
