/// A request method; case-sensitive (RFC 9110 §9.1).
public struct Method: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: String

    public init(rawValue: String) {
        self.rawValue = rawValue
    }

    public static let get = Method(rawValue: "GET")
    public static let head = Method(rawValue: "HEAD")
    public static let post = Method(rawValue: "POST")
    public static let put = Method(rawValue: "PUT")
    public static let delete = Method(rawValue: "DELETE")
    /// Icecast's, for a client that sends a stream.
    public static let source = Method(rawValue: "SOURCE")
    public static let options = Method(rawValue: "OPTIONS")

    /// Those of RFC 9110 and RFC 5789.
    static let standard: Set<Method> = [
        .get, .head, .post, .put, .delete, .options, Method(rawValue: "PATCH"), Method(rawValue: "TRACE"),
        Method(rawValue: "CONNECT"),
    ]

    public var description: String { rawValue }

    /// Whether it is defined to change nothing (RFC 9110 §9.2.1).
    public var isSafe: Bool { self == .get || self == .head || self == .options }
}
