import Glibc
import Testing
import WeirLoop

@testable import WeirDatabase

@Suite("PostgreSQL", .enabled(if: PostgreSQLServer.isThere))
struct PostgreSQLTests {
    private static var options: DatabaseOptions {
        var options = DatabaseOptions()
        options.pool.connect = 120
        options.pool.query = 120
        return options
    }

    /// Of a `freshSchema`.
    private static func schema(of url: String) -> String { url.split(separator: "%3D").last.map(String.init) ?? "" }

    @LoopActor
    private static func open(
        _ url: String, _ options: DatabaseOptions = PostgreSQLTests.options
    ) async throws -> PostgreSQLDatabase {
        try await PostgreSQLDatabase.open(url: url, options: options)
    }

    /// Calls `body` until it says true; what fails in between is the outage.
    @LoopActor
    private static func eventually(_ body: @LoopActor () async throws -> Bool) async throws {
        let deadline = LoopClock.monotonic.deadline(after: 300)
        while LoopClock.monotonic.now < deadline {
            if (try? await body()) == true { return }
            try await LoopClock.monotonic.sleep(for: 0.02)
        }
        Issue.record("it did not come to pass within 300 s")
    }

    @Test("two nodes share the jobs: each is done by exactly one, and news travel")
    func nodes() throws {
        try LoopActor.runInTurn {
            let url = try await PostgreSQLServer.shared().freshSchema()
            let (one, two) = (try await PostgreSQLTests.open(url), try await PostgreSQLTests.open(url))
            var heard = 0
            two.whenWorkArrives = { heard += 1 }
            // Each node listens once its connection is there, which it says by a call.
            try await PostgreSQLTests.eventually { heard > 0 }
            let before = heard
            for number in 1...200 {
                _ = try await one.add(Sample.medium(number), priority: Sample.priority(number % 5))
            }
            try await PostgreSQLTests.eventually { heard > before }

            let working = [one, two, one, two].map { node in
                spawn { @LoopActor () async throws -> [Int64] in
                    var mine: [Int64] = []
                    while try await node.counts().queued > 0 {
                        let jobs = try await node.claim(JobSelection(limit: 4), lease: 36_000, worker: "w")
                        mine += jobs.map(\.entry.id)
                        _ = try await node.settle(jobs.map { ($0.lease, .ready(Sample.file(1))) })
                    }
                    return mine
                }
            }
            var claims: [Int64: Int] = [:]
            for task in working {
                for id in try await task.value { claims[id, default: 0] += 1 }
            }
            #expect(claims.count == 200)
            let twice = claims.filter { $0.value != 1 }
            #expect(twice.isEmpty)
            #expect(try await one.counts() == JobCounts(ready: 200))
            await one.close()
            await two.close()
        }
    }

    @Test("nodes that start together make the schema once; a newer one is refused")
    func migrations() throws {
        try LoopActor.runInTurn {
            let server = try PostgreSQLServer.shared()
            let url = try await server.freshSchema()
            let opening = (0..<4).map { _ in
                spawn { @LoopActor () async throws -> PostgreSQLDatabase in try await PostgreSQLTests.open(url) }
            }
            for task in opening { await (try await task.value).close() }
            let schema = PostgreSQLTests.schema(of: url)
            #expect(try await server.execute("SELECT count(*)::text FROM \(schema).weir_schema") == ["1"])
            try await server.execute("UPDATE \(schema).weir_schema SET version = 99")
            let refusal = try await kind { _ = try await PostgreSQLTests.open(url) }
            #expect(refusal == .newerSchema)
        }
    }

