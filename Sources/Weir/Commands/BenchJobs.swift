internal import Glibc
internal import WeirDatabase
internal import WeirHTTP
internal import WeirLoop

/// `weir bench jobs`: how many jobs a second are claimed and completed on a database, and how soon a new one starts.
///
/// The comparison with the database alone and with another queue is `bench/jobs`, which fills and drains step by step.
enum BenchJobs {
    enum Step: String, CaseIterable {
        /// `fill`, `drain` and `wake`, one after the other.
        case all
        /// Adds jobs.
        case fill
        /// Claims and completes what is queued.
        case drain
        /// Adds jobs one by one, each when the one before has started.
        case wake
        /// Prints the statements that `drain` runs.
        case statements
    }

    struct Plan: Equatable {
        var database = DatabaseURL.sqlite
        /// Where a file of SQLite's is; nil for a directory that is removed at the end.
        var data: String?
        var step = Step.all
        var jobs = 5000
        /// In one claim.
        var batch = 1
        /// Workers that claim beside each other.
        var parallel = 5
        var wakes = 200
        var isJSON = false
    }

    static let jobsMax = 1_000_000
    static let parallelMax = 1000

    static let options: [Command.Option] = [
        .init(name: "database", value: "URL", about: "jobs: sqlite or postgres://… (sqlite, in a place of its own)"),
        .init(name: "data", value: "DIR", about: "jobs: where SQLite's file is, and stays"),
        .init(name: "step", value: "WHAT", about: "jobs: all, fill, drain, wake or statements (all)"),
        .init(name: "jobs", value: "N", about: "jobs: that are filled in (5000)"),
        .init(name: "batch", value: "N", about: "jobs: in one claim (1)"),
        .init(name: "workers", value: "N", about: "jobs: that claim beside each other (5)"),
        .init(name: "wakes", value: "N", about: "jobs: that are added one by one (200)"),
    ]

    static func run(_ arguments: [String]) -> Int32 {
        do {
            let plan = try plan(arguments)
            if plan.step == .statements {
                Console.standard.line(statements(plan).description)
                return Program.done
            }
            let figures = try LoopActor.run { try await BenchJobsRun(plan).run() }
            Console.standard.line(plan.isJSON ? json(plan, figures).description : text(plan, figures))
            return Program.done
        } catch let error as UsageError {
            Console.standard.error("weir bench jobs: \(error.message)")
            return Program.wrongUsage
        } catch {
            Console.standard.error("weir bench jobs: \(error)")
            return Program.failed
        }
    }

    static func plan(_ arguments: [String]) throws(UsageError) -> Plan {
        let command = Command(
            name: "bench jobs", about: "", options: [.init(name: "json", value: nil, about: "")] + options)
        let invocation = try command.parse(arguments)
        func number(_ name: String, _ standard: Int, _ most: Int) throws(UsageError) -> Int {
            guard let text = invocation.value(name) else { return standard }
            guard let number = Int(text), (1...most).contains(number) else {
                throw UsageError(message: "--\(name) is a number from 1 to \(most)")
            }
            return number
        }
        var plan = Plan()
        if let text = invocation.value("database") {
            do {
                plan.database = try DatabaseURL(parsing: text)
            } catch {
                throw UsageError(message: "--database: \(error)")
            }
        }
        if let text = invocation.value("step") {
            guard let step = Step(rawValue: text) else {
                throw UsageError(
                    message: "--step is one of: \(Step.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            plan.step = step
        }
        plan.data = invocation.value("data")
        plan.jobs = try number("jobs", plan.jobs, jobsMax)
        plan.batch = try number("batch", plan.batch, JobSelection.limitMax)
        plan.parallel = try number("workers", plan.parallel, parallelMax)
        plan.wakes = try number("wakes", plan.wakes, jobsMax)
        plan.isJSON = invocation.flags.contains("json")
        return plan
    }

    // MARK: Telling

    struct Figures: Sendable {
        /// Jobs filled in, and drained.
        var filled: (jobs: Int, seconds: Double)?
        var drained: (jobs: Int, seconds: Double, cpu: Double)?
        /// Nanoseconds from an insert to its job's start, sorted.
        var wakes: [UInt64] = []

        /// Milliseconds.
        func wake(_ part: Double) -> Double {
            let index = Int((part * Double(wakes.count)).rounded(.up)) - 1
            return wakes.isEmpty ? 0 : Double(wakes[min(max(0, index), wakes.count - 1)]) / 1e6
        }
    }

    private static func statements(_ plan: Plan) -> JSON {
        .object(QueueStatements.of(plan.database).map { ($0.name, .string($0.text)) })
    }

    private static func json(_ plan: Plan, _ figures: Figures) -> JSON {
        var members: [(String, JSON)] = [
            ("benchmark", "jobs"), ("database", .string(plan.database.description)),
            ("batch", .integer(Int64(plan.batch))), ("workers", .integer(Int64(plan.parallel))),
        ]
        if let filled = figures.filled {
            members += [("filled", .integer(Int64(filled.jobs))), ("fill_seconds", .number(filled.seconds))]
        }
        if let drained = figures.drained {
            members += [
                ("jobs", .integer(Int64(drained.jobs))), ("seconds", .number(drained.seconds)),
                ("cpu_seconds", .number(drained.cpu)),
            ]
        }
        if !figures.wakes.isEmpty {
            members += [
                ("wakes", .integer(Int64(figures.wakes.count))), ("wake_p50_ms", .number(figures.wake(0.5))),
                ("wake_p95_ms", .number(figures.wake(0.95))), ("wake_max_ms", .number(figures.wake(1))),
            ]
        }
        return .object(members)
    }

    private static func text(_ plan: Plan, _ figures: Figures) -> String {
        func rate(_ jobs: Int, _ seconds: Double) -> String { "\(Int((Double(jobs) / seconds).rounded()))/s" }
        var lines: [String] = []
        if let filled = figures.filled {
            lines.append("\(filled.jobs) jobs added: \(rate(filled.jobs, filled.seconds))")
        }
        if let drained = figures.drained {
            lines.append(
                "\(drained.jobs) jobs claimed and completed, \(plan.batch) in a claim, \(plan.parallel) workers: "
                    + "\(rate(drained.jobs, drained.seconds)), \(ScanText.fixed(drained.cpu / Double(drained.jobs) * 1e6, 1))"
                    + " us of CPU each")
        }
        if !figures.wakes.isEmpty {
            lines.append(
                "from insert to start: p50 \(ScanText.fixed(figures.wake(0.5), 2)) ms, "
                    + "p95 \(ScanText.fixed(figures.wake(0.95), 2)) ms")
        }
        return lines.joined(separator: "\n")
    }
}

struct BenchJobsFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
