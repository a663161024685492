import Glibc
import Testing
import WeirLoop

@testable import WeirDatabase

@Suite("SQLite's file")
struct SQLiteFileTests {
    @LoopActor
    private static func open(_ path: String, versions: [String] = SQLiteSchema.versions) async throws -> SQLiteDatabase
    {
        try await SQLiteDatabase.open(path: path, synchronous: .full, options: DatabaseOptions(), versions: versions)
    }

    /// Runs statements on the file, beside Weir. The first columns of the rows.
    private static func ask(_ path: String, _ sql: String) throws -> [String] {
        let connection = try SQLiteConnection(path: path, readOnly: false)
        return try connection.rows(SQLiteQuery(sql)) { (row) throws(DatabaseError) in row.text(0) }
    }

    private static let added = "CREATE TABLE later (number INTEGER) STRICT; INSERT INTO later VALUES (17);"

    @Test("one engine has it; the next may when it is closed")
    func lock() throws {
        let folder = Folder()
        try LoopActor.runInTurn {
            let path = folder("weir.db")
            let first = try await SQLiteFileTests.open(path)
            let second = try await kind { _ = try await SQLiteFileTests.open(path) }
            #expect(second == .locked)
            await first.close()
            let third = try await SQLiteFileTests.open(path)
            await third.close()
        }
    }

    @Test("it is nobody else's to read, durable, and has a header that says whose it is")
    func header() throws {
        let folder = Folder()
        try LoopActor.runInTurn {
            let database = try await SQLiteFileTests.open(folder("weir.db"))
            await database.close()
        }
        var info = stat()
        try #require(stat(folder("weir.db"), &info) == 0)
        #expect(info.st_mode & 0o777 == 0o600)
        #expect(try SQLiteFileTests.ask(folder("weir.db"), "PRAGMA journal_mode") == ["wal"])
        #expect(try SQLiteFileTests.ask(folder("weir.db"), "PRAGMA application_id") == ["1466263922"])
        #expect(try SQLiteFileTests.ask(folder("weir.db"), "PRAGMA user_version") == ["\(SQLiteSchema.versions.count)"])
    }

    @Test("a migration keeps what is there, and the state before it")
    func migration() throws {
        let folder = Folder()
        let path = folder("weir.db")
        try LoopActor.runInTurn {
            let old = try await SQLiteFileTests.open(path)
            for number in 1...50 { _ = try await old.add(Sample.medium(number), priority: Sample.priority(number)) }
            await old.close()
            let new = try await SQLiteFileTests.open(path, versions: SQLiteSchema.versions + [SQLiteFileTests.added])
            #expect(try await new.counts().queued == 50)
            await new.close()
        }
        #expect(try SQLiteFileTests.ask(path, "SELECT number FROM later") == ["17"])
        let now = SQLiteSchema.versions.count
        #expect(try SQLiteFileTests.ask(path, "PRAGMA user_version") == ["\(now + 1)"])
        let backup = SQLiteFile.backupPath(path, version: now)
        #expect(try SQLiteFileTests.ask(backup, "PRAGMA integrity_check") == ["ok"])
        #expect(try SQLiteFileTests.ask(backup, "SELECT count(*) FROM media_cache") == ["50"])
        #expect(try SQLiteFileTests.ask(backup, "PRAGMA user_version") == ["\(now)"])
        // The older Weir finds a newer schema.
        try LoopActor.runInTurn {
            let refusal = try await kind { _ = try await SQLiteFileTests.open(path) }
            #expect(refusal == .newerSchema)
        }
        #expect(try SQLiteFileTests.ask(path, "PRAGMA user_version") == ["\(now + 1)"])
    }

    @Test("every version is reached from every one before it, with what was there")
    func versions() throws {
        for version in 1..<SQLiteSchema.versions.count {
            let folder = Folder()
            try LoopActor.runInTurn {
                let old = try await SQLiteFileTests.open(
                    folder("weir.db"), versions: Array(SQLiteSchema.versions[..<version]))
                for number in 1...9 { _ = try await old.add(Sample.medium(number), priority: Sample.priority(number)) }
                await old.close()
                let new = try await SQLiteFileTests.open(folder("weir.db"))
                #expect(try await new.counts().queued == 9)
                #expect(try await new.chapters(after: nil, limit: 10).isEmpty)
                await new.close()
            }
            let backup = SQLiteFile.backupPath(folder("weir.db"), version: version)
            #expect(try SQLiteFileTests.ask(backup, "PRAGMA user_version") == ["\(version)"])
            #expect(try SQLiteFileTests.ask(folder("weir.db"), "PRAGMA foreign_key_check").isEmpty)
        }
    }

    @Test("a migration that fails leaves what was there")
    func failedMigration() throws {
        let folder = Folder()
        let path = folder("weir.db")
        try LoopActor.runInTurn {
            let old = try await SQLiteFileTests.open(path)
            _ = try await old.add(Sample.medium(1), priority: Sample.priority(1))
            await old.close()
            let broken = SQLiteSchema.versions + [SQLiteFileTests.added, "CREATE TABLE media_cache (id INTEGER)"]
            let failure = try await kind { _ = try await SQLiteFileTests.open(path, versions: broken) }
            #expect(failure == .refused)
            let again = try await SQLiteFileTests.open(path)
            #expect(try await again.counts().queued == 1)
            await again.close()
        }
        #expect(try SQLiteFileTests.ask(path, "SELECT count(*) FROM sqlite_schema WHERE name = 'later'") == ["0"])
    }

