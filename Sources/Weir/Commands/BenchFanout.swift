internal import CLibuv
internal import CWeir
internal import Glibc
internal import WeirHTTP
internal import WeirLoop

/// `weir bench fanout`: what it costs this thread to send one PCM stream to many listeners, over loopback, at several
/// flush windows. A child process of the same program reads what is sent, as fast as it can, and throws it away.
///
/// The comparison with other servers is `bench/fanout`; this one takes seconds and needs nothing.
enum BenchFanout {
    struct Plan: Equatable {
        var listeners = [100, 1000]
        /// Milliseconds.
        var windows = [20, 50, 100, 200]
        /// Of measuring, for each window.
        var seconds = 1.0
        var isJSON = false
    }

    struct Result: Sendable {
        var listeners: Int
        var window: Int
        /// Measured.
        var seconds: Double
        /// Of this thread, the source's work included.
        var cpuSeconds: Double
        var writes: UInt64
        var sentBytes: UInt64
        var skips: UInt64
        /// Times that C code entered Swift, and jobs run.
        var entries: UInt64
        /// Percent of one core for a thousand listeners.
        var percentPerThousand: Double { cpuSeconds / seconds * 100 * 1000 / Double(max(1, listeners)) }
    }

    /// Most listeners that can be asked for.
    static let listenersMax = 10_000
    /// Seconds after a change of the window before measuring.
    static let settling = 0.3

    static func run(_ arguments: [String]) -> Int32 {
        do {
            let plan = try plan(arguments)
            let results = try LoopActor.run { try await measure(plan) }
            if plan.isJSON {
                Console.standard.line(String(decoding: json(results).bytes, as: UTF8.self))
            } else {
                Console.standard.output(table(results))
            }
            return Program.done
        } catch let error as UsageError {
            Console.standard.error("weir bench fanout: \(error.message)")
            return Program.wrongUsage
        } catch {
            Console.standard.error("weir bench fanout: \(error)")
            return Program.failed
        }
    }

    static let options: [Command.Option] = [
        .init(name: "listeners", value: "N,N", about: "fanout: how many listeners (100,1000)"),
        .init(name: "windows", value: "MS,MS", about: "fanout: flush windows (20,50,100,200)"),
        .init(name: "seconds", value: "S", about: "fanout: of measuring each (1)"),
    ]

    static func plan(_ arguments: [String]) throws(UsageError) -> Plan {
        let command = Command(
            name: "bench fanout", about: "",
            options: [
                .init(name: "json", value: nil, about: "")
            ] + options)
        let invocation = try command.parse(arguments)
        var plan = Plan()
        plan.isJSON = invocation.flags.contains("json")
        if let text = invocation.value("listeners") {
            plan.listeners = try numbers(text, 1...listenersMax, "listeners")
        }
        if let text = invocation.value("windows") { plan.windows = try numbers(text, 0...500, "windows") }
        if let text = invocation.value("seconds") {
            guard let seconds = Double(text), (0.1...600).contains(seconds) else {
                throw UsageError(message: "--seconds is 0.1 to 600")
            }
            plan.seconds = seconds
        }
        return plan
    }

    private static func numbers(_ text: String, _ range: ClosedRange<Int>, _ name: String) throws(UsageError) -> [Int] {
        let numbers = text.split(separator: ",").compactMap { Int($0) }.filter { range.contains($0) }
        guard !numbers.isEmpty, numbers.count == text.split(separator: ",", omittingEmptySubsequences: false).count
        else {
            throw UsageError(message: "--\(name) is a list of numbers from \(range.lowerBound) to \(range.upperBound)")
        }
        return numbers
    }

    // MARK: Measuring

    @LoopActor
    private static func measure(_ plan: Plan) async throws -> [Result] {
        raiseDescriptorLimit()
        var results: [Result] = []
        for count in plan.listeners {
            results += try await measure(count, plan)
        }
        return results
    }

