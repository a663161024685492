public import WeirLoop

/// A request as a handler sees it.
@LoopActor
public struct Request: Sendable {
    public let method: Method
    /// The target as it was sent.
    public let rawTarget: String
    public let target: Target
    public let fields: Fields
    /// HTTP/1.`minor`.
    public let minor: Int
    /// Who asks; behind a trusted proxy, whom it asks for.
    public let remote: RemoteAddress
    public let body: RequestBody
    /// What stands for `:name` and `*` in the route's pattern.
    public internal(set) var parameters: [String: String] = [:]
    /// It carries the admin token.
    public internal(set) var isAdmin = false

    /// The body is what comes until the connection ends: nothing says how long it is.
    public var isOpenEnded: Bool {
        (method == .put || method == .source) && body.length != nil && fields["Content-Length"] == nil
    }
    /// The peer waits for `100 Continue` before it sends a body, or a stream without a length (RFC 9110 §10.1.1).
    public var expectsContinue: Bool { minor >= 1 && fields.contains("100-continue", in: "Expect") }

    /// The decoded path.
    public var path: String { target.path }
    public var query: Target.Query { target.query }
    /// The answer has no body, and nothing should be started for it.
    public var isHead: Bool { method == .head }

    /// A parameter of the route's pattern. Traps when the pattern has none of that name.
    public func parameter(_ name: String) -> String {
        guard let value = parameters[name] else { preconditionFailure("no parameter \(name) in the route's pattern") }
        return value
    }

    /// The host that was asked for, without its port, in lower case; nil when none was (HTTP/1.0).
    public var host: String? { authority.map { Access.host(of: $0) } }

    /// Host and port as sent.
    var authority: String? { target.authority ?? fields["Host"] }
}
