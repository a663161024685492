import Testing
import WeirLoop

@testable import WeirDatabase

@Suite("The durable queue")
struct QueueTests {
    /// Seconds: no test takes so long that a lease would end by itself.
    private static let lease: Double = 36_000

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

    private static func numbers(_ entries: [MediaEntry]) -> [Int] { entries.map { Int($0.medium.bytes / 1000) } }

    private static func numbers(_ jobs: [LeasedJob]) -> [Int] { numbers(jobs.map(\.entry)) }

    @Test("claims come by score, then by age; what is claimed is not claimed again", arguments: Backend.all)
    func order(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            try await QueueTests.add(1...6, to: database, score: { $0 % 2 == 0 ? 120 : 100 })
            let peeked = try await database.peek(JobSelection(limit: 10))
            #expect(QueueTests.numbers(peeked) == [2, 4, 6, 1, 3, 5])
            #expect(peeked.allSatisfy { $0.phase == .queued && $0.attempts == 0 && $0.fence == 0 })
            #expect(QueueTests.numbers(try await database.peek(JobSelection(limit: 2))) == [2, 4])

            let first = try await database.claim(JobSelection(limit: 2), lease: QueueTests.lease, worker: "a")
            #expect(QueueTests.numbers(first) == [2, 4])
            let rest = try await database.claim(JobSelection(limit: 10), lease: QueueTests.lease, worker: "b")
            #expect(QueueTests.numbers(rest) == [6, 1, 3, 5])
            #expect(rest.allSatisfy { $0.entry.worker == "b" && $0.entry.phase == .leased })
            #expect(rest.allSatisfy { $0.entry.attempts == 1 && $0.entry.fence == 1 })
            let stored = try await database.entry(rest[0].entry.medium.key)
            #expect(stored == rest[0].entry)
            #expect(try await database.claim(JobSelection(limit: 10), lease: QueueTests.lease, worker: "a").isEmpty)
            #expect(try await database.claim(JobSelection(limit: 0), lease: QueueTests.lease, worker: "a").isEmpty)
            #expect(try await database.counts() == JobCounts(leased: 6))
        }
    }

    @Test("who waited past the cap goes first, the oldest first; small ones can be had alone", arguments: Backend.all)
    func aging(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            try await QueueTests.add(1...2, to: database, score: { $0 == 1 ? 10 : 20 })
            test.clock.advance(seconds: 400)
            try await QueueTests.add(3...6, to: database, score: { 100 + $0 }, isSmall: { $0 <= 4 })
            #expect(QueueTests.numbers(try await database.peek(JobSelection(limit: 10))) == [1, 2, 6, 5, 4, 3])
            #expect(QueueTests.numbers(try await database.peek(JobSelection(limit: 1))) == [1])
            let patient = JobSelection(limit: 10, agingCap: 1000)
            #expect(QueueTests.numbers(try await database.peek(patient)) == [6, 5, 4, 3, 2, 1])
            let small = JobSelection(limit: 10, onlySmall: true)
            #expect(QueueTests.numbers(try await database.peek(small)) == [4, 3])
            let counts = try await database.counts()
            #expect(counts.oldestSeconds >= 400 && counts.queued == 6)

            let smallest = JobSelection(limit: 1, onlySmall: true)
            let one = try await database.claim(smallest, lease: QueueTests.lease, worker: "w")
            #expect(QueueTests.numbers(one) == [4])
            let rest = try await database.claim(JobSelection(limit: 10), lease: QueueTests.lease, worker: "w")
            #expect(QueueTests.numbers(rest) == [1, 2, 6, 5, 3])
        }
    }

    @Test("hints are leased by id, in their order, unless somebody was faster", arguments: Backend.all)
    func hints(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            try await QueueTests.add(1...4, to: database)
            let hints = try await database.peek(JobSelection(limit: 4)).map(\.id)
            let taken = try await database.claim([hints[1]], lease: QueueTests.lease, worker: "a")
            #expect(QueueTests.numbers(taken) == [2])
            let wanted = [hints[3], hints[1], hints[0], 999_999, hints[3]]
            let leased = try await database.claim(wanted, lease: QueueTests.lease, worker: "b")
            #expect(QueueTests.numbers(leased) == [4, 1])
            #expect(try await database.claim([], lease: QueueTests.lease, worker: "b").isEmpty)
            #expect(QueueTests.numbers(try await database.peek(JobSelection(limit: 4))) == [3])
        }
    }

    @Test("each outcome leaves the state that it should", arguments: Backend.all)
    func outcomes(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            try await QueueTests.add(1...5, to: database)
            let jobs = try await database.claim(JobSelection(limit: 5), lease: QueueTests.lease, worker: "w")
            let outcomes: [JobOutcome] = [
                .ready(Sample.file(1)), .retry(after: 20, error: "500"), .postpone(after: 30, reason: "429"),
                .failed(error: "413"), .release,
            ]
            let settled = try await database.settle(zip(jobs, outcomes).map { ($0.lease, $1) })
            #expect(settled == [true, true, true, true, true])
            // Once is enough: nobody holds them any more.
            #expect(
                try await database.settle(jobs.map { ($0.lease, .release) }) == [false, false, false, false, false])

            var entries: [MediaEntry] = []
            for number in 1...5 { entries.append(try #require(try await database.entry(Sample.key(number)))) }
            #expect(entries.map(\.status) == [.ready, .warming, .warming, .failed, .warming])
            #expect(entries.map(\.phase) == [.done, .waiting, .waiting, .done, .queued])
            #expect(entries.map(\.attempts) == [1, 1, 0, 1, 0])
            #expect(entries.map(\.lastError) == [nil, "500", "429", "413", nil])
            #expect(entries.map { $0.leaseUntil == nil && $0.worker == nil } == [true, true, true, true, true])
            #expect(entries.map { $0.nextRetryAt != nil } == [false, true, true, false, false])
            let (retry, postponed) = (try #require(entries[1].nextRetryAt), try #require(entries[2].nextRetryAt))
            #expect(postponed - retry == 10_000)
            #expect(entries[0].file == Sample.file(1))
            let ready = try await database.readyFile(Sample.key(1))
            #expect(ready == Sample.file(1))
            let counts = try await database.counts()
            #expect([counts.queued, counts.leased, counts.waiting, counts.ready, counts.failed] == [1, 0, 2, 1, 1])
            #expect(counts.warming == 3)
        }
    }

    @Test("a retry is due when its time has come, and the sweep says when that is", arguments: Backend.all)
    func retries(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            try await QueueTests.add(1...2, to: database)
            let nothing = try await database.sweep(attempts: 5)
            #expect(nothing == SweepResult())
            let jobs = try await database.claim(JobSelection(limit: 2), lease: QueueTests.lease, worker: "w")
            _ = try await database.settle([
                (jobs[0].lease, .retry(after: 1000, error: "a")), (jobs[1].lease, .retry(after: 3000, error: "b")),
            ])
            let early = try await database.sweep(attempts: 5)
            #expect(early.due == 0)
            let due = try #require(early.nextDue)
            #expect(due > 0 && due <= 1000)

            test.clock.advance(seconds: 1000)
            let swept = try await database.sweep(attempts: 5)
            #expect(swept.due == 1 && swept.expired == 0 && swept.failed == 0 && !swept.isPartial)
            let next = try #require(swept.nextDue)
            #expect(next > 0 && next <= 2000)
            let again = try await database.claim(JobSelection(limit: 2), lease: QueueTests.lease, worker: "w")
            #expect(QueueTests.numbers(again) == [1])
            #expect(again[0].entry.attempts == 2 && again[0].entry.lastError == "a" && again[0].entry.fence == 2)
        }
    }

    @Test("an ended lease is taken over, and who stalled cannot complete", arguments: Backend.all)
    func fencing(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            try await QueueTests.add(1...1, to: database)
            let stalled = try await database.claim(JobSelection(limit: 1), lease: 1000, worker: "stalled")[0]
            #expect(try await database.renew([stalled.lease], lease: 2000) == [stalled.lease])
            test.clock.advance(seconds: 1500)
            let held = try await database.sweep(attempts: 5)
            #expect(held.expired == 0)
            test.clock.advance(seconds: 1000)
            let swept = try await database.sweep(attempts: 5)
            #expect(swept.expired == 1 && swept.failed == 0)

            let taken = try await database.claim(JobSelection(limit: 1), lease: QueueTests.lease, worker: "heir")[0]
            #expect(taken.entry.id == stalled.entry.id && taken.entry.fence == stalled.entry.fence + 1)
            #expect(taken.entry.attempts == 2)
            #expect(taken.entry.lastError == JobTexts.leaseEnded)
            let late: [JobOutcome] = [
                .ready(Sample.file(9)), .retry(after: 1, error: "x"), .postpone(after: 1, reason: "x"),
                .failed(error: "x"), .release,
            ]
            for outcome in late {
                #expect(try await database.settle([(stalled.lease, outcome)]) == [false], "\(outcome)")
            }
            #expect(try await database.renew([stalled.lease, taken.lease], lease: 9000) == [taken.lease])
            #expect(try await database.settle([(taken.lease, .ready(Sample.file(1)))]) == [true])
            #expect(try await database.readyFile(Sample.key(1)).holds(Sample.file(1)))
        }
    }

    @Test("a lease that ends at the last attempt fails the job; requeued it starts anew", arguments: Backend.all)
    func poison(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            try await QueueTests.add(1...1, to: database)
            for attempt in 1...3 {
                let jobs = try await database.claim(JobSelection(limit: 1), lease: 1000, worker: "w")
                #expect(jobs.map(\.entry.attempts) == [attempt])
                test.clock.advance(seconds: 2000)
                let swept = try await database.sweep(attempts: 3)
                #expect(swept.expired == (attempt < 3 ? 1 : 0) && swept.failed == (attempt < 3 ? 0 : 1))
            }
            let dead = try #require(try await database.entry(Sample.key(1)))
            #expect(dead.status == .failed && dead.attempts == 3)
            #expect(dead.lastError == JobTexts.leaseEnded)
            #expect(try await database.requeue(.key(Sample.key(1))) == 1)
            #expect(try await database.requeue(.key(Sample.key(1))) == 0)
            let jobs = try await database.claim(JobSelection(limit: 1), lease: 1000, worker: "w")
            #expect(jobs.map(\.entry.attempts) == [1])
        }
    }

    @Test("failed jobs are requeued by key, by bot, or all", arguments: Backend.all)
    func requeueing(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            for bot in ["a", "b"] {
                for number in 1...3 {
                    _ = try await database.add(Sample.medium(number, bot: bot), priority: Sample.priority(100))
                }
            }
            let jobs = try await database.claim(JobSelection(limit: 6), lease: QueueTests.lease, worker: "w")
            _ = try await database.settle(jobs.map { ($0.lease, .failed(error: "no")) })
            #expect(try await database.requeue(.key(Sample.key(2, bot: "a"))) == 1)
            #expect(try await database.requeue(.bot("b")) == 3)
            #expect(try await database.requeue(.bot("c")) == 0)
            #expect(try await database.counts().failed == 2)
            #expect(try await database.requeue(.all) == 2)
            let counts = try await database.counts()
            #expect(counts.queued == 6 && counts.failed == 0)
        }
    }

    @Test("demand raises a score, and ends the wait for a retry", arguments: Backend.all)
    func promotion(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            try await QueueTests.add(1...3, to: database)
            let raised = try #require(try await database.promote(Sample.key(3), score: 200))
            #expect(raised.priority.score == 200 && raised.phase == .queued)
            let kept = try #require(try await database.promote(Sample.key(3), score: 150))
            #expect(kept.priority.score == 200)
            let jobs = try await database.claim(JobSelection(limit: 2), lease: QueueTests.lease, worker: "w")
            #expect(QueueTests.numbers(jobs) == [3, 1])
            let leased = try #require(try await database.promote(Sample.key(1), score: 250))
            #expect(leased.phase == .leased)
            _ = try await database.settle([
                (jobs[0].lease, .retry(after: 5000, error: "500")), (jobs[1].lease, .ready(Sample.file(1))),
            ])
            let due = try #require(try await database.promote(Sample.key(3), score: 255))
            #expect(due.phase == .queued && due.priority.score == 255)
            #expect(due.nextRetryAt.isAbsent)
            let ready = try await database.promote(Sample.key(1), score: 255)
            #expect(ready.isAbsent)
            let absent = try await database.promote(Sample.key(77), score: 255)
            #expect(absent.isAbsent)
        }
    }

    @Test("new work is announced", arguments: Backend.all)
    func announcements(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            var calls = 0
            database.whenWorkArrives = { calls += 1 }
            try await QueueTests.add(1...1, to: database)
            #expect(calls >= 1)
            let job = try await database.claim(JobSelection(limit: 1), lease: QueueTests.lease, worker: "w")[0]
            let before = calls
            _ = try await database.settle([(job.lease, .release)])
            #expect(calls > before)
        }
    }

    @Test("many at once: every job is claimed by exactly one, and every outcome is recorded", arguments: Backend.all)
    func manyWorkers(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            let total = 300
            let adding = (0..<20).map { worker in
                spawn { @LoopActor () async throws -> Void in
                    for number in stride(from: worker + 1, through: total, by: 20) {
                        let priority = Sample.priority(number % 7)
                        let added = try await database.add(Sample.medium(number), priority: priority)
                        #expect(added.outcome == .added)
                    }
                }
            }
            for task in adding { try await task.value }
            let working = (0..<16).map { worker in
                spawn { @LoopActor () async throws -> [Int64] in
                    var mine: [Int64] = []
                    // Who finds rows that others are taking passes over them: nothing once is not the end.
                    while try await database.counts().queued > 0 {
                        let jobs = try await database.claim(
                            JobSelection(limit: 3), lease: QueueTests.lease, worker: "w\(worker)")
                        mine += jobs.map(\.entry.id)
                        let settled = try await database.settle(
                            jobs.map { ($0.lease, .ready(Sample.file(Int($0.entry.id)))) })
                        #expect(settled == jobs.map { _ in true })
                    }
                    return mine
                }
            }
            var claims: [Int64: Int] = [:]
            for task in working {
                for id in try await task.value { claims[id, default: 0] += 1 }
            }
            #expect(claims.count == total)
            let twice = claims.filter { $0.value != 1 }
            #expect(twice.isEmpty)
            let counts = try await database.counts()
            #expect(counts == JobCounts(ready: total))
        }
    }
}
