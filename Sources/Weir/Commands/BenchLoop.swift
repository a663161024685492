internal import WeirHTTP
internal import WeirLoop

/// `weir bench loop`: what it costs to resume a task on the loop, and to wake one by a timer. That neither allocates is
/// counted by a test.
enum BenchLoop {
    /// Resumes in each of the measurement's runs, and sleeps in all.
    static let rounds = 100_000

    static func run(_ arguments: [String]) -> Int32 {
        if let wrong = arguments.first(where: { $0 != "--json" }) {
            Console.standard.error("weir bench loop: unknown option \(quoted(wrong)); expected --json")
            return Program.wrongUsage
        }
        do {
            let (resume, sleep) = try LoopActor.run {
                (await LoopMeasurement.resumeToRun(rounds: rounds), await LoopMeasurement.sleep(rounds: rounds))
            }
            if arguments.isEmpty {
                Console.standard.output(
                    """
                    resume to run   best \(whole(resume.best)) ns, mean \(whole(resume.mean)) ns
                    timer, due now  mean \(whole(sleep)) ns
                    """)
            } else {
                let report: JSON = [
                    "resume_best_ns": .number(resume.best), "resume_mean_ns": .number(resume.mean),
                    "timer_mean_ns": .number(sleep),
                ]
                Console.standard.line(String(decoding: report.bytes, as: UTF8.self))
            }
            return Program.done
        } catch {
            Console.standard.error("weir bench loop: \(error)")
            return Program.failed
        }
    }

    private static func whole(_ nanoseconds: Double) -> Int { Int(nanoseconds.rounded()) }
}
