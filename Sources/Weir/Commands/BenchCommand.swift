/// The command line of `weir bench`. What a benchmark takes it reads itself.
extension Bench {
    static let command = Command(
        name: "bench", about: "Runs a microbenchmark",
        arguments: [.init(name: "NAME", about: "Which one: client, fanout, loop, pools, queue, sign, store or ts")],
        options: [.init(name: "json", value: nil, about: "Prints JSON instead of a table")] + BenchFanout.options
            + BenchClient.options + [BenchClient.bodyOption] + BenchStore.options + BenchPools.options
            + BenchSign.options,
        passesOn: true)
}
