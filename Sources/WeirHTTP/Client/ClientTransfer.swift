internal import CCurl
internal import CWeirHTTP
import Glibc
internal import WeirLoop

/// One request from its wait for a turn to the end of its body. What moves bytes is in C; this is entered when something
/// is there that somebody waits for.
@LoopActor
final class ClientTransfer {
    let pool: ClientPool
    let request: ClientRequest
    let url: ClientURL
    /// The response's body goes there, and not to `next`.
    let sink: Int32?
    /// A GET of nothing but a URL: most requests. The next one like it takes its options over.
    let isPlain: Bool

    /// Among those that have their turn; the pool's.
    var place: Int?
    /// Nil before its turn, and when it is over.
    private(set) var core: OpaquePointer?
    private(set) var head: ClientHead?
    /// Of the response's head; none before it.
    private(set) lazy var fields = head?.fields ?? Fields()
    /// Where redirects have led.
    private var redirectedTo: String?
    /// No more events come.
    private(set) var isOver = false
    private var failure: ClientError?
    /// Bytes that a piece has room for, when it is read from the socket: twice what libcurl reads at once, so that it need not
    /// be paused behind less. Four times as much, with fifty bodies at once, took a fifth more CPU: the processor's caches
    /// held it no longer.
    private static let pieceRoom = 2 * Int(WEIR_TRANSFER_READ)
    /// Bytes that a reader takes from the socket before it is the others' turn.
    private static let turn = pieceRoom
    /// Of these, what it has taken.
    private var taken = 0
    /// The end of the body, when it is over.
    private var tail: [UInt8] = []

    /// Tasks that wait for something, by what it is; one for each at most.
    private var headWaiter: UnsafeContinuation<Void, Never>?
    private var bodyWaiter: UnsafeContinuation<Void, Never>?
    private var roomWaiter: UnsafeContinuation<Void, Never>?
    private var endWaiters: [UnsafeContinuation<Void, Never>] = []
    /// Takes the body, while it does; of a status below 300, when it was given before the head.
    private var taker: ClientSink?
    private var feeder: Task<Void, Never>?

    // What the time is measured by.
    /// When it was asked for, and when its turn began.
    let asked: UInt64
    private(set) var begun: UInt64
    private let latest: UInt64
    private var deadline: UInt64 = .max
    /// It was late, and has something in its socket: it may have one more second.
    private var isReprieved = false
    private var seen: (phase: UInt32, moved: UInt64, isHeld: Bool) = (.max, 0, false)

    init(pool: ClientPool, request: ClientRequest, url: ClientURL, sink: Int32?, taker: ClientSink? = nil) {
        self.pool = pool
        self.request = request
        self.url = url
        self.sink = sink
        self.taker = taker
        isPlain = ClientTransfer.isPlain(request, url, sink)
        asked = pool.clock.now
        begun = asked
        latest = request.timeout.map { pool.clock.deadline(after: $0) } ?? .max
    }

    // MARK: Waiting for it

    /// Sends it when its turn has come, and returns with the head; or when a sink has the body.
    @inline(__always)
    func perform() async throws(ClientError) -> ClientHead {
        await wait {
            headWaiter = $0
            pool.admit(self)
        }
        // A body that was cut says so when it is read; one that a sink takes, at once.
        if let head, taker == nil || failure == nil { return head }
        throw failure ?? error(.cancelled, "the request was cancelled")
    }

    /// Whether the next piece, or the end, is there without a wait.
    var isComplete: Bool { core == nil && failure == nil }

    /// What is left of a complete body; nil when nothing is.
    func takeRest() -> [UInt8]? {
        if tail.isEmpty { return nil }
        defer { tail = [] }
        return tail
    }

    /// The next piece of the body, not empty; nil at its end.
    func next() async throws(ClientError) -> [UInt8]? {
        while true {
            if let core {
                var isReady: Int32 = 0
                let waiting = weir_transfer_waiting(core, &isReady)
                if isReady != 0 && taken >= Self.turn {
                    taken = 0
                    await Task.yield()
                    continue
                }
                if waiting > 0 || isReady != 0, let piece = read(core, waiting) { return piece }
                precondition(bodyWaiter == nil, "a task waits for the body already")
                await wait {
                    bodyWaiter = $0
                    weir_transfer_want(core)
                }
                taken = 0
            } else if let rest = takeRest() {
                return rest
            } else if let failure {
                throw failure
            } else {
                return nil
            }
        }
    }

    /// What is there now, in memory of its own; nil when there is nothing. What the socket has is copied once.
    private func read(_ core: OpaquePointer, _ waiting: Int) -> [UInt8]? {
        let room = waiting > 0 ? waiting : Self.pieceRoom
        let piece = [UInt8](unsafeUninitializedCapacity: room) { buffer, filled in
            filled = weir_transfer_read(core, buffer.baseAddress, room)
        }
        if waiting > 0 || piece.isEmpty { return piece.isEmpty ? nil : piece }
        taken += piece.count
        // A small one does not keep the room of a large one.
        return piece.count >= Self.pieceRoom / 2 ? piece : piece.withUnsafeBytes { [UInt8]($0) }
    }

