internal import CWeir
import Glibc
internal import WeirLoop

/// One connection: one task that reads a request, has it answered, and goes on with the next. While it is idle it has no
/// buffer: bytes are read into one that all connections of a server share, and only what is left over is copied.
@LoopActor
final class Connection {
    /// What it is waiting for; each has its own deadline.
    enum Phase {
        /// The first byte of a request, on a connection that had one already.
        case idle
        /// The rest of a head.
        case head
        /// The handler.
        case handling
        /// Bytes of a request body, or the peer's taking bytes of the response.
        case transfer
        /// The peer's closing, after a response to a request that was not read to its end.
        case lingering
    }

    /// Why there is no next request.
    enum Ending: String, Error {
        /// The peer closed or reset, or the socket failed.
        case closed
        /// A deadline passed; in which phase.
        case timeout
        /// The server is stopping.
        case shutdown
    }

    unowned let server: Server
    let peer: RemoteAddress
    let place: ConnectionPlace
    /// Where it stands in the server's list.
    var index = 0
    /// When the server's sweep ends what it is waiting for.
    private(set) var deadline: UInt64 = .max
    private(set) var phase = Phase.head

    private var descriptor: Int32
    private var poll: Poll
    /// Bytes received and not used yet.
    private var pending: [UInt8] = []
    /// How many of them are known not to complete a head.
    private var seen = 0
    private var requests = 0
    private var interruption: Ending?
    /// Its task, to be cancelled when the server cannot wait any longer.
    private var task: Task<Void, Never>?

    init(server: Server, descriptor: Int32, peer: RemoteAddress, place: ConnectionPlace) throws(CoreError) {
        self.server = server
        self.descriptor = descriptor
        self.peer = peer
        self.place = place
        poll = try Poll(descriptor: descriptor)
        deadline = server.clock.deadline(after: server.options.headTimeout)
    }

    var hasPending: Bool { !pending.isEmpty }

    // MARK: The task

    func start() {
        task = spawn { await self.run() }
    }

    private func run() async {
        while (try? await turn()) == true {}
        if descriptor >= 0 {
            poll.close()
            close(descriptor)
            descriptor = -1
            place.leave()
        }
        server.remove(self)
        task = nil
    }

    /// One request and its response; whether there may be another.
    private func turn() async throws(Ending) -> Bool {
        let parsed: Parsed
        do throws(Ending) {
            parsed = try await readHead()
        } catch {
            guard error == .timeout else { throw error }
            if phase == .idle {
                server.counters.idleTimeouts += 1
            } else {
                server.counters.headTimeouts += 1
                if hasPending { try await refuse(408, "REQUEST_TIMEOUT", "the request's head took too long") }
            }
            return false
        }
        switch parsed {
        case .ended: return false
        case .malformed(let error):
            server.counters.malformed += 1
            let status = Int(weir_http_head_status(error))
            try await refuse(
                status, status == 400 ? "BAD_REQUEST" : "REQUEST_REFUSED", CoreError(rawValue: error).description)
            return false
        case .badTarget:
            server.counters.malformed += 1
            try await refuse(400, "BAD_TARGET", "the request's target is malformed")
            return false
        case .request(let request, let keepAlive):
            requests += 1
            return try await serve(request, keepAlive: keepAlive)
        }
    }

    // MARK: Reading heads

    private enum Parsed {
        case request(Request, keepAlive: Bool)
        case malformed(Int32)
        case badTarget
        /// The peer closed between requests.
        case ended
    }

