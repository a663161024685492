import Testing
import WeirLoop

@testable import WeirDatabase

@Suite("Invalidation between nodes by PostgreSQL", .enabled(if: PostgreSQLServer.isThere))
struct PostgreSQLInvalidationTests {
    @LoopActor
    private static func open(_ url: String, node: String) async throws -> PostgreSQLDatabase {
        var options = DatabaseOptions()
        options.pool.connect = 240
        options.pool.query = 240
        options.node = node
        return try await PostgreSQLDatabase.open(url: url, options: options)
    }

    @Test("every node hears which of its artefacts are gone, also after its connection broke")
    func nodes() throws {
        try LoopActor.runInTurn {
            let server = try PostgreSQLServer.shared()
            let url = try await server.freshSchema()
            let one = try await PostgreSQLInvalidationTests.open(url, node: "one")
            let two = try await PostgreSQLInvalidationTests.open(url + "&application_name=invalidated", node: "two")
            let heard = Heard(two)
            let alone = Heard(one)
            await heard.wait { $0.losses >= 1 }
            await alone.wait { $0.losses >= 1 }

            let count = 2 * PostgreSQLArtefacts.batch + 50
            for number in 0..<count {
                try await two.record(ArtefactIndexTests.row(number, chapters: ["a", "\(number)"]))
            }
            try await one.record(ArtefactIndexTests.row(1, chapters: ["a"]))
            try await two.record(ArtefactIndexTests.row(count, chapters: ["b"]))
            #expect(try await one.invalidate(.chapters(["a", "none"])) == [Sample.digest(1)])
            await heard.wait { $0.keys.count == count }
            #expect(Set(heard.keys) == Set((0..<count).map { Sample.digest($0) }))
            #expect(try await two.rows(after: nil, limit: 10).map(\.key) == [Sample.digest(count)])
            #expect(try await one.rows(after: nil, limit: 10).isEmpty)

            // Neither removes or touches what is the other's.
            #expect(try await one.remove(Sample.digest(count)) == false)
            try await one.touch([Sample.digest(count): 5])
            #expect(try await two.find(Sample.digest(count))?.hits == 0)

            let losses = heard.losses
            try await server.execute(
                """
                SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity
                WHERE application_name = 'invalidated' AND query LIKE 'LISTEN %'
                """)
            await heard.wait { $0.losses > losses }
            #expect(try await one.invalidate(.key(Sample.digest(count))).isEmpty)
            await heard.wait { $0.keys.count == count + 1 }
            #expect(heard.keys.last == Sample.digest(count))
            #expect(alone.keys.isEmpty)
            await one.close()
            await two.close()
        }
    }
}
