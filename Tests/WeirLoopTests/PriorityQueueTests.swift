import Testing
import WeirLoop

@Suite("Priority queue")
struct PriorityQueueTests {
    private func job(_ id: UInt64, _ priority: UInt8, _ submitted: UInt64 = 0) -> PriorityQueue.Job {
        .init(id: id, priority: priority, submitted: submitted)
    }

    @Test("jobs leave by priority, freshness and the aging cap")
    func order() throws {
        var options = PriorityQueue.Options()
        options.freshBonus = 15
        options.freshFor = 60_000
        options.agingCap = 300_000
        let queue = try PriorityQueue(options)
        #expect(queue.isEmpty)
        #expect(queue.push(job(1, 100), now: 0) == .added)
        #expect(queue.push(job(2, 110, 50_000), now: 50_000) == .added)
        #expect(queue.push(job(3, 112, 55_000), now: 55_000) == .added)
        #expect(queue.snapshot(now: 59_999).map(\.id) == [3, 2, 1])
        #expect(queue.snapshot(now: 59_999).map(\.rank) == [127, 125, 115])
        #expect(queue.snapshot(now: 60_000, limit: 2).map(\.rank) == [127, 125])
        #expect(queue.update(1, priority: 126, now: 60_000))
        let first = try #require(queue.peek(now: 60_000))
        #expect(first.id == 3)
        let found = try #require(queue.find(1))
        #expect(found.rank == 126 && found.priority == 126 && !found.isOverdue)
        let late = queue.snapshot(now: 350_001)
        #expect(late.map(\.id) == [1, 2, 3])
        #expect(late.map(\.isOverdue) == [true, true, false])
        let oldest = try #require(queue.oldest)
        #expect(oldest == 0)
        let order = (0..<4).map { _ in queue.pop(now: 350_001)?.id }
        #expect(order == [1, 2, 3, nil])
        #expect(queue.oldest == nil)
    }

    @Test("a duplicate raises the job that is there; a full queue refuses or evicts")
    func full() throws {
        var options = PriorityQueue.Options()
        options.capacity = 2
        let rejecting = try PriorityQueue(options)
        options.whenFull = .evictLowest
        let evicting = try PriorityQueue(options)
        for queue in [rejecting, evicting] {
            #expect(queue.push(job(1, 10), now: 0) == .added)
            #expect(queue.push(job(2, 20), now: 0) == .added)
            #expect(queue.push(job(1, 15), now: 0) == .duplicate)
            #expect(queue.push(job(3, 15), now: 0) == .full)
            #expect(queue.count == 2)
        }
        #expect(rejecting.push(job(4, 255), now: 0) == .full)
        guard case .evicted(let gone) = evicting.push(job(4, 255), now: 0) else {
            Issue.record("nothing was evicted")
            return
        }
        #expect(gone.id == 1 && gone.priority == 15)
        let cancelled = try #require(evicting.cancel(4))
        #expect(cancelled.priority == 255)
        #expect(evicting.cancel(4) == nil)
        #expect(!evicting.update(4, priority: 1, now: 0))
        var counters = PriorityQueue.Counters()
        counters.added = 3
        counters.duplicates = 1
        counters.refused = 1
        counters.evicted = 1
        counters.cancelled = 1
        counters.most = 2
        #expect(evicting.counters == counters)
    }

    @Test("options out of their range are refused")
    func limits() {
        for change: (inout PriorityQueue.Options) -> Void in [
            { $0.capacity = 0 }, { $0.capacity = -1 }, { $0.capacity = PriorityQueue.maximumCapacity + 1 },
            { $0.freshFor = 0 }, { $0.agingCap = 0 },
        ] {
            var options = PriorityQueue.Options()
            change(&options)
            #expect(throws: CoreError.option) { _ = try PriorityQueue(options) }
        }
    }
}
