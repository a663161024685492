import Glibc
internal import WeirLoop

// Sending what a source has, beside the other ways of a body.
extension Connection {
    /// Looks at the peer within each `sendTimeout`: a stall is found at most a quarter of it late.
    private static let looks: Double = 4

    /// Sends a part of a body, for as long as the peer takes any byte of it within `sendTimeout`.
    func send(_ sending: SourceSending) async throws {
        if let interruption { throw interruption }
        let before = phase
        phase = .transfer
        awaitLook()
        // libuv knows one watcher for a descriptor; this is the sender's.
        poll.close()
        self.sending = sending
        defer { if before == .handling { handle() } else { phase = before } }
        let status: Int32?
        do {
            defer {
                self.sending = nil
                moved = 0
            }
            status = try await sending.run(descriptor: descriptor, sink: tls?.sink, now: server.clock.now)
        } catch {
            poll = try Poll(descriptor: descriptor)
            throw error
        }
        poll = try Poll(descriptor: descriptor)
        guard let status else {
            defer { if interruption == .timeout { interruption = nil } }
            throw interruption ?? Ending.closed
        }
        if status < 0 { throw Ending.closed }
    }

    private func awaitLook() {
        deadline = server.clock.deadline(after: server.options.sendTimeout / Connection.looks)
    }

    /// The deadline has passed: whether the peer is still there, and takes what it is sent.
    func lookAtSending() {
        awaitLook()
        guard let sending else { return }
        let now = server.clock.now
        if let since = sending.quietSince(now: now) {
            guard Double(now - since) / 1e9 >= server.options.sendTimeout else { return }
            interruption = .timeout
            sending.interrupt()
        } else if isBroken {
            interruption = .closed
            sending.interrupt()
        }
    }

    /// It was reset, or is closed on both sides. While nothing is sent nothing else tells.
    private var isBroken: Bool {
        var state = pollfd(fd: descriptor, events: 0, revents: 0)
        return Glibc.poll(&state, 1, 0) == 1 && Int32(state.revents) & (POLLERR | POLLHUP) != 0
    }
}
