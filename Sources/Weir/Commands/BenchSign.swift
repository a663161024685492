internal import WeirHTTP
internal import WeirStorage

/// `weir bench sign`: what a signature costs, with a key that is kept and without, beside what its digests alone cost.
///
/// `bench/sign` runs it beside others.
enum BenchSign {
    /// Signatures in a run, and most that can be asked for.
    static let rounds = 20_000
    static let roundsMax = 100_000_000

    static let options: [Command.Option] = [
        .init(name: "only", value: "KIND", about: "sign: one kind, untimed, as often as --requests says")
    ]

    static func run(_ arguments: [String]) -> Int32 {
        do throws(UsageError) {
            let command = Command(
                name: "bench sign", about: "",
                options: [
                    .init(name: "json", value: nil, about: ""), .init(name: "requests", value: "N", about: ""),
                ] + options)
            let invocation = try command.parse(arguments)
            var rounds = rounds
            if let text = invocation.value("requests") {
                guard let number = Int(text), (1...roundsMax).contains(number) else {
                    throw UsageError(message: "--requests is a number from 1 to \(roundsMax)")
                }
                rounds = number
            }
            if let name = invocation.value("only") {
                guard let kind = SigningMeasurement.Kind(rawValue: name) else {
                    let names = SigningMeasurement.Kind.allCases.map(\.rawValue)
                    throw UsageError(message: "--only is one of: \(names.joined(separator: ", "))")
                }
                SigningMeasurement.run(kind, rounds: rounds)
                return Program.done
            }
            let results = SigningMeasurement.all(rounds: rounds)
            if invocation.flags.contains("json") {
                Console.standard.line(String(decoding: json(results, rounds).bytes, as: UTF8.self))
            } else {
                Console.standard.output(table(results, rounds))
            }
            return Program.done
        } catch {
            Console.standard.error("weir bench sign: \(error.message)")
            return Program.wrongUsage
        }
    }

    private static func json(_ results: [SigningMeasurement.Result], _ rounds: Int) -> JSON {
        .object([
            ("benchmark", "sign"), ("rounds", .integer(Int64(rounds))),
            ("runs", .integer(Int64(SigningMeasurement.runs))),
            (
                "results",
                .array(
                    results.map { result in
                        .object([
                            ("name", .string(result.kind.rawValue)), ("nanoseconds", .number(result.median)),
                            ("least", .number(result.least)),
                        ])
                    })
            ),
        ])
    }

    private static func table(_ results: [SigningMeasurement.Result], _ rounds: Int) -> String {
        var text =
            "CPU time of one signature in ns: median and least of \(SigningMeasurement.runs) runs of \(rounds).\n"
        for result in results {
            let numbers = [result.median, result.least].map { number in
                let digits = "\(Int(number.rounded()))"
                return String(repeating: " ", count: max(0, 7 - digits.count)) + digits
            }
            let rate = Int((1e6 / result.median).rounded())
            text += "\(numbers.joined()) \(result.kind.about) (\(rate) thousand/s)\n"
        }
        return text
    }
}