    private func readHead() async throws(Ending) -> Parsed {
        let options = server.options
        seen = 0
        if requests > 0 {
            phase = hasPending ? .head : .idle
            deadline = server.clock.deadline(after: hasPending ? options.headTimeout : options.idleTimeout)
        } else {
            phase = .head
            deadline = server.clock.deadline(after: options.headTimeout)
        }
        if hasPending, let parsed = parsePending() { return parsed }
        while true {
            if server.isStopping && phase == .idle { throw .shutdown }
            let count: Int
            do throws(Ending) {
                count = try await receive()
            } catch {
                if error == .closed && !hasPending { return .ended }
                throw error
            }
            if phase == .idle {
                phase = .head
                deadline = server.clock.deadline(after: options.headTimeout)
            }
            let scratch = UnsafeMutableRawBufferPointer(rebasing: server.scratch[..<count])
            if pending.isEmpty {
                if let (parsed, used) = parse(UnsafeRawBufferPointer(scratch)) {
                    pending = Array(scratch[used...])
                    return parsed
                }
                pending = Array(scratch)
                seen = count
            } else {
                pending.append(contentsOf: scratch)
                if let parsed = parsePending() { return parsed }
            }
        }
    }

    private func parsePending() -> Parsed? {
        let result = pending.withUnsafeBytes { parse($0) }
        guard let (parsed, used) = result else {
            seen = pending.count
            return nil
        }
        if used == pending.count { pending = [] } else { pending.removeFirst(used) }
        return parsed
    }

    /// A head at the start of the bytes, and how many of them it takes; nil when it is not complete.
    private func parse(_ bytes: UnsafeRawBufferPointer) -> (Parsed, Int)? {
        let start = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
        let length = weir_http_head_parse(start, bytes.count, seen, server.head)
        if length == 0 { return nil }
        seen = 0
        // What follows a head that cannot be read is not known: the connection ends with it.
        if length < 0 { return (.malformed(length), bytes.count) }
        let head = server.head
        guard let target = Target(head.pointee.target.buffer) else { return (.badTarget, bytes.count) }
        let framing: RequestBody.Framing =
            head.pointee.chunked != 0
            ? .chunked : head.pointee.has_length != 0 ? .length(head.pointee.content_length) : .none
        let fields = Fields(head)
        let request = Request(
            method: Method(rawValue: head.pointee.method.text), rawTarget: head.pointee.target.text, target: target,
            fields: fields, minor: Int(head.pointee.minor), remote: server.proxies.client(of: peer, fields: fields),
            body: RequestBody(framing, isExpected: head.pointee.expect_continue != 0, connection: self))
        return (.request(request, keepAlive: head.pointee.keep_alive != 0), Int(length))
    }

    // MARK: Answering

    private func serve(_ request: Request, keepAlive: Bool) async throws(Ending) -> Bool {
        let started = server.clock.now
        phase = .handling
        deadline = .max
        var event = AccessEvent(request)
        defer { request.body.detach() }
        var response = await server.respond(
            to: request, local: { [descriptor] in Listener.localAddress(of: descriptor) })
        if case .takeover(let take) = response.body, !request.isHead {
            event.status = response.status
            do {
                try handOver(response, take, event: event, started: started)
                return false
            } catch {
                response = server.response(to: error)
            }
        }
        // What is left of the body decides whether another request can follow.
        let left = request.body.remaining
        let drains = !request.body.isExpected && !request.body.hasFailed && (left ?? .max) <= Server.drainLimit
        let persists = keepAlive && drains && !response.closes && !server.isStopping && interruption == nil
        event.status = response.status
        phase = .transfer
        do {
            let (bytes, framed) = try await send(response, to: request, persists: persists)
            event.bytes = bytes
            server.finished(event, started: started)
            guard framed, persists else {
                if !request.body.isComplete || hasPending { await linger() }
                return false
            }
        } catch {
            event.bytes = sentBytes
            event.reason = (error as? Ending)?.rawValue ?? "error"
            if error as? Ending == .timeout { server.counters.sendTimeouts += 1 }
            server.finished(event, started: started)
            if !(error is Ending) { server.onFailure?(error) }
            // The peer must not take what it has for the whole.
            reset()
            throw error as? Ending ?? .closed
        }
        return try await drain(request.body)
    }

    private var sentBytes: UInt64 = 0

