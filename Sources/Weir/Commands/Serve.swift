/// `weir serve`: the daemon.
enum Serve {
    /// Runs the daemon until it is told to stop, and returns the exit code. `source` can be loaded again.
    static func run(
        _ configuration: Configuration, warnings: [ConfigurationProblem], source: ConfigurationSource
    ) -> Int32 {
        for warning in warnings { Console.standard.error(warning.description) }
        Console.standard.error("weir serve: the engine is not built into this program")
        return Program.failed
    }
}
