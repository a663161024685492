/// Reads a document into a configuration by the tables of keys, and gathers every problem on the way.
struct ConfigurationReader {
    /// Problems after which reading goes on without reporting more: enough for anyone to see that the file is no
    /// configuration.
    static let problemLimit = 200

    typealias Origin = ConfigurationProblem.Origin

    /// The file's name for messages; nil while no file is read.
    let file: String?
    private(set) var problems: [ConfigurationProblem] = []
    /// Where each value that was given came from.
    private(set) var given: [String: Origin] = [:]
    /// Keys whose value was refused: what depends on them is not judged.
    private(set) var broken: Set<String> = []
    /// Of stations, which are put together before all origins have been read.
    var passwords: [StationPassword] = []
    /// Files are read that have been read before: pipes cannot be.
    let again: Bool
    /// Where text that is read now stands, when it is not in the file.
    private var source: Origin?

    init(file: String?, again: Bool = false) {
        self.file = file
        self.again = again
    }

    var hasErrors: Bool { problems.contains { $0.severity == .error } }

    // MARK: Problems

    func origin(_ mark: Mark?) -> Origin {
        if let source { return source }
        guard let file else { return .standard }
        return mark.map { .place(file, $0) } ?? .file(file)
    }

    /// Where a key's value came from, or else the group or station that it belongs to.
    func origin(of path: String, or mark: Mark? = nil) -> Origin {
        given[path] ?? origin(mark)
    }

    mutating func report(
        _ message: String, at path: String, _ origin: Origin, severity: ConfigurationProblem.Severity = .error
    ) {
        if severity == .error, !path.isEmpty { broken.insert(path) }
        if problems.count == Self.problemLimit {
            problems.append(
                ConfigurationProblem(
                    severity: .error, origin: file.map { .file($0) } ?? .standard, path: "",
                    message: "more problems, which are not listed"))
        }
        guard problems.count < Self.problemLimit else { return }
        problems.append(ConfigurationProblem(severity: severity, origin: origin, path: path, message: message))
    }

    mutating func report(_ fault: DocumentFault) {
        report(fault.message, at: "", origin(fault.mark))
    }

    func isSound(_ paths: String...) -> Bool {
        broken.isDisjoint(with: paths)
    }

    mutating func record(_ path: String, at mark: Mark) {
        given[path] = origin(mark)
    }

    // MARK: Values

    /// Reads a value, and remembers where it came from.
    mutating func value<Value>(of node: Node, _ type: ConfigurationType<Value>, at path: String) -> Value? {
        given[path] = origin(node.mark)
        if case .refused = node.content {
            broken.insert(path)
            return nil
        }
        var faults: [ConfigurationFault] = []
        let value = type.read(node, &faults)
        for fault in faults {
            report(
                "\(fault.wrong); expected \(fault.expected ?? type.expected)\(fault.hint)", at: path + fault.index,
                origin(fault.mark ?? node.mark))
        }
        if value == nil || !faults.isEmpty { broken.insert(path) }
        return value
    }

    /// Reads text from the environment or an option.
    mutating func read<Target>(
        _ text: String, _ key: ConfigurationKey<Target>, from origin: Origin, into target: inout Target
    ) {
        guard let parse = key.parse else { return }
        read(parse(text), key, from: origin, into: &target)
    }

    mutating func read<Target>(
        _ node: Node, _ key: ConfigurationKey<Target>, from origin: Origin, into target: inout Target
    ) {
        source = origin
        defer { source = nil }
        broken.remove(key.path)
        key.read(node, key.path, &self, &target)
    }

    // MARK: Groups

    /// Reads a group of keys. `prefix` is the path of the table's root, `group` that of the group below it.
    mutating func read<Target>(
        _ node: Node, _ table: ConfigurationTable<Target>, at prefix: String = "", group: String = "",
        into target: inout Target
    ) {
        let here = Self.join(prefix, group)
        let entries: [Node.Entry]
        switch node.content {
        case .map(let map): entries = map
        case .refused: return
        // A group whose keys are all commented out.
        case .scalar(_, .null): return
        default:
            let names = table.names(in: group)
            report(
                "\(ConfigurationFault.of(node).wrong); expected a group of keys: \(alternatives(names))", at: here,
                origin(node.mark))
            return
        }
        for entry in unique(entries, at: here) {
            let path = Self.join(group, entry.key)
            let full = Self.join(prefix, path)
            if let key = table.key(path) {
                if entry.value.isNull {
                    given[full] = origin(entry.keyMark)
                    report("has no value; expected \(key.expected)", at: full, origin(entry.keyMark))
                } else {
                    key.read(entry.value, full, &self, &target)
                }
            } else if table.isGroup(path) {
                given[full] = origin(entry.keyMark)
                read(entry.value, table, at: prefix, group: path, into: &target)
            } else if table.later.contains(path) {
                report("not supported by this version; remove it", at: full, origin(entry.keyMark))
            } else {
                let names = table.names(in: group)
                report(
                    "unknown key; expected \(alternatives(names))\(Suggestion.phrase(for: entry.key, among: names))",
                    at: Self.join(here, Self.shown(entry.key)), origin(entry.keyMark))
            }
        }
    }

    /// The entries without those that repeat a key, which are reported.
    private mutating func unique(_ entries: [Node.Entry], at path: String) -> [Node.Entry] {
        var first: [String: Mark] = [:]
        return entries.filter { entry in
            guard let before = first[entry.key] else {
                first[entry.key] = entry.keyMark
                return true
            }
            report(
                "stands twice; expected once (first on line \(before.line))",
                at: Self.join(path, Self.shown(entry.key)), origin(entry.keyMark))
            return false
        }
    }

    static func join(_ path: String, _ key: String) -> String {
        path.isEmpty || key.isEmpty ? path + key : "\(path).\(key)"
    }

    /// A key for a message: in quotes when it is not a plain word, and cut.
    private static func shown(_ key: String) -> String {
        let isPlain = (1...40).contains(key.utf8.count) && key.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F }
        return isPlain ? key : quoted(key)
    }
}
