import Glibc
import Testing
import WeirLoop

@testable import WeirDatabase

/// A PostgreSQL of `Tests/Database/postgresql`.
final class PostgreSQLServer: @unchecked Sendable {
    /// Whether it can be started; or must be, with `WEIR_ALLOW_SKIP=0`.
    static let isThere: Bool = {
        if getenv("WEIR_ALLOW_SKIP").map({ String(cString: $0) }) == "0" { return true }
        var found = glob_t()
        defer { globfree(&found) }
        return glob("/usr/lib/postgresql/*/bin/initdb", 0, nil, &found) == 0
    }()

    let url: String
    private let companion: Companion
    private let folder: Folder

    init() throws {
        folder = Folder()
        let tests = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
        // The server's user must get through.
        chmod(folder.path, 0o755)
        companion = try Companion([tests.joined(separator: "/") + "/Database/postgresql", folder("cluster")])
        let line = companion.line() ?? ""
        try #require(line.hasPrefix("postgresql://"), "no PostgreSQL: \(line)")
        url = line
    }

    /// Kills the server, as a crash does.
    func stop() throws { try command("stop") }

    func start() throws { try command("start") }

    private func command(_ word: String) throws {
        try companion.say(word)
        let answer = try #require(companion.line())
        #expect(answer == "ok")
    }

    func end() { companion.end() }

    // MARK: One for all tests

    private static let started = Result {
        let server = try PostgreSQLServer()
        kept = server
        atexit { PostgreSQLServer.endShared() }
        return server
    }
    nonisolated(unsafe) private static var kept: PostgreSQLServer?

    static func shared() throws -> PostgreSQLServer { try started.get() }

    private static func endShared() {
        kept?.end()
        kept = nil
    }

    // MARK: Schemas

    /// A URL by which the tables are in a schema of their own.
    @LoopActor
    func freshSchema() async throws -> String {
        let name = "test_\(getpid())_\(PostgreSQLServer.schemas)"
        PostgreSQLServer.schemas += 1
        try await execute("CREATE SCHEMA \(name)")
        return "\(url)&options=-csearch_path%3D\(name)"
    }

    @LoopActor private static var schemas = 0

    /// Runs a statement on a connection of its own, and returns its rows' first columns.
    @LoopActor @discardableResult
    func execute(_ sql: String) async throws -> [String] {
        let parameters = try PostgreSQLParameters(url: url, statementTimeout: 120)
        let connection = try await PostgreSQLConnection.connect(parameters, within: 120)
        defer { connection.finish() }
        let rows = try await connection.run([PostgreSQLQuery("statement", sql)()], within: 120)
        return rows[0].map { $0.text(0) }
    }
}
