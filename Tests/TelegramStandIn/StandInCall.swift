public import WeirHTTP

/// A call as it was answered.
public struct StandInCall: Sendable {
    /// How a file was given.
    public enum Way: String, Sendable {
        case upload, url, id
    }

    /// From 1, in the order in which they were answered.
    public var number = 0
    /// As it is written in the documentation: `sendPhoto`.
    public var method = ""
    /// The bot's number, of its token.
    public var bot = ""
    public var chat: String?
    public var way: Way?
    public var caption: String?
    /// Of an upload.
    public var name: String?
    public var type: String?
    /// Of the file's bytes, however they came.
    public var bytes: Int?
    public var sha256: String?
    /// What was sent, or what a sent file was given: of a photo's sizes the largest.
    public var fileID: String?
    /// Of the response; 0 for one that was not sent.
    public var status = 0
    public var description: String?
    public var retryAfter: Int?
    /// Nanoseconds of the stand-in's clock: its head was there, its parameters were, and the answer was.
    public var arrived: UInt64 = 0
    public var received: UInt64 = 0
    public var answered: UInt64 = 0

    public var json: JSON {
        func text(_ text: String?) -> JSON { text.map { .string($0) } ?? .null }
        func number(_ number: Int?) -> JSON { number.map { .integer(Int64($0)) } ?? .null }
        return .object([
            ("number", .integer(Int64(self.number))), ("method", .string(method)), ("bot", .string(bot)),
            ("chat", text(chat)), ("way", text(way?.rawValue)), ("caption", text(caption)), ("name", text(name)),
            ("type", text(type)), ("bytes", number(bytes)), ("sha256", text(sha256)), ("file_id", text(fileID)),
            ("status", .integer(Int64(status))), ("description", text(description)),
            ("retry_after", number(retryAfter)), ("arrived", .number(Double(arrived) / 1e9)),
            ("received", .number(Double(received) / 1e9)), ("answered", .number(Double(answered) / 1e9)),
        ])
    }
}

/// The calls so far, the last of them in full.
struct StandInCalls {
    /// Calls that are kept; older ones are counted only.
    static let limit = 100_000

    /// A ring once it is full.
    private var calls: [StandInCall] = []
    private(set) var count = 0
    /// By status; 0 for calls without an answer.
    private(set) var statuses: [Int: UInt64] = [:]
    private(set) var methods: [String: UInt64] = [:]

    mutating func add(_ call: StandInCall) {
        count += 1
        var call = call
        call.number = count
        if calls.count < StandInCalls.limit {
            calls.append(call)
        } else {
            calls[(count - 1) % StandInCalls.limit] = call
        }
        statuses[call.status, default: 0] += 1
        methods[call.method, default: 0] += 1
    }

    /// Those behind a number, the oldest first, so many at most.
    func after(_ number: Int, limit: Int) -> [StandInCall] {
        let first = max(number, count - calls.count)
        guard first < count, limit > 0 else { return [] }
        return (first..<(first + min(limit, count - first))).map { calls[$0 % StandInCalls.limit] }
    }
}
