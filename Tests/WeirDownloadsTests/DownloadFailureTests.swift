import CWeir
import Glibc
import Testing
import WeirDatabase
import WeirLoop

@testable import WeirDownloads
@testable import WeirStorage

/// A disk that a test fills, or hangs.
final class FakeDisk: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    /// Bytes that no file may grow past.
    private var room = off_t.max
    private var hangs = false
    private var failures = 0

    init() {
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        pthread_cond_destroy(condition)
        mutex.deallocate()
        condition.deallocate()
    }

    private func with<Value>(_ body: () -> Value) -> Value {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }

    func fill(at bytes: Int) { with { room = off_t(bytes) } }
    func hang() { with { hangs = true } }
    func recover() {
        with {
            hangs = false
            room = .max
            pthread_cond_broadcast(condition)
        }
    }

    /// How many writes were refused.
    var refused: Int { with { failures } }

    func write(_ file: Int32, _ bytes: UnsafeRawPointer?, _ count: Int, _ offset: off_t) -> Int {
        pthread_mutex_lock(mutex)
        while hangs { pthread_cond_wait(condition, mutex) }
        let isFull = offset + off_t(count) > room
        if isFull { failures += 1 }
        pthread_mutex_unlock(mutex)
        if isFull {
            errno = ENOSPC
            return -1
        }
        return pwrite(file, bytes, count, offset)
    }

    var setting: (inout DownloadWorld.Setting) -> Void {
        { setting in
            setting.data = Unmanaged.passUnretained(self).toOpaque()
            setting.write = { data, file, bytes, count, offset in
                Unmanaged<FakeDisk>.fromOpaque(data!).takeUnretainedValue().write(file, bytes, count, offset)
            }
        }
    }
}

@Suite("Downloads: what fails")
struct DownloadFailureTests {
    @Test("a page that is missing is known before the first byte, refused for a second, and a repair helps")
    func missing() throws {
        try DownloadWorld.run { world in
            try await world.chapter("a", [1000, 2000])
            let removed = world.pages.objects.removeValue(forKey: "a/0")
            let page = try #require(removed)
            let reader = Reader(try await world.find("a"))
            let error = await #expect(throws: DownloadError.self) { try await reader.begin() }
            #expect(error?.kind == .pageMissing && error?.page == .init(objectKey: "a/0", number: 1))
            try await eventually("it has ended") { world.files.isEmpty && world.downloads.state.fills.isEmpty }
            let refused = await #expect(throws: DownloadError.self) { _ = try await world.find("a") }
            #expect(refused?.kind == .pageMissing && world.counters.refused == 1)
            #expect(world.pages.reads["a/0"] == 1)
            world.pages.objects["a/0"] = page
            await world.clock.advance(seconds: 1.5)
            let bytes = try await world.fetch("a")
            let expected = try await world.expected("a")
            #expect(bytes == expected)
            #expect(world.counters.generationsFailed == 1)
        }
    }

