internal import Glibc
public import WeirHTTP
public import WeirLoop

/// A bot of Telegram: calls of the Bot API, over a pool of connections. On the loop's thread.
///
/// It makes each call once and keeps no limits: when a call may be made is the limiter's to say, whether it is made again
/// its caller's. The token is in the path of every URL, and in nothing that is told to anybody.
@LoopActor
public final class TelegramClient {
    public nonisolated static let defaultAPI = "https://api.telegram.org"
    /// Seconds for a whole call, the wait for a connection included.
    public nonisolated static let defaultTimeout: Double = 300

    public let sizes: TelegramSizes
    private let pool: ClientPool
    /// `https://api.telegram.org/bot<TOKEN>/`.
    private let root: String
    private let timeout: Double

    /// - Parameters:
    ///   - token: as BotFather gives it: `123456:ABC-DEF`.
    ///   - api: scheme, host, port and perhaps a path; of a local Bot API server, `http://127.0.0.1:8081`.
    ///   - timeout: seconds for a whole call, more than 0.
    /// - Throws: `.unauthorised` when the token cannot be one, `.refused` when `api` is no http(s) URL.
    public init(
        token: String, api: String = TelegramClient.defaultAPI, pool: ClientPool,
        sizes: TelegramSizes = TelegramSizes(),
        timeout: Double = TelegramClient.defaultTimeout
    ) throws(TelegramError) {
        guard TelegramClient.isToken(token) else {
            throw TelegramError(
                .unauthorised, method: "token", "the bot's token is malformed; expected digits, a colon, letters")
        }
        let base = api.hasSuffix("/") ? String(api.dropLast()) : api
        let url: ClientURL
        do throws(ClientError) {
            url = try ClientURL(base)
        } catch {
            throw TelegramError(.refused, method: "api", "the URL of the Bot API: \(error.reason)")
        }
        guard !base.contains("?"), !base.contains("#"), !url.hasUserinfo else {
            throw TelegramError(.refused, method: "api", "the URL of the Bot API has more than host and path")
        }
        self.pool = pool
        self.sizes = sizes
        self.timeout = timeout
        root = "\(base)/bot\(token)/"
    }

    /// For the pool that calls go through: as `ClientPoolOptions.telegram`, and 60 s for an answer's head, since a file
    /// that Telegram fetches is fetched before it answers.
    public nonisolated static var poolOptions: ClientPoolOptions {
        var options = ClientPoolOptions.telegram
        options.headTimeout = 60
        return options
    }

    /// The same for so many uploads at once, beside which `sendConnections` are left for sends: 100 connections or more.
    public nonisolated static func poolOptions(uploads: Int) -> ClientPoolOptions {
        var options = poolOptions
        options.connections = max(options.connections, uploads + sendConnections)
        return options
    }

    /// Connections that uploads ahead of need leave to sends.
    public nonisolated static let sendConnections = 50

