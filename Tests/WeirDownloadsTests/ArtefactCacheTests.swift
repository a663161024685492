import CWeir
import Glibc
import Testing
import WeirDatabase
import WeirLoop

@testable import WeirDownloads

@Suite("Downloads: what is kept")
struct ArtefactCacheTests {
    @LoopActor
    private static func keep(_ world: DownloadWorld, _ id: String) async throws -> String {
        let saved = world.counters.saved
        let key = try await world.find(id).key
        _ = try await world.fetch(id)
        try await eventually("it is kept") { world.counters.saved == saved + 1 && !world.isMaking(key) }
        return key
    }

    @Test("a file that is gone or shorter is found out at its next hit, and made anew")
    func healing() throws {
        try DownloadWorld.run { world in
            try await world.chapter("a", [5000, 70_000])
            let expected = try await world.expected("a")
            let key = try await Self.keep(world, "a")
            #expect(unlink(world.path(key)) == 0)
            let first = try await world.fetch("a")
            #expect(first == expected)
            try await eventually("it is kept") { world.counters.saved == 2 && !world.isMaking(key) }
            #expect(truncate(world.path(key), 10_000) == 0)
            let second = try await world.fetch("a")
            #expect(second == expected)
            try await eventually("it is kept") { world.counters.saved == 3 && !world.isMaking(key) }
            #expect(world.counters.healed == 2 && world.files == [key])
        }
    }

    @Test("a file that is cut while it is sent is gone on with from its pages")
    func cutWhileSent() throws {
        try DownloadWorld.run { world in
            try await world.chapter("a", [500_000, 700_000])
            let expected = try await world.expected("a")
            let key = try await Self.keep(world, "a")
            let reader = Reader(try await world.find("a"))
            let begin = try await reader.take(1000)
            #expect(truncate(world.path(key), 300_000) == 0)
            let rest = try await reader.rest()
            #expect(begin + rest == expected)
            #expect(world.counters.healed == 1)
        }
    }

    @Test("with `verify: always` one bit that has flipped is found before anything is sent")
    func flipped() throws {
        try DownloadWorld.run {
            $0.options.verification = .always
        } _: { world in
            try await world.chapter("a", [5000, 70_000])
            let expected = try await world.expected("a")
            let key = try await Self.keep(world, "a")
            let file = open(world.path(key), O_RDWR)
            var byte: UInt8 = 0
            #expect(pread(file, &byte, 1, 40_000) == 1)
            byte ^= 1
            #expect(pwrite(file, &byte, 1, 40_000) == 1)
            close(file)
            let bytes = try await world.fetch("a")
            #expect(bytes == expected)
            #expect(world.counters.damaged == 1 && world.counters.hits == 0)
            try await eventually("it is kept") { world.counters.saved == 2 && !world.isMaking(key) }
            let again = try await world.fetch("a")
            #expect(again == expected && world.counters.hits == 1)
        }
    }

    @Test("what is no key names no file, whoever says it")
    func foreignKeys() throws {
        try DownloadWorld.run { world in
            let key = String(repeating: "a", count: 64)
            let outside = world.path("../outside")
            try LoopFile.createNow(outside, [1])
            let directory = ArtefactDirectory(path: String(world.path("x").dropLast(2)))
            for name in ["../outside", "", ".", "\(key)/../../outside", key.uppercased(), key + "a"] {
                #expect(!directory.remove(name))
                #expect(throws: CoreError.noEntry) { try directory.open(name) }
            }
            #expect(access(outside, F_OK) == 0)
            let odd = CachedValue(bytes: 0, cost: .min, hits: .max, used: .min)
            #expect(odd.worth(at: .max) >= 0)
        }
    }

    @Test("the CRC of a file that is looked through in pieces is that of the whole")
    func pieces() throws {
        try DownloadWorld.run { world in
            try await world.chapter("a", [5_000_000, 4_200_000])
            let key = try await Self.keep(world, "a")
            let row = try #require(try await world.database.find(key))
            #expect(row.bytes > 2 * ArtefactCache.piece)
            let (file, _) = try ArtefactDirectory(path: String(world.path(key).dropLast(65))).open(key)
            defer { close(file) }
            var crc32: UInt32 = 0
            for from in stride(from: 0, to: row.bytes, by: Int(ArtefactCache.piece)) {
                let count = min(ArtefactCache.piece, row.bytes - from)
                crc32 = try #require(ArtefactDirectory.crc32(file, from: from, count: count, of: crc32))
            }
            #expect(crc32 == row.crc32)
            #expect(ArtefactDirectory.crc32(file, from: row.bytes, count: 1, of: 0) == nil)
        }
    }