    @LoopActor
    private static func measure(_ count: Int, _ plan: Plan) async throws -> [Result] {
        let format = PCMFormat()
        let log = try Log(capacity: 1 << 20, unit: format.frameBytes)
        var options = Fanout.Options()
        options.byteRate = UInt64(format.byteRate)
        let fanout = try Fanout(log: log, options: options)
        let source = try Source(.tone, log: log, fanout: fanout, format: format) { _ in }
        let listener = try BenchListener()
        let child = try Child(
            ["/proc/self/exe", "bench", FanoutDrain.name, "\(listener.port)", "\(count)"], stopGrace: 0.2
        ) { _ in }
        Glibc.close(child.output)
        try await listener.accept(count) { descriptor in
            _ = try fanout.add(descriptor: descriptor, label: "bench")
        }
        var results: [Result] = []
        for window in plan.windows {
            try fanout.setWindow(UInt64(window) * 1_000_000)
            try await LoopClock.monotonic.sleep(for: settling)
            let before = (cpu: threadSeconds(), counters: fanout.counters, entries: LoopActor.entries, time: now())
            try await LoopClock.monotonic.sleep(for: plan.seconds)
            let after = fanout.counters
            results.append(
                Result(
                    listeners: after.listeners, window: window, seconds: now() - before.time,
                    cpuSeconds: threadSeconds() - before.cpu, writes: after.writes - before.counters.writes,
                    sentBytes: after.sentBytes - before.counters.sentBytes, skips: after.skips - before.counters.skips,
                    entries: LoopActor.entries - before.entries))
        }
        child.kill()
        await child.close()
        await source.close()
        await fanout.close()
        log.close()
        return results
    }

    private static func now() -> Double { Double(LoopClock.monotonic.now) / 1e9 }

    private static func threadSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    static func raiseDescriptorLimit() {
        var limit = rlimit()
        let which = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(which, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(which, &limit)
    }

    // MARK: Telling

    private static func json(_ results: [Result]) -> JSON {
        .object([
            ("benchmark", "fanout"), ("stream_bytes_per_second", .integer(Int64(PCMFormat().byteRate))),
            (
                "results",
                .array(
                    results.map { result in
                        .object([
                            ("listeners", .integer(Int64(result.listeners))),
                            ("window_ms", .integer(Int64(result.window))),
                            ("seconds", result.seconds.rounded(to: 3)),
                            ("cpu_seconds", result.cpuSeconds.rounded(to: 6)),
                            ("cpu_percent_per_1000_listeners", result.percentPerThousand.rounded(to: 2)),
                            ("writes", .unsigned(result.writes)), ("sent_bytes", .unsigned(result.sentBytes)),
                            ("skips", .unsigned(result.skips)), ("entries_into_swift", .unsigned(result.entries)),
                        ])
                    })
            ),
        ])
    }

    private static func table(_ results: [Result]) -> String {
        var text = "One stream of \(PCMFormat().byteRate / 1000) kB/s, loopback; CPU of the server's thread.\n"
        text += "listeners  window ms   CPU %   CPU % per 1000   writes/s   us/write   MB/s   skips   entries\n"
        for result in results {
            let writes = Double(result.writes)
            let columns: [(String, Int)] = [
                ("\(result.listeners)", 9), ("\(result.window)", 11),
                (fixed(result.cpuSeconds / result.seconds * 100, 2), 8), (fixed(result.percentPerThousand, 2), 17),
                (fixed(writes / result.seconds, 0), 11), (fixed(result.cpuSeconds * 1e6 / max(1, writes), 2), 11),
                (fixed(Double(result.sentBytes) / 1e6 / result.seconds, 1), 7), ("\(result.skips)", 8),
                ("\(result.entries)", 10),
            ]
            for (column, width) in columns {
                text += String(repeating: " ", count: max(0, width - column.count)) + column
            }
            text += "\n"
        }
        return text
    }

    private static func fixed(_ value: Double, _ places: Int) -> String {
        var scale = 1
        for _ in 0..<places { scale *= 10 }
        let scaled = Int((value * Double(scale)).rounded())
        guard places > 0 else { return String(scaled) }
        let fraction = String(scaled % scale)
        return "\(scaled / scale)." + String(repeating: "0", count: places - fraction.count) + fraction
    }
}

/// Accepts the listeners of a benchmark.
@LoopActor
private final class BenchListener {
    /// Seconds in which all listeners must have come.
    static let patience = 20.0

