import CWeir
import Glibc
import Testing
import WeirDatabase
import WeirLoop
import WeirStorage

@testable import WeirDownloads

@Suite("Downloads: made, joined, kept")
struct DownloadTests {
    @Test("a miss is made while it is read and kept, and the next is a hit with the same bytes")
    func missAndHit() throws {
        try DownloadWorld.run { world in
            try await world.chapter("a", [100_000, 1, 700_000, 300_001])
            let expected = try await world.expected("a")
            let first = try await world.find("a")
            #expect(first.cache == .miss && first.length == UInt64(expected.count))
            let bytes = try await Reader(first).rest()
            #expect(bytes == expected)
            try await eventually("it is kept") { world.counters.saved == 1 && world.downloads.state.fills.isEmpty }
            #expect(world.files == [first.key])
            #expect(world.pages.reads == ["a/0": 1, "a/1": 1, "a/2": 1, "a/3": 1])
            let row = try #require(try await world.database.find(first.key))
            #expect(row.bytes == first.length && row.chapters == ["a"] && row.format == "zip")

            let second = try await world.find("a")
            #expect(second.cache == .hit && second.etag == first.etag)
            let again = try await Reader(second).rest(1000)
            #expect(again == expected)
            let part = try await world.fetch("a", .zip, 99_990..<800_010)
            #expect(part == Array(expected[99_990..<800_010]))
            #expect(world.pages.reads.values.allSatisfy { $0 == 1 })
            #expect(world.counters.hits == 2 && world.counters.misses == 1 && world.counters.generations == 1)
        }
    }

    @Test("who comes while it is made reads the same bytes from the first on, and each page is read once")
    func followers() throws {
        try DownloadWorld.run { world in
            try await world.chapter("a", [400_000, 400_000, 400_000])
            let expected = try await world.expected("a")
            world.pages.hold(450_000)
            var readers: [Reader] = []
            for number in 0..<10 {
                let reader = Reader(try await world.find("a"))
                let begin = try await reader.take(100_000 + number)
                #expect(begin == Array(expected[..<(100_000 + number)]))
                #expect(reader.download.cache == (number == 0 ? .miss : .joined))
                readers.append(reader)
            }
            world.pages.open()
            for (number, reader) in readers.enumerated() {
                let rest = try await reader.rest()
                #expect(rest == Array(expected[(100_000 + number)...]))
            }
            #expect(world.pages.reads == ["a/0": 1, "a/1": 1, "a/2": 1])
            #expect(world.counters.joined == 9 && world.counters.misses == 1)
        }
    }

    @Test("who missed it and begins when it has been kept reads the file, each with a descriptor of its own")
    func keptMeanwhile() throws {
        try DownloadWorld.run { world in
            try await world.chapter("a", [100_000])
            let expected = try await world.expected("a")
            var readers: [Reader] = []
            for _ in 0..<4 { readers.append(Reader(try await world.find("a"))) }
            _ = try await world.fetch("a")
            try await eventually("it is kept") { world.counters.saved == 1 && world.downloads.under.isEmpty }
            let tasks = readers.map { reader in spawn { try await reader.rest(1000) } }
            for task in tasks {
                let bytes = try await task.value
                #expect(bytes == expected)
            }
            #expect(world.counters.hits == 4 && world.pages.reads == ["a/0": 1])
        }
    }

    @Test("a range far behind what there is comes by itself, at once; one nearby waits")
    func ranges() throws {
        try DownloadWorld.run { world in
            try await world.chapter("a", Array(repeating: 3_000_000, count: 8))
            let expected = try await world.expected("a")
            world.pages.hold(2_000_000)
            // The end needs it, whatever the generation has taken by then.
            world.pages.free = ["a/7"]
            let first = Reader(try await world.find("a"))
            _ = try await first.take(1_000_000)
            world.pages.release(4_000_000)
            let count = UInt64(expected.count)
            let tail = Reader(try await world.find("a"), (count - 1000)..<count)
            let bytes = try await tail.rest()
            #expect(bytes == Array(expected[(expected.count - 1000)...]))
            #expect(world.counters.direct == 1 && tail.download.cache == .joined)
            let near = Reader(try await world.find("a"), 2_500_000..<9_500_000)
            world.pages.open()
            let piece = try await near.rest()
            #expect(piece == Array(expected[2_500_000..<9_500_000]))
            let rest = try await first.rest()
            #expect(rest == Array(expected[1_000_000...]))
            #expect(world.counters.direct == 1 && world.counters.generations == 1)
        }
    }

