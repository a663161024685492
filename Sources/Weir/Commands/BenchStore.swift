internal import Glibc
internal import WeirHTTP
internal import WeirLoop
internal import WeirStorage

/// `weir bench store --url URL`: how fast a bucket's store gets or puts objects, and the same by a client pool alone.
///
/// `bench/store` runs it against a server of its own, which has `media/get/BYTES` and takes what is put below `media/`.
enum BenchStore {
    enum Operation: String, CaseIterable {
        case get, put
        /// As `put`, all of them given to the store at once.
        case batch
    }

    enum Through: String, CaseIterable { case store, pool }

    struct Plan: Equatable {
        var url = ""
        var operation = Operation.get
        var through = Through.store
        var bytes = 4096
        var requests = 1000
        var parallel = 50
        var isJSON = false
        /// Not in memory as a whole.
        var isLarge: Bool { bytes > BenchStore.largest }
    }

    /// Bytes that are got, and put, in memory.
    static let largest = 4 << 20
    static let bytesMax = 5 << 30
    static let requestsMax = 10_000_000
    static let parallelMax = 1000

    static let options: [Command.Option] = [
        .init(name: "operation", value: "WHAT", about: "store: get, put or batch (get)"),
        .init(name: "through", value: "WHAT", about: "store: store or pool (store)"),
        .init(name: "bytes", value: "N", about: "store: of an object (4096)"),
    ]

    static func run(_ arguments: [String]) -> Int32 {
        do {
            let plan = try plan(arguments)
            let seconds = try LoopActor.run { try await measure(plan) }
            let total = Int64(plan.bytes) * Int64(plan.requests)
            if plan.isJSON {
                let json = JSON.object([
                    ("benchmark", "store"), ("operation", .string(plan.operation.rawValue)),
                    ("through", .string(plan.through.rawValue)), ("object_bytes", .integer(Int64(plan.bytes))),
                    ("requests", .integer(Int64(plan.requests))), ("parallel", .integer(Int64(plan.parallel))),
                    ("seconds", .number(seconds.wall)), ("cpu_seconds", .number(seconds.cpu)),
                    ("bytes", .integer(total)),
                ])
                Console.standard.line(String(decoding: json.bytes, as: UTF8.self))
            } else {
                let rate = Int((Double(plan.requests) / seconds.wall).rounded())
                let speed = Int((Double(total) / 1e6 / seconds.wall).rounded())
                Console.standard.line(
                    "\(plan.requests) objects of \(plan.bytes) bytes, \(plan.parallel) at once: \(rate)/s, \(speed) MB/s"
                )
            }
            return Program.done
        } catch let error as UsageError {
            Console.standard.error("weir bench store: \(error.message)")
            return Program.wrongUsage
        } catch {
            Console.standard.error("weir bench store: \(error)")
            return Program.failed
        }
    }

