import Testing
import WeirLoop

@testable import WeirDatabase

/// How the server finds rows, when its statistics are of another time.
@Suite("PostgreSQL's plans", .enabled(if: PostgreSQLServer.isThere))
struct PostgreSQLPlanTests {
    @Test("jobs are found by their ids, where the statistics know none in their phase")
    func byID() throws {
        try LoopActor.runInTurn {
            let url = try await PostgreSQLServer.shared().freshSchema()
            let database = try await PostgreSQLDatabase.open(url: url, options: DatabaseOptions())
            await database.close()
            let parameters = try PostgreSQLParameters(url: url, statementTimeout: 120)
            let connection = try await PostgreSQLConnection.connect(parameters, within: 120)
            defer { connection.finish() }
            func run(_ name: String, _ text: String) async throws -> [String] {
                let rows = try await connection.run([PostgreSQLQuery("plan_\(name)", text)()], within: 120)
                return rows[0].map { $0.text(0) }
            }
            _ = try await run(
                "media",
                """
                INSERT INTO media_store SELECT 'shop', lpad(i::text, 64, '0'), 'photo', 'k', 1, '', '', 0
                FROM generate_series(1, 5000) AS i
                """)
            _ = try await run(
                "jobs",
                """
                INSERT INTO media_cache (bot_slug, sha256, kind, status, phase, score, small, enqueued_at, updated_at)
                SELECT bot_slug, sha256, kind, 'failed', 'done', 100, TRUE, 0, 0 FROM media_store
                """)
            _ = try await run("analyze", "ANALYZE media_cache, media_store")
            // As after some calls: a plan for any values.
            _ = try await run("mode", "SET plan_cache_mode = force_generic_plan")
            for (query, values) in [
                (PostgreSQLJobs.claimThese, 4), (PostgreSQLJobs.renew, 4), (PostgreSQLJobs.settle, 11),
            ] {
                _ = try await run("\(query.name)_made", "PREPARE \(query.name) AS \(query.text)")
                let nulls = [String](repeating: "NULL", count: values).joined(separator: ", ")
                let plan = try await run(query.name, "EXPLAIN (COSTS OFF) EXECUTE \(query.name)(\(nulls))")
                let shown = plan.joined(separator: "\n")
                #expect(plan.contains { $0.contains("using media_cache_pkey on media_cache") }, "\(shown)")
                #expect(!plan.contains { $0.contains("ix_media_cache_") }, "\(shown)")
            }
        }
    }
}
