public import WeirHTTP
public import WeirLoop

/// Objects in a bucket of Cloudflare R2, or of any S3.
///
/// Requests are signed in their header, bodies of files are not (`UNSIGNED-PAYLOAD`) and are sent with their length. What
/// fails for a moment is tried again by `R2Options.retry`: connections, 429 and 5xx, nothing else.
public final class R2Store: ObjectStore {
    public nonisolated let options: R2Options

    let pool: ClientPool
    private let pools: ClientPools
    let lane: PumpLane
    private let base: SigningRequest
    private let signer: Signer
    private let clock: LoopClock
    private let now: @Sendable () -> SigningDate
    private let random: @LoopActor () -> Double
    private var isClosed = false

    /// The pool's name among others.
    public nonisolated static let poolName = "r2"

    /// For one that is alone: its pool is among no others. `now` and `random` are for tests.
    /// - Throws: `.argument` when the endpoint or the bucket cannot be.
    public convenience init(
        _ options: R2Options, pool: ClientPoolOptions = .objectStore, clock: LoopClock = .monotonic,
        now: @escaping @Sendable () -> SigningDate = { .now },
        random: @escaping @LoopActor () -> Double = { Double.random(in: 0..<1) }
    ) throws(ObjectError) {
        try self.init(
            options, pools: ClientPools(clock: clock), pool: pool, clock: clock, now: now, random: random)
    }

