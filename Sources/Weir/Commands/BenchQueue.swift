internal import CWeir
internal import Glibc
internal import WeirHTTP

/// `weir bench queue`: a pop and a push on the core's queues, by this thread's CPU time.
///
/// The comparison with a heap, with others' queues and with the array of a script is `bench/queue`; this one takes a
/// second and needs nothing.
enum BenchQueue {
    static let sizes = [1, 50, 500, 100_000]
    static let operations = 500_000
    static let runs = 5

    struct Result {
        var name: String
        var what: String
        var size: Int
        /// Nanoseconds for a pop and a push, of each run, in ascending order.
        var times: [Double]
        var median: Double { times[times.count / 2] }
    }

    static func run(_ arguments: [String]) -> Int32 {
        if let wrong = arguments.first(where: { $0 != "--json" }) {
            Console.standard.error("weir bench queue: unknown option \(quoted(wrong)); expected --json")
            return Program.wrongUsage
        }
        do {
            let results = try measure()
            if arguments.isEmpty {
                Console.standard.output(table(results))
            } else {
                Console.standard.line(json(results).description)
            }
            return Program.done
        } catch {
            Console.standard.error("weir bench queue: \(error)")
            return Program.failed
        }
    }

    // MARK: Measuring

    private static func measure() throws -> [Result] {
        let kinds: [(String, String, (Int) throws -> Double)] = [
            ("priority", "by priority, no id twice", { try holdPriority($0, ageing: false) }),
            ("ageing", "the same, and most jobs age", { try holdPriority($0, ageing: true) }),
            ("fifo", "first in, first out", holdFIFO),
        ]
        var results = kinds.flatMap { kind in
            sizes.map { Result(name: kind.0, what: kind.1, size: $0, times: []) }
        }
        for _ in 0..<runs {
            for index in results.indices {
                results[index].times.append(try kinds[index / sizes.count].2(results[index].size))
            }
        }
        for index in results.indices { results[index].times.sort() }
        return results
    }

    /// The clock counts jobs: with `ageing`, most lose their bonus before they leave.
    private static func holdPriority(_ size: Int, ageing: Bool) throws -> Double {
        var options = weir_queue_options_t()
        options.size = MemoryLayout<weir_queue_options_t>.size
        options.capacity = UInt32(size)
        options.fresh_bonus = ageing ? 15 : 0
        options.fresh_for = UInt64(size / 2 + 1)
        options.aging_cap = UInt64.max
        var made: OpaquePointer?
        let status = weir_queue_create(&made, &options)
        guard status == 0, let queue = made else { throw BenchFailure(status) }
        defer { weir_queue_destroy(queue) }
        var job = weir_job_t()
        var state: UInt32 = 1
        var now: UInt64 = 0
        var wrong: Int32 = 0
        func push() {
            state = state &* 1_664_525 &+ 1_013_904_223
            job.id = now &* 0x9E37_79B9_7F4A_7C15
            job.priority = UInt8(70 + (state >> 8) % 116)
            job.submitted = now
            wrong |= weir_queue_push(queue, &job, now, nil)
        }
        for _ in 0..<size {
            now += 1
            push()
        }
        let begin = threadNanoseconds()
        for _ in 0..<operations {
            now += 1
            wrong |= 1 - weir_queue_pop(queue, now, &job)
            push()
        }
        let spent = threadNanoseconds() - begin
        guard wrong == 0, weir_queue_length(queue) == size else { throw BenchFailure(wrong) }
        return spent / Double(operations)
    }

    private static func holdFIFO(_ size: Int) throws -> Double {
        var made: OpaquePointer?
        let status = weir_fifo_create(&made, UInt32(size), nil)
        guard status == 0, let fifo = made else { throw BenchFailure(status) }
        defer { weir_fifo_destroy(fifo) }
        var wrong: Int32 = 0
        for number in 0..<UInt64(size) { wrong |= weir_fifo_push(fifo, number) }
        var value: UInt64 = 0
        let begin = threadNanoseconds()
        for number in 0..<UInt64(operations) {
            wrong |= 1 - weir_fifo_pop(fifo, &value)
            wrong |= value == number ? 0 : 1
            wrong |= weir_fifo_push(fifo, number + UInt64(size))
        }
        let spent = threadNanoseconds() - begin
        guard wrong == 0 else { throw BenchFailure(wrong) }
        return spent / Double(operations)
    }

    private static func threadNanoseconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
    }

    // MARK: Telling

    private static func json(_ results: [Result]) -> JSON {
        .object([
            ("benchmark", "queue"), ("operations", .integer(Int64(operations))),
            (
                "results",
                .array(
                    results.map { result in
                        .object([
                            ("name", .string(result.name)), ("size", .integer(Int64(result.size))),
                            ("nanoseconds", result.median.rounded(to: 2)), ("least", result.times[0].rounded(to: 2)),
                            ("most", result.times[runs - 1].rounded(to: 2)),
                        ])
                    })
            ),
        ])
    }

    private static func table(_ results: [Result]) -> String {
        var text = "A pop and a push in ns: the median, least and most of \(runs) runs of \(operations).\n"
        for result in results {
            let numbers = [result.median, result.times[0], result.times[runs - 1]].map { number in
                let digits = ScanText.fixed(number, 1)
                return String(repeating: " ", count: max(0, 8 - digits.count)) + digits
            }
            text += "\(numbers.joined())  \(result.what), \(result.size) in the queue\n"
        }
        return text
    }
}

/// A queue did not do what it had to.
private struct BenchFailure: Error, CustomStringConvertible {
    let description: String

    init(_ status: Int32) {
        description = status < 0 ? String(cString: weir_strerror(status)) : "the queue lost or refused a job"
    }
}
