import Glibc
import Testing
import WeirLoop

@testable import WeirLive

/// A cache of any bytes, on its own, against an array of all that was appended.
@Suite struct WarmCacheTests {
    private static let mebibyte = 1 << 20

    /// Caches in a directory that must be empty afterwards.
    private func withCaches(
        budget: UInt64 = WarmCaches.budget, clock: LoopClock = .manual(),
        _ body: @escaping @LoopActor (WarmCaches, String, LoopClock) async throws -> Void
    ) throws {
        try withDirectory { directory in
            try LoopActor.runInTurn {
                let caches = try WarmCaches(directory: directory, budget: budget, clock: clock)
                let outcome: Result<Void, any Error>
                do {
                    try await body(caches, directory, clock)
                    outcome = .success(())
                } catch {
                    outcome = .failure(error)
                }
                await caches.close()
                try outcome.get()
            }
            #expect(entries(directory).isEmpty)
            #expect(descriptors(below: directory).isEmpty)
        }
    }

    private func options(max: Int) -> WarmOptions {
        var options = WarmOptions()
        options.max = max
        return options
    }

    /// Bytes that tell where they belong.
    private func bytes(_ range: Range<Int>) -> [UInt8] {
        range.map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) }
    }

    @Test func `what is appended can be had, from files and from memory`() throws {
        try withCaches { caches, directory, _ in
            let cache = try WarmCache(
                name: "any", isTransport: false, ring: 65536, options: options(max: 4 * Self.mebibyte), caches: caches)
            await cache.open()
            #expect(!cache.isOff && cache.length == 0 && cache.range == 0..<0)
            let all = bytes(0..<1_000_000)
            var appended = 0
            while appended < all.count {
                let next = min(all.count, appended + 10_000)
                try cache.append(Array(all[appended..<next]))
                appended = next
                if appended % 30_000 == 0 { try await LoopClock.monotonic.sleep(for: 0.001) }
            }
            try await eventually("the files are there") { entries(directory).count == 1 }
            #expect(cache.range.upperBound == 1_000_000)
            let range = cache.range
            #expect(cache.length == range.count && range.count >= 65536 - 16)
            let slice = try await cache.slice(range)
            let isWhole = slice == Array(all[Int(range.lowerBound)...])
            #expect(isWhole, "\(slice.count) bytes")
            let part = try await cache.getSlice(range.lowerBound + 1..<range.lowerBound + 10)
            #expect(part == Array(all[Int(range.lowerBound) + 1..<Int(range.lowerBound) + 10]))
            #expect(try await cache.slice(999_990..<2_000_000) == Array(all[999_990...]))
            #expect(try await cache.slice(1_000_000..<1_000_010) == [])
            await cache.destroy()
        }
    }

    @Test func `a range whose beginning is gone is behind`() throws {
        try withCaches { caches, _, _ in
            let cache = try WarmCache(
                name: "any", isTransport: false, ring: 65536, options: options(max: 1 << 20), caches: caches)
            try cache.append(bytes(0..<200_000))
            #expect(cache.range.lowerBound > 0)
            await #expect(throws: CoreError.behind) { _ = try await cache.slice(0..<10) }
            await cache.destroy()
            await #expect(throws: CoreError.closed) { _ = try await cache.slice(0..<10) }
            #expect(throws: CoreError.closed) { try cache.append([1]) }
            #expect(cache.length == 0 && cache.range.isEmpty)
            cache.clear()
            cache.rotate()
            cache.setCommitted(true)
            cache.updateMaxSize(bitrate: 20e6, seconds: 6)
            await cache.open()
            await cache.destroy()
        }
    }

    @Test func `clear forgets everything, positions go on`() throws {
        try withCaches { caches, _, _ in
            let cache = try WarmCache(
                name: "any", isTransport: false, ring: 65536, options: options(max: 1 << 20), caches: caches)
            await cache.open()
            try cache.append(bytes(0..<50_000))
            cache.clear()
            #expect(cache.length == 0 && cache.range == 50_000..<50_000)
            await #expect(throws: CoreError.behind) { _ = try await cache.slice(49_999..<50_000) }
            try cache.append(bytes(50_000..<60_000))
            #expect(cache.range == 50_000..<60_000)
            let isWhole = try await cache.slice(50_000..<60_000) == bytes(50_000..<60_000)
            #expect(isWhole)
            await cache.destroy()
        }
    }

    @Test func `rotate leaves the newest three quarters`() throws {
        try withCaches { caches, _, _ in
            let cache = try WarmCache(
                name: "any", isTransport: false, ring: 1 << 20, options: options(max: 1 << 20), caches: caches)
            await cache.open()
            try cache.append(bytes(0..<900_000))
            #expect(cache.length == 900_000)
            cache.rotate()
            #expect(cache.range == 900_000 - 786_432..<900_000)
            cache.rotate()
            #expect(cache.length == 786_432)
            await cache.destroy()
        }
    }

    @Test func `every call against an array of all bytes`() throws {
        let seed = UInt64.random(in: 0 ... .max)
        try withCaches { caches, directory, _ in
            var generator = Xorshift(seed: seed)
            let max = 2 * Self.mebibyte
            let cache = try WarmCache(
                name: "any", isTransport: false, ring: 262_144, options: options(max: max), caches: caches)
            await cache.open()
            var all: [UInt8] = []
            var floor = 0
            for step in 0..<300 * scale {
                switch Int.random(in: 0..<20, using: &generator) {
                case 0 where step % 7 == 0:
                    cache.clear()
                    floor = all.count
                    #expect(cache.length == 0, "seed \(seed)")
                case 1 where step % 5 == 0:
                    let before = cache.range
                    cache.rotate()
                    let kept = min(before.count, max * 3 / 4)
                    #expect(cache.range.lowerBound >= before.upperBound - UInt64(kept), "seed \(seed)")
                    floor = Swift.max(floor, Int(cache.range.lowerBound))
                case 2...6:
                    let range = cache.range
                    let start = UInt64.random(in: range.lowerBound...range.upperBound, using: &generator)
                    let end = UInt64.random(in: start...range.upperBound + 1000, using: &generator)
                    let slice = try await cache.slice(start..<end)
                    let expected = all[Int(start)..<min(Int(end), all.count)]
                    let isSame = slice.elementsEqual(expected)
                    #expect(isSame, "seed \(seed), step \(step)")
                case 7: try await LoopClock.monotonic.sleep(for: 0.002)
                default:
                    let count = Int.random(in: 1...40_000, using: &generator)
                    let more = bytes(all.count..<all.count + count)
                    try cache.append(more)
                    all += more
                }
                let range = cache.range
                #expect(range.upperBound == UInt64(all.count), "seed \(seed)")
                #expect(range.lowerBound >= UInt64(floor), "seed \(seed)")
                #expect(range.count <= max + 262_144, "seed \(seed)")
                // The ring is there whatever becomes of the files.
                #expect(range.count >= min(all.count - floor, 262_144 / 2), "seed \(seed)")
            }
            #expect(!descriptors(below: directory).isEmpty)
            try await eventually("what is to go has gone") { cache.log.filesInfo.disk <= UInt64(max + max / 8) }
            #expect(cache.log.filesInfo.restarts == 0 || cache.log.filesInfo.error == nil, "seed \(seed)")
            await cache.destroy()
            #expect(entries(directory).isEmpty)
        }
    }

    @Test func `slices are whole whatever is appended, cut off or forgotten while they are read`() throws {
        let seed = UInt64.random(in: 0 ... .max)
        try withCaches { caches, directory, _ in
            var generator = Xorshift(seed: seed)
            var options = WarmOptions()
            options.min = Self.mebibyte
            options.ceiling = 4 * Self.mebibyte
            let cache = try WarmCache(
                name: "any", isTransport: false, ring: 262_144, options: options, caches: caches)
            await cache.open()
            let journal = SliceJournal()
            var readings: [Task<Void, Never>] = []
            for step in 0..<600 * scale {
                switch Int.random(in: 0..<24, using: &generator) {
                case 0 where step % 7 == 0: cache.clear()
                case 1 where step % 3 == 0: cache.rotate()
                case 2:
                    cache.updateMaxSize(
                        bitrate: .random(in: 1e6...8e6, using: &generator),
                        seconds: .random(in: 1...6, using: &generator))
                case 3: cache.setCommitted(Bool.random(using: &generator))
                case 4...11:
                    let range = cache.range
                    let start = UInt64.random(in: range.lowerBound...range.upperBound, using: &generator)
                    let end = UInt64.random(in: start...range.upperBound + 1000, using: &generator)
                    readings.append(spawn { await journal.read(start..<end, of: cache) })
                case 12...14: try await LoopClock.monotonic.sleep(for: 0.002)
                default:
                    let count = Int.random(in: 1...40_000, using: &generator)
                    let more = bytes(journal.all.count..<journal.all.count + count)
                    try cache.append(more)
                    journal.all += more
                }
            }
            // The last ones are under way when it ends.
            await cache.destroy()
            for reading in readings { await reading.value }
            #expect(journal.faults.isEmpty, "seed \(seed)")
            let (whole, fromFiles) = (journal.whole, journal.fromFiles)
            #expect(whole > 20 && fromFiles > 0, "seed \(seed): \(whole) whole, \(fromFiles) of files")
            #expect(entries(directory).isEmpty)
        }
    }

    @Test func `the least that is cut off is what is not wanted any more`() throws {
        try withCaches { caches, _, _ in
            let journal = WarmJournal()
            let cache = try WarmCache(name: "any", isTransport: false, ring: 65536, caches: caches)
            cache.onEvent = { journal.events.append($0) }
            await cache.open()
            #expect(cache.report.max == 25_165_824)
            cache.updateMaxSize(bitrate: 20e6, seconds: 3)
            #expect(cache.report.max == 10_000_000 && cache.log.filesInfo.max == 10_000_000)
            cache.updateMaxSize(bitrate: 20e6, seconds: 3)
            #expect(journal.sizes == [25_165_824, 10_000_000])
            await cache.destroy()
        }
    }

    @Test func `when the budget is short those that nobody watches give way, and get it back`() throws {
        // Room for 32 MiB of files and their segments.
        try withCaches(budget: 36 << 20) { caches, _, clock in
            var members: [WarmCache] = []
            for name in ["a", "b"] {
                let cache = try WarmCache(
                    name: name, isTransport: false, ring: 65536, options: self.options(max: 24 << 20), caches: caches)
                await cache.open()
                members.append(cache)
                clock.advance(by: 1_000_000_000)
            }
            @LoopActor func sizes() -> [UInt64] { members.map { $0.log.filesInfo.max >> 20 } }
            #expect(sizes() == [8, 24])
            #expect(caches.disk.limit == 36 << 20)
            // The least of each is theirs, whatever the budget.
            caches.budget = 1 << 20
            #expect(sizes() == [1, 1])
            #expect(caches.disk.limit == 2 * WarmBudget.disk(1 << 20))
            caches.budget = 36 << 20
            #expect(sizes() == [8, 24] && caches.disk.limit == 36 << 20)
            members[0].setCommitted(true)
            #expect(sizes() == [24, 8])
            clock.advance(by: 1_000_000_000)
            members[0].setCommitted(false)
            #expect(sizes() == [24, 8])
            members[1].setCommitted(true)
            #expect(sizes() == [8, 24])
            await members[1].destroy()
            #expect(members[0].log.filesInfo.max >> 20 == 24)
            await members[0].destroy()
        }
    }

    @Test func `a directory that cannot be had turns it off, and it is tried again`() throws {
        try withDirectory { parent in
            try LoopFile.writeNow("\(parent)/file", [])
            try LoopActor.runInTurn {
                let clock = LoopClock.manual()
                let caches = try WarmCaches(directory: "\(parent)/file/cache", clock: clock)
                let journal = WarmJournal()
                let cache = try WarmCache(name: "any", isTransport: false, ring: 65536, caches: caches)
                cache.onEvent = { journal.events.append($0) }
                await cache.open()
                #expect(cache.isOff && cache.report.isOff)
                #expect(journal.offs == [CoreError(errno: ENOTDIR)])
                // Memory is there all the same.
                try cache.append([1, 2, 3])
                #expect(try await cache.slice(0..<3) == [1, 2, 3])
                unlink("\(parent)/file")
                await clock.advance(seconds: WarmCache.retryDelay + 1)
                try await eventually("it is on again") { !cache.isOff && cache.log.hasFiles }
                await cache.destroy()
                await caches.close()
                rmdir("\(parent)/file/cache")
                rmdir("\(parent)/file")
            }
        }
    }

    @Test func `a directory that somebody removed is replaced by another`() throws {
        try withCaches { caches, directory, clock in
            let cache = try WarmCache(
                name: "any", isTransport: false, ring: 65536, options: options(max: 1 << 20), caches: caches)
            let journal = WarmJournal()
            cache.onEvent = { journal.events.append($0) }
            await cache.open()
            let first = entries(directory)
            try #require(first.count == 1)
            rmdir("\(directory)/\(first[0])")
            var appended = 0
            @LoopActor func append() async throws {
                try cache.append(bytes(appended..<appended + 10_000))
                appended += 10_000
                try await LoopClock.monotonic.sleep(for: 0.001)
            }
            for _ in 0..<1000 where !cache.isOff { try await append() }
            #expect(cache.isOff)
            #expect(journal.offs == [CoreError(errno: ENOENT)])
            await clock.advance(seconds: WarmCache.retryDelay + 1)
            try await eventually("there is another") { !cache.isOff && entries(directory).count == 1 }
            #expect(entries(directory) != first)
            for _ in 0..<50 {
                try await append()
                // A disk that falls behind by the whole ring would begin anew.
                try await eventually("it is written") { cache.log.filesInfo.head + 32768 >= cache.log.head }
            }
            try await eventually("all is written") { cache.report.disk > 65536 * 2 }
            let range = cache.range
            #expect(range.count > 65536 * 2)
            let isWhole = try await cache.slice(range) == bytes(Int(range.lowerBound)..<Int(range.upperBound))
            #expect(isWhole)
            await cache.destroy()
        }
    }

    @Test func `a disk that cannot keep up is reported now and then, with all that was lost`() throws {
        try withCaches { caches, _, clock in
            let cache = try WarmCache(
                name: "any", isTransport: false, ring: 65536, options: options(max: 4 << 20), caches: caches)
            let journal = WarmJournal()
            cache.onEvent = { journal.events.append($0) }
            await cache.open()
            /// More than ring and staging hold, in one turn of the loop.
            @LoopActor func overrun() async throws {
                let before = cache.log.filesInfo.restarts
                for _ in 0..<50 { try cache.append([UInt8](repeating: 1, count: 20_000)) }
                // It begins again with what is appended then.
                try await eventually("it has restarted, and writes again") {
                    try? cache.append([UInt8](repeating: 1, count: 1000))
                    let info = cache.log.filesInfo
                    return info.restarts > before && info.bytes > 0 && info.head + 65536 >= cache.log.head
                }
                try await LoopClock.monotonic.sleep(for: 0.005)
            }
            try await overrun()
            #expect(journal.restarts.count == 1 && journal.restarts[0].times == 1)
            clock.advance(by: 1_000_000_000)
            try await overrun()
            try await overrun()
            #expect(journal.restarts.count == 1)
            clock.advance(by: 10_000_000_000)
            try await overrun()
            #expect(journal.restarts.count == 2 && journal.restarts.last?.times ?? 0 >= 3)
            #expect(!cache.isOff && cache.report.restarts >= 4)
            let slice = try await cache.slice(cache.range)
            #expect(slice.count == cache.length && slice.allSatisfy { $0 == 1 })
            await cache.destroy()
        }
    }

    @Test func `leftovers go before the first cache is made`() throws {
        try withDirectory { parent in
            try LoopFile.makeDirectoryNow("\(parent)/weir-warm-tv-1-a")
            try LoopFile.writeNow("\(parent)/weir-warm-tv-1-a/0000000000000000", [1])
            try LoopActor.runInTurn {
                let caches = try WarmCaches(directory: parent)
                let cache = try WarmCache(name: "tv", isTransport: false, ring: 65536, caches: caches)
                await cache.open()
                #expect(caches.leftovers == 1)
                let names = entries(parent)
                #expect(names.count == 1 && names[0] != "weir-warm-tv-1-a")
                await cache.destroy()
                await caches.close()
            }
        }
    }
}

