import Glibc
import Testing
import WeirLoop

@testable import WeirDatabase

/// Which database a test of the common behaviour runs on.
enum Backend: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case sqlite

    var testDescription: String { rawValue }

    /// Those that can be tested here.
    static var all: [Backend] { [.sqlite] }
}

/// A fresh database for one test, which can be opened more than once, and whose clock the test moves.
@LoopActor
final class DatabaseUnderTest {
    let clock = DatabaseClockOffset()
    let folder = Folder()
    let backend: Backend

    private init(_ backend: Backend) {
        self.backend = backend
    }

    func open(backlog: Int = PrewarmLimits.backlog) async throws -> any Database {
        var options = DatabaseOptions()
        options.clockOffset = clock
        options.backlog = backlog
        return try await openDatabase(.sqlite, directory: folder.path, options: options)
    }

    /// Runs `body` with a fresh, open database on a loop of its own.
    nonisolated static func run(
        _ backend: Backend, backlog: Int = PrewarmLimits.backlog,
        _ body: @escaping @LoopActor (_ database: any Database, _ test: DatabaseUnderTest) async throws -> Void
    ) throws {
        try LoopActor.runInTurn {
            let test = DatabaseUnderTest(backend)
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