    /// Sends a response; how many bytes of body that was, and whether its end is known without closing.
    private func send(_ response: Response, to request: Request, persists: Bool) async throws -> (UInt64, Bool) {
        sentBytes = 0
        let bodiless = ResponseHead.isBodiless(response.status)
        var length = ResponseHead.Length.unstated
        var writing: ResponseWriter.Framing?
        switch response.body {
        case .none:
            if !bodiless { length = .bytes(0) }
        case .bytes(let bytes):
            if !bodiless { length = .bytes(UInt64(bytes.count)) }
        case .takeover:
            writing = .close
        case .stream(let announced, let framing, _):
            if let announced {
                length = .bytes(announced)
                writing = .length(announced)
            } else if case .chunked = framing, request.minor >= 1 {
                length = .chunked
                writing = .chunked
            } else {
                writing = .close
            }
        }
        var framed = true
        if case .close = writing { framed = false }
        let persistence: ResponseHead.Persistence =
            !persists || !framed ? .close : request.minor == 0 ? .keepAlive : .implied
        let head = ResponseHead.render(
            status: response.status, fields: response.fields, length: length, persistence: persistence,
            date: server.date.now())
        let sendsBody = !bodiless && !request.isHead
        switch response.body {
        case .bytes(let bytes) where sendsBody && !bytes.isEmpty:
            try await send([head, bytes])
            sentBytes = UInt64(bytes.count)
        case .stream(_, _, let body) where sendsBody:
            try await send([head])
            let writer = ResponseWriter(self, framing: writing ?? .close)
            do {
                try await body(writer)
                sentBytes = writer.written
                try await writer.finish()
            } catch {
                sentBytes = writer.written
                throw error
            }
        default:
            try await send([head])
        }
        server.counters.bytesSent += sentBytes
        return (sentBytes, framed)
    }

    /// Answers what cannot be served, and closes.
    private func refuse(_ status: Int, _ code: String, _ message: String) async throws(Ending) {
        let response = Response.error(HTTPError(status, code, message))
        guard case .bytes(let body) = response.body else { return }
        let head = ResponseHead.render(
            status: status, fields: response.fields, length: .bytes(UInt64(body.count)), persistence: .close,
            date: server.date.now())
        phase = .transfer
        try await send([head, body])
        var event = AccessEvent(
            remote: peer, method: "-", target: "-", status: status, bytes: UInt64(body.count), seconds: 0,
            reason: "done")
        if status == 408 { event.reason = "timeout" }
        server.finished(event, started: server.clock.now)
        await linger()
    }