    @Test("the budget holds: what is least valuable goes, and what is larger is not kept at all")
    func budget() throws {
        try DownloadWorld.run {
            $0.options.budget = 1_000_000
        } _: { world in
            for id in ["a", "b", "c"] { try await world.chapter(id, [300_000]) }
            let a = try await Self.keep(world, "a")
            let b = try await Self.keep(world, "b")
            for _ in 0..<3 { _ = try await world.fetch("a") }
            let c = try await Self.keep(world, "c")
            #expect(world.files == [a, b, c].sorted())
            try await world.chapter("d", [300_000])
            for _ in 0..<3 { _ = try await world.fetch("c") }
            // The cost of all is about the same; what was asked for least often goes.
            _ = try await world.find("d")
            let before = world.counters.evicted
            let d = try await Self.keep(world, "d")
            #expect(world.counters.evicted > before && world.files.contains(d))
            #expect(world.downloads.state.bytes <= 1_000_000)
            let rows = try await world.database.rows(after: nil, limit: 10)
            #expect(rows.map(\.key).sorted() == world.files)
            try await world.chapter("e", [1_200_000])
            let bytes = try await world.fetch("e")
            let expected = try await world.expected("e")
            #expect(bytes == expected && world.counters.bypassed == [.budget: 1])
            #expect(world.files.contains(d))
            let explanation = try await world.downloads.explain(DownloadRequest(.chapter("b"), as: .zip))
            #expect(explanation.key == b)
        }
    }

    @Test("a start removes what an interrupted run has left, files without rows and rows without files")
    func sweeping() throws {
        try DownloadWorld.run { world in
            for id in ["a", "b"] { try await world.chapter(id, [30_000]) }
            let a = try await Self.keep(world, "a")
            let b = try await Self.keep(world, "b")
            await world.downloads.close()
            #expect(unlink(world.path(b)) == 0)
            let orphan = String(repeating: "0", count: 64)
            for name in [orphan, ".\(orphan).1.2.tmp", "notes.txt"] {
                let file = open(world.path(name), O_CREAT | O_WRONLY, 0o600)
                #expect(file >= 0)
                close(file)
            }
            // One that somebody is writing stays.
            let held = open(world.path(".\(orphan).1.3.tmp"), O_CREAT | O_WRONLY, 0o600)
            #expect(flock(held, LOCK_EX) == 0)
            defer { close(held) }
            try await world.restart()
            #expect(world.files == [".\(orphan).1.3.tmp", "notes.txt", a].sorted())
            let rows = try await world.database.rows(after: nil, limit: 10)
            #expect(rows.map(\.key) == [a])
            #expect(world.counters.orphans == 3)
            #expect(world.events.contains(.swept(temporary: 1, files: 1, rows: 1)))
            let hit = try await world.find("a")
            #expect(hit.cache == .hit)
        }
    }

    @Test("what is invalidated while it is made is sent, but not kept")
    func invalidatedMeanwhile() throws {
        try DownloadWorld.run { world in
            try await world.chapter("a", [300_000, 400_000])
            let expected = try await world.expected("a")
            world.pages.hold(350_000)
            let reader = Reader(try await world.find("a"))
            let begin = try await reader.take(1000)
            let keys = try await world.downloads.invalidate(.chapters(["a"]))
            #expect(keys.isEmpty)
            world.pages.open()
            let rest = try await reader.rest()
            #expect(begin + rest == expected)
            try await eventually("it has ended") { world.files.isEmpty }
            #expect(world.counters.saved == 0)
        }
    }

    @Test("what is invalidated between the question and its generation is sent, but not kept")
    func invalidatedBefore() throws {
        try DownloadWorld.run { world in
            try await world.chapter("a", [300_000])
            let expected = try await world.expected("a")
            let reader = Reader(try await world.find("a"))
            _ = try await world.downloads.invalidate(.chapters(["a"]))
            let bytes = try await reader.rest()
            #expect(bytes == expected)
            try await eventually("it has ended") { world.downloads.under.isEmpty && world.files.isEmpty }
            #expect(world.counters.saved == 0 && world.counters.generations == 1)
            let again = try await world.fetch("a")
            #expect(again == expected)
            try await eventually("it is kept") { world.counters.saved == 1 }
        }
    }

    @Test("classic: what is small is made in memory first, and requests wait for some")
    func classic() throws {
        try DownloadWorld.run {
            $0.options.strategy = .classic
            $0.options.memory = 700_000
        } _: { world in
            for id in ["a", "b", "c"] { try await world.chapter(id, [500_000]) }
            let expected = try await world.expected("b")
            world.pages.hold(100_000)
            let first = Reader(try await world.find("a"))
            let beginning = spawn { try await first.begin() }
            let second = Reader(try await world.find("b"))
            let waiting = spawn { try await second.begin() }
            try await eventually("one waits") { world.downloads.state.waiting == 1 }
            #expect((world.downloads.state.memory[.buffer] ?? 0) > 500_000)
            world.pages.open()
            try await beginning.value
            _ = try await first.rest()
            try await waiting.value
            let bytes = try await second.rest()
            #expect(bytes == expected)
            try await eventually("both are kept") {
                world.counters.saved == 2 && world.downloads.state.memory[.buffer] == 0
            }
            #expect(world.counters.queued == 1 && world.files.count == 2)
            let hit = try await world.find("a")
            #expect(hit.cache == .hit)
        }
    }
}
