import WeirHTTP

/// An answer that is no success: as telegram-bot-api words it.
struct StandInError: Error {
    var status: Int
    var description: String
    var parameters: [(String, JSON)] = []

    static func badRequest(_ text: String) -> StandInError {
        StandInError(status: 400, description: "Bad Request: \(text)")
    }

    static let notFound = StandInError(status: 404, description: "Not Found")
    static let unauthorized = StandInError(status: 401, description: "Unauthorized")
    static let malformedToken = StandInError(status: 401, description: "Unauthorized: invalid token specified")
    static let tooLarge = StandInError(status: 413, description: "Request Entity Too Large")
    static let server = StandInError(status: 500, description: "Internal Server Error")

    static func limited(_ retryAfter: Int) -> StandInError {
        StandInError(
            status: 429, description: "Too Many Requests: retry after \(retryAfter)",
            parameters: [("retry_after", .integer(Int64(retryAfter)))])
    }

    var body: JSON {
        var members: [(String, JSON)] = [
            ("ok", false), ("error_code", .integer(Int64(status))), ("description", .string(description)),
        ]
        if !parameters.isEmpty { members.append(("parameters", .object(parameters))) }
        return .object(members)
    }

    var retryAfter: Int? { parameters.first { $0.0 == "retry_after" }?.1.whole.map { Int($0) } }
}
