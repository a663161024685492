import Testing
import WeirLoop

@testable import WeirDatabase

@Suite("The durable queue")
struct QueueTests {
    private static let hour: Double = 3600

    @LoopActor
    private static func add(
        _ numbers: ClosedRange<Int>, to database: any Database, score: (Int) -> Int = { _ in 100 },
        isSmall: (Int) -> Bool = { _ in false }
    ) async throws {
        for number in numbers {
            let priority = Sample.priority(score(number), isSmall: isSmall(number))
            _ = try await database.add(Sample.medium(number), priority: priority)
        }
    }

    @Test("claims come by score, then by age; what is claimed is not claimed again", arguments: Backend.all)
    func order(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            // 1: 100, 2: 120, 3: 100, 4: 120, ...
            try await QueueTests.add(1...6, to: database, score: { $0 % 2 == 0 ? 120 : 100 })
            let peeked = try await database.peek(JobSelection(limit: 10))
            #expect(peeked.map(\.medium.bytes) == [2000, 4000, 6000, 1000, 3000, 5000])
            #expect(peeked.allSatisfy { $0.phase == .queued && $0.attempts == 0 && $0.fence == 0 })

            let first = try await database.claim(JobSelection(limit: 2), lease: QueueTests.hour, worker: "a")
            #expect(first.map(\.entry.medium.bytes) == [2000, 4000])
            let rest = try await database.claim(JobSelection(limit: 10), lease: QueueTests.hour, worker: "b")
            #expect(rest.map(\.entry.medium.bytes) == [6000, 1000, 3000, 5000])
            #expect(rest.allSatisfy { $0.entry.worker == "b" && $0.entry.phase == .leased && $0.entry.attempts == 1 })
            #expect(try await database.claim(JobSelection(limit: 10), lease: QueueTests.hour, worker: "a").isEmpty)
            let counts = try await database.counts()
            #expect(counts == JobCounts(leased: 6))
        }
    }
}
