/// Where a Redis is that several nodes share: what the configuration's `downloads.index` says.
///
/// - `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`
/// - `unix:///PATH[?db=DATABASE]`: a socket of the file system.
///
/// What is special in a user's name or password is percent-encoded.
public struct RedisURL: Sendable, Hashable, CustomStringConvertible {
    enum Place: Sendable, Hashable {
        case host(String, port: UInt16)
        case socket(String)
    }

    let place: Place
    let user: String?
    let password: String?
    let database: Int

    static let portDefault: UInt16 = 6379
    /// Redis has 16 unless its configuration says otherwise.
    private static let databases = 0...65_535

    public static let expected = "redis://HOST:PORT/DATABASE or unix:///PATH"

    init(place: Place, user: String?, password: String?, database: Int) {
        self.place = place
        self.user = user
        self.password = password
        self.database = database
    }

    /// Throws `.url`: what is wrong, and what was expected; without the password.
    public init(parsing text: String) throws(DatabaseError) {
        guard !text.utf8.contains(0) else { throw RedisURL.refusal("holds a NUL byte") }
        if text.hasPrefix("unix://") {
            let rest = text.dropFirst("unix://".count)
            let mark = rest.firstIndex(of: "?") ?? rest.endIndex
            let path = String(rest[..<mark])
            guard path.hasPrefix("/"), path.utf8.count <= 107 else {
                throw RedisURL.refusal("a socket's path is absolute and has at most 107 bytes")
            }
            place = .socket(path)
            (user, password) = (nil, nil)
            database = try RedisURL.database(query: rest[mark...].dropFirst())
            return
        }
        guard text.hasPrefix("redis://") else {
            if text.hasPrefix("rediss://") { throw RedisURL.refusal("TLS to Redis is not supported") }
            throw RedisURL.refusal("no address of a Redis")
        }
        var rest = text.dropFirst("redis://".count)
        var credentials: (user: String?, password: String?) = (nil, nil)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        if let at = rest[..<end].lastIndex(of: "@") {
            credentials = try RedisURL.credentials(rest[..<at])
            rest = rest[rest.index(after: at)...]
        }
        (user, password) = credentials
        let slash = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        place = try RedisURL.host(rest[..<slash])
        let path = rest[slash...]
        guard !path.contains("?") else { throw RedisURL.refusal("parameters are unknown") }
        database = try path.isEmpty || path == "/" ? 0 : RedisURL.number(path.dropFirst())
    }

    private static func credentials(_ text: Substring) throws(DatabaseError) -> (user: String?, password: String?) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let user = decoded(parts[0]), let password = decoded(parts[1]), !password.isEmpty else {
            throw refusal("what stands before the host is not USER:PASSWORD")
        }
        return (user.isEmpty ? nil : user, password)
    }

    private static func host(_ text: Substring) throws(DatabaseError) -> Place {
        var host = text
        var port = ""
        if text.hasPrefix("["), let bracket = text.firstIndex(of: "]") {
            host = text[text.index(after: text.startIndex)..<bracket]
            port = String(text[text.index(after: bracket)...])
        } else if text.hasPrefix("[") {
            throw refusal("the address has no closing bracket")
        } else if let colon = text.lastIndex(of: ":") {
            host = text[..<colon]
            port = String(text[colon...])
        }
        guard !host.isEmpty else { throw refusal("the host is missing") }
        if port.isEmpty { return .host(String(host), port: portDefault) }
        guard port.hasPrefix(":"), let number = UInt16(port.dropFirst()), number > 0 else {
            throw refusal("what follows the host is no port")
        }
        return .host(String(host), port: number)
    }

    private static func database(query: Substring) throws(DatabaseError) -> Int {
        if query.isEmpty { return 0 }
        guard query.hasPrefix("db=") else { throw refusal("unknown parameter; expected db=N") }
        return try number(query.dropFirst(3))
    }

    private static func number(_ text: Substring) throws(DatabaseError) -> Int {
        guard let number = Int(text), databases.contains(number) else { throw refusal("the database is no number") }
        return number
    }

    /// Percent-decoded (RFC 3986 §2.1); nil when it is not UTF-8 or half of it is missing.
    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
                else { return nil }
                rest = rest.dropFirst(2)
                bytes.append(value)
            } else {
                bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func refusal(_ what: String) -> DatabaseError {
        DatabaseError(.url, "an index's address: \(what)", expected: expected)
    }

    /// For people and logs: without the password.
    public var description: String {
        switch place {
        case .host(let host, let port):
            "redis://\(host.contains(":") ? "[\(host)]" : host):\(port)/\(database)"
        case .socket(let path): "unix://\(path)" + (database == 0 ? "" : "?db=\(database)")
        }
    }
}
