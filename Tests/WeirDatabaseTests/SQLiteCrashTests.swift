import Glibc
import Testing
import WeirLoop

@testable import WeirDatabase

@Suite("SQLite: crashes and full disks")
struct SQLiteCrashTests {
    /// The program of `Tests/DatabaseWriter`, which lies beside the one that runs the tests.
    private static let program: String = {
        var path = [CChar](repeating: 0, count: Int(PATH_MAX))
        _ = readlink("/proc/self/exe", &path, path.count - 1)
        let own = path.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        return own.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
            + "/weir-database-writer"
    }()

    /// How often the writer is killed; `WEIR_SCALE` multiplies.
    private static let kills: Int = {
        let scale = getenv("WEIR_SCALE").flatMap { Int(String(cString: $0)) } ?? 1
        return 8 * min(max(scale, 1), 100)
    }()

    private static func numbers(_ lines: [String], _ word: String) -> Set<Int64> {
        Set(lines.filter { $0.hasPrefix(word + " ") }.compactMap { Int64($0.dropFirst(word.count + 1)) })
    }

    private static func column(_ path: String, _ sql: String) throws -> [String] {
        let connection = try SQLiteConnection(path: path, readOnly: false)
        return try connection.rows(SQLiteQuery(sql)) { (row) throws(DatabaseError) in row.text(0) }
    }

    @Test("killed at any moment, the file is whole and holds everything that was acknowledged")
    func kill() throws {
        // A seed that a failure shows, and that another run can be given.
        let seed = getenv("WEIR_SEED").flatMap { UInt64(String(cString: $0)) } ?? UInt64(getpid())
        var random = SplitMix(state: seed)
        for round in 0..<SQLiteCrashTests.kills {
            let folder = Folder()
            let writer = try Companion([SQLiteCrashTests.program, "jobs", folder.path, round % 2 == 0 ? "1" : "16"])
            var lines: [String] = []
            // The moment: after so many lines, and at whatever the writer does while this one is read.
            for _ in 0..<(1 + Int(random.next() % 200)) {
                guard let line = writer.line() else { break }
                lines.append(line)
            }
            Glibc.kill(writer.pid, SIGKILL)
            // What it said before it died counts too; a line that is cut short was not said.
            while let line = writer.line() { lines.append(line) }
            writer.end()
            let failures = lines.filter { $0.hasPrefix("error") }
            #expect(failures.isEmpty, "seed \(seed), round \(round)")

            let path = folder("weir.db")
            let verdict = try SQLiteCrashTests.column(path, "PRAGMA integrity_check")
            #expect(verdict == ["ok"], "seed \(seed), round \(round)")
            let added = SQLiteCrashTests.numbers(lines, "added")
            let ready = SQLiteCrashTests.numbers(lines, "ready")
            #expect(!added.isEmpty)
            let stored = Set(
                try SQLiteCrashTests.column(path, "SELECT bytes FROM media_store").compactMap { Int64($0) })
            #expect(stored.isSuperset(of: added), "seed \(seed), round \(round)")
            let finished = Set(
                try SQLiteCrashTests.column(
                    path,
                    "SELECT bytes FROM media_store JOIN media_cache USING (bot_slug, sha256, kind) WHERE status = 'ready'"
                ).compactMap { Int64($0) })
            #expect(finished.isSuperset(of: ready), "seed \(seed), round \(round)")

            // Whoever comes next takes everything else up.
            try LoopActor.runInTurn {
                let database = try await openDatabase(.sqlite, directory: folder.path)
                _ = try await database.sweep(attempts: 5)
                let counts = try await database.counts()
                #expect(counts.leased == 0 && counts.queued + counts.ready == stored.count)
                #expect(counts.ready == finished.count)
                await database.close()
            }
        }
    }

    @Test(
        "a full disk is an error with a name, damages nothing, and is over when there is room",
        arguments: ["full", "quota", "limit"])
    func fullDisk(how: String) throws {
        let folder = Folder()
        let writer = try Companion([SQLiteCrashTests.program, how, folder.path, "300000"])
        var lines: [String] = []
        while let line = writer.line() { lines.append(line) }
        writer.end()
        let refusals = lines.filter { $0.hasPrefix("refused") }
        #expect(refusals == [String](repeating: "refused diskFull failing", count: 3), "\(lines.suffix(60))")
        #expect(lines.last == "state ok")
        let added = SQLiteCrashTests.numbers(lines, "added")
        let counted = SQLiteCrashTests.numbers(lines, "counted")
        #expect(counted == [Int64(added.count - 50)])
        let path = folder("weir.db")
        #expect(try SQLiteCrashTests.column(path, "PRAGMA integrity_check") == ["ok"])
        let stored = Set(try SQLiteCrashTests.column(path, "SELECT bytes FROM media_store").compactMap { Int64($0) })
        #expect(stored == added && added.count > 50)
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): numbers that a seed brings back.
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