    @Test("a damaged file is not migrated")
    func damaged() throws {
        let folder = Folder()
        let path = folder("weir.db")
        try LoopActor.runInTurn {
            let old = try await SQLiteFileTests.open(path)
            for number in 1...500 { _ = try await old.add(Sample.medium(number), priority: Sample.priority(1)) }
            await old.close()
        }
        let descriptor = Glibc.open(path, O_RDWR | O_CLOEXEC)
        var info = stat()
        fstat(descriptor, &info)
        // The header, the schema and the first tables' roots stay; what hangs below them does not.
        let noise = [UInt8](repeating: 0xa5, count: 4096)
        for page in stride(from: 24, to: Int(info.st_size) / 4096, by: 3) {
            try #require(pwrite(descriptor, noise, noise.count, off_t(page * 4096)) == noise.count)
        }
        close(descriptor)
        try LoopActor.runInTurn {
            let versions = SQLiteSchema.versions + [SQLiteFileTests.added]
            let refusal = try await kind { _ = try await SQLiteFileTests.open(path, versions: versions) }
            #expect(refusal == .damaged)
        }
        #expect(access(SQLiteFile.backupPath(path, version: SQLiteSchema.versions.count), F_OK) != 0)
    }

    @Test("what is no database of Weir is left alone")
    func foreign() throws {
        let folder = Folder()
        _ = try SQLiteFileTests.ask(folder("other.db"), "CREATE TABLE other (number INTEGER)")
        let text = Glibc.open(folder("text.db"), O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        let bytes = [UInt8](repeating: UInt8(ascii: "x"), count: 5000)
        try #require(write(text, bytes, bytes.count) == bytes.count)
        close(text)
        try LoopActor.runInTurn {
            let other = try await kind { _ = try await SQLiteFileTests.open(folder("other.db")) }
            #expect(other == .refused)
            let noDatabase = try await kind { _ = try await SQLiteFileTests.open(folder("text.db")) }
            #expect(noDatabase == .damaged)
            let nowhere = try await kind { _ = try await SQLiteFileTests.open(folder("none/weir.db")) }
            #expect(nowhere == .file)
        }
        #expect(try SQLiteFileTests.ask(folder("other.db"), "SELECT count(*) FROM sqlite_schema") == ["1"])
    }

    @Test("leases of an engine that is gone are over: the next one's first sweep takes the jobs up")
    func voidedLeases() throws {
        let folder = Folder()
        try LoopActor.runInTurn {
            let first = try await SQLiteFileTests.open(folder("weir.db"))
            _ = try await first.add(Sample.medium(1), priority: Sample.priority(1))
            let job = try await first.claim(JobSelection(limit: 1), lease: 36_000, worker: "first")[0]
            await first.close()

            let second = try await SQLiteFileTests.open(folder("weir.db"))
            let swept = try await second.sweep(attempts: 5)
            #expect(swept.expired == 1)
            let again = try await second.claim(JobSelection(limit: 1), lease: 36_000, worker: "second")
            #expect(again.map(\.entry.id) == [job.entry.id])
            #expect(try await second.settle([(job.lease, .ready(Sample.file(1)))]) == [false])
            await second.close()
        }
    }

    @Test("a request that fails undoes itself alone; the others of its group are committed")
    func group() throws {
        let folder = Folder()
        let path = folder("weir.db")
        try LoopActor.runInTurn {
            let database = try await SQLiteFileTests.open(path)
            // While the writer is busy everything waits, and becomes one group.
            let gate = Gate()
            let holding = spawn { @LoopActor () async throws -> Void in
                try await database.write { (_) throws(DatabaseError) in gate.wait() }
            }
            let adding = (1...9).map { number in
                spawn { @LoopActor () async throws -> Bool in
                    _ = try await database.add(Sample.medium(number), priority: Sample.priority(1))
                    return true
                }
            }
            let wrong = spawn { @LoopActor () async throws -> DatabaseError.Kind in
                try await kind {
                    // A key twice in one request: the first row must not stay.
                    try await database.write { (connection) throws(DatabaseError) in
                        try connection.execute("INSERT INTO limiter_state VALUES ('once', x'', 0)")
                        try connection.execute("INSERT INTO limiter_state VALUES ('once', x'', 0)")
                    }
                }
            }
            await LoopActor.settle()
            gate.open()
            try await holding.value
            for task in adding { #expect(try await task.value) }
            #expect(try await wrong.value == .refused)
            #expect(try await database.counts().queued == 9)
            let state = try await database.limiterState(bot: "once")
            #expect(state.isAbsent)
            await database.close()
        }
    }
}

/// Holds a thread until it is opened.
private final class Gate: @unchecked Sendable {
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() { sem_init(semaphore, 0, 0) }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func wait() { while sem_wait(semaphore) != 0 && errno == EINTR {} }

    func open() { sem_post(semaphore) }
}
