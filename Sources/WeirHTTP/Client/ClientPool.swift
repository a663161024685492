internal import CCurl
internal import CWeir
internal import CWeirHTTP
import Glibc
public import WeirLoop

/// Requests to others over kept connections: a number of them at most, the rest wait their turn. Each pool has connections
/// of its own, so that what is stuck in one does not hold up another.
@LoopActor
public final class ClientPool {
    /// Seconds between two looks at the deadlines, at most.
    static let sweepInterval: Double = 0.25
    /// Nanoseconds that a request gets when its time is over and something has come that the loop has not seen.
    static let reprieve: UInt64 = 1_000_000_000

    /// For metrics.
    public nonisolated let name: String
    public nonisolated let options: ClientPoolOptions

    let clock: LoopClock
    private var core: OpaquePointer?
    private var isClosed = false
    private var queue: ClientQueue<ClientTransfer>
    /// Those that have their turn.
    private var transfers: [ClientTransfer] = []
    private var counters = ClientMetrics()
    private var errors: [String: UInt64] = [:]
    /// From a request to its turn; 0 for one that did not wait. Those that were refused are not counted.
    public private(set) var waits = Histogram()
    /// From a request's turn to the head of its response, the connection included, redirects too.
    public private(set) var latency = Histogram()
    private let sweeper: LoopTimer
    private let idler: LoopTimer
    private var isSweeping = false
    private var isAdmitting = false
    /// What was asked last: the next is often the same.
    private var urls: UInt64 = 0
    private var lastURL: (text: String, label: String?, url: ClientURL)?

    /// Numbers out of range are brought into it.
    public init(name: String, options: ClientPoolOptions = ClientPoolOptions(), clock: LoopClock = .monotonic) {
        self.name = name
        self.options = options.clamped
        self.clock = clock
        queue = ClientQueue(limit: self.options.connections, limitPerHost: self.options.connectionsPerHost)
        sweeper = LoopTimer(clock: clock)
        idler = LoopTimer(clock: clock)
    }

    // Requests hold their pool: there is none now.
    isolated deinit {
        sweeper.close()
        idler.close()
        if let core { weir_client_close(core, { _ in }, nil) }
    }

    /// As it is linked now.
    public nonisolated static var libraryVersion: String {
        curl_version_info(CURLVERSION_FIRST).map { String(cString: $0.pointee.version) } ?? ""
    }

    public var metrics: ClientMetrics {
        var metrics = counters
        metrics.errors = errors
        metrics.open = core.map { Int(weir_client_sockets($0)) } ?? 0
        metrics.running = queue.running
        metrics.idle = max(0, metrics.open - metrics.running)
        metrics.waiting = queue.waiting
        for transfer in transfers { transfer.add(to: &metrics) }
        return metrics
    }

    // MARK: Requests

    /// Returns with the head of the final response, whatever its status. A cancelled task takes the request back.
    public func send(_ request: ClientRequest) async throws(ClientError) -> ClientResponse {
        let transfer = try prepare(request, sink: nil)
        let head = try await transfer.perform()
        return ClientResponse(head, transfer)
    }

    /// Sends it, and gives the body to a sink, where it lies, if the status is below 300; returns when the sink has all of it.
    /// The cheapest way to a body. That of another status is in the response, to be read.
    public func send(_ request: ClientRequest, into sink: ClientSink) async throws(ClientError) -> ClientResponse {
        let transfer = try prepare(request, sink: nil, taker: sink)
        let head = try await transfer.perform()
        return ClientResponse(head, transfer)
    }