    @Test("facts that nobody knows are learnt once, and the bytes are what they would have been")
    func learning() throws {
        try DownloadWorld.run { world in
            try await world.chapter("a", [50_000, 5_000_000, 10], known: false)
            let first = try await world.find("a")
            #expect(world.pages.reads == ["a/0": 1, "a/1": 1, "a/2": 1])
            #expect(world.counters.learnt == 3)
            let chapter = try #require(try await world.database.chapter("a"))
            #expect(chapter.pages.allSatisfy { $0.facts != nil })
            let bytes = try await Reader(first).rest()
            let expected = try await world.expected("a")
            #expect(bytes == expected)
            _ = try await world.find("a")
            #expect(world.counters.learnt == 3)
        }
    }

    @Test("whatever the readers do, and in whatever order, each gets the bytes of its range", arguments: 0..<12)
    func interleavings(seed: Int) throws {
        try DownloadWorld.run { world in
            var random = Chance(seed)
            var lengths: [Int] = []
            for _ in 0..<random.below(6) + 2 { lengths.append(random.below(900_000) + 1) }
            try await world.chapter("a", lengths)
            let expected = try await world.expected("a")
            world.pages.hold(random.below(300_000))
            var tasks: [Task<Void, any Error>] = []
            let total = lengths.reduce(0, +)
            for _ in 0..<8 {
                let from = random.below(3) == 0 ? random.below(expected.count) : 0
                let to = random.below(3) == 0 ? from + random.below(expected.count - from) + 1 : expected.count
                let piece = random.below(300_000) + 1
                let leaves = random.below(4) == 0
                let download = try await world.find("a")
                let reader = Reader(download, UInt64(from)..<UInt64(to))
                tasks.append(
                    spawn {
                        if leaves {
                            let some = try await reader.take(piece)
                            #expect(some == Array(expected[from..<min(to, from + piece)]))
                            download.close()
                            return
                        }
                        let bytes = try await reader.rest(piece)
                        #expect(bytes == Array(expected[from..<to]), "seed \(seed)")
                    })
                world.pages.release(random.below(total / 4 + 1))
                await LoopActor.settle()
            }
            for _ in 0..<20 {
                world.pages.release(random.below(total / 2 + 1))
                await LoopActor.settle()
            }
            world.pages.open()
            for task in tasks { try await task.value }
            let whole = try await world.fetch("a")
            #expect(whole == expected)
        }
    }

    @Test("books, and all formats of archives")
    func books() throws {
        try DownloadWorld.run { world in
            try await world.chapter("a", [1000, 2000])
            try await world.chapter("b", [70_000])
            _ = try await world.database.put(Book(id: "x", title: "X", chapters: ["a", "b"]))
            for format in [DownloadFormat.zip, .cbz] {
                let request = DownloadRequest(.book("x"), as: format)
                let first = try await world.downloads.find(request)
                let bytes = try await Reader(first).rest()
                #expect(bytes.count == Int(first.length))
                try await eventually("it is kept") { world.files.contains(first.key) && !world.isMaking(first.key) }
                let hit = try await world.downloads.find(request)
                #expect(hit.cache == .hit && hit.key == first.key)
                let again = try await Reader(hit).rest()
                #expect(again == bytes)
            }
            let gone = try await world.downloads.invalidate(.books(["x"]))
            #expect(gone.count == 2 && world.files.isEmpty)
            await #expect(throws: DownloadError(.notFound, "there is no book 'y'")) {
                _ = try await world.downloads.find(DownloadRequest(.book("y"), as: .zip))
            }
        }
    }
}

extension DownloadWorld {
    func isMaking(_ key: String) -> Bool { downloads.state.fills.contains { $0.key == key } }
}

/// Numbers that a seed brings back (Steele, Lea, Flood 2014).
struct Chance {
    private var state: UInt64

    init(_ seed: Int) { state = UInt64(truncatingIfNeeded: seed) &* 0x2545_F491_4F6C_DD1D }

    /// 0 ..< limit.
    mutating func below(_ limit: Int) -> Int {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return Int((mixed ^ (mixed >> 31)) % UInt64(max(1, limit)))
    }
}