    static func plan(_ arguments: [String]) throws(UsageError) -> Plan {
        let command = Command(
            name: "bench store", about: "",
            options: [.init(name: "json", value: nil, about: "")] + BenchClient.options + options)
        let invocation = try command.parse(arguments)
        var plan = Plan()
        plan.isJSON = invocation.flags.contains("json")
        guard let url = invocation.value("url") else { throw UsageError(message: "--url says where the store is") }
        plan.url = url
        func word<Word: RawRepresentable<String> & CaseIterable>(
            _ name: String, _ standard: Word
        ) throws(UsageError) -> Word {
            guard let text = invocation.value(name) else { return standard }
            guard let word = Word(rawValue: text) else {
                throw UsageError(
                    message: "--\(name) is one of: \(Word.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            return word
        }
        func number(_ name: String, _ standard: Int, _ most: Int) throws(UsageError) -> Int {
            guard let text = invocation.value(name) else { return standard }
            guard let number = Int(text), (1...most).contains(number) else {
                throw UsageError(message: "--\(name) is a number from 1 to \(most)")
            }
            return number
        }
        plan.operation = try word("operation", plan.operation)
        plan.through = try word("through", plan.through)
        plan.bytes = try number("bytes", plan.bytes, bytesMax)
        plan.requests = try number("requests", plan.requests, requestsMax)
        plan.parallel = try number("parallel", plan.parallel, parallelMax)
        if plan.operation == .batch && (plan.through == .pool || plan.isLarge) {
            throw UsageError(message: "--operation batch is the store's, of objects up to \(largest) bytes")
        }
        return plan
    }

    // MARK: Measuring

    @LoopActor
    private static func measure(_ plan: Plan) async throws -> (wall: Double, cpu: Double) {
        var pool = ClientPoolOptions.objectStore
        pool.connections = plan.parallel
        let pools = ClientPools()
        var options = R2Options(
            endpoint: plan.url, bucket: "media",
            credentials: SigningCredentials(accessKeyID: "bench", secretAccessKey: "bench"))
        options.multipartAbove = UInt64(bytesMax)
        let store = try R2Store(options, pools: pools, pool: pool)
        let work = BenchStoreWork(plan, store, pools.pool(R2Store.poolName, pool))
        let before = (time: LoopClock.monotonic.now, cpu: BenchClient.threadSeconds())
        do {
            try await work.run()
        } catch {
            await store.close()
            throw error
        }
        let after = (time: LoopClock.monotonic.now, cpu: BenchClient.threadSeconds())
        await store.close()
        return (Double(after.time - before.time) / 1e9, after.cpu - before.cpu)
    }
}

/// The same objects, got or put by a store, or by its pool alone.
@LoopActor
private final class BenchStoreWork {
    private let plan: BenchStore.Plan
    private let store: R2Store
    private let pool: ClientPool
    private let bytes: [UInt8]
    private var begun = 0

    init(_ plan: BenchStore.Plan, _ store: R2Store, _ pool: ClientPool) {
        self.plan = plan
        self.store = store
        self.pool = pool
        bytes = [UInt8](repeating: 0x57, count: min(plan.bytes, BenchStore.largest))
    }

    func run() async throws {
        if plan.operation == .batch { return try await batch() }
        let workers = (0..<plan.parallel).map { _ in
            spawn {
                while let number = self.next() { try await self.once(number) }
            }
        }
        for worker in workers { try await worker.value }
    }

    private func next() -> Int? {
        guard begun < plan.requests else { return nil }
        begun += 1
        return begun
    }

    private func batch() async throws {
        let objects = try (0..<plan.requests).map { number in
            (key: try ObjectKey("put/\(number)"), source: ObjectSource.bytes(bytes))
        }
        for result in await store.put(objects, parallel: plan.parallel) { _ = try result.get() }
    }

    private func once(_ number: Int) async throws {
        // As many objects as are under way: the disk of the server is bounded.
        let name = plan.operation == .get ? "get/\(plan.bytes)" : "put/\(number % plan.parallel)"
        let moved =
            switch (plan.operation, plan.through) {
            case (.get, .store): try await get(try ObjectKey(name))
            case (.get, .pool): try await get("\(plan.url)/media/\(name)")
            case (_, .store): try await put(try ObjectKey(name))
            case (_, .pool): try await put("\(plan.url)/media/\(name)")
            }
        guard moved == plan.bytes else { throw BenchStoreFailure("\(moved) of \(plan.bytes) bytes") }
    }

    private func get(_ key: ObjectKey) async throws -> Int {
        if !plan.isLarge { return try await store.read(key, limit: plan.bytes).count }
        let stream = try await store.get(key)
        let count = try await drain(stream.takeDescriptor())
        try await stream.ended()
        return count
    }

    /// What the store's requests have, ready made: they are the same on their way.
    private static let fields: Fields = {
        var fields = Fields()
        fields["X-Amz-Date"] = "20260101T120000Z"
        fields["X-Amz-Content-Sha256"] = "UNSIGNED-PAYLOAD"
        fields["Authorization"] =
            "AWS4-HMAC-SHA256 Credential=bench/20260101/auto/s3/aws4_request, "
            + "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=" + String(repeating: "0", count: 64)
        return fields
    }()

    private func get(_ url: String) async throws -> Int {
        if !plan.isLarge {
            let response = try await pool.send(ClientRequest(.get, url, fields: Self.fields))
            guard response.status == 200 else { throw BenchStoreFailure("the answer was \(response.status)") }
            return try await response.collect(limit: plan.bytes).count
        }
        let stream = try await pool.stream(ClientRequest(.get, url, fields: Self.fields))
        guard stream.status == 200 else { throw BenchStoreFailure("the answer was \(stream.status)") }
        let count = try await drain(stream.takeDescriptor())
        try await stream.ended()
        return count
    }

    /// What comes is thrown away.
    private func drain(_ descriptor: Int32) async throws -> Int {
        defer { close(descriptor) }
        let poll = try Poll(descriptor: descriptor)
        defer { poll.close() }
        var block = [UInt8](repeating: 0, count: 256 << 10)
        var total = 0
        while true {
            let count = read(descriptor, &block, block.count)
            if count > 0 {
                total += count
            } else if count == 0 {
                return total
            } else if errno == EAGAIN {
                _ = await poll.wait(for: .readable)
            } else if errno != EINTR {
                throw CoreError(errno: errno)
            }
        }
    }

    private func put(_ key: ObjectKey) async throws -> Int {
        if !plan.isLarge { return Int(try await store.put(key, .bytes(bytes)).length) }
        return Int(try await store.put(key, .file(try file(), length: UInt64(plan.bytes))).length)
    }

    private func put(_ url: String) async throws -> Int {
        let body: ClientRequest.Body =
            plan.isLarge
            ? .stream(length: UInt64(plan.bytes)) { [bytes, plan] upload in
                var left = plan.bytes
                while left > 0 {
                    let piece = min(left, 256 << 10)
                    try await upload.write(Array(bytes[..<piece]))
                    left -= piece
                }
            } : .bytes(bytes)
        var fields = Self.fields
        fields["Content-Type"] = "application/octet-stream"
        let response = try await pool.send(ClientRequest(.put, url, fields: fields, body: body))
        guard (200..<300).contains(response.status) else {
            throw BenchStoreFailure("the answer was \(response.status)")
        }
        _ = try await response.collect(limit: 65536)
        return plan.bytes
    }

    private var source: Int32 = -1

    /// One for all: nothing is written to it.
    private func file() throws -> Int32 {
        if source >= 0 { return source }
        var name = Array("/dev/shm/weir-bench.XXXXXX".utf8CString)
        source = mkstemp(&name)
        guard source >= 0 else { throw CoreError(errno: errno) }
        unlink(name)
        var at = 0
        while at < plan.bytes {
            let count = pwrite(source, bytes, min(bytes.count, plan.bytes - at), off_t(at))
            guard count > 0 else { throw CoreError(errno: errno) }
            at += count
        }
        return source
    }

    isolated deinit { if source >= 0 { close(source) } }
}

struct BenchStoreFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
