import Testing

@testable import WeirLive

@Suite struct RecentEndsTests {
    private func listener(_ id: Int, path: String = "/live/a") -> ListenerReport {
        ListenerReport(
            id: UInt64(id), address: "192.0.2.1:1", path: path, since: 0, seconds: 1, position: 0, lagBytes: 0,
            lagSeconds: nil, skippedBytes: 0, skips: 0, sentBytes: 0)
    }

    @Test(arguments: [0, 1, 2, RecentEnds.limit - 1, RecentEnds.limit, RecentEnds.limit + 1, RecentEnds.limit * 3 + 7])
    func `keeps the last ones, the newest first`(count: Int) {
        var ends = RecentEnds()
        for id in 0..<count { ends.note(listener(id), until: Int64(id), reason: "closed", error: nil) }
        let kept = min(count, RecentEnds.limit)
        #expect(ends.count == kept)
        #expect(ends.newestFirst.map { Int($0.listener.id) } == (0..<kept).map { count - 1 - $0 })
        #expect(ends.newestFirst.map { Int($0.until) } == (0..<kept).map { count - 1 - $0 })
    }

    @Test func `what a peer brought about takes no more room than it may`() throws {
        var ends = RecentEnds()
        let long = String(repeating: "x", count: 10_000)
        ends.note(listener(1, path: "/" + long), until: 1, reason: "error", error: long)
        let end = try #require(ends.newestFirst.first)
        #expect(end.listener.path.count == RecentEnds.textLimit)
        #expect(end.error?.count == RecentEnds.textLimit)
        #expect(end.reason == "error")
    }
}
