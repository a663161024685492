/// The texts of `--help`.
enum CommandHelp {
    /// Of the program.
    static func text(of commands: [Command]) -> String {
        """
        Weir sends one live source to many HTTP listeners, in bounded memory.

        Usage: weir COMMAND [options]

        Commands:
        \(table(commands.map { ($0.name, $0.about) }))

        `weir COMMAND --help` says more about one. Without a configuration,
        `weir serve` runs a demo station.

        """
    }

    /// Of one command.
    static func text(of command: Command) -> String {
        var text = "\(command.about).\n\nUsage: \(command.usage)\n"
        if !command.arguments.isEmpty {
            text += "\nArguments:\n\(table(command.arguments.map { ($0.name, $0.about) }))\n"
        }
        let options = command.options + [Command.help]
        let rows = options.map { option in
            ("--\(option.name)" + (option.value.map { " \($0)" } ?? ""), option.about)
        }
        text += "\nOptions:\n\(table(rows))\n"
        for note in command.notes { text += "\n\(note)\n" }
        return text
    }

    private static func table(_ rows: [(String, String)]) -> String {
        let width = (rows.map { $0.0.count }.max() ?? 0) + 2
        return rows.map { "  \($0.0)\(String(repeating: " ", count: width - $0.0.count))\($0.1)" }
            .joined(separator: "\n")
    }
}
