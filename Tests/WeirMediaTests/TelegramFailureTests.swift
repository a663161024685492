import Glibc
import TelegramStandIn
import Testing
import WeirHTTP
import WeirLoop

@testable import WeirMedia

/// What each failure of a call becomes.
@Suite struct TelegramFailureTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var action: StandInFault.Action
        var kind: TelegramError.Kind
        var subject: TelegramError.Subject
        var status: Int?
        var mayHaveArrived = false

        var testDescription: String { "\(kind.name) from \(action)" }
    }

    private static func row(
        _ status: Int, _ text: String, _ kind: TelegramError.Kind, _ subject: TelegramError.Subject,
        _ parameters: [(String, JSON)] = []
    ) -> Row {
        Row(action: .error(status, text, parameters), kind: kind, subject: subject, status: status)
    }

    /// By upload.
    static let rows: [Row] = [
        row(400, "Bad Request: IMAGE_PROCESS_FAILED", .badFile, .file),
        row(400, "Bad Request: PHOTO_INVALID_DIMENSIONS", .badFile, .file),
        row(400, "Bad Request: file must be non-empty", .badFile, .file),
        row(400, "Bad Request: there is no photo in the request", .badFile, .file),
        row(400, "Bad Request: file of size 10000001 bytes is too big for a photo", .tooLarge, .file),
        row(413, "Request Entity Too Large", .tooLarge, .file),
        row(400, "Bad Request: chat not found", .chatNotFound, .chat),
        row(
            400, "Bad Request: group chat was upgraded to a supergroup chat", .migrated(to: -100_777), .chat,
            [("migrate_to_chat_id", -100_777)]),
        row(400, "Bad Request: not enough rights to send photos to the chat", .kicked, .chat),
        row(403, "Forbidden: bot was kicked from the supergroup chat", .kicked, .chat),
        row(403, "Forbidden: bot was blocked by the user", .kicked, .chat),
        row(401, "Unauthorized", .unauthorised, .bot),
        row(404, "Not Found", .unauthorised, .bot),
        row(400, "Bad Request: message caption is too long", .refused, .call),
        row(409, "Conflict: something new", .refused, .call),
        row(
            429, "Too Many Requests: retry after 35", .limited(retryAfter: 35), .moment, [("retry_after", 35)]),
        row(429, "Too Many Requests", .limited(retryAfter: 5), .moment),
        row(500, "Internal Server Error", .server, .moment),
        Row(action: .page(502, "<html>Bad Gateway</html>"), kind: .server, subject: .moment, status: 502),
        Row(action: .page(413, "<html>413</html>"), kind: .tooLarge, subject: .file, status: 413),
        Row(
            action: .page(200, "<html>captive portal</html>"), kind: .malformed, subject: .moment, status: 200,
            mayHaveArrived: true),
        Row(
            action: .page(200, "{\"ok\":true,\"result\":{}}"), kind: .malformed, subject: .moment, status: 200,
            mayHaveArrived: true),
        Row(action: .page(302, ""), kind: .malformed, subject: .moment, status: 302, mayHaveArrived: true),
        Row(action: .cut(after: 60_000), kind: .connection, subject: .moment),
        Row(action: .close, kind: .connection, subject: .moment, mayHaveArrived: true),
    ]

    @Test(arguments: rows)
    func eachFailureSaysWhatHasToChange(row: Row) throws {
        try withTelegram { options in
            options.faults = [StandInFault(row.action)]
        } _: { standIn, client in
            let upload = TelegramUpload.bytes(pattern(3_000_000), name: "a.jpg")
            let message = TelegramMessage(.photo, to: .number(-1001), .upload(upload))
            let error = try await telegramError { () async throws(TelegramError) in try await client.send(message) }
            #expect(error.kind == row.kind)
            #expect(error.subject == row.subject)
            #expect(error.isPermanent == (row.subject != .moment))
            #expect(error.status == row.status)
            #expect(error.mayHaveArrived == row.mayHaveArrived)
            #expect(error.method == "sendPhoto")
            checkSecrecy(error)
            // It was about that call only.
            let sent = try await client.send(message)
            #expect(sent.file?.kind == .photo)
        }
    }

    @Test func anIdentifierThatIsRefusedIsUploadedAnew() throws {
        try withTelegram { standIn, client in
            let upload = TelegramUpload.bytes(pattern(1000), name: "a.jpg")
            let sent = try await client.send(TelegramMessage(.photo, to: .number(1), .upload(upload)))
            let id = try #require(sent.file?.id)
            let again = try await client.send(TelegramMessage(.photo, to: .number(2), .id(id)))
            #expect(again.file?.uniqueID == sent.file?.uniqueID)
            #expect(standIn.calls().last?.way == .id)
            #expect(standIn.calls().last?.fileID == id)
            func refusal(_ kind: TelegramKind, _ id: String) async throws -> TelegramError {
                try await telegramError { () async throws(TelegramError) in
                    try await client.send(TelegramMessage(kind, to: .number(2), .id(id)))
                }
            }
            #expect(try await refusal(.video, id).kind == .wrongFileID)
            #expect(try await refusal(.photo, "no such file").kind == .wrongFileID)
            standIn.forgetFiles()
            let error = try await refusal(.photo, id)
            #expect(error.kind == .wrongFileID)
            #expect(error.isPermanent)
            checkSecrecy(error)
        }
    }

    @Test func aFileThatTelegramDoesNotFetchIsUploadedInstead() throws {
        try withTelegram { standIn, client in
            let router = Router()
            @LoopActor func serve(_ path: String, _ type: String, _ count: Int) {
                router.get(path) { _ in
                    Response(200, fields: ["Content-Type": type], body: .bytes(pattern(count)))
                }
            }
            serve("/photo", "image/jpeg", 5_000_000)
            serve("/large", "image/jpeg", 5_000_001)
            serve("/page", "text/html", 100)
            serve("/empty", "image/jpeg", 0)
            var options = ServerOptions()
            options.addresses = [.internet(host: "127.0.0.1", port: 0)]
            let server = Server(options: options, router: router)
            try server.start()
            let root = "http://127.0.0.1:\(server.addresses[0].port)"
            let sent = try await client.send(TelegramMessage(.photo, to: .number(1), .url(root + "/photo?sig=secret")))
            #expect(sent.file?.isWeak == false)
            let call = try #require(standIn.calls().last)
            #expect(call.way == .url)
            #expect(call.bytes == 5_000_000)
            #expect(call.sha256 == sha256(pattern(5_000_000)))
            for path in ["/large", "/page", "/empty", "/none"] {
                let error = try await telegramError { () async throws(TelegramError) in
                    try await client.send(TelegramMessage(.photo, to: .number(1), .url(root + path + "?sig=secret")))
                }
                #expect(error.kind == .cannotFetch, "\(path)")
                #expect(error.subject == .file)
                #expect(!"\(error)".contains("secret"))
                checkSecrecy(error)
            }
            await server.stop(grace: 0)
        }
    }

    // MARK: No answer

    @Test func aCallWithoutAnAnswerEndsByTheHeadsTimeout() throws {
        let clock = LoopClock.manual()
        try withTelegram({ $0.faults = [StandInFault(.stall)] }, poolClock: clock) { standIn, client in
            let calling = spawn { () throws -> TelegramSent in
                let upload = TelegramUpload.bytes(pattern(100_000), name: "a.jpg")
                return try await client.send(TelegramMessage(.photo, to: .number(1), .upload(upload)))
            }
            try await eventually("the stand-in has the call") { standIn.options.faults.isEmpty }
            // Each look at the deadlines first sees what the peer has taken meanwhile.
            for _ in 0..<3 { await clock.advance(seconds: 61) }
            let result = await calling.result
            let error = try #require(#expect(throws: TelegramError.self) { try result.get() })
            #expect(error.kind == .timeout)
            #expect(error.mayHaveArrived)
            #expect(!error.isPermanent)
            checkSecrecy(error)
        }
    }

    @Test func whereNobodyListensThereIsNoConnection() throws {
        try LoopActor.runInTurn {
            let pool = ClientPool(name: "telegram", options: TelegramClient.poolOptions)
            let nowhere = try closedPort()
            let client = try TelegramClient(token: botToken, api: "http://127.0.0.1:\(nowhere)/", pool: pool)
            let error = try await telegramError { () async throws(TelegramError) in try await client.me() }
            #expect(error.kind == .connection)
            #expect(!error.mayHaveArrived)
            checkSecrecy(error)
            await pool.close()
            let closed = try await telegramError { () async throws(TelegramError) in try await client.me() }
            #expect(closed.kind == .cancelled)
            checkSecrecy(closed)
        }
    }

    // MARK: Bots

    @Test func theBotSaysWhoItIs() throws {
        try withTelegram { options in
            options.tokens = [botToken]
        } _: { standIn, client in
            let bot = try await client.me()
            #expect(bot == TelegramBot(id: 123_456, username: "stand_in_123456_bot", name: "Stand-in"))
            let pool = ClientPool(name: "other")
            let other = try TelegramClient(token: "9:wrong", api: standIn.api, pool: pool)
            let error = try await telegramError { () async throws(TelegramError) in try await other.me() }
            await pool.close()
            #expect(error.kind == .unauthorised)
            #expect(error.subject == .bot)
            #expect(!"\(error)".contains("wrong"))
        }
    }

    @Test(arguments: ["", "abc", "1:", ":a", "1:a/b", "1:a b", "1:a?b", "1:a\r\n", "x1:abc", "1:2:3", "1:é"])
    func aTokenThatCannotBeOneIsRefusedWithoutBeingShown(token: String) throws {
        try LoopActor.runInTurn {
            let pool = ClientPool(name: "telegram")
            let error = try #require(
                #expect(throws: TelegramError.self) { _ = try TelegramClient(token: token, pool: pool) })
            #expect(error.kind == .unauthorised)
            #expect(token.utf8.count < 4 || !"\(error)".contains(token))
            await pool.close()
        }
    }

    @Test(arguments: [
        "", "ftp://x", "api.telegram.org", "http://", "https://u:p@host", "https://host/?x", "https://h/#f",
    ])
    func anAPIThatIsNoURLIsRefused(api: String) throws {
        try LoopActor.runInTurn {
            let pool = ClientPool(name: "telegram")
            let error = try #require(
                #expect(throws: TelegramError.self) { _ = try TelegramClient(token: botToken, api: api, pool: pool) })
            #expect(error.kind == .refused)
            checkSecrecy(error)
            await pool.close()
        }
    }
}

/// Nothing of the token is in what an error says.
private func checkSecrecy(_ error: TelegramError, location: SourceLocation = #_sourceLocation) {
    let said = "\(error) \(error.reason) \(error.method) \(String(reflecting: error))"
    for part in botToken.split(separator: ":") {
        #expect(!said.contains(part), sourceLocation: location)
    }
}

/// A port of 127.0.0.1 at which nobody listens: bound by this process while it lasts, and never listened on.
private func closedPort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            bind(descriptor, address, length) + getsockname(descriptor, address, &length)
        }
    }
    try #require(status == 0)
    return UInt16(bigEndian: address.sin_port)
}
