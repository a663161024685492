/// What the configuration's `database` says: where the state is.
///
/// - `sqlite`: the file `weir.db` in the data directory. `sqlite:PATH`: that file; a path that does not begin with `/`
///   is in the data directory.
///   `?synchronous=normal`: a commit is not on the disk when it is answered; after a power failure, though not after a
///   crash of Weir, the last ones may be gone. Default: `full`.
/// - `postgres://…`, `postgresql://…`: as libpq has it, with `sslmode` and the rest.
public struct DatabaseURL: Sendable, Hashable, CustomStringConvertible {
    public enum Place: Sendable, Hashable {
        /// Nil: the default name.
        case sqlite(path: String?, synchronous: Synchronous)
        /// The URL, with its password.
        case postgresql(String)
    }

    /// SQLite's `PRAGMA synchronous`.
    public enum Synchronous: String, Sendable, Hashable, CaseIterable {
        case full, normal
    }

    public let place: Place

    /// The default: `sqlite`.
    public static let sqlite = DatabaseURL(place: .sqlite(path: nil, synchronous: .full))
    /// The file's name in the data directory.
    public static let fileName = "weir.db"

    private init(place: Place) {
        self.place = place
    }

    /// What the configuration may say, for people.
    public static let expected = "sqlite, sqlite:PATH or postgres://USER@HOST/DATABASE"

    /// Throws `.url`: what is wrong, and what was expected; without the password.
    public init(parsing text: String) throws(DatabaseError) {
        guard !text.utf8.contains(0) else {
            throw DatabaseError(.url, "holds a NUL byte", expected: DatabaseURL.expected)
        }
        if text.hasPrefix("postgres://") || text.hasPrefix("postgresql://") {
            #if PostgreSQL
                _ = try PostgreSQLParameters.parse(text)
            #endif
            place = .postgresql(text)
            return
        }
        guard text == "sqlite" || text.hasPrefix("sqlite:") || text.hasPrefix("sqlite?") else {
            // What stands before a colon may be shown, what follows may be a password.
            let scheme = text.prefix { $0 != ":" && $0 != "@" && $0 != "/" }.prefix(32)
            throw DatabaseError(.url, "unknown database \"\(scheme)\"", expected: DatabaseURL.expected)
        }
        var rest = text.dropFirst("sqlite".count)
        var synchronous = Synchronous.full
        if let mark = rest.firstIndex(of: "?") {
            synchronous = try DatabaseURL.synchronous(rest[rest.index(after: mark)...])
            rest = rest[..<mark]
        }
        guard rest != ":" else { throw DatabaseError(.url, "sqlite: without a path", expected: DatabaseURL.expected) }
        place = .sqlite(path: rest.isEmpty ? nil : String(rest.dropFirst()), synchronous: synchronous)
    }

    private static func synchronous(_ parameters: Substring) throws(DatabaseError) -> Synchronous {
        var synchronous = Synchronous.full
        for parameter in parameters.split(separator: "&") {
            let parts = parameter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts[0] == "synchronous" else {
                throw DatabaseError(
                    .url, "sqlite: unknown parameter \"\(parts[0])\"", expected: "synchronous=full or normal")
            }
            guard parts.count == 2, let value = Synchronous(rawValue: String(parts[1])) else {
                throw DatabaseError(
                    .url, "sqlite: synchronous is \"\(parts.dropFirst().first ?? "")\"", expected: "full or normal")
            }
            synchronous = value
        }
        return synchronous
    }

    /// SQLite's file, in `directory` unless it says otherwise; nil for PostgreSQL.
    public func file(in directory: String) -> String? {
        guard case .sqlite(let path, _) = place else { return nil }
        let name = path ?? DatabaseURL.fileName
        return name.hasPrefix("/") ? name : "\(directory)/\(name)"
    }

    /// For people and logs: without the password.
    public var description: String {
        switch place {
        case .sqlite(let path, let synchronous):
            "sqlite" + (path.map { ":\($0)" } ?? "") + (synchronous == .full ? "" : "?synchronous=\(synchronous)")
        case .postgresql(let url): DatabaseURL.redacted(url)
        }
    }

    /// Without the user's password, and without the parameters, one of which may be a password too.
    static func redacted(_ url: String) -> String {
        let scheme = url.range(of: "://")
        var rest = url[scheme...]
        let head = url[..<scheme]
        if let mark = rest.firstIndex(of: "?") { rest = rest[..<mark] }
        let end = rest.firstIndex(of: "/") ?? rest.endIndex
        if let at = rest[..<end].lastIndex(of: "@") {
            let user = rest[..<at].prefix { $0 != ":" }
            rest = user + rest[at...]
        }
        return String(head + rest)
    }
}

extension String {
    /// The end of what is looked for, the end of all when it is not there.
    fileprivate func range(of sought: String) -> Index {
        var index = startIndex
        while index < endIndex {
            if self[index...].hasPrefix(sought) { return self.index(index, offsetBy: sought.count) }
            index = self.index(after: index)
        }
        return endIndex
    }
}