    /// The same, and the body goes into a socket without Swift for each piece of it.
    public func stream(_ request: ClientRequest) async throws(ClientError) -> ClientStream {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw refused(ClientError(.memory, url: "", reason: CoreError(errno: errno).description))
        }
        do throws(ClientError) {
            let transfer = try prepare(request, sink: ends[1])
            let head = try await transfer.perform()
            return ClientStream(head, transfer, descriptor: ends[0])
        } catch {
            Glibc.close(ends[0])
            throw error
        }
    }

    private func prepare(
        _ request: ClientRequest, sink: Int32?, taker: ClientSink? = nil
    ) throws(ClientError) -> ClientTransfer {
        counters.requests += 1
        do throws(ClientError) {
            let url = try read(request)
            if let problem = request.problem { throw ClientError(.request, url: url.label, reason: problem) }
            return ClientTransfer(pool: self, request: request, url: url, sink: sink, taker: taker)
        } catch {
            request.discard()
            if let sink { Glibc.close(sink) }
            throw refused(error)
        }
    }

    private func read(_ request: ClientRequest) throws(ClientError) -> ClientURL {
        if let lastURL, lastURL.text == request.url, lastURL.label == request.label { return lastURL.url }
        urls += 1
        var url = try ClientURL(request.url, label: request.label)
        url.number = urls
        lastURL = (request.url, request.label, url)
        return url
    }

    private func refused(_ error: ClientError) -> ClientError {
        errors[error.kind.name, default: 0] += 1
        return error
    }

    // MARK: Turns

    /// Starts it, or lets it wait; from itself.
    func admit(_ transfer: ClientTransfer) {
        if isClosed { return transfer.end(transfer.error(.poolClosed, "the pool \(name) is closed")) }
        if queue.enter(transfer.url.origin) { return start(transfer) }
        guard queue.waiting < options.waiting else {
            return transfer.end(transfer.error(.queueFull, "\(queue.waiting) requests wait for the pool \(name)"))
        }
        queue.wait(transfer, for: transfer.url.origin)
    }

    private func start(_ transfer: ClientTransfer) {
        transfer.place = transfers.count
        transfers.append(transfer)
        if core == nil {
            let status = weir_client_open(
                LoopActor.loop, &core, UInt32(options.connections), UInt32(options.connectionsPerHost ?? 0),
                clientHappened)
            if status < 0 { core = nil }
        }
        var isSet: Int32 = 0
        guard let core, let made = weir_transfer_take(core, Unmanaged.passUnretained(transfer).toOpaque(), &isSet)
        else {
            return transfer.end(transfer.error(.memory, "no memory for a request"))
        }
        idler.stop()
        sweep()
        waits.record(transfer.begun &- transfer.asked)
        transfer.start(made, isSet: isSet != 0)
    }

    /// The head of its response is there; from itself.
    func answered(_ transfer: ClientTransfer) { latency.record(clock.now &- transfer.begun) }

    /// It is over; from itself.
    func left(_ transfer: ClientTransfer, _ failure: ClientError?) {
        if let failure {
            errors[failure.kind.name, default: 0] += 1
        } else {
            counters.completed += 1
        }
        if let place = transfer.place {
            // The last takes its place.
            let last = transfers.removeLast()
            if last !== transfer {
                transfers[place] = last
                last.place = place
            }
            transfer.place = nil
            queue.leave(transfer.url.origin)
        } else {
            queue.withdraw(transfer, from: transfer.url.origin)
        }
        // One that cannot be started comes back here.
        guard !isAdmitting && !isClosed else { return }
        isAdmitting = true
        while let next = queue.next() {
            next.waited()
            start(next)
        }
        isAdmitting = false
        if transfers.isEmpty { rest() }
    }

    func count(_ core: OpaquePointer) {
        var state = weir_transfer_state_t()
        weir_transfer_state(core, &state)
        let connected = weir_transfer_number(core, CURLINFO_NUM_CONNECTS)
        counters.receivedBytes += state.received
        counters.sentBytes += state.sent
        counters.connected += UInt64(clamping: connected)
        // Without a head it may not have got as far as a connection.
        if connected == 0 && state.phase != WEIR_PHASE_CONNECTING { counters.reused += 1 }
    }

    // MARK: Time

    private func sweep() {
        if isSweeping { return }
        isSweeping = true
        let shortest = min(options.connectTimeout, options.headTimeout, options.bodyTimeout)
        let interval = UInt64(min(ClientPool.sweepInterval, shortest / 4) * 1e9)
        sweeper.schedule(every: max(1_000_000, interval), from: clock.now + interval) { [unowned self] _ in
            let now = clock.now
            for transfer in Array(transfers) { transfer.check(now) }
        }
    }

    /// Nothing is under way.
    private func rest() {
        sweeper.stop()
        isSweeping = false
        idler.schedule(at: clock.deadline(after: options.idleAge)) { [unowned self] in
            if let core { weir_client_forget(core) }
        }
    }

    // MARK: Closing

    /// Takes back what is under way and what waits (`.cancelled`), and closes the connections. Unlike after `close()`,
    /// other requests may follow.
    public func clear() {
        // Those that wait first, or they would have their turn.
        for transfer in queue.all + Array(transfers) { transfer.cancel() }
        if let core { weir_client_forget(core) }
    }

    /// Ends what is under way and what waits, and takes nothing more; the first half of `close()`.
    func refuse() {
        if isClosed { return }
        isClosed = true
        sweeper.close()
        idler.close()
        for transfer in Array(transfers) + queue.all {
            transfer.end(transfer.error(.poolClosed, "the pool \(name) was closed"))
        }
    }

    /// Takes back what is under way and what waits (`.poolClosed`), and closes the connections. Returns when nothing of it
    /// is left on the loop. Closing twice is harmless.
    public func close() async {
        refuse()
        guard let core else { return }
        self.core = nil
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            weir_client_close(core, clientClosed, unsafeBitCast(continuation, to: UnsafeMutableRawPointer.self))
        }
    }
}

// MARK: - From C

private let clientHappened: @convention(c) (UnsafeMutableRawPointer?, UInt32) -> Void = { data, events in
    nonisolated(unsafe) let data = data!
    LoopActor.enter { Unmanaged<ClientTransfer>.fromOpaque(data).takeUnretainedValue().happened(events) }
}

private let clientClosed: @convention(c) (UnsafeMutableRawPointer?) -> Void = { data in
    nonisolated(unsafe) let data = data!
    LoopActor.enter { unsafeBitCast(data, to: UnsafeContinuation<Void, Never>.self).resume() }
}
