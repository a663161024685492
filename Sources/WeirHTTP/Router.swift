public import WeirLoop

/// Finds the handler of a request. Patterns are paths; `:name` stands for one segment, a final `*` for the rest.
@LoopActor
public final class Router {
    public typealias Handler = @LoopActor (Request) async throws -> Response

    /// Who may use a route.
    public enum Audience: Sendable {
        /// Anyone whom Host allows; a page of another origin may read what it answers, as CORS is configured.
        case anyone
        /// Anyone whom Host allows; a page of another origin may not read what it answers.
        case sameOrigin
        /// Whoever has the admin token.
        case admin
    }

    final class Route {
        let method: Method
        let segments: [Substring]
        let audience: Audience
        let bodyLimit: Int?
        let handler: Handler

        init(
            _ method: Method, _ segments: [Substring], audience: Audience, bodyLimit: Int?, handler: @escaping Handler
        ) {
            self.method = method
            self.segments = segments
            self.audience = audience
            self.bodyLimit = bodyLimit
            self.handler = handler
        }

        /// What its parameters stand for; nil when it does not match.
        func match(_ path: [String]) -> [String: String]? {
            var parameters: [String: String] = [:]
            for (index, segment) in segments.enumerated() {
                if segment == "*" && index == segments.count - 1 {
                    parameters["*"] = path.dropFirst(index).joined(separator: "/")
                    return parameters
                }
                guard index < path.count else { return nil }
                if segment.first == ":" {
                    if path[index].isEmpty { return nil }
                    parameters[String(segment.dropFirst())] = path[index]
                } else if segment != path[index] {
                    return nil
                }
            }
            return path.count == segments.count ? parameters : nil
        }
    }

    enum Match {
        case found(Route, [String: String])
        /// The path is known, the method is not; what it has instead.
        case wrongMethod([Route])
        case nothing
    }

    private var routes: [Route] = []

    public init() {}

    /// Adds a route. Among those that match the first added goes first. A route for GET answers HEAD too. A method that
    /// is not safe is for admins unless something else is said.
    ///
    /// `bodyLimit` in bytes; nil takes the server's default.
    public func on(
        _ method: Method, _ pattern: String, audience: Audience? = nil, bodyLimit: Int? = nil,
        _ handler: @escaping Handler
    ) {
        precondition(pattern.hasPrefix("/"), "a pattern begins with a slash")
        let segments = pattern == "/" ? [] : pattern.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        routes.append(
            Route(
                method, segments, audience: audience ?? (method.isSafe ? .anyone : .admin), bodyLimit: bodyLimit,
                handler: handler))
    }

    public func get(_ pattern: String, audience: Audience = .anyone, _ handler: @escaping Handler) {
        on(.get, pattern, audience: audience, handler)
    }

    /// For admins unless something else is said.
    public func post(
        _ pattern: String, audience: Audience = .admin, bodyLimit: Int? = nil, _ handler: @escaping Handler
    ) {
        on(.post, pattern, audience: audience, bodyLimit: bodyLimit, handler)
    }

    /// Whether any path has it: else it is 501, not 405 (RFC 9110 §9.1).
    func knows(_ method: Method) -> Bool { Method.standard.contains(method) || routes.contains { $0.method == method } }

    /// - Complexity: O(number of routes).
    func match(_ method: Method, _ path: [String]) -> Match {
        var others: [Route] = []
        for route in routes {
            guard let parameters = route.match(path) else { continue }
            if route.method == method || (method == .head && route.method == .get) { return .found(route, parameters) }
            others.append(route)
        }
        return others.isEmpty ? .nothing : .wrongMethod(others)
    }

    /// `Allow:` of routes that share a path.
    static func allow(_ routes: [Route]) -> String {
        var methods: [String] = []
        for route in routes {
            for method in route.method == .get ? ["GET", "HEAD"] : [route.method.rawValue]
            where !methods.contains(method) { methods.append(method) }
        }
        methods.append("OPTIONS")
        return methods.joined(separator: ", ")
    }
}
