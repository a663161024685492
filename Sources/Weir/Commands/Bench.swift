/// `weir bench`: the microbenchmarks.
enum Bench {
    /// Runs what the arguments name, and returns the exit code.
    static func run(_ arguments: [String]) -> Int32 {
        Console.standard.error("weir bench: the benchmarks are not built into this program")
        return Program.failed
    }
}
