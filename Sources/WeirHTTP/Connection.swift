internal import CWeir
import Glibc
internal import WeirLoop

/// One connection. While it waits for a request it is a watched descriptor and nothing else: bytes are read into a buffer
/// that all connections of a server share, and only part of a head is copied. A complete head starts a task, which answers
/// it and those that follow at once, and ends when there is nothing more to answer.
@LoopActor
final class Connection {
    /// What it is waiting for; each has its own deadline.
    enum Phase {
        /// The TLS handshake.
        case handshake
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

    /// Requests that came together and are answered before others have their turn.
    private static let burst = 16

    unowned let server: Server
    let peer: RemoteAddress
    let place: ConnectionPlace
    /// Where it stands in the server's list.
    var index = 0
    /// When the server's sweep ends what it is waiting for.
    var deadline: UInt64 = .max
    var phase = Phase.head

    var descriptor: Int32
    var poll: Poll
    /// What the bytes go through when the socket speaks TLS, until it has been told that there are no more.
    var tls: TLSConnection?
    /// Bytes received and not used yet.
    var pending: [UInt8] = []
    /// How many of them are known not to complete a head.
    private var seen = 0
    /// No request has come yet.
    private var isFirst = true
    /// It has something to read, and waits for its turn.
    private var isQueued = false
    /// The peer must not take what it has for the whole.
    var isCut = false
    /// Why the next wait is over before it begins.
    var interruption: Ending?
    /// The peer was gone while the handler ran: its task is cancelled, and there is no next request.
    private(set) var hasPeerLeft = false
    /// The body of the request that is being answered.
    weak var body: RequestBody?
    /// No wait for the peer is longer than this, whatever it sends: while an unread body is drained.
    var latest: UInt64 = .max
    /// Bytes of the body of the response that is under way.
    var sentBytes: UInt64 = 0
    /// What sends a part of the body by itself, and watches the socket meanwhile.
    var sending: SourceSending?
    /// Bytes moved since the loop had its turn.
    var moved = 0
    /// Its task, to be cancelled when the server cannot wait any longer.
    private var task: Task<Void, Never>?

    init(
        server: Server, descriptor: Int32, tls: TLSConnection?, peer: RemoteAddress, place: ConnectionPlace
    ) throws(CoreError) {
        self.server = server
        self.descriptor = descriptor
        self.tls = tls
        self.peer = peer
        self.place = place
        poll = try Poll(descriptor: descriptor)
    }

    var hasPending: Bool { !pending.isEmpty }

    // MARK: Waiting for requests

    func start() {
        if tls == nil { return listen() }
        phase = .handshake
        deadline = server.clock.deadline(after: server.options.headTimeout)
        watch()
    }

    func listen() {
        let options = server.options
        phase = isFirst || hasPending ? .head : .idle
        let timeout =
            server.isStopping ? Server.lastMoment : phase == .idle ? options.idleTimeout : options.headTimeout
        deadline = server.clock.deadline(after: timeout)
        watch()
    }

    func watch(_ events: Poll.Events = .readable) {
        poll.start(events) { [unowned self] _ in
            if isQueued { return }
            isQueued = true
            server.reading.append(self)
        }
    }

    /// Its turn in the server's queue has come.
    func read() {
        isQueued = false
        if phase == .handshake, descriptor >= 0 { return shakeHands() }
        guard phase == .idle || phase == .head, descriptor >= 0 else { return }
        receiveHead()
        // It may have been unwatched while it waited.
        if phase == .head || phase == .idle, descriptor >= 0 { watch() }
    }

    private func receiveHead() {
        let count = take()
        if count == -Int(EAGAIN) || count == -Int(EINTR) { return }
        guard count > 0 else { return finish() }
        if phase == .idle {
            phase = .head
            deadline = server.clock.deadline(after: server.options.headTimeout)
        }
        let bytes = UnsafeRawBufferPointer(rebasing: server.scratch[..<count])
        if hasPending {
            pending.append(contentsOf: bytes)
            if let parsed = parsePending() { begin(parsed) }
        } else if let (parsed, used) = parse(bytes) {
            pending = Array(bytes[used...])
            begin(parsed)
        } else {
            pending = Array(bytes)
            seen = count
        }
    }

    func begin(_ parsed: Parsed) {
        isFirst = false
        poll.pause()
        handle()
        task = spawn { await self.run(parsed) }
    }