    @Test("connections end in mid-query: the reader does not notice, the writer is told, the next call works")
    func cutConnections() throws {
        try LoopActor.runInTurn {
            let server = try PostgreSQLServer.shared()
            let url = try await server.freshSchema()
            let database = try await PostgreSQLTests.open(url + "&application_name=cut")
            _ = try await database.add(Sample.medium(1), priority: Sample.priority(1))
            let schema = PostgreSQLTests.schema(of: url)

            // A lock that both wait for, held by a connection of the test's.
            let parameters = try PostgreSQLParameters(url: server.url, statementTimeout: 300)
            let holder = try await PostgreSQLConnection.connect(parameters, within: 120)
            func statement(_ name: String, _ text: String) -> [PostgreSQLCommand] { [PostgreSQLQuery(name, text)()] }
            _ = try await holder.run(statement("begin", "BEGIN"), within: 120)
            _ = try await holder.run(
                statement("lock", "LOCK TABLE \(schema).media_store IN ACCESS EXCLUSIVE MODE"), within: 120)

            let reading = spawn { @LoopActor () async throws -> MediaEntry? in try await database.entry(Sample.key(1)) }
            let writing = spawn { @LoopActor () async -> DatabaseError? in
                do {
                    _ = try await database.add(Sample.medium(2), priority: Sample.priority(1))
                    return nil
                } catch {
                    return error as? DatabaseError
                }
            }
            let waiting = "application_name = 'cut' AND wait_event_type = 'Lock'"
            try await PostgreSQLTests.eventually {
                try await server.execute("SELECT count(*)::text FROM pg_stat_activity WHERE \(waiting)") == ["2"]
            }
            let cut = try await server.execute(
                "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE \(waiting)")
            #expect(cut == ["true", "true"])
            let told = try #require(await writing.value)
            #expect(told.kind == .unavailable && told.outcomeIsUnknown && told.code.holds("SQLSTATE 57P01"))
            _ = try await holder.run(statement("commit", "COMMIT"), within: 120)
            holder.finish()
            let entry = try #require(try await reading.value)
            #expect(entry.medium == Sample.medium(1))
            // Nothing of what was cut is there.
            let second = try await database.add(Sample.medium(2), priority: Sample.priority(1))
            #expect(second.outcome == .added)
            #expect(database.state == .ok)
            await database.close()
        }
    }

    @Test("the server is killed and comes back: calls fail with a reason, then work again; nothing is lost")
    func restart() throws {
        try LoopActor.runInTurn {
            let server = try PostgreSQLServer()
            let url = try await server.freshSchema()
            let database = try await PostgreSQLTests.open(url)
            var heard = 0
            database.whenWorkArrives = { heard += 1 }
            try await PostgreSQLTests.eventually { heard > 0 }
            for number in 1...20 { _ = try await database.add(Sample.medium(number), priority: Sample.priority(1)) }
            let jobs = try await database.claim(JobSelection(limit: 10), lease: 36_000, worker: "w")
            #expect(try await database.settle(jobs.map { ($0.lease, .ready(Sample.file(1))) }).count == 10)

            try server.stop()
            let down = try await kind { _ = try await database.counts() }
            #expect(down == .unavailable)
            guard case .failing(let reason) = database.state else {
                Issue.record("the state is \(database.state)")
                return
            }
            #expect(reason.kind == .unavailable)

            let before = heard
            try server.start()
            try await PostgreSQLTests.eventually { try await database.counts().ready == 10 }
            #expect(try await database.counts().queued == 10)
            #expect(database.state == .ok)
            #expect(try await database.add(Sample.medium(21), priority: Sample.priority(1)).outcome == .added)
            // It listens again, and says that it may have missed something.
            try await PostgreSQLTests.eventually { heard > before + 1 }
            await database.close()
            server.end()
        }
    }

