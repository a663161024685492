import Glibc
import WeirHTTP
public import WeirLoop

/// A stand-in for Telegram's Bot API, for tests and benchmarks: the methods that send files, by upload, by URL (it does
/// fetch it) and by identifier; limits of sizes and rates; error bodies. Every call is recorded. Faults are injected from
/// within the process, or by its `/control`.
///
/// It is made after the documentation (core.telegram.org/bots/api) and the words of telegram-bot-api's source. On the
/// loop's thread.
@LoopActor
public final class TelegramStandIn {
    public var options: StandInOptions {
        didSet { if options.seed != oldValue.seed { random = SplitMix(options.seed) } }
    }
    public let clock: LoopClock
    let server: Server
    var calls = StandInCalls()
    var files = StandInFiles()
    var limiter = StandInLimiter()
    private var random: SplitMix
    /// The last one's number.
    var message: Int64 = 0
    /// What URLs are fetched through.
    let pool: ClientPool
    /// Calls that are being read or answered now, and at most so far.
    public private(set) var underWay = 0
    public private(set) var mostUnderWay = 0

    /// Listens on 127.0.0.1. With a manual clock nothing but its advance ends a latency.
    public init(_ options: StandInOptions = StandInOptions(), clock: LoopClock = .monotonic) throws {
        self.options = options
        self.clock = clock
        random = SplitMix(options.seed)
        pool = ClientPool(name: "stand-in")
        var serving = ServerOptions()
        serving.addresses = [.internet(host: "127.0.0.1", port: options.port)]
        serving.connectionsPerAddress = 10_000
        serving.bodyLimit = 1 << 20
        let router = Router()
        server = Server(options: serving, router: router)
        router.on(.post, "/:bot/:method", audience: .anyone, bodyLimit: 1 << 31) { [unowned self] request in
            await serve(request)
        }
        router.get("/:bot/:method") { [unowned self] request in await serve(request) }
        addControl(to: router)
        try server.start()
    }

    public var port: UInt16 { server.addresses[0].port }
    /// The base URL of its API.
    public var api: String { "http://127.0.0.1:\(port)" }
    public var count: Int { calls.count }
    /// Calls that arrived while `retry_after` of an earlier answer forbade them.
    public var violations: UInt64 { limiter.violations }

    /// Calls behind a number, the oldest first.
    public func calls(after number: Int = 0, limit: Int = .max) -> [StandInCall] { calls.after(number, limit: limit) }

    /// Every identifier so far is wrong from now on.
    public func forgetFiles() { files.forget() }

    public func close() async {
        await server.stop(grace: 0)
        await pool.close()
    }

    // MARK: Serving

    private func serve(_ request: Request) async -> Response {
        underWay += 1
        mostUnderWay = max(mostUnderWay, underWay)
        defer { underWay -= 1 }
        var call = StandInCall()
        call.arrived = clock.now
        let name = request.parameter("method")
        let method = StandInMethod(name)
        call.method = method?.name ?? name
        if let fault = fault(call, isEarly: true), case .cut(let count) = fault {
            while request.body.received < UInt64(count), (try? await request.body.next()) != nil {}
            return cut(call)
        }
        var answer: Result<JSON, StandInError>
        do {
            answer = .success(try await result(of: request, method, &call))
        } catch let error as StandInError {
            answer = .failure(error)
        } catch let error as StandInMultipart.Malformed {
            answer = .failure(.badRequest("can't parse multipart request: \(error.reason)"))
        } catch let error as HTTPError where error.status == 413 {
            answer = .failure(.tooLarge)
        } catch {
            // The connection has ended.
            return cut(call)
        }
        var delay = options.latency.lowerBound
        if options.latency.upperBound > delay { delay = .random(in: options.latency, using: &random) }
        if let fault = fault(call, isEarly: false) {
            switch fault {
            case .error(let status, let text, let parameters):
                answer = .failure(StandInError(status: status, description: text, parameters: parameters))
            case .page(let status, let page):
                try? await clock.sleep(for: delay)
                record(&call, status, page)
                return .text(page, status: status, type: "text/html")
            case .close:
                try? await clock.sleep(for: delay)
                return cut(call)
            case .stall:
                // Until the peer has had enough.
                try? await clock.sleep(until: .max)
                return cut(call)
            case .delay(let seconds): delay += seconds
            case .cut: break
            }
        }
        if delay > 0 {
            do {
                try await clock.sleep(for: delay)
            } catch {
                // The peer has left.
                return cut(call)
            }
        }
        switch answer {
        case .success(let result):
            record(&call, 200, nil)
            return .json(.object([("ok", true), ("result", result)]))
        case .failure(let error):
            call.retryAfter = error.retryAfter
            record(&call, error.status, error.description)
            var response = Response.json(error.body, status: error.status)
            if let seconds = error.retryAfter { response.fields.append("Retry-After", String(seconds)) }
            // What is left of the body is not waited for.
            if error.status == 413 { response.closes = true }
            return response
        }
    }