/// What became of slices, beside all that was appended.
@LoopActor
final class SliceJournal {
    var all: [UInt8] = []
    var whole = 0
    var fromFiles = 0
    var faults: [String] = []

    func read(_ wanted: Range<UInt64>, of cache: WarmCache) async {
        let kept = cache.range
        let isOfFiles = wanted.lowerBound < cache.log.filesInfo.head && all.count - Int(wanted.lowerBound) > 262_144
        let expected = all[Int(wanted.lowerBound)..<min(Int(wanted.upperBound), all.count)]
        let isKept = !kept.isEmpty && wanted.lowerBound >= kept.lowerBound
        do {
            let slice = try await cache.slice(wanted)
            if !slice.elementsEqual(expected) { faults.append("\(wanted) of \(kept): \(slice.count) bytes") }
            whole += 1
            if isOfFiles { fromFiles += 1 }
        } catch {
            // What was cut off meanwhile may have been in the way.
            let isCut = wanted.lowerBound < cache.range.lowerBound
            let isRight = error == .behind && (!isKept || isCut) || error == .closed && kept.isEmpty
            if !isRight { faults.append("\(wanted) of \(kept): \(error)") }
        }
    }
}

/// What a cache reported.
@LoopActor
final class WarmJournal {
    var events: [WarmEvent] = []

    var sizes: [UInt64] { events.compactMap { if case .sized(let bytes) = $0 { bytes } else { nil } } }
    var offs: [CoreError] { events.compactMap { if case .off(let error, _) = $0 { error } else { nil } } }
    var restarts: [(times: Int, lost: UInt64)] {
        events.compactMap { if case .restarted(_, let times, let lost) = $0 { (times, lost) } else { nil } }
    }
    var commits: [Bool] { events.compactMap { if case .committed(let committed) = $0 { committed } else { nil } } }
}