    func sendContinue() async throws(Ending) {
        let before = phase
        try await send([Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)])
        phase = before
    }

    /// Gives the socket away. Throws what the taker throws; the connection goes on then.
    private func handOver(
        _ response: Response, _ take: @LoopActor (Takeover) throws -> Void, event: AccessEvent, started: UInt64
    ) throws {
        let head = ResponseHead.render(
            status: response.status, fields: response.fields, length: .unstated, persistence: .close,
            date: server.date.now())
        // libuv knows one watcher for a descriptor; the next is the taker's.
        poll.close()
        let ticket = ConnectionTicket(place: place, event: event, started: started)
        do {
            try take(Takeover(descriptor: descriptor, head: head, label: event.remote.description, ticket: ticket))
        } catch {
            ticket.revoke()
            poll = try Poll(descriptor: descriptor)
            throw error
        }
        descriptor = -1
        server.counters.takenOver += 1
    }

    // MARK: The rest of a body

    /// Reads what a handler left of a short body, so that the next request is found behind it.
    private func drain(_ body: RequestBody) async throws(Ending) -> Bool {
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
    private func linger() async {
        shutdown(descriptor, Int32(SHUT_WR))
        pending = []
        phase = .lingering
        deadline = server.clock.deadline(after: Server.lingerTimeout)
        var left = Server.lingerBytes
        while left > 0, let count = try? await receive() { left -= count }
    }

    private func reset() {
        var option = linger_t(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger_t>.size))
    }

    // MARK: Bytes

    /// Receives into the server's scratch buffer, valid until the task is suspended again: how many bytes, at least one.
    private func receive() async throws(Ending) -> Int {
        while true {
            let count = recv(descriptor, server.scratch.baseAddress, server.scratch.count, Int32(MSG_DONTWAIT))
            if count > 0 { return count }
            if count == 0 { throw .closed }
            let reason = errno
            if reason == EAGAIN {
                try await wait(for: .readable)
            } else if reason != EINTR {
                throw .closed
            }
        }
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
        deadline = server.clock.deadline(after: server.options.sendTimeout)
        defer {
            phase = before
            deadline = before == .handling ? .max : deadline
        }
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
        defer {
            phase = before
            if before == .handling { deadline = .max }
        }
        if pieces.reduce(0, { $0 + $1.count }) <= Connection.joinLimit {
            try await send(Array(pieces.joined()), more: false)
        } else {
            for (index, piece) in pieces.enumerated() { try await send(piece, more: index < pieces.count - 1) }
        }
    }

    /// Bytes up to which copying pieces together is cheaper than another system call.
    private static let joinLimit = 16384

    /// With `more` the kernel waits for the next piece before it sends a segment that is not full.
    private func send(_ bytes: [UInt8], more: Bool) async throws(Ending) {
        let flags = Int32(MSG_NOSIGNAL | MSG_DONTWAIT) | (more ? Int32(MSG_MORE) : 0)
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress! + done, $0.count - done, flags) }
            let reason = errno
            if count >= 0 {
                done += count
                deadline = server.clock.deadline(after: server.options.sendTimeout)
            } else if reason == EAGAIN {
                try await wait(for: .writable)
            } else if reason != EINTR {
                throw .closed
            }
        }
    }

    private func wait(for events: Poll.Events) async throws(Ending) {
        if let interruption { throw interruption }
        let ready = await poll.wait(for: events)
        if ready.isEmpty {
            defer { if interruption == .timeout { interruption = nil } }
            throw interruption ?? .closed
        }
    }

    // MARK: From the server

    /// The deadline has passed.
    func expire() {
        deadline = .max
        interruption = .timeout
        if poll.isWaitedFor { poll.interrupt() } else { interruption = nil }
    }

    /// Closes it when it is between requests; else after the response that is under way.
    func stop() {
        if phase == .idle || phase == .lingering || (phase == .head && !hasPending) { end() }
    }

    /// Ends it now, whatever it is doing, as far as its handler lets it.
    func end() {
        interruption = .shutdown
        poll.interrupt()
        shutdown(descriptor, Int32(SHUT_RDWR))
        task?.cancel()
    }
}

private typealias linger_t = Glibc.linger

extension AccessEvent {
    fileprivate init(_ request: Request) {
        self.init(
            remote: request.remote, method: request.method.rawValue,
            target: request.rawTarget.utf8.count <= AccessEvent.targetLimit
                ? request.rawTarget
                : String(decoding: request.rawTarget.utf8.prefix(AccessEvent.targetLimit), as: UTF8.self),
            status: 0, bytes: 0, seconds: 0, reason: "done")
    }
}

extension weir_slice_t {
    fileprivate var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: bytes, count: length) }
    fileprivate var text: String { String(decoding: buffer, as: UTF8.self) }
}

extension Fields {
    fileprivate init(_ head: UnsafeMutablePointer<weir_http_head_t>) {
        self.init()
        let count = Int(head.pointee.field_count)
        reserve(count)
        withUnsafePointer(to: &head.pointee.fields) { fields in
            fields.withMemoryRebound(to: weir_http_field_t.self, capacity: Int(WEIR_HTTP_FIELDS_MAX)) { fields in
                for index in 0..<count { append(fields[index].name.text, fields[index].value.text) }
            }
        }
    }
}