    /// The handler has its turn; it may take as long as it likes while the peer is there.
    func handle() {
        phase = .handling
        deadline = server.clock.deadline(after: Server.peerCheckInterval)
    }

    /// The last thing that happens to it.
    func finish() {
        if descriptor >= 0 {
            poll.close()
            tls?.close(inOrder: !isCut)
            close(descriptor)
            descriptor = -1
            place.leave()
        }
        server.remove(self)
    }

    // MARK: The task

    /// Answers a request, and those that are there already behind it.
    private func run(_ first: Parsed) async {
        var next: Parsed? = first
        var count = 0
        while let parsed = next {
            guard (try? await answer(parsed)) == true else { return finish() }
            count += 1
            if count % Connection.burst == 0 { await Task.yield() }
            next = parsePending()
        }
        task = nil
        if server.isStopping || hasPeerLeft || interruption != nil { finish() } else { listen() }
    }

    /// Whether there may be another request.
    private func answer(_ parsed: Parsed) async throws(Ending) -> Bool {
        switch parsed {
        case .plain:
            server.counters.malformed += 1
            try await refuse(400, "TLS_REQUIRED", "this port speaks TLS: use https")
        case .late:
            try await refuse(408, "REQUEST_TIMEOUT", "the request's head took too long")
        case .malformed(let error):
            server.counters.malformed += 1
            let status = Int(weir_http_head_status(error))
            let code = status == 400 ? "BAD_REQUEST" : "REQUEST_REFUSED"
            try await refuse(status, code, CoreError(rawValue: error).description)
        case .badTarget:
            server.counters.malformed += 1
            try await refuse(400, "BAD_TARGET", "the request's target is malformed")
        case .request(let request, let keepAlive):
            return try await serve(request, keepAlive: keepAlive)
        }
        return false
    }

    // MARK: Heads

    enum Parsed: Sendable {
        case request(Request, keepAlive: Bool)
        case malformed(Int32)
        case badTarget
        /// It came without TLS.
        case plain
        /// It was not complete in time.
        case late
    }

    private func parsePending() -> Parsed? {
        if pending.isEmpty { return nil }
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

    // MARK: From the server

    /// The deadline has passed. What neither ends nor is waiting keeps its deadline, and is asked again.
    func expire() {
        switch phase {
        case .handshake:
            server.counters.handshakeTimeouts += 1
            finish()
        case .idle:
            server.counters.idleTimeouts += 1
            finish()
        case .head:
            if server.isStopping && !hasPending { return finish() }
            server.counters.headTimeouts += 1
            if hasPending { begin(.late) } else { finish() }
        case .handling:
            handle()
            if checkPeer() {
                hasPeerLeft = true
                task?.cancel()
            }
        case .transfer, .lingering:
            if sending != nil { return lookAtSending() }
            guard poll.isWaitedFor else { return }
            interruption = .timeout
            poll.interrupt()
        }
    }

    /// Whether nobody is there to answer: the connection was reset or is closed, or the peer ended its side and has
    /// nothing more to say. The latter may still read: what a handler answers all the same is sent. One that left a body
    /// or another request to be read is there yet; whoever reads it finds the end.
    private func checkPeer() -> Bool {
        var state = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard Glibc.poll(&state, 1, 0) == 1 else { return false }
        if Int32(state.revents) & (POLLERR | POLLHUP) != 0 { return true }
        guard !hasPending, body?.isComplete != false else { return false }
        if tls != nil { return checkSecurePeer() }
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT | MSG_PEEK)) == 0
    }

    /// Closes it when it is between requests; else after the response that is under way.
    func stop() {
        switch phase {
        // A head that is not complete would not be answered: waiting for its rest delays everyone.
        case .idle, .head:
            // What has come by now is answered.
            receiveHead()
            guard phase == .idle || phase == .head, descriptor >= 0 else { return }
            // Who has just been accepted is about to ask; closing under that would be taken for a refusal.
            if isFirst && !hasPending { deadline = server.clock.deadline(after: Server.lastMoment) } else { finish() }
        case .handshake: deadline = min(deadline, server.clock.deadline(after: Server.lastMoment))
        case .lingering: end()
        case .handling, .transfer: break
        }
    }

    /// Ends it now, whatever it is doing, as far as its handler lets it.
    func end() {
        if phase == .handshake || phase == .idle || phase == .head { return finish() }
        interruption = .shutdown
        poll.interrupt()
        sending?.interrupt()
        shutdown(descriptor, Int32(SHUT_RDWR))
        task?.cancel()
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
