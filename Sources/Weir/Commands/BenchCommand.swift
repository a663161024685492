/// The command line of `weir bench`. What a benchmark takes it reads itself.
extension Bench {
    static let command = Command(
        name: "bench", about: "Runs a microbenchmark",
        arguments: [.init(name: "NAME", about: "Which one: \(names.joined(separator: ", "))")],
        options: [.init(name: "json", value: nil, about: "Prints JSON instead of a table")] + BenchFanout.options
            + BenchClient.options + [BenchClient.bodyOption] + BenchStore.options + BenchPools.options
            + BenchSign.options + BenchJobs.options,
        passesOn: true)
}
