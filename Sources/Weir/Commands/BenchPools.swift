internal import Glibc
internal import WeirHTTP
internal import WeirLoop
internal import WeirStorage

/// `weir bench pools --url URL --small URL`: how long small requests take beside many slow transfers of objects: each kind
/// with a pool of its own (50 connections and 100), or both in one of as many together.
///
/// The small ones are asked on a schedule, and timed from when they were due: one that has to wait does not delay the next.
enum BenchPools {
    struct Plan: Equatable {
        var url = ""
        var small = ""
        var bytes = 1 << 20
        /// Small requests, and milliseconds from one to the next.
        var requests = 250
        var interval = 20
        /// Transfers that are wanted at once.
        var parallel = 200
        var isShared = false
    }

    static let intervalMax = 60_000

    static let options: [Command.Option] = [
        .init(name: "small", value: "URL", about: "pools: what is asked beside the objects"),
        .init(name: "interval", value: "MS", about: "pools: from one small request to the next (20)"),
        .init(name: "shared", value: nil, about: "pools: one for both, of as many connections"),
    ]

    struct Result: Sendable {
        /// Nanoseconds, sorted.
        var latencies: [UInt64]
        var transfers: Int
        var seconds: Double
    }

    static func run(_ arguments: [String]) -> Int32 {
        do {
            let plan = try plan(arguments)
            let result = try LoopActor.run { try await BenchPoolsLoad(plan).run() }
            func quantile(_ part: Double) -> Double {
                let index = Int((part * Double(result.latencies.count)).rounded(.up)) - 1
                return Double(result.latencies[min(max(0, index), result.latencies.count - 1)]) / 1e9
            }
            let json = JSON.object([
                ("benchmark", "pools"), ("shared", .bool(plan.isShared)),
                ("requests", .integer(Int64(plan.requests))), ("parallel", .integer(Int64(plan.parallel))),
                ("seconds", .number(result.seconds)), ("transfers", .integer(Int64(result.transfers))),
                ("p50", .number(quantile(0.5))), ("p95", .number(quantile(0.95))), ("p99", .number(quantile(0.99))),
                ("most", .number(quantile(1))),
            ])
            Console.standard.line(String(decoding: json.bytes, as: UTF8.self))
            return Program.done
        } catch let error as UsageError {
            Console.standard.error("weir bench pools: \(error.message)")
            return Program.wrongUsage
        } catch {
            Console.standard.error("weir bench pools: \(error)")
            return Program.failed
        }
    }

    static func plan(_ arguments: [String]) throws(UsageError) -> Plan {
        let command = Command(
            name: "bench pools", about: "",
            options: [.init(name: "json", value: nil, about: "")] + BenchClient.options + BenchStore.options + options)
        let invocation = try command.parse(arguments)
        guard let url = invocation.value("url"), let small = invocation.value("small") else {
            throw UsageError(message: "--url says where the objects are, --small what is asked beside them")
        }
        func number(_ name: String, _ standard: Int, _ most: Int) throws(UsageError) -> Int {
            guard let text = invocation.value(name) else { return standard }
            guard let number = Int(text), (1...most).contains(number) else {
                throw UsageError(message: "--\(name) is a number from 1 to \(most)")
            }
            return number
        }
        var plan = Plan(url: url, small: small, isShared: invocation.flags.contains("shared"))
        plan.bytes = try number("bytes", plan.bytes, BenchStore.largest)
        plan.requests = try number("requests", plan.requests, BenchStore.requestsMax)
        plan.interval = try number("interval", plan.interval, intervalMax)
        plan.parallel = try number("parallel", plan.parallel, BenchStore.parallelMax)
        return plan
    }
}

@LoopActor
private final class BenchPoolsLoad {
    private let plan: BenchPools.Plan
    private let pools = ClientPools()
    private var isOver = false
    private var transfers = 0

    nonisolated init(_ plan: BenchPools.Plan) { self.plan = plan }

    func run() async throws -> BenchPools.Result {
        var objects = ClientPoolOptions.objectStore
        let telegram = ClientPoolOptions.telegram
        if plan.isShared { objects.connections += telegram.connections }
        let store = try R2Store(
            R2Options(
                endpoint: plan.url, bucket: "media",
                credentials: SigningCredentials(accessKeyID: "bench", secretAccessKey: "bench")),
            pools: pools, pool: objects)
        let small = pools.pool(plan.isShared ? R2Store.poolName : "telegram", telegram)
        let key = try ObjectKey("get/\(plan.bytes)")
        let loads = (0..<plan.parallel).map { _ in
            spawn {
                while !self.isOver {
                    // Those that are under way at the end are taken back.
                    guard let bytes = try? await store.read(key, limit: self.plan.bytes) else { return }
                    if bytes.count == self.plan.bytes { self.transfers += 1 }
                }
            }
        }
        // Every transfer that can be under way is.
        let clock = LoopClock.monotonic
        while store.metrics.running < min(plan.parallel, objects.connections) {
            try await clock.sleep(for: 0.01)
        }
        let start = clock.now
        let asking = (0..<plan.requests).map { number in
            spawn { () throws -> UInt64 in
                let due = start + UInt64(number * self.plan.interval) * 1_000_000
                try await clock.sleep(until: due)
                let response = try await small.send(ClientRequest(.get, self.plan.small))
                guard response.status == 200 else { throw BenchStoreFailure("the answer was \(response.status)") }
                _ = try await response.collect(limit: 65536)
                return clock.now - due
            }
        }
        var latencies: [UInt64] = []
        var failure: (any Error)?
        for task in asking {
            do { latencies.append(try await task.value) } catch { failure = error }
        }
        let seconds = Double(clock.now - start) / 1e9
        isOver = true
        let done = transfers
        await store.close()
        await pools.close()
        for load in loads { await load.value }
        if let failure { throw failure }
        guard done > 0 else { throw BenchStoreFailure("no object came meanwhile") }
        return BenchPools.Result(latencies: latencies.sorted(), transfers: done, seconds: seconds)
    }
}