    private func record(_ call: inout StandInCall, _ status: Int, _ description: String?) {
        call.status = status
        call.description = description
        call.answered = clock.now
        calls.add(call)
    }

    /// Ends the connection, with a reset where there is something unread.
    private func cut(_ call: StandInCall) -> Response {
        var call = call
        record(&call, 0, nil)
        return Response(
            200,
            body: .takeover { takeover in
                Glibc.close(takeover.descriptor)
                takeover.ticket.release(bytes: 0, reason: "cut")
            })
    }

    private func fault(_ call: StandInCall, isEarly: Bool) -> StandInFault.Action? {
        let index = options.faults.firstIndex { fault in
            fault.isEarly == isEarly && fault.times > 0
                && (fault.method ?? call.method.lowercased()) == call.method.lowercased()
                && (isEarly || fault.chat == nil || fault.chat == call.chat)
        }
        guard let index else { return nil }
        options.faults[index].times -= 1
        let action = options.faults[index].action
        if options.faults[index].times == 0 { options.faults.remove(at: index) }
        return action
    }

    // MARK: Calls

    private func result(
        of request: Request, _ method: StandInMethod?, _ call: inout StandInCall
    ) async throws -> JSON {
        let word = request.parameter("bot")
        guard word.hasPrefix("bot") else { throw StandInError.notFound }
        let token = String(word.dropFirst(3))
        let parts = token.split(separator: ":", omittingEmptySubsequences: false)
        call.bot = String(parts[0])
        guard parts.count == 2, !parts[1].isEmpty, parts[0].allSatisfy(\.isNumber), !parts[0].isEmpty else {
            throw StandInError.malformedToken
        }
        if let length = request.body.length, length > UInt64(options.sizes.uploadedFile + (1 << 20)) {
            throw StandInError.tooLarge
        }
        let form = try await form(of: request)
        call.received = clock.now
        call.chat = form.fields["chat_id"]
        guard options.tokens?.contains(token) ?? true else { throw StandInError.unauthorized }
        guard let method else { throw StandInError.notFound }
        if options.failureRate > 0, Double.random(in: 0..<1, using: &random) < options.failureRate {
            throw StandInError.server
        }
        switch method {
        case .getMe:
            return .object([
                ("id", .integer(Int64(call.bot) ?? 0)), ("is_bot", true), ("first_name", "Stand-in"),
                ("username", .string("stand_in_\(call.bot)_bot")),
            ])
        case .getFile:
            guard let id = form.fields["file_id"], let file = files[id], file.bot == call.bot else {
                throw StandInError.badRequest("wrong file_id or the file is temporarily unavailable")
            }
            return .object([
                ("file_id", .string(id)), ("file_unique_id", .string(StandInFiles.uniqueID(file.sha256))),
                ("file_size", .integer(Int64(file.bytes))), ("file_path", .string("\(file.kind)s/file_\(file.bytes)")),
            ])
        case .send(let kind): return try await send(kind, form, &call)
        }
    }

    private func form(of request: Request) async throws -> StandInForm {
        var form = StandInForm()
        for item in request.query.items { form.fields[item.name] = item.value }
        let type = request.fields["Content-Type"] ?? ""
        if var multipart = StandInMultipart(type: type) {
            while let piece = try await request.body.next() { try multipart.add(piece) }
            guard multipart.isComplete else { throw StandInMultipart.Malformed("it has no end") }
            form.fields.merge(multipart.form.fields) { $1 }
            form.files = multipart.form.files
            return form
        }
        let bytes = try await request.body.collect(limit: 1 << 20)
        if type.hasPrefix("application/json") {
            guard case .object(let members)? = try? JSON(reading: bytes) else {
                throw StandInError.badRequest("can't parse JSON object")
            }
            for (name, value) in members { form.fields[name] = value.text ?? value.description }
        } else if type.hasPrefix("application/x-www-form-urlencoded"), let query = Target.Query(form: bytes) {
            for item in query.items { form.fields[item.name] = item.value }
        }
        return form
    }
}

/// The methods that there are; "all methods … are case-insensitive".
enum StandInMethod {
    case getMe, getFile
    case send(String)

    init?(_ name: String) {
        switch name.lowercased() {
        case "getme": self = .getMe
        case "getfile": self = .getFile
        case "sendphoto": self = .send("photo")
        case "sendvideo": self = .send("video")
        case "sendaudio": self = .send("audio")
        case "senddocument": self = .send("document")
        case "sendanimation": self = .send("animation")
        default: return nil
        }
    }

    var name: String {
        switch self {
        case .getMe: "getMe"
        case .getFile: "getFile"
        case .send(let kind): "send\(kind.capitalized)"
        }
    }
}

extension String {
    /// The first letter large.
    var capitalized: String { prefix(1).uppercased() + dropFirst() }
}

/// Numbers that are the same for the same seed.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