    /// Gives all of the body to a sink; returns when it has all.
    func drain(into sink: ClientSink) async throws(ClientError) {
        if let core {
            precondition(bodyWaiter == nil && taker == nil, "a task waits for the body already")
            taker = sink
            give(core, to: sink)
            await wait { endWaiters.append($0) }
            if let failure, failure.kind == .abandoned { throw failure }
        }
        // What had come before the sink, or when it had no room.
        var done = 0
        while done < tail.count {
            let count = min(tail.count - done, Int(WEIR_TRANSFER_PIECE))
            switch tail.withUnsafeBytes({ sink.take(sink.data, $0.baseAddress! + done, count) }) {
            case ClientSink.taken: done += count
            case ClientSink.held: guard await sink.room() else { throw error(.cancelled, "the request was cancelled") }
            default: throw error(.abandoned, "nobody takes the response any more")
            }
        }
        tail = []
        if let failure { throw failure }
    }

    private func give(_ core: OpaquePointer, to sink: ClientSink) {
        sink.transfer = self
        weir_transfer_take_by(core, sink.take, sink.data)
    }

    /// The sink has room.
    func takeMore() {
        if let core { weir_transfer_take_more(core) }
    }

    /// The source has bytes.
    func giveMore() {
        if let core { weir_transfer_give_more(core) }
    }

    /// Returns when it is over.
    func ended() async throws(ClientError) {
        if !isOver { await withUnsafeContinuation { endWaiters.append($0) } }
        if let failure { throw failure }
    }

    /// Adds to the request's body; returns when all of it is on its way.
    func write(_ bytes: [UInt8]) async throws(ClientError) {
        var done = 0
        while done < bytes.count {
            guard let core else { throw failure ?? error(.closed, "the peer has answered before the body's end") }
            let count = bytes.withUnsafeBytes {
                weir_transfer_write(core, $0.baseAddress! + done, $0.count - done)
            }
            done += count
            guard count == 0 else { continue }
            precondition(roomWaiter == nil, "a task writes the body already")
            await wait { roomWaiter = $0 }
        }
    }

    // One for each, as an `inout` of a property would have every access to it checked as the program runs.

    private func wakeHead() {
        guard let waiter = headWaiter else { return }
        headWaiter = nil
        waiter.resume()
    }

    private func wakeBody() {
        guard let waiter = bodyWaiter else { return }
        bodyWaiter = nil
        waiter.resume()
    }

    private func wakeRoom() {
        guard let waiter = roomWaiter else { return }
        roomWaiter = nil
        waiter.resume()
    }

