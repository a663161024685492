import TelegramStandIn
import Testing
import WeirDatabase
import WeirLoop

@testable import WeirMedia

/// Which job starts when: what the scores are for.
@Suite("The order of jobs")
struct PrewarmOrderTests {
    /// The weights of the default table, for media that are a thousandth as large.
    private static let weights = PriorityTable(
        sizes: [.init(.below, 100, points: 50), .init(.below, 1000, points: 30), .init(.above, 20_000, points: -20)],
        age: .init(below: 36_000, points: 15))

    /// What the rules say, in other words than the table's.
    private static func score(_ bytes: Int, _ kind: MediaKind, isFresh: Bool) -> Int {
        var score = 100
        if bytes < 100 { score += 50 } else if bytes < 1000 { score += 30 } else if bytes > 20_000 { score -= 20 }
        if kind == .photo { score += 20 }
        if kind == .video { score -= 10 }
        return isFresh ? score + 15 : score
    }

    private struct Random: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
    }

    @Test(
        "of a full queue of 500 is that of the scoring model, with some of them fresh", arguments: [1, 2] as [UInt64])
    func model(_ seed: UInt64) throws {
        try MediaWorld.run {
            $0.prewarm.concurrency = 1
            $0.prewarm.queue = 500
            $0.prewarm.priority = Self.weights
            $0.prewarm.agingCap = 1e6
        } _: { world in
            var random = Random(state: seed)
            var jobs: [(sha256: String, id: Int64, bytes: Int, kind: MediaKind)] = []
            for index in 0..<500 {
                // The first ones are not fresh any more when the worker starts.
                if index == 200 { world.databaseClock.advance(seconds: 40_000) }
                let bytes = [20, 600, 5000, 21_000].randomElement(using: &random)! + index % 50
                let kind = MediaKind.allCases.randomElement(using: &random)!
                let addition = try await world.add(pattern(bytes, seed: index), kind)
                jobs.append((addition.entry.medium.key.sha256, addition.entry.id, bytes, kind))
            }
            let old = jobs[199].id
            let expected = jobs.map { job in
                (job.sha256, job.id, Self.score(job.bytes, job.kind, isFresh: job.id > old))
            }.sorted { ($1.2, $0.1) < ($0.2, $1.1) }
            world.worker.start()
            // However slow the machine, some are done in that time.
            for done in stride(from: 50, through: 500, by: 50) {
                try await eventually("\(done) are ready") { world.worker.counters.ready >= UInt64(done) }
            }
            #expect(world.uploads == expected.map(\.0))
            #expect(Set(expected.map(\.2)).count >= 15)
        }
    }

    @Test("has small photos done at least twice as soon as first in, first out, on the same mix")
    func smallPhotos() throws {
        let scored = try Self.medianPlace { $0.priority = Self.weights }
        let inTurn = try Self.medianPlace {
            $0.priority = PriorityTable(sizes: [], kinds: [:], age: .init(below: 0, points: 0))
        }
        #expect(inTurn >= 2 * scored, "\(inTurn) jobs before a small photo, \(scored) with scores")
    }

    /// How many of 200 mixed jobs were done when the median small photo was, one at a time.
    private static func medianPlace(_ change: @escaping @Sendable (inout PrewarmOptions) -> Void) throws -> Int {
        nonisolated(unsafe) var median = 0
        try MediaWorld.run {
            $0.prewarm.concurrency = 1
            $0.prewarm.agingCap = 1e6
            change(&$0.prewarm)
        } _: { world in
            var random = Random(state: 5)
            var photos: Set<String> = []
            for index in 0..<200 {
                let isPhoto = Int.random(in: 0..<10, using: &random) < 4
                let bytes = (isPhoto ? 20 : [3000, 21_000].randomElement(using: &random)!) + index % 50
                let addition = try await world.add(pattern(bytes, seed: index), isPhoto ? .photo : .video)
                if isPhoto { photos.insert(addition.entry.medium.key.sha256) }
            }
            world.worker.start()
            try await eventually("all are ready") { world.worker.counters.ready == 200 }
            let places = world.uploads.enumerated().filter { photos.contains($0.element) }.map(\.offset)
            median = places[places.count / 2]
        }
        return median
    }

    @Test("lets a photo start while five slow videos are to be uploaded, before any of them is done")
    func slowVideos() throws {
        try MediaWorld.run {
            $0.isManual = true
            $0.standIn.latency = 100...100
            $0.prewarm.smallBytes = 1000
        } _: { world in
            world.worker.start()
            for index in 0..<5 { try await world.add(pattern(3000 + index, seed: index), .video) }
            try await eventually("videos are under way") { world.telegramClock.waitingTimers == 4 }
            try await world.add(pattern(10), .photo)
            // Telegram's clock stands still: it waits for no video.
            try await eventually("so is the photo") { world.telegramClock.waitingTimers == 5 }
            #expect(world.standIn.count == 0)
            await world.telegramClock.advance(seconds: 100)
            try await eventually("five are done") { world.worker.counters.ready == 5 }
            #expect(world.standIn.calls().count { $0.method == "sendPhoto" } == 1)
        }
    }

    @Test("keeps nobody waiting for longer than the aging cap, however many photos come")
    func agingCap() throws {
        // Real time passes as well, and counts for little beside these.
        let (cap, step) = (30_000.0, 1000.0)
        try MediaWorld.run {
            $0.isManual = true
            $0.standIn.latency = 1...1
            $0.prewarm.concurrency = 1
            $0.prewarm.priority = Self.weights
            $0.prewarm.agingCap = cap
        } _: { world in
            world.worker.start()
            try await world.add(pattern(10, seed: 1), .photo)
            try await eventually("it is under way") { world.telegramClock.waitingTimers == 1 }
            try await world.add(pattern(21_000), .video)
            var waited = 0.0
            var done = 0
            // There is always a photo more than can be sent.
            try await world.add(pattern(10, seed: 2), .photo)
            while !world.standIn.calls(limit: 1000).contains(where: { $0.method == "sendVideo" }), waited < 2 * cap {
                world.databaseClock.advance(seconds: step)
                waited += step
                try await world.add(pattern(10, seed: 3 + done), .photo)
                await world.telegramClock.advance(seconds: 1)
                done += 1
                try await eventually("it is done") { world.worker.counters.ready == done }
                try await eventually("the next is under way") { world.telegramClock.waitingTimers == 1 }
            }
            // It began when a slot became free behind the cap, and was answered a step later.
            #expect(waited > cap && waited <= cap + 3 * step, "it waited \(waited) s")
        }
    }
}
