internal import Glibc

/// The `weir` program: commands and their exit codes.
public enum Program {
    /// Exit codes.
    static let done: Int32 = 0
    static let failed: Int32 = 1
    static let wrongUsage: Int32 = 2

    /// Every command, in the order of the help.
    static let commands = [
        Serve.command, Check.command, Scan.command, Sign.command, ObjectCommand.command, MediaCommand.command,
        CatalogueCommand.chapter.command,
        CatalogueCommand.book.command,
        Link.command, Bench.command, Version.command,
    ]

    /// Runs the command line and returns the exit code: 0 done, 1 failed, 2 wrong usage.
    public static func run(_ arguments: [String]) -> Int32 {
        if arguments.dropFirst().first == Serve.command.name { Serve.holdReloads() }
        return run(Array(arguments.dropFirst()), environment: variables(), console: .standard)
    }

    /// The same, without the program's name, and with an environment and a console of one's own.
    static func run(_ words: [String], environment: [String: String], console: Console) -> Int32 {
        guard let first = words.first else {
            console.errors(CommandHelp.text(of: commands))
            return wrongUsage
        }
        let rest = Array(words.dropFirst())
        switch first {
        case "-h", "--help", "help": return help(rest, console)
        case "--version": return Version.run(console)
        default: break
        }
        guard let command = commands.first(where: { $0.name == first }) else {
            let what = first.hasPrefix("-") ? "option" : "command"
            let near = Suggestion.phrase(for: first, among: commands.map { $0.name })
            console.error("weir: unknown \(what) \(quoted(first))\(near)\nSee `weir --help`.")
            return wrongUsage
        }
        do throws(UsageError) {
            if command.passesOn { return try pass(rest, to: command, environment, console) }
            let invocation = try command.parse(rest)
            if invocation.wantsHelp {
                console.output(CommandHelp.text(of: command))
                return done
            }
            return try run(command, invocation, environment, console)
        } catch {
            console.error("weir \(command.name): \(error.message)\nSee `weir \(command.name) --help`.")
            return wrongUsage
        }
    }

    private static func run(
        _ command: Command, _ invocation: Invocation, _ environment: [String: String], _ console: Console
    ) throws(UsageError) -> Int32 {
        switch command.name {
        case Check.command.name: Check.run(invocation, environment: environment, console)
        case Scan.command.name: Scan.run(invocation, console)
        case Sign.command.name: try Sign.run(invocation, environment: environment, console)
        case Link.command.name: try Link.run(invocation, environment: environment, console)
        case Version.command.name: Version.run(console)
        default: serve(invocation, environment, console)
        }
    }

    /// Loads the configuration, and starts the daemon when there is no error in it.
    private static func serve(_ invocation: Invocation, _ environment: [String: String], _ console: Console) -> Int32 {
        let source = Serve.source(invocation, environment: environment)
        let outcome = source.load()
        guard let configuration = outcome.configuration else {
            report(outcome, to: "serve", "; not started", console)
            let isUsage = outcome.errors.allSatisfy { if case .option = $0.origin { true } else { false } }
            return isUsage ? wrongUsage : failed
        }
        return Serve.run(configuration, warnings: outcome.warnings, source: source)
    }

    /// The configuration that another command goes by; nil when there are errors in it, which have been printed.
    static func load(_ source: ConfigurationSource, for command: String, _ console: Console) -> Configuration? {
        let outcome = source.load()
        if outcome.configuration == nil { report(outcome, to: command, "", console) }
        return outcome.configuration
    }

    private static func report(
        _ outcome: ConfigurationOutcome, to command: String, _ consequence: String, _ console: Console
    ) {
        for problem in outcome.problems { console.error(problem.description) }
        let count = outcome.errors.count
        console.error(
            "weir \(command): \(count) \(count == 1 ? "error" : "errors") in the configuration\(consequence)")
    }

    /// A command that reads its own arguments; only the request for help is taken here.
    private static func pass(
        _ words: [String], to command: Command, _ environment: [String: String], _ console: Console
    ) throws(UsageError) -> Int32 {
        if words.prefix(while: { $0 != "--" }).contains(where: { $0 == "-h" || $0 == "--help" }) {
            console.output(CommandHelp.text(of: command))
            return done
        }
        if command.name == ObjectCommand.command.name {
            return try ObjectCommand.run(words, environment: environment, console)
        }
        if command.name == MediaCommand.command.name {
            return try MediaCommand.run(words, environment: environment, console)
        }
        for catalogue in [CatalogueCommand.chapter, CatalogueCommand.book] where command.name == catalogue.command.name
        {
            return try catalogue.run(words, environment: environment, console)
        }
        return Bench.run(words)
    }

    private static func help(_ words: [String], _ console: Console) -> Int32 {
        guard let name = words.first else {
            console.output(CommandHelp.text(of: commands))
            return done
        }
        guard let command = commands.first(where: { $0.name == name }) else {
            let near = Suggestion.phrase(for: name, among: commands.map { $0.name })
            console.error("weir: no help for \(quoted(name))\(near)")
            return wrongUsage
        }
        console.output(CommandHelp.text(of: command))
        return done
    }

    /// The environment of the process. A name that stands twice keeps its first value, as `getenv` has it.
    private static func variables() -> [String: String] {
        var variables: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let parts = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2, variables[String(parts[0])] == nil { variables[String(parts[0])] = String(parts[1]) }
            entry += 1
        }
        return variables
    }
}