    @Test("one that fails midway is never ended as if it were whole, and leaves nothing behind")
    func midway() throws {
        try DownloadWorld.run { world in
            try await world.chapter("a", [300_000, 2_000_000, 1000])
            let expected = try await world.expected("a")
            for fault in [PageStore.Fault.cut(1_000_000), .failing, .other] {
                world.pages.faults["a/1"] = fault
                let download = try await world.find("a")
                let reader = Reader(download)
                var bytes: [UInt8] = []
                let error = await #expect(throws: DownloadError.self) {
                    while true {
                        let more = try await reader.next()
                        if more.isEmpty { break }
                        bytes += more
                    }
                }
                download.close()
                #expect(error?.page?.objectKey == "a/1" && bytes.count < expected.count)
                #expect(bytes == Array(expected[..<bytes.count]) || error?.kind == .pageChanged)
                try await eventually("it has ended") { world.files.isEmpty && world.downloads.state.fills.isEmpty }
                let rows = try await world.database.rows(after: nil, limit: 10)
                #expect(rows.isEmpty)
                world.pages.faults = [:]
                await world.clock.advance(seconds: 1.5)
            }
            let bytes = try await world.fetch("a")
            let now = try await world.expected("a")
            #expect(bytes == now)
        }
    }

    @Test("an object that is another one now is found out, learnt anew, and served under another tag")
    func changed() throws {
        try DownloadWorld.run { world in
            try await world.chapter("a", [1000, 2000])
            let old = try await world.find("a").key
            world.pages.put("a/1", pattern(3000, seed: 5))
            let error = await #expect(throws: DownloadError.self) {
                _ = try await world.fetch("a")
            }
            #expect(error?.kind == .pageChanged)
            try await eventually("it has ended") { world.downloads.state.fills.isEmpty }
            let bytes = try await world.fetch("a")
            let expected = try await world.expected("a")
            let new = try await world.find("a").key
            #expect(bytes == expected && new != old)
        }
    }

    @Test("a full disk: readers get all of it, nothing is kept, and what was there is evicted first")
    func full() throws {
        let disk = FakeDisk()
        try DownloadWorld.run(disk.setting) { world in
            try await world.chapter("old", [1000])
            _ = try await world.fetch("old")
            try await eventually("it is kept") { world.counters.saved == 1 }
            try await world.chapter("a", [3_000_000, 100_000])
            disk.fill(at: 1_000_000)
            let expected = try await world.expected("a")
            let bytes = try await world.fetch("a")
            #expect(bytes == expected)
            try await eventually("nothing is kept") { world.files.isEmpty && world.downloads.state.fills.isEmpty }
            #expect(world.counters.evicted == 1 && world.counters.bypassed == [.full: 1] && disk.refused == 2)
            disk.recover()
            let again = try await world.fetch("a")
            #expect(again == expected)
            try await eventually("it is kept") { world.counters.saved == 2 }
        }
    }

    @Test("a disk that hangs holds readers up for a moment only: the copy is given up")
    func slow() throws {
        let disk = FakeDisk()
        try DownloadWorld.run(disk.setting) { world in
            try await world.chapter("a", Array(repeating: 1_500_000, count: 10))
            let expected = try await world.expected("a")
            disk.hang()
            let first = Reader(try await world.find("a"))
            let second = Reader(try await world.find("a"))
            let some = try await second.take(10)
            #expect(some == Array(expected[..<10]))
            let bytes = try await first.rest()
            #expect(bytes == expected)
            #expect(world.counters.bypassed == [.slow: 1])
            disk.recover()
            let rest = try await second.rest()
            #expect(rest == Array(expected[10...]))
            try await eventually("nothing is kept") { world.files.isEmpty && world.space.blocks == 0 }
        }
    }

    @Test("the last reader leaves: below the half it stops, past it it goes on and is kept")
    func leaving() throws {
        try DownloadWorld.run { world in
            try await world.chapter("a", [2_000_000])
            for (share, kept) in [(100_000, 0), (1_200_000, 1)] {
                world.pages.hold(share + 50_000)
                let reader = Reader(try await world.find("a"))
                _ = try await reader.take(share)
                let other = Reader(try await world.find("a"))
                _ = try await other.take(10)
                other.download.close()
                await LoopActor.settle()
                #expect(world.downloads.state.fills.count == 1)
                reader.download.close()
                world.pages.open()
                try await eventually("it has ended") {
                    world.downloads.under.isEmpty && world.counters.saved == kept
                }
            }
            #expect(world.counters.abandoned == 1 && world.counters.continued == 1)
            #expect(world.files.count == 1)
        }
    }

    @Test("twenty generations with readers that leave at random: what is kept is whole, and nothing else is left")
    func cancels() throws {
        try DownloadWorld.run { world in
            var random = Chance(7)
            for number in 0..<20 { try await world.chapter("c\(number)", [random.below(400_000) + 1, 200_000]) }
            world.pages.hold(1_000_000)
            var tasks: [Task<Void, any Error>] = []
            for number in 0..<20 {
                for _ in 0..<2 {
                    let reader = Reader(try await world.find("c\(number)"))
                    let count = random.below(3) == 0 ? Int.max : random.below(500_000)
                    tasks.append(
                        spawn {
                            _ = count == .max ? try await reader.rest() : try await reader.take(count)
                            reader.download.close()
                        })
                }
                await LoopActor.settle()
            }
            world.pages.open()
            for task in tasks { try await task.value }
            try await eventually("all have ended") { world.downloads.state.fills.isEmpty }
            try await eventually("no leftovers") { world.files.allSatisfy { ArtefactDirectory.isKey($0) } }
            let rows = try await world.database.rows(after: nil, limit: 100)
            #expect(rows.map(\.key).sorted() == world.files && world.space.blocks == 0)
            for number in 0..<20 {
                let bytes = try await world.fetch("c\(number)")
                let expected = try await world.expected("c\(number)")
                #expect(bytes == expected)
            }
        }
    }
}
