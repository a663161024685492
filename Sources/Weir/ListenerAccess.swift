internal import WeirHTTP
internal import WeirLive
internal import WeirLoop

/// Who may listen to a station, or download.
@LoopActor
final class ListenerAccess {
    /// Of signed links: the one that signs, and one before it. Without any no link is valid.
    var linkKeys: [String]
    /// Seconds since 1970.
    private let now: () -> UInt64

    init(linkKeys: [String], now: @escaping () -> UInt64 = { UInt64(max(0, WallClock.now)) / 1_000_000_000 }) {
        self.linkKeys = linkKeys
        self.now = now
    }

    /// Throws 403 when the request may not listen to the station.
    func check(_ request: Request, _ station: Station) throws {
        guard station.options.access == .signed, !request.isAdmin else { return }
        try check(request, "station", detail: [("station", .string(station.name))])
    }

    /// Throws 403 when the request has no valid link. `noun` is what it is for.
    func check(_ request: Request, _ noun: String, detail: [(String, JSON)] = []) throws {
        func refusal(_ code: String, _ message: String) -> HTTPError { HTTPError(403, code, message, detail: detail) }
        switch SignedLink.judge(request.target, keys: linkKeys, now: now()) {
        case .valid: return
        case .missing: throw refusal("LINK_REQUIRED", "this \(noun) needs a signed link")
        case .expired: throw refusal("LINK_EXPIRED", "this link is no longer valid")
        case .invalid: throw refusal("LINK_INVALID", "this link was not signed for this path, or was altered")
        }
    }
}