    /// Suspends the task; `begin` says by what it is woken. A cancelled task ends the transfer.
    @inline(__always)
    private func wait(_ begin: (UnsafeContinuation<Void, Never>) -> Void) async {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                // A task that was cancelled before has ended it by now.
                if isOver { return continuation.resume() }
                begin(continuation)
            }
        } onCancel: {
            if LoopActor.executor.isOnLoop {
                LoopActor.assumeIsolated { self.cancel() }
            } else {
                spawn { self.cancel() }
            }
        }
    }

    // MARK: Its course

    /// Its turn has come after a wait.
    func waited() { begun = pool.clock.now }

    /// Its turn: `core` is a fresh transfer, or one with the options of a plain request.
    func start(_ core: OpaquePointer, isSet: Bool) {
        self.core = core
        do throws(ClientError) {
            if isSet && !isPlain { weir_transfer_reset(core) }
            if let sink, weir_transfer_into(core, sink) < 0 {
                Glibc.close(sink)
                request.discard()
                throw error(.request, "the response cannot go into that descriptor")
            }
            if let taker { give(core, to: taker) }
            try configure(core, isSet: isSet)
            let code = weir_transfer_start(core)
            guard code == CURLE_OK else { throw error(.memory, String(cString: curl_easy_strerror(code))) }
        } catch {
            return end(error)
        }
        note()
        guard case .stream(let length, let body) = request.body else { return }
        let upload = ClientUpload(self, length: length)
        feeder = spawn {
            do {
                try await body(upload)
                try upload.finish()
            } catch {
                if self.isOver { return }
                self.end(self.error(.upload, "the request's body failed: \(error)"))
            }
        }
    }

    /// What C has to say, in one set.
    func happened(_ events: UInt32) {
        guard let core else { return }
        if events & UInt32(WEIR_TRANSFER_HEADED) != 0 {
            var count = 0
            let bytes = weir_transfer_head(core, &count)
            head = ClientHead(UnsafeRawBufferPointer(start: bytes, count: count))
            pool.answered(self)
            if let status = head?.status, status >= 300, let taker {
                taker.transfer = nil
                self.taker = nil
            }
            if weir_transfer_number(core, CURLINFO_REDIRECT_COUNT) > 0 {
                redirectedTo = weir_transfer_text(core, CURLINFO_EFFECTIVE_URL).map { String(cString: $0) }
            }
        }
        if events & UInt32(WEIR_TRANSFER_DONE) != 0 {
            var state = weir_transfer_state_t()
            weir_transfer_state(core, &state)
            var failure: ClientError?
            if state.result != CURLE_OK {
                let connectStatus = weir_transfer_number(core, CURLINFO_HTTP_CONNECTCODE)
                failure = ClientError(state, connectStatus: connectStatus, url: url.label)
            }
            if failure == nil && head == nil { failure = error(.malformed, "the response has no head") }
            var isReady: Int32 = 0
            let count = weir_transfer_waiting(core, &isReady)
            if count > 0 {
                tail = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                    filled = weir_transfer_read(core, buffer.baseAddress, count)
                }
            }
            return end(failure)
        }
        if head != nil && taker == nil { wakeHead() }
        if events & UInt32(WEIR_TRANSFER_READABLE) != 0 { wakeBody() }
        if events & UInt32(WEIR_TRANSFER_WRITABLE) != 0 { wakeRoom() }
    }

    /// It is over: well without a failure. Ending it twice is harmless.
    func end(_ failure: ClientError?) {
        if isOver { return }
        isOver = true
        self.failure = failure
        if case .source(let source, _) = request.body { source.transfer = nil }
        if let taker { taker.transfer = nil }
        if let core {
            pool.count(core)
            self.core = nil
            weir_transfer_release(core)
            feeder?.cancel()
        } else {
            request.discard()
            if let sink { Glibc.close(sink) }
        }
        pool.left(self, failure)
        wakeHead()
        wakeBody()
        wakeRoom()
        if endWaiters.isEmpty { return }
        for waiter in endWaiters { waiter.resume() }
        endWaiters = []
    }

    func finishUpload() {
        if let core { weir_transfer_finish(core) }
    }

    func cancel() {
        // Most are over when they are dropped: no error is made for them.
        if !isOver { end(error(.cancelled, "the request was cancelled")) }
    }

    func error(_ kind: ClientError.Kind, _ reason: String) -> ClientError {
        ClientError(kind, url: url.label, reason: reason)
    }

    /// Where the response came from, without user and password.
    var effectiveURL: String { ClientURL.withoutUserinfo(redirectedTo ?? request.url) }

    // MARK: Counting

    /// Bytes and connections so far, of one that is under way.
    func add(to metrics: inout ClientMetrics) {
        guard let core else { return }
        var state = weir_transfer_state_t()
        weir_transfer_state(core, &state)
        metrics.receivedBytes += state.received
        metrics.sentBytes += state.sent
        metrics.connected += UInt64(clamping: weir_transfer_number(core, CURLINFO_NUM_CONNECTS))
    }

    // MARK: Time

    /// Remembers how far it is, and until when it must be further.
    private func note() {
        guard let core else { return }
        var state = weir_transfer_state_t()
        weir_transfer_state(core, &state)
        let now = (phase: state.phase.rawValue, moved: state.moved, isHeld: state.is_held != 0)
        // A head that comes in drops has no more time than another.
        let isWaiting = state.phase == WEIR_PHASE_WAITING
        if now.phase == seen.phase && now.isHeld == seen.isHeld && (now.moved == seen.moved || isWaiting) { return }
        seen = now
        isReprieved = false
        let limit =
            switch state.phase {
            case WEIR_PHASE_CONNECTING: pool.options.connectTimeout
            case WEIR_PHASE_WAITING: pool.options.headTimeout
            default: pool.options.bodyTimeout
            }
        deadline = now.isHeld ? .max : pool.clock.deadline(after: limit)
    }

    /// Ends it when its time is over.
    func check(_ now: UInt64) {
        note()
        if now >= latest { return end(error(.timeout(.request), "not done within \(seconds(request.timeout ?? 0))")) }
        guard now >= deadline, let core else { return }
        // After a stop of the process or the machine, time is over before the loop has looked.
        if !isReprieved && weir_transfer_is_stirring(core) != 0 {
            isReprieved = true
            deadline = now + ClientPool.reprieve
            return
        }
        let options = pool.options
        switch weir_transfer_phase_t(rawValue: seen.phase) {
        case WEIR_PHASE_CONNECTING:
            // libcurl's time of the lookup is 0 while it is not done.
            let isResolved = weir_transfer_number(core, CURLINFO_NAMELOOKUP_TIME_T) != 0
            let phase: ClientError.Phase =
                weir_transfer_is_connected(core) != 0 ? .tls : isResolved ? .connect : .resolve
            end(error(.timeout(phase), "no connection within \(seconds(options.connectTimeout)): \(phase.rawValue)"))
        case WEIR_PHASE_WAITING:
            end(error(.timeout(.head), "no response within \(seconds(options.headTimeout))"))
        case WEIR_PHASE_SENDING:
            end(error(.timeout(.send), "the peer took nothing for \(seconds(options.bodyTimeout))"))
        default:
            end(error(.timeout(.body), "the peer sent nothing for \(seconds(options.bodyTimeout))"))
        }
    }

    private func seconds(_ number: Double) -> String { "\(number) s" }
}
