import Glibc
import Testing
import WeirLoop

@testable import WeirDatabase

/// Which database a test of the common behaviour runs on.
enum Backend: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case sqlite = "SQLite"
    case postgresql = "PostgreSQL"

    var testDescription: String { rawValue }

    /// Those that can be tested here.
    static let all: [Backend] = PostgreSQLServer.isThere ? [.sqlite, .postgresql] : [.sqlite]
}

/// A fresh database for one test, which can be opened more than once, and whose clock the test moves.
@LoopActor
final class DatabaseUnderTest {
    let clock = DatabaseClockOffset()
    let folder = Folder()
    let url: DatabaseURL

    private init(_ backend: Backend) async throws {
        switch backend {
        case .sqlite: url = .sqlite
        case .postgresql: url = try DatabaseURL(parsing: try await PostgreSQLServer.shared().freshSchema())
        }
    }

    func open(backlog: Int = PrewarmLimits.backlog) async throws -> any Database {
        var options = DatabaseOptions()
        options.clockOffset = clock
        options.backlog = backlog
        // A busy machine is no reason to fail.
        options.pool.connect = 120
        options.pool.query = 120
        return try await openDatabase(url, directory: folder.path, options: options)
    }

    /// Runs `body` with a fresh, open database on a loop of its own.
    nonisolated static func run(
        _ backend: Backend, backlog: Int = PrewarmLimits.backlog,
        _ body: @escaping @LoopActor (_ database: any Database, _ test: DatabaseUnderTest) async throws -> Void
    ) throws {
        try LoopActor.runInTurn {
            let test = try await DatabaseUnderTest(backend)
            let database = try await test.open(backlog: backlog)
            let outcome: Result<Void, any Error>
            do {
                outcome = .success(try await body(database, test))
            } catch {
                outcome = .failure(error)
            }
            await database.close()
            try outcome.get()
        }
    }
}
