/// Something that is wrong with a configuration: where, which key, and what was expected instead.
public struct ConfigurationProblem: Sendable, Equatable {
    public enum Severity: Sendable, Equatable {
        /// Weir does not start.
        case error
        /// Weir starts, and says so.
        case warning
    }

    /// Where a value comes from. Each overrides those before it.
    public enum Origin: Sendable, Equatable {
        /// No value was given.
        case standard
        /// The file as a whole.
        case file(String)
        case place(String, Mark)
        /// A variable's name.
        case environment(String)
        /// An option of the command line, with its dashes.
        case option(String)

        var rank: Int {
            switch self {
            case .standard: 0
            case .file, .place: 1
            case .environment: 2
            case .option: 3
            }
        }

        /// "line 3", "WEIR_LISTEN", "--listen".
        var reference: String {
            switch self {
            case .standard: "the default"
            case .file(let name): name
            case .place(_, let mark): "line \(mark.line)"
            case .environment(let name), .option(let name): name
            }
        }
    }

    public var severity: Severity
    public var origin: Origin
    /// Such as `live.stations[0].ring`; empty where no key is concerned.
    public var path: String
    /// What is wrong; what was expected.
    public var message: String
}

extension ConfigurationProblem: CustomStringConvertible {
    /// `weir.yml:12:7: live.stations[0].ring: what is wrong; what was expected`.
    public var description: String {
        var parts: [String] = []
        switch origin {
        case .standard: break
        case .file(let name): parts.append(name)
        case .place(let name, let mark): parts.append("\(name):\(mark.line):\(mark.column)")
        case .environment(let name), .option(let name): parts.append(name)
        }
        if severity == .warning { parts.append("warning") }
        // A variable's or an option's name says the key already.
        if origin.rank < Origin.environment("").rank, !path.isEmpty { parts.append(path) }
        parts.append(message)
        return parts.joined(separator: ": ")
    }
}

extension ConfigurationProblem: Comparable {
    /// In the order of the file, then environment and options as they were read.
    public static func < (left: ConfigurationProblem, right: ConfigurationProblem) -> Bool {
        if case .place(_, let first) = left.origin, case .place(_, let second) = right.origin { return first < second }
        return left.origin.rank < right.origin.rank
    }
}
