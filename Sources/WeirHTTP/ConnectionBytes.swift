internal import CWeir
import Glibc
internal import WeirLoop

// Bytes in and out of the socket, each wait with its deadline.
extension Connection {
    /// Receives into the server's scratch buffer, valid until the task is suspended again: how many bytes, at least one.
    private func receive() async throws(Ending) -> Int {
        while true {
            await breathe()
            let count = take()
            if count > 0 {
                moved += count
                return count
            }
            if count == -Int(EAGAIN) {
                try await wait(for: tls?.awaited ?? .readable)
            } else if count != -Int(EINTR) {
                throw .closed
            }
        }
    }

    /// What there is, into the server's scratch buffer: how many bytes, 0 at the end, or a negative errno.
    func take() -> Int {
        if let tls { return tls.receive(into: server.scratch) }
        let count = recv(descriptor, server.scratch.baseAddress, server.scratch.count, Int32(MSG_DONTWAIT))
        return count < 0 ? -Int(errno) : count
    }

    private func takePending(for body: RequestBody) -> [UInt8] {
        let (used, piece) = pending.withUnsafeMutableBytes { body.consume($0) }
        if used == pending.count { pending = [] } else { pending.removeFirst(used) }
        return piece
    }

    /// A piece of the body, from what is pending or from the socket.
    func receivePiece(of body: RequestBody) async throws -> [UInt8] {
        if hasPending { return takePending(for: body) }
        let before = phase
        phase = .transfer
        deadline = min(latest, server.clock.deadline(after: server.options.sendTimeout))
        defer { if before == .handling { handle() } else { phase = before } }
        let count: Int
        do {
            count = try await receive()
        } catch Ending.timeout where before == .handling {
            server.counters.sendTimeouts += 1
            throw HTTPError(408, "REQUEST_TIMEOUT", "the request's body took too long")
        }
        let bytes = UnsafeMutableRawBufferPointer(rebasing: server.scratch[..<count])
        let (used, piece) = body.consume(bytes)
        if used < count { pending = Array(bytes[used...]) }
        return piece
    }

    /// Sends all of the pieces, waiting for the peer as long as it takes any byte within `sendTimeout`.
    func send(_ pieces: [[UInt8]]) async throws(Ending) {
        let before = phase
        phase = .transfer
        deadline = server.clock.deadline(after: server.options.sendTimeout)
        defer { if before == .handling { handle() } else { phase = before } }
        if pieces.reduce(0, { $0 + $1.count }) <= Connection.joinLimit {
            try await send(Array(pieces.joined()), more: false)
        } else if tls != nil && pieces.count > 1 {
            try await sendInFullRecords(pieces)
        } else {
            for (index, piece) in pieces.enumerated() { try await send(piece, more: index < pieces.count - 1) }
        }
    }

    /// Bytes up to which copying pieces together is cheaper than another system call.
    private static let joinLimit = 16384

    /// What frames a body shares the records of what it frames.
    private func sendInFullRecords(_ pieces: [[UInt8]]) async throws(Ending) {
        var chunk: [UInt8] = []
        chunk.reserveCapacity(Connection.share)
        for piece in pieces {
            var rest = piece[...]
            while !rest.isEmpty {
                let part = rest.prefix(Connection.share - chunk.count)
                chunk += part
                rest = rest.dropFirst(part.count)
                if chunk.count < Connection.share { continue }
                try await send(chunk, more: true)
                chunk.removeAll(keepingCapacity: true)
            }
        }
        if !chunk.isEmpty { try await send(chunk, more: false) }
    }

    /// With `more` the kernel waits for the next piece before it sends a segment that is not full.
    private func send(_ bytes: [UInt8], more: Bool) async throws(Ending) {
        let flags = Int32(MSG_NOSIGNAL | MSG_DONTWAIT) | (more ? Int32(MSG_MORE) : 0)
        var done = 0
        while done < bytes.count {
            await breathe()
            let count = bytes.withUnsafeBytes {
                let rest = $0[done...].prefix(Connection.share)
                return give(UnsafeRawBufferPointer(rebasing: rest), flags)
            }
            if count >= 0 {
                done += count
                moved += count
                deadline = server.clock.deadline(after: server.options.sendTimeout)
            } else {
                try await waitToSend(count)
            }
        }
        guard let tls else { return }
        // What was taken last may be held.
        while true {
            let held = tls.flush()
            if held == 0 { return }
            if held > 0 { deadline = server.clock.deadline(after: server.options.sendTimeout) }
            try await waitToSend(held > 0 ? -Int(EAGAIN) : held)
        }
    }

    private func give(_ bytes: UnsafeRawBufferPointer, _ flags: Int32) -> Int {
        if let tls { return tls.send(bytes) }
        let count = Glibc.send(descriptor, bytes.baseAddress!, bytes.count, flags)
        return count < 0 ? -Int(errno) : count
    }

    private func waitToSend(_ error: Int) async throws(Ending) {
        if error == -Int(EAGAIN) {
            try await wait(for: .writable)
        } else if error != -Int(EINTR) {
            throw .closed
        }
    }

    /// Bytes that are moved before others have their turn: a peer that is always ready must not have the loop to itself.
    private static let share = 65536

    private func breathe() async {
        guard moved >= Connection.share else { return }
        moved = 0
        await Task.yield()
    }

    private func wait(for events: Poll.Events) async throws(Ending) {
        if let interruption { throw interruption }
        moved = 0
        let ready = await poll.wait(for: events)
        if ready.isEmpty {
            defer { if interruption == .timeout { interruption = nil } }
            throw interruption ?? .closed
        }
    }

    // MARK: The rest of a body

    /// Reads what a handler left of a short body, so that the next request is found behind it. A peer that sends it a byte at
    /// a time has `Server.drainTimeout` in all.
    func drain(_ body: RequestBody) async throws(Ending) -> Bool {
        latest = server.clock.deadline(after: Server.drainTimeout)
        defer { latest = .max }
        body.limit = Int(Server.drainLimit) + Int(clamping: body.received)
        while !body.isComplete {
            do {
                _ = try await body.next()
            } catch let ending as Ending {
                if ending == .timeout { server.counters.sendTimeouts += 1 }
                throw ending
            } catch {
                await linger()
                return false
            }
        }
        return true
    }

    /// Ends an answered connection whose peer may still be sending: closing at once would reset it, and the response
    /// could be lost before it was read (RFC 9112 §9.6).
    func linger() async {
        // From here on the peer's bytes are only counted.
        endSecurity()
        shutdown(descriptor, Int32(SHUT_WR))
        pending = []
        phase = .lingering
        deadline = server.clock.deadline(after: Server.lingerTimeout)
        var left = Server.lingerBytes
        while left > 0, let count = try? await receive() { left -= count }
    }

    func reset() {
        isCut = true
        var option = linger_t(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger_t>.size))
    }
}

private typealias linger_t = Glibc.linger