    @Test("more requests than connections wait in line; a full line and a passed deadline are refused")
    func line() throws {
        try LoopActor.runInTurn {
            var options = PostgreSQLTests.options
            options.pool.connections = 2
            options.waiting = 3
            let server = try PostgreSQLServer.shared()
            let parameters = try PostgreSQLParameters(url: server.url, statementTimeout: 300)
            let pool = PostgreSQLPool(parameters, options.pool, waiting: options.waiting)
            let sleep = PostgreSQLQuery("wait_for_lock", "SELECT pg_advisory_lock_shared(4711)")
            let unlock = PostgreSQLQuery("unlock", "SELECT pg_advisory_unlock_all()")
            let holder = try await PostgreSQLConnection.connect(parameters, within: 120)
            _ = try await holder.run([PostgreSQLQuery("hold", "SELECT pg_advisory_lock(4711)")()], within: 120)
            let running = (0..<5).map { _ in
                spawn { @LoopActor () async throws -> Int in try await pool.run([sleep(), unlock()]).count }
            }
            try await PostgreSQLTests.eventually {
                let waiting = "locktype = 'advisory' AND objid = 4711 AND NOT granted"
                return try await server.execute("SELECT count(*)::text FROM pg_locks WHERE \(waiting)") == ["2"]
            }
            let refused = try await kind { _ = try await pool.run([sleep()]) }
            #expect(refused == .overloaded)
            holder.finish()
            for task in running { #expect(try await task.value == 2) }
            await pool.close()
            let closed = try await kind { _ = try await pool.run([sleep()]) }
            #expect(closed == .closed)
        }
    }

    @Test("a statement that takes too long is ended by the server, and the connection stays")
    func statementTimeout() throws {
        try LoopActor.runInTurn {
            let parameters = try PostgreSQLParameters(url: try PostgreSQLServer.shared().url, statementTimeout: 1)
            let connection = try await PostgreSQLConnection.connect(parameters, within: 120)
            let long = try await kind {
                _ = try await connection.run([PostgreSQLQuery("long", "SELECT pg_sleep(1000)")()], within: 300)
            }
            #expect(long == .timeout)
            #expect(!connection.isBroken)
            // (On a busy machine a short one may take a second too.)
            try await PostgreSQLTests.eventually {
                let rows = try await connection.run([PostgreSQLQuery("short", "SELECT 'still there'")()], within: 120)
                return rows.first?.first?.text(0) == "still there"
            }
            connection.finish()
        }
    }

    @Test("what goes wrong in one of several statements undoes all of them, and says which error it was")
    func errors() throws {
        try LoopActor.runInTurn {
            let server = try PostgreSQLServer.shared()
            let url = try await server.freshSchema()
            let database = try await PostgreSQLTests.open(url)
            let parameters = try PostgreSQLParameters(url: url, statementTimeout: 120)
            let connection = try await PostgreSQLConnection.connect(parameters, within: 120)
            let insert = PostgreSQLQuery("one", "INSERT INTO limiter_state VALUES ('once', '', 0)")
            do {
                _ = try await connection.run([insert(), insert(), insert()], within: 120)
                Issue.record("a key twice")
            } catch {
                let error = try #require(error as? DatabaseError)
                #expect(error.kind == .refused && error.code.holds("SQLSTATE 23505") && !error.outcomeIsUnknown)
            }
            let state = try await database.limiterState(bot: "once")
            #expect(state.isAbsent)
            connection.finish()
            await database.close()
        }
    }

    @Test("a connection is replaced after its uses, and closed when idle")
    func uses() throws {
        try LoopActor.runInTurn {
            var options = PostgreSQLTests.options
            options.pool.uses = 3
            options.pool.idle = 0.01
            let parameters = try PostgreSQLParameters(url: try PostgreSQLServer.shared().url, statementTimeout: 120)
            let pool = PostgreSQLPool(parameters, options.pool, waiting: 10)
            let who = PostgreSQLQuery("who", "SELECT pg_backend_pid()")
            let marked = PostgreSQLQuery(
                "marked", "SELECT count(*) FROM pg_stat_activity WHERE pid = $1::integer")
            let first = try await pool.run([who()])[0][0].text(0)
            let other = try PostgreSQLServer.shared()
            try await PostgreSQLTests.eventually {
                try await other.execute("SELECT count(*)::text FROM pg_stat_activity WHERE pid = \(first)") == ["0"]
            }
            #expect(try await pool.run([marked(.text(first))])[0][0].integer(0) == 0)
            await pool.close()

            options.pool.idle = 3600
            let busy = PostgreSQLPool(parameters, options.pool, waiting: 10)
            var pids: [String] = []
            for _ in 0..<7 { pids.append(try await busy.run([who()])[0][0].text(0)) }
            #expect(Set(pids[0..<3]).count == 1 && Set(pids[3..<6]).count == 1 && Set(pids).count == 3)
            await busy.close()
        }
    }

    @Test("what cannot be reached is said, without the password")
    func unreachable() throws {
        try LoopActor.runInTurn {
            var options = PostgreSQLTests.options
            options.pool.connect = 60
            for (url, expected) in [
                ("postgres://weir:geheim@127.0.0.1:1/weir", DatabaseError.Kind.unavailable),
                ("postgres://weir:geheim@/weir?host=/nowhere/at/all", .unavailable),
                ("\(try PostgreSQLServer.shared().url.replacing("/postgres?", with: "/absent?"))", .unavailable),
            ] {
                do {
                    _ = try await PostgreSQLTests.open(url, options)
                    Issue.record("\(url) was opened")
                } catch {
                    let error = try #require(error as? DatabaseError)
                    #expect(error.kind == expected, "\(error)")
                    #expect(!error.description.contains("geheim"), "\(error)")
                    #expect(error.description.contains("://weir@"), "\(error)")
                }
            }
        }
    }
}
