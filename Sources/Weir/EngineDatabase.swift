internal import WeirDatabase
internal import WeirLoop

/// The engine's database: opened when it is first needed, once for all who need it.
@LoopActor
final class EngineDatabase {
    private let make: @LoopActor () async throws -> any Database
    private var opened: (any Database)?
    private var opening: Task<any Database, any Error>?
    private var isClosed = false

    /// `make` opens it; it is asked again after it has thrown.
    init(_ make: @escaping @LoopActor () async throws -> any Database) { self.make = make }

    /// Throws what is wrong with it.
    func get() async throws -> any Database {
        if isClosed { throw CoreError.closed }
        if let opened { return opened }
        if let opening { return try await opening.value }
        let task = spawn { [make] in try await make() }
        opening = task
        defer { opening = nil }
        let database = try await task.value
        if isClosed {
            await database.close()
            throw CoreError.closed
        }
        opened = database
        return database
    }

    func close() async {
        isClosed = true
        _ = try? await opening?.value
        await opened?.close()
        opened = nil
    }
}
