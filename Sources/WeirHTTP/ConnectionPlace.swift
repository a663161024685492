internal import WeirLoop

/// What one connection takes of the limits, until it leaves.
@LoopActor
final class ConnectionPlace {
    private let server: Server
    private let key: RemoteAddress.LimitKey?
    private var hasLeft = false

    init(server: Server, key: RemoteAddress.LimitKey?) {
        self.server = server
        self.key = key
    }

    func leave() {
        if hasLeft { return }
        hasLeft = true
        server.left(key)
    }

    /// A connection that was handed over has ended.
    func leave(_ event: AccessEvent, started: UInt64) {
        server.counters.takenOver -= 1
        server.finished(event, started: started)
        leave()
    }
}
