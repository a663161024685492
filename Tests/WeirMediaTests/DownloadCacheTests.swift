import Glibc
import Testing
import WeirLoop

@testable import WeirMedia

@Suite("The download cache")
struct DownloadCacheTests {
    private struct Refused: Error {}

    /// A cache in a directory of its own; closed, it has left nothing behind.
    private func withCache(
        _ change: (inout DownloadCache.Options) -> Void = { _ in }, clock: LoopClock = .manual(),
        _ body: @escaping @LoopActor (DownloadCache, Folder) async throws -> Void
    ) throws {
        let folder = Folder()
        var options = DownloadCache.Options()
        change(&options)
        try LoopActor.runInTurn { [options] in
            let cache = DownloadCache(directory: folder.path, options: options, clock: clock)
            try await cache.open()
            do {
                try await body(cache, folder)
            } catch {
                await cache.close()
                throw error
            }
            await cache.close()
            #expect(cache.count == 0 && cache.bytes == 0)
            try await eventually("its files go with it") { folder.files.isEmpty }
        }
    }

    @LoopActor
    private func put(_ cache: DownloadCache, _ key: String, _ count: Int) async throws -> CacheFile {
        try await cache.file(key, length: Int64(count)) { descriptor in
            let bytes = [UInt8](repeating: 7, count: count)
            guard Glibc.write(descriptor, bytes, count) == count else { throw Refused() }
        }
    }

    @Test("fetches a file once, and gives it to everybody who asks meanwhile and later")
    func singleFlight() throws {
        try withCache { cache, _ in
            var fills = 0
            var hits: [Int] = []
            cache.onHit = { key, count in if key == "a" { hits.append(count) } }
            let asking = (0..<100).map { _ in
                spawn {
                    try await cache.file("a", length: 5) { descriptor in
                        fills += 1
                        for _ in 0..<50 { await Task.yield() }
                        guard Glibc.write(descriptor, "hello", 5) == 5 else { throw Refused() }
                    }
                }
            }
            var files: Set<ObjectIdentifier> = []
            for task in asking {
                let file = try await task.value
                #expect(contents(file.descriptor) == Array("hello".utf8))
                files.insert(ObjectIdentifier(file))
            }
            #expect(files.count == 1)
            #expect(fills == 1)
            #expect(cache.counters.misses == 1)
            #expect(cache.counters.joined == 99)
            _ = try await put(cache, "a", 5)
            _ = try await put(cache, "a", 5)
            #expect(hits == [1, 2])
            #expect(cache.counters.hits == 2)
            #expect(cache.counters.saved == 505)
        }
    }

    @Test("forgets a failure: everybody who asked has it, and the next one fetches again")
    func failure() throws {
        try withCache { cache, _ in
            let asking = (0..<3).map { _ in
                spawn { try await cache.file("a", length: 1) { _ in throw Refused() } }
            }
            for task in asking { await #expect(throws: Refused.self) { try await task.value } }
            #expect(cache.count == 0)
            await #expect(throws: CacheError(expected: 3, found: 2)) {
                try await cache.file("a", length: 3) { guard Glibc.write($0, "ab", 2) == 2 else { throw Refused() } }
            }
            #expect(cache.count == 0)
            let file = try await put(cache, "a", 2)
            #expect(file.length == 2)
            #expect(cache.counters.misses == 3)
        }
    }

    @Test("drops a file when its time is over, whether somebody asks or not")
    func expiry() throws {
        let clock = LoopClock.manual()
        try withCache({ $0.ttl = 300 }, clock: clock) { cache, folder in
            let file = try await put(cache, "a", 3)
            await clock.advance(seconds: 200)
            _ = try await put(cache, "b", 4)
            await clock.advance(seconds: 99.9)
            #expect(cache.contains("a"))
            await clock.advance(seconds: 0.2)
            #expect(cache.count == 1)
            #expect(cache.bytes == 4)
            #expect(!cache.contains("a"))
            #expect(cache.counters.expired == 1)
            // Who has it reads on.
            #expect(contents(file.descriptor) == [7, 7, 7])
            try await eventually("its name is gone") { folder.files.count == 1 }
            await clock.advance(seconds: 200)
            #expect(cache.count == 0)
        }
    }

