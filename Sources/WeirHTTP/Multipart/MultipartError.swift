/// Why something is no form.
public struct MultipartError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A sentence in English without a full stop.
    public let reason: String

    init(_ reason: String) { self.reason = reason }

    public var description: String { reason }

    /// As a handler answers it.
    public var response: HTTPError { .badRequest(reason, code: "BAD_MULTIPART") }
}
