/// `weir bench`: the microbenchmarks.
enum Bench {
    static let names = ["client", "fanout", "jobs", "loop", "pools", "queue", "sign", "store", "ts"]

    /// Runs what the arguments name, and returns the exit code.
    static func run(_ arguments: [String]) -> Int32 {
        guard let index = arguments.firstIndex(where: { !$0.hasPrefix("-") }) else {
            Console.standard.error("weir bench: which one? There are: \(names.joined(separator: ", "))")
            return Program.wrongUsage
        }
        let name = arguments[index]
        var rest = arguments
        rest.remove(at: index)
        switch name {
        case "client": return BenchClient.run(rest)
        case "fanout": return BenchFanout.run(rest)
        case "jobs": return BenchJobs.run(rest)
        case "loop": return BenchLoop.run(rest)
        case "pools": return BenchPools.run(rest)
        case "queue": return BenchQueue.run(rest)
        case "sign": return BenchSign.run(rest)
        case "store": return BenchStore.run(rest)
        case "ts": return BenchTS.run(rest)
        case FanoutDrain.name: return FanoutDrain.run(Array(arguments.dropFirst()))
        default:
            let near = Suggestion.phrase(for: name, among: names)
            Console.standard.error("weir bench: unknown benchmark \(quoted(name))\(near)")
            return Program.wrongUsage
        }
    }
}
