/// A command of the program: what it takes, and what its help says.
struct Command: Sendable {
    struct Option: Sendable {
        /// Without the dashes.
        var name: String
        /// What its value is called; nil: it has none.
        var value: String?
        var about: String
        /// Whether it may be given more than once.
        var repeats = false
    }

    struct Argument: Sendable {
        var name: String
        var about: String
        /// Behind all that are not.
        var isOptional = false
        /// The last one: whether more of its kind may follow.
        var repeats = false
    }

    var name: String
    /// One line, for the list of commands.
    var about: String
    var arguments: [Argument] = []
    var options: [Option] = []
    /// Paragraphs after the options.
    var notes: [String] = []
    /// Whether whatever follows is passed on as it is, to what reads it itself.
    var passesOn = false

    /// `weir serve [--config FILE] ...`, for the first line of its help.
    var usage: String {
        var parts =
            ["weir", name] + arguments.map { $0.isOptional ? "[\($0.name)]" : $0.repeats ? "\($0.name)..." : $0.name }
        if options.contains(where: { $0.name != Command.help.name }) { parts.append("[options]") }
        return parts.joined(separator: " ")
    }

    static let help = Option(name: "help", value: nil, about: "Prints this")
}

/// What a command line said.
struct Invocation: Equatable {
    /// Values by option, in their order.
    var values: [String: [String]] = [:]
    var flags: Set<String> = []
    var arguments: [String] = []
    var wantsHelp = false

    /// The value of an option that stands at most once.
    func value(_ name: String) -> String? { values[name]?.last }
}

/// Wrong usage: exit code 2.
struct UsageError: Error, Equatable {
    var message: String
}

extension Command {
    /// Reads what follows the command's name: `--key value`, `--key=value`, `--flag`, arguments, and after `--` only
    /// arguments.
    func parse(_ words: some Sequence<String>) throws(UsageError) -> Invocation {
        var invocation = Invocation()
        var words = words.makeIterator()
        var takesOptions = true
        while let word = words.next() {
            guard takesOptions, word.hasPrefix("-"), word != "-" else {
                guard invocation.arguments.count < arguments.count || arguments.last?.repeats == true else {
                    throw UsageError(message: "unexpected argument \(quoted(word))")
                }
                invocation.arguments.append(word)
                continue
            }
            if word == "--" {
                takesOptions = false
                continue
            }
            if word == "-h" || word == "--help" {
                invocation.wantsHelp = true
                continue
            }
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0].drop { $0 == "-" })
            guard word.hasPrefix("--"), let option = options.first(where: { $0.name == name }) else {
                let names = (options + [Command.help]).map { "--\($0.name)" }
                throw UsageError(
                    message: "unknown option \(String(parts[0]))\(Suggestion.phrase(for: "--\(name)", among: names))")
            }
            let given = parts.count == 2 ? String(parts[1]) : nil
            guard let value = option.value else {
                if given != nil { throw UsageError(message: "--\(name) takes no value") }
                invocation.flags.insert(name)
                continue
            }
            guard let text = given ?? words.next() else {
                throw UsageError(message: "--\(name) has no value; expected --\(name) \(value)")
            }
            guard option.repeats || invocation.values[name] == nil else {
                throw UsageError(message: "--\(name) is given twice")
            }
            invocation.values[name, default: []].append(text)
        }
        if !invocation.wantsHelp, invocation.arguments.count < arguments.count(where: { !$0.isOptional }) {
            throw UsageError(message: "missing \(arguments[invocation.arguments.count].name)")
        }
        return invocation
    }
}
