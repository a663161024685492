/// What a handler throws to answer with an error: `{"error":{"code","message","detail"}}` and the fitting status.
public struct HTTPError: Error, Sendable {
    public var status: Int
    /// For programs: `NOT_FOUND`.
    public var code: String
    /// For people.
    public var message: String
    /// Members of `detail`; left out when empty.
    public var detail: [(String, JSON)]
    /// Further fields, such as `Retry-After`.
    public var fields: Fields

    public init(
        _ status: Int, _ code: String, _ message: String, detail: [(String, JSON)] = [], fields: Fields = Fields()
    ) {
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail
        self.fields = fields
    }

    public static func badRequest(_ message: String, code: String = "BAD_REQUEST") -> HTTPError {
        HTTPError(400, code, message)
    }

    public static func notFound(_ message: String = "there is nothing here") -> HTTPError {
        HTTPError(404, "NOT_FOUND", message)
    }

    /// 503 with `Retry-After` in seconds.
    public static func unavailable(_ code: String, _ message: String, retryAfter: Int = 5) -> HTTPError {
        HTTPError(503, code, message, fields: ["Retry-After": String(retryAfter)])
    }

    static func bodyTooLarge(_ limit: Int) -> HTTPError {
        HTTPError(
            413, "BODY_TOO_LARGE", "the body is larger than this takes", detail: [("limit", .integer(Int64(limit)))])
    }

    var body: JSON {
        var members: [(String, JSON)] = [("code", .string(code)), ("message", .string(message))]
        if !detail.isEmpty { members.append(("detail", .object(detail))) }
        return .object([("error", .object(members))])
    }
}
