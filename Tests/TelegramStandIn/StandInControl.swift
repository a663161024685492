public import WeirHTTP
import WeirLoop

// What a test in another process asks and orders.
extension TelegramStandIn {
    /// Calls in one answer of `/calls`.
    static let pageLimit = 10_000

    func addControl(to router: Router) {
        router.get("/calls") { [unowned self] request in
            let after = request.query["after"].flatMap { Int($0) } ?? 0
            let limit = request.query["limit"].flatMap { Int($0) } ?? Self.pageLimit
            let page = calls(after: max(0, after), limit: min(max(1, limit), Self.pageLimit))
            return .json(.object([("calls", .array(page.map(\.json))), ("count", .integer(Int64(count)))]))
        }
        router.get("/counts") { [unowned self] _ in .json(counts) }
        router.post("/control", audience: .anyone) { [unowned self] request in
            do {
                var changed = options
                try changed.change(try JSON(reading: try await request.body.collect()))
                options = changed
            } catch let problem as JSON.Problem {
                throw HTTPError.badRequest("the body is not JSON: \(problem)")
            }
            return .json(counts)
        }
        router.post("/forget", audience: .anyone) { [unowned self] _ in
            forgetFiles()
            return .json(counts)
        }
        router.post("/clock", audience: .anyone) { [unowned self] request in
            guard clock.isManual else {
                throw HTTPError(409, "NO_VIRTUAL_CLOCK", "this stand-in has the system's clock")
            }
            guard let seconds = request.query["advance"].flatMap({ Double($0) }), (0...1e6).contains(seconds) else {
                throw HTTPError.badRequest("expected ?advance=SECONDS")
            }
            clock.advance(by: UInt64(seconds * 1e9))
            return .json(counts)
        }
    }

    /// The numbers, at once.
    public var counts: JSON {
        func members<Key: Hashable & Comparable>(_ counts: [Key: UInt64]) -> JSON {
            .object(counts.sorted { $0.key < $1.key }.map { ("\($0.key)", .unsigned($0.value)) })
        }
        return .object([
            ("calls", .integer(Int64(count))), ("statuses", members(calls.statuses)),
            ("methods", members(calls.methods)), ("violations", .unsigned(violations)),
            ("under_way", .integer(Int64(underWay))), ("most_under_way", .integer(Int64(mostUnderWay))),
            ("now", .number(Double(clock.now) / 1e9)),
        ])
    }
}