    /// `<bot's number>:<35 letters, digits, - and _>`; of other lengths too, as the documentation promises none.
    nonisolated static func isToken(_ token: String) -> Bool {
        let parts = token.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard parts.count == 2, (1...20).contains(parts[0].count), (1...128).contains(parts[1].count) else {
            return false
        }
        return parts[0].allSatisfy { $0 >= 0x30 && $0 <= 0x39 }
            && parts[1].allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    // MARK: Calls

    /// Who the bot is: also a test of its token.
    public func me() async throws(TelegramError) -> TelegramBot {
        let result = try await call("getMe", Call(.none))
        guard let bot = TelegramBot(result) else { throw TelegramClient.malformed("getMe") }
        return bot
    }

    /// Sends a file: by its identifier, by its URL, or its bytes. A pipe that it came with is closed in any case.
    public func send(_ message: TelegramMessage) async throws(TelegramError) -> TelegramSent {
        let method = message.kind.method
        let result: JSON
        switch message.file {
        case .id(let id):
            result = try await call(method, Call(.id, form(message, file: id)))
        case .url(let url):
            result = try await call(method, Call(.url, form(message, file: url)))
        case .upload(let upload):
            result = try await send(message, upload)
        }
        guard let sent = TelegramSent(result, asked: message.kind) else { throw TelegramClient.malformed(method) }
        return sent
    }

    private func form(_ message: TelegramMessage, file: String) -> JSON {
        var members: [(String, JSON)] = [("chat_id", .string(message.chat.description))]
        members.append((message.kind.rawValue, .string(file)))
        if let caption = message.caption { members.append(("caption", .string(caption))) }
        if message.isSilent { members.append(("disable_notification", true)) }
        return .object(members)
    }

    private func send(_ message: TelegramMessage, _ upload: TelegramUpload) async throws(TelegramError) -> JSON {
        let method = message.kind.method
        let limit = sizes.uploaded(message.kind)
        let pipe = TelegramPipe(upload)
        defer { pipe.close() }
        guard upload.length > 0 else { throw TelegramError(.badFile, method: method, "the file is empty") }
        guard upload.length <= limit else {
            throw TelegramError(
                .tooLarge, method: method,
                "the file has \(upload.length) bytes; expected at most \(limit) for \(message.kind.rawValue)")
        }
        var fields = [(name: "chat_id", value: message.chat.description)]
        if let caption = message.caption { fields.append(("caption", caption)) }
        if message.isSilent { fields.append(("disable_notification", "true")) }
        let form = TelegramForm(
            fields, file: message.kind.rawValue,
            name: TelegramForm.name(upload.name, fallback: message.kind.defaultName), type: upload.type,
            boundary: TelegramForm.boundary())
        return try await call(method, Call(.upload, form, upload))
    }

    // MARK: Requests

    /// A call's parameters, and what is known of it while it runs.
    @LoopActor
    private final class Call {
        let way: TelegramError.FileWay
        let type: String?
        private(set) var body: ClientRequest.Body = .none
        /// All of the request has been handed over.
        private(set) var isWhole = false
        /// Why the file could not be read.
        private(set) var trouble: String?
        /// The file is being read, and who waits until it is not.
        private var isReading = false
        private var whenRead: UnsafeContinuation<Void, Never>?

        init(_ way: TelegramError.FileWay) {
            self.way = way
            type = nil
            isWhole = true
        }

        init(_ way: TelegramError.FileWay, _ parameters: JSON) {
            self.way = way
            type = "application/json"
            isWhole = true
            body = .bytes(parameters.bytes)
        }

        init(_ way: TelegramError.FileWay, _ form: TelegramForm, _ upload: TelegramUpload) {
            self.way = way
            type = form.type
            let length = UInt64(form.head.count) + upload.length + UInt64(form.tail.count)
            body = .stream(length: length) { [weak self] sink in
                self?.isReading = true
                defer { self?.stopReading() }
                try await sink.write(form.head)
                do {
                    try await TelegramBody(sink, length: upload.length).send(upload.bytes)
                } catch let error as ClientError {
                    throw error
                } catch {
                    self?.trouble = "the file cannot be read: \(error)"
                    throw error
                }
                try await sink.write(form.tail)
                self?.isWhole = true
            }
        }

        /// Returns when the file is not read any more: an answer may come before that, and the file's descriptor is its
        /// owner's again after the call.
        func settled() async { if isReading { await withUnsafeContinuation { whenRead = $0 } } }

        private func stopReading() {
            isReading = false
            whenRead?.resume()
            whenRead = nil
        }
    }

    private func call(_ method: String, _ call: Call) async throws(TelegramError) -> JSON {
        var request = ClientRequest(.post, root + method, body: call.body)
        request.label = method
        request.timeout = timeout
        // It would take the token elsewhere.
        request.redirectLimit = 0
        if let type = call.type { request.fields["Content-Type"] = type }
        let status: Int
        let bytes: [UInt8]
        let retryAfter: Double?
        do throws(ClientError) {
            let response = try await pool.send(request)
            status = response.status
            retryAfter = response.fields["Retry-After"].flatMap { Double($0) }
                .map { min(max(1, $0), TelegramAnswer.retryLimit) }
            bytes = try await response.collect(limit: TelegramAnswer.limit)
            await call.settled()
        } catch {
            await call.settled()
            if error.kind == .upload, let trouble = call.trouble {
                throw TelegramError(.source, method: method, trouble)
            }
            throw TelegramError(error, method: method, isWhole: call.isWhole)
        }
        guard var answer = TelegramAnswer(bytes) else {
            // An error page of something between: its status says what it is.
            guard status >= 400 else { throw TelegramClient.malformed(method, status) }
            let answer = TelegramAnswer(status: status, retryAfter: retryAfter)
            throw TelegramError.answered(status, answer, method: method, file: call.way)
        }
        if let result = answer.result {
            guard (200...299).contains(status) else { throw TelegramClient.malformed(method, status) }
            return result
        }
        answer.retryAfter = answer.retryAfter ?? retryAfter
        throw TelegramError.answered(status, answer, method: method, file: call.way)
    }

    /// The call succeeded, or may have.
    private static func malformed(_ method: String, _ status: Int = 200) -> TelegramError {
        TelegramError(
            .malformed, method: method, status: status, mayHaveArrived: true, "the answer is not the Bot API's")
    }
}

/// The descriptor that an upload came with, if it is the client's to close.
@LoopActor
private final class TelegramPipe {
    private let descriptor: Int32?

    init(_ upload: TelegramUpload) {
        if case .pipe(let descriptor) = upload.bytes { self.descriptor = descriptor } else { descriptor = nil }
    }

    func close() { if let descriptor { Glibc.close(descriptor) } }
}
