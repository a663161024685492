internal import Glibc
internal import WeirHTTP
internal import WeirLoop

/// `weir bench client --url URL`: how fast a client pool gets a URL again and again, and what it costs this thread.
///
/// `bench/client` runs it beside others, against a server of its own.
enum BenchClient {
    /// How bodies are taken: where they lie, by a sink, or as a sequence of pieces.
    enum Body: String, CaseIterable { case sink, sequence }

    struct Plan: Equatable {
        var url = ""
        var body = Body.sink
        var requests = 10_000
        var parallel = 50
        var isJSON = false
    }

    struct Result: Sendable {
        var seconds: Double
        var cpuSeconds: Double
        var bytes: UInt64
        var metrics: ClientMetrics
    }

    /// Most requests, and most of them at once, that can be asked for.
    static let requestsMax = 10_000_000
    static let parallelMax = 1000

    static let options: [Command.Option] = [
        .init(name: "url", value: "URL", about: "client: what to get; store, pools: where the objects are"),
        .init(name: "requests", value: "N", about: "client, store, pools: how often (10000, 1000, 250)"),
        .init(name: "parallel", value: "N", about: "client, store, pools: how many at once (50, 50, 200)"),
    ]

    /// `bench client` alone has this one.
    static let bodyOption = Command.Option(
        name: "body", value: "WHAT", about: "client: how bodies are taken, sink or sequence (sink)")

    static func run(_ arguments: [String]) -> Int32 {
        do {
            let plan = try plan(arguments)
            let result = try LoopActor.run { try await measure(plan) }
            if plan.isJSON {
                Console.standard.line(String(decoding: json(plan, result).bytes, as: UTF8.self))
            } else {
                Console.standard.output(text(plan, result))
            }
            return Program.done
        } catch let error as UsageError {
            Console.standard.error("weir bench client: \(error.message)")
            return Program.wrongUsage
        } catch {
            Console.standard.error("weir bench client: \(error)")
            return Program.failed
        }
    }

    static func plan(_ arguments: [String]) throws(UsageError) -> Plan {
        let command = Command(
            name: "bench client", about: "",
            options: [.init(name: "json", value: nil, about: "")] + options + [bodyOption])
        let invocation = try command.parse(arguments)
        var plan = Plan()
        if let text = invocation.value("body") {
            guard let body = Body(rawValue: text) else {
                throw UsageError(message: "--body is one of: \(Body.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            plan.body = body
        }
        plan.isJSON = invocation.flags.contains("json")
        guard let url = invocation.value("url") else { throw UsageError(message: "--url says what to get") }
        plan.url = url
        if let text = invocation.value("requests") { plan.requests = try number(text, requestsMax, "requests") }
        if let text = invocation.value("parallel") { plan.parallel = try number(text, parallelMax, "parallel") }
        return plan
    }

    private static func number(_ text: String, _ most: Int, _ name: String) throws(UsageError) -> Int {
        guard let number = Int(text), (1...most).contains(number) else {
            throw UsageError(message: "--\(name) is a number from 1 to \(most)")
        }
        return number
    }

    // MARK: Measuring

    @LoopActor
    private static func measure(_ plan: Plan) async throws -> Result {
        var options = ClientPoolOptions()
        options.connections = plan.parallel
        let pool = ClientPool(name: "bench", options: options)
        let before = (time: LoopClock.monotonic.now, cpu: threadSeconds())
        let count = Remaining(plan.requests)
        let workers = (0..<plan.parallel).map { _ in
            spawn {
                let sink = ClientSink.discarding()
                while count.take() {
                    let request = ClientRequest(.get, plan.url)
                    let response =
                        switch plan.body {
                        case .sink: try await pool.send(request, into: sink)
                        case .sequence: try await pool.send(request)
                        }
                    guard response.status == 200 else { throw Failure(status: response.status) }
                    while try await response.body.next() != nil {}
                }
            }
        }
        do {
            for worker in workers { try await worker.value }
        } catch {
            await pool.close()
            throw error
        }
        let metrics = pool.metrics
        let result = Result(
            seconds: Double(LoopClock.monotonic.now - before.time) / 1e9, cpuSeconds: threadSeconds() - before.cpu,
            bytes: metrics.receivedBytes, metrics: metrics)
        await pool.close()
        return result
    }

    @LoopActor
    private final class Remaining {
        private var count: Int

        init(_ count: Int) { self.count = count }

        func take() -> Bool {
            count -= 1
            return count >= 0
        }
    }

    private struct Failure: Error, CustomStringConvertible {
        let status: Int
        var description: String { "the answer was \(status)" }
    }

    static func threadSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    // MARK: Telling

    private static func json(_ plan: Plan, _ result: Result) -> JSON {
        .object([
            ("benchmark", "client"), ("body", .string(plan.body.rawValue)),
            ("requests", .integer(Int64(plan.requests))),
            ("parallel", .integer(Int64(plan.parallel))), ("seconds", .number(result.seconds)),
            ("cpu_seconds", .number(result.cpuSeconds)), ("bytes", .unsigned(result.bytes)),
            ("connected", .unsigned(result.metrics.connected)), ("reused", .unsigned(result.metrics.reused)),
        ])
    }

    private static func text(_ plan: Plan, _ result: Result) -> String {
        let rate = Int((Double(plan.requests) / result.seconds).rounded())
        let speed = Int((Double(result.bytes) / 1e6 / result.seconds).rounded())
        let cpu = Int((result.cpuSeconds * 1e6 / Double(plan.requests)).rounded())
        return "\(plan.requests) requests, \(plan.parallel) at once: \(rate) requests/s, \(speed) MB/s, "
            + "\(cpu) us of CPU each, \(result.metrics.connected) connections\n"
    }
}