    /// The pool is that of `poolName` among an engine's, which counts it; it is the store's own, and closed with it.
    /// - Throws: `.argument` when the endpoint or the bucket cannot be.
    public init(
        _ options: R2Options, pools: ClientPools, pool: ClientPoolOptions = .objectStore, clock: LoopClock = .monotonic,
        now: @escaping @Sendable () -> SigningDate = { .now },
        random: @escaping @LoopActor () -> Double = { Double.random(in: 0..<1) }
    ) throws(ObjectError) {
        guard let base = SigningRequest(.get, url: options.endpoint), base.path == "/", base.query.isEmpty else {
            throw ObjectError(.argument, "the endpoint \(options.endpoint) is no URL of a store, such as https://HOST")
        }
        guard (3...63).contains(options.bucket.utf8.count),
            options.bucket.utf8.allSatisfy({
                (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D || $0 == 0x2E
            })
        else {
            throw ObjectError(
                .argument, "\(options.bucket) is no bucket's name: 3 to 63 small letters, digits, hyphens and dots")
        }
        self.options = options
        self.base = base
        self.clock = clock
        self.now = now
        self.random = random
        signer = Signer(credentials: options.credentials, region: options.region)
        do throws(CoreError) { lane = try PumpLane() } catch { throw ObjectError(file: error, "no memory for a store") }
        self.pools = pools
        self.pool = pools.pool(R2Store.poolName, pool)
    }

    /// What the pool does and has done.
    public var metrics: ClientMetrics { pool.metrics }

    /// Takes effect with the next request.
    public var credentials: SigningCredentials {
        get { signer.credentials }
        set { signer.credentials = newValue }
    }

    public func close() async {
        isClosed = true
        await pools.close(R2Store.poolName)
    }

    // MARK: Requests

    /// Bytes of a body that are hashed for its signature, at most: more would hold up the loop for longer than sending takes.
    static let hashedLimit = 64 << 10

    /// A request of the store's: a method, an object or the bucket, parameters and fields.
    struct Call {
        var method: Method
        var key: ObjectKey?
        var query: [(String, String)] = []
        var fields = Fields()
        var payload = SigningRequest.Payload.empty

        init(_ method: Method, _ key: ObjectKey?, _ query: [(String, String)] = []) {
            self.method = method
            self.key = key
            self.query = query
        }
    }

    private func target(_ call: Call) -> SigningRequest {
        var request = base
        request.method = call.method
        request.path = SigningEncoding.path("/\(options.bucket)" + (call.key.map { "/\($0.text)" } ?? ""))
        request.query = call.query.map { "\(SigningEncoding.component($0.0))=\(SigningEncoding.component($0.1))" }
            .joined(separator: "&")
        request.fields = call.fields
        request.payload = call.payload
        return request
    }

    /// Signed now: a request that is made again is signed again.
    func request(_ call: Call, _ body: ClientRequest.Body) -> ClientRequest {
        let target = target(call)
        var fields = call.fields
        signer.sign(target, at: now()).add(to: &fields)
        let query = target.query.isEmpty ? "" : "?\(target.query)"
        var request = ClientRequest(
            call.method, "\(target.scheme)://\(target.host)\(target.path)\(query)", fields: fields, body: body)
        // Keys may have `..` in them; and a signature holds for one place.
        request.keepsPath = true
        request.redirectLimit = 0
        return request
    }

    /// A request whose answer is small, tried as often as may be. With a `root`, the answer is XML of that name: some
    /// things take time, and the status comes before the outcome.
    func ask(
        _ call: Call, _ bytes: [UInt8] = [], hasBody: Bool = false, operation: String, limit: Int = R2Answer.limit,
        root: String? = nil, isTransient: (R2Trouble) -> Bool = { $0.isTransient }
    ) async throws(ObjectError) -> R2Answer {
        var call = call
        call.payload = bytes.count <= R2Store.hashedLimit ? .of(bytes) : .unsigned
        return try await retrying(operation, call.key, isTransient: isTransient) { () throws(R2Trouble) in
            let answer = try await self.answer(to: self.request(call, hasBody ? .bytes(bytes) : .none), limit: limit)
            guard let root, answer.elements?.root != root else { return answer }
            throw R2Trouble(answer, expected: root, region: self.options.region)
        }
    }

    /// Sends it, and takes the whole answer; one of 300 or above is thrown.
    /// Without `fields` those of a right answer are not read, which takes as long as a signature.
    func answer(
        to request: ClientRequest, limit: Int = R2Answer.limit, fields: Bool = true
    ) async throws(R2Trouble) -> R2Answer {
        let response = try await respond(to: request) { (200..<300).contains($0) }
        do throws(ClientError) {
            let body = try await response.collect(limit: limit)
            return R2Answer(status: response.status, fields: fields ? response.fields : Fields(), body: body)
        } catch {
            throw R2Trouble(error)
        }
    }

    /// Sends it, and takes the head; one of another status is thrown.
    func respond(
        to request: ClientRequest, if isRight: (Int) -> Bool
    ) async throws(R2Trouble) -> ClientResponse {
        let response: ClientResponse
        do throws(ClientError) { response = try await pool.send(request) } catch { throw R2Trouble(error) }
        if isRight(response.status) { return response }
        // The status is known, whatever becomes of the words.
        let words = try? await response.collect(limit: R2Answer.errorLimit)
        throw R2Trouble(
            R2Answer(status: response.status, fields: response.fields, body: words ?? []), region: options.region)
    }

    /// Tries until it works, or may not be tried again. Between tries the task sleeps by the store's clock.
    func retrying<Value: Sendable>(
        _ operation: String, _ key: ObjectKey?, isTransient: (R2Trouble) -> Bool = { $0.isTransient },
        _ body: () async throws(R2Trouble) -> Value
    ) async throws(ObjectError) -> Value {
        var tried = 0
        while true {
            do throws(R2Trouble) {
                if isClosed { throw R2Trouble(ObjectError(.cancelled, "the store is closed"), isTransient: false) }
                return try await body()
            } catch {
                tried += 1
                let error = error
                guard isTransient(error), !isClosed, !Task.isCancelled,
                    let delay = options.retry.delay(after: tried, retryAfter: error.retryAfter, random: random())
                else { throw error.error.during(operation, key) }
                do throws(CancellationError) {
                    try await clock.sleep(for: delay)
                } catch {
                    throw ObjectError(.cancelled, operation: operation, key: key?.text ?? "", "cancelled")
                }
            }
        }
    }

    // MARK: Operations

    public func head(_ key: ObjectKey) async throws(ObjectError) -> ObjectInfo {
        let answer = try await ask(Call(.head, key), operation: "head")
        guard let (info, _) = R2Answer.info(key, answer.fields) else {
            throw ObjectError(.malformed, operation: "head", key: key.text, "the answer has no length")
        }
        return info
    }

    public func delete(_ key: ObjectKey) async throws(ObjectError) {
        do throws(ObjectError) {
            _ = try await ask(Call(.delete, key), operation: "delete")
        } catch {
            if error.kind != .notFound { throw error }
        }
    }

    public func read(_ key: ObjectKey, _ range: ObjectRange?, limit: Int) async throws(ObjectError) -> [UInt8] {
        var call = Call(.get, key)
        if let range { call.fields["Range"] = range.field }
        return try await retrying("get", key) { () throws(R2Trouble) in
            let answer = try await self.answer(
                to: self.request(call, .none), limit: limit, fields: range != nil)
            if let range, R2Answer.info(key, answer.fields, status: answer.status, asked: range) == nil {
                throw R2Trouble(ObjectError(.malformed, "the answer is not of \(range.field)"), isTransient: false)
            }
            return answer.body
        }
    }

    public func copy(_ key: ObjectKey, to other: ObjectKey) async throws(ObjectError) -> ObjectInfo {
        let original: ObjectInfo
        do throws(ObjectError) {
            original = try await head(key)
        } catch {
            var error = error
            error.operation = "copy"
            throw error
        }
        let source = SigningEncoding.path("/\(options.bucket)/\(key.text)")
        if original.length > MultipartPlan.mostPart {
            return try await copyParts(original, source, to: other)
        }
        var call = Call(.put, other)
        call.fields["X-Amz-Copy-Source"] = source
        _ = try await ask(call, hasBody: true, operation: "copy", root: "CopyObjectResult")
        return try await head(other)
    }

    public func url(_ key: ObjectKey, expires: Int) -> String? {
        if let base = options.publicBaseURL {
            return (base.hasSuffix("/") ? String(base.dropLast()) : base) + "/" + SigningEncoding.path(key.text)
        }
        return presign(.get, key, expires: expires)
    }

    /// A URL by which anybody may do this, for 1 to 604 800 seconds from now.
    public func presign(_ method: Method, _ key: ObjectKey, expires: Int) -> String {
        var target = target(Call(method, key))
        target.payload = .unsigned
        return signer.presign(target, expires: expires, at: now())
    }
}

/// Why a try did not work.
struct R2Trouble: Error {
    var error: ObjectError
    /// Whether the next may.
    var isTransient: Bool
    var retryAfter: Double?

    init(_ error: ObjectError, isTransient: Bool) {
        self.error = error
        self.isTransient = isTransient
    }

    init(_ error: ClientError) {
        let kind: ObjectError.Kind =
            switch error.kind {
            case .cancelled, .poolClosed: .cancelled
            case .bodyTooLarge: .tooLarge
            case .upload: .length
            case .url, .request: .argument
            default: .connection(error.kind)
            }
        self.error = ObjectError(kind, error.reason)
        isTransient = RetryPolicy.isTransient(error.kind)
    }

    init(_ answer: R2Answer, region: String) {
        error = answer.error(region: region)
        isTransient = RetryPolicy.isTransient(status: answer.status)
        retryAfter = answer.retryAfter
    }

    /// An answer of 200 that is not what was expected: an error, or none of a store.
    init(_ answer: R2Answer, expected: String, region: String) {
        guard let elements = answer.elements, elements.root == "Error" else {
            error = ObjectError(
                .malformed, status: answer.status, requestID: answer.requestID,
                "the answer is not XML of \(expected)")
            isTransient = false
            return
        }
        error = answer.error(region: region)
        isTransient = ["InternalError", "ServiceUnavailable", "SlowDown"].contains(error.code)
    }
}