    let port: UInt16
    private let descriptor: Int32
    private let poll: Poll

    init() throws {
        let descriptor = socket(
            AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw CoreError(errno: errno) }
        self.descriptor = descriptor
        var address = FanoutDrain.loopback(port: 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 4096) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard status else { throw CoreError(errno: errno) }
        port = UInt16(bigEndian: address.sin_port)
        poll = try Poll(descriptor: descriptor)
    }

    /// Takes so many, and closes.
    func accept(_ count: Int, _ each: (Int32) throws -> Void) async throws {
        defer {
            poll.close()
            Glibc.close(descriptor)
        }
        let patience = LoopTimer()
        defer { patience.close() }
        patience.schedule(at: LoopClock.monotonic.deadline(after: BenchListener.patience)) { [poll] in poll.interrupt()
        }
        var left = count
        while left > 0 {
            let socket = accept4(
                descriptor, nil, nil, Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue))
            if socket >= 0 {
                var on: Int32 = 1
                setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
                try each(socket)
                left -= 1
                continue
            }
            guard errno == EAGAIN || errno == EINTR || errno == ECONNABORTED else { throw CoreError(errno: errno) }
            if await poll.wait(for: .readable).isEmpty {
                throw ServeError(description: "only \(count - left) of \(count) listeners came")
            }
        }
    }
}

/// The other side: connects so many times and throws away what comes.
enum FanoutDrain {
    /// Not in the help: the benchmark starts it.
    static let name = "fanout-drain"

    static func run(_ arguments: [String]) -> Int32 {
        guard arguments.count == 2, let port = UInt16(arguments[0]), let count = Int(arguments[1]),
            (1...BenchFanout.listenersMax).contains(count)
        else { return Program.wrongUsage }
        BenchFanout.raiseDescriptorLimit()
        do {
            try LoopActor.run { try await drain(port, count) }
            return Program.done
        } catch {
            return Program.failed
        }
    }

    /// Returns when the other side has closed every connection.
    @LoopActor
    private static func drain(_ port: UInt16, _ count: Int) async throws {
        var polls: [Poll] = []
        var open = count
        let gate = LoopGate()
        for _ in 0..<count {
            let descriptor = connect(to: port)
            guard descriptor >= 0 else { throw CoreError(errno: errno) }
            let poll = try Poll(descriptor: descriptor)
            polls.append(poll)
            poll.start(.readable) { [unowned poll] _ in
                // MSG_TRUNC: TCP drops the bytes without copying them, so that this costs the machine little.
                let taken = recv(descriptor, nil, 1 << 20, Int32(MSG_TRUNC | MSG_DONTWAIT))
                guard taken == 0 || (taken < 0 && errno != EAGAIN && errno != EINTR) else { return }
                poll.close()
                close(descriptor)
                open -= 1
                if open == 0 { gate.open() }
            }
        }
        await gate.wait()
    }

    /// Waits until something has happened.
    @LoopActor
    private final class LoopGate {
        private var waiter: UnsafeContinuation<Void, Never>?

        func wait() async { await withUnsafeContinuation { waiter = $0 } }
        func open() { waiter?.resume() }
    }

    private static func connect(to port: UInt16) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return -1 }
        var address = loopback(port: port)
        let status = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return status == 0 ? descriptor : -1
    }

    static func loopback(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}