    @Test("full of files: the oldest fifth goes")
    func entries() throws {
        try withCache({ $0.entries = 50 }) { cache, _ in
            for index in 0..<50 { _ = try await put(cache, "\(index)", 1) }
            #expect(cache.count == 50)
            _ = try await put(cache, "50", 1)
            #expect(cache.count == 41)
            #expect(cache.counters.evicted == 10)
            #expect(!cache.contains("9"))
            #expect(cache.contains("10"))
            #expect(cache.contains("50"))
        }
    }

    @Test("full of bytes: the oldest go until there is room, and what is larger than all of it is not kept")
    func bytes() throws {
        try withCache({ $0.bytes = 1000 }) { cache, _ in
            for index in 0..<10 { _ = try await put(cache, "\(index)", 100) }
            #expect(cache.bytes == 1000)
            _ = try await put(cache, "large", 700)
            // 10, 8, 7, 6, 5, 4 files: a fifth each time, one at least.
            #expect(cache.bytes == 1000)
            #expect(cache.count == 4)
            #expect(cache.contains("7") && !cache.contains("6"))
            let huge = try await put(cache, "huge", 1001)
            #expect(huge.length == 1001)
            #expect(!cache.contains("huge"))
            #expect(cache.bytes == 1000)
        }
    }

    @Test("keeps what was spooled, under a key that was not known before")
    func spool() throws {
        try withCache { cache, folder in
            do {
                let file = try await cache.spool()
                _ = try await file.write(Array("hel".utf8))
                _ = try await file.write(Array("lo".utf8))
                #expect(file.length == 5)
                cache.keep(file, as: "a")
            }
            let file = try await put(cache, "a", 5)
            #expect(contents(file.descriptor) == Array("hello".utf8))
            #expect(cache.counters.misses == 0)
            do { _ = try await cache.spool() }
            try await eventually("a dropped one is removed") { folder.files.count == 1 }
            cache.remove("a")
            #expect(cache.bytes == 0)
        }
    }

    @Test("removes what a dead process left, and nothing of a living one")
    func sweep() throws {
        try withCache { cache, folder in
            _ = try await put(cache, "a", 3)
            close(open("\(folder.path)/media-1-2", O_CREAT | O_WRONLY | O_CLOEXEC, 0o600))
            close(open("\(folder.path)/other", O_CREAT | O_WRONLY | O_CLOEXEC, 0o600))
            let second = DownloadCache(directory: folder.path)
            #expect(try await second.open() == 1)
            await second.close()
            #expect(folder.files.count == 2)
            #expect(folder.files.contains("other"))
            #expect(cache.contains("a"))
            unlink("\(folder.path)/other")
        }
    }

    @Test("closed while something is fetched, ends that")
    func closing() throws {
        try withCache { cache, _ in
            let clock = LoopClock.manual()
            let task = spawn {
                try await cache.file("a", length: 1) { _ in try await clock.sleep(for: 1000) }
            }
            await LoopActor.settle()
            try await eventually("it is being fetched") { clock.waitingTimers > 0 }
            await cache.close()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }
    @Test("told to, ends what is being fetched, and fetches again when somebody asks")
    func stopping() throws {
        try withCache { cache, _ in
            let clock = LoopClock.manual()
            let task = spawn {
                try await cache.file("a", length: 1) { _ in try await clock.sleep(for: 1000) }
            }
            try await eventually("it is being fetched") { clock.waitingTimers > 0 }
            cache.stopFetching()
            await #expect(throws: CancellationError.self) { try await task.value }
            let file = try await put(cache, "a", 1)
            #expect(file.length == 1)
        }
    }
}
