public import WeirLoop

// Joining, listening, leaving.

/// What a listener brought along; kept by the fan-out until it has left.
final class Ticket {
    let path: String
    /// Nanoseconds since 1970.
    let since: Int64
    let whenLeft: (@LoopActor (ListenerReport, String) -> Void)?

    init(path: String, since: Int64, whenLeft: (@LoopActor (ListenerReport, String) -> Void)?) {
        self.path = path
        self.since = since
        self.whenLeft = whenLeft
    }
}

/// A joiner that waits for the first byte, or for a place where decoding can begin.
final class JoinWaiter {
    /// Ends its sleep, by bytes or by the end of the station.
    let timer: LoopTimer
    var isAdmitted = false

    init(_ timer: LoopTimer) {
        self.timer = timer
    }
}

extension Station {
    /// Listeners, and those who are about to be.
    var demand: Int { fanout.count + reserved }

    /// Whether somebody who asked now would be let in, without starting anything: for `HEAD`. Where that is, too, while
    /// bytes come, of the source or of the fallback.
    public func look(
        _ rendition: Rendition, warm: Warm? = nil
    ) throws(JoinRefusal) -> (body: LiveBody, join: JoinPoint?) {
        let body = try body(rendition)
        if demand >= options.listenersMax { throw .full(limit: options.listenersMax) }
        if seats.taken >= seats.limit { throw .allFull(limit: seats.limit) }
        if isDelivering { return (body, start(warm).join) }
        switch state {
        case .stopped where isPromised || isBacked, .failed where isBacked: return (body, nil)
        case .stopped: throw .stopped
        case .failed: throw .silent(state: state, error: supervision.lastError)
        case .idle, .starting, .live, .stalled: return (body, nil)
        }
    }

    /// Takes a place among the listeners. Starts an on-demand source, and waits until bytes come, for `start_timeout` at
    /// most. The seat is for `attach`.
    public func join(
        _ rendition: Rendition, warm: Warm?, address: String, path: String
    ) async throws(JoinRefusal) -> Seat {
        let asked = clock.now
        let deadline = clock.deadline(after: options.startTimeout)
        let before = (log: log, head: log.head)
        _ = try body(rendition)
        if state == .stopped && !isPromised && !isBacked || isClosing { throw .stopped }
        if demand >= options.listenersMax { throw .full(limit: options.listenersMax) }
        guard seats.take() else { throw .allFull(limit: seats.limit) }
        reserved += 1
        demandChanged()
        guard await waitForBytes(until: deadline), await waitForAccess(until: deadline) else {
            giveBack()
            if state == .stopped || isClosing { throw .stopped }
            throw .silent(state: state, error: supervision.lastError)
        }
        // Only now is the format certain.
        var body: LiveBody
        do {
            body = try self.body(rendition)
        } catch {
            giveBack()
            throw error
        }
        var start = start(warm)
        if track == nil {
            // What came while it waited is its own, to the first byte of a source that it has started.
            let kept = joinPoint(.max)
            let first = max(kept.position, log === before.log ? before.head : log.tail)
            if first < start.join.position {
                let seconds = byteRate.map { Double(log.head - first) / $0 } ?? 0
                start.join = JoinPoint(position: first, seconds: seconds)
            }
        }
        body.preamble += start.tables
        return Seat(self, join: start.join, body: body, asked: asked, address: address, path: path)
    }

    /// Where a joiner starts now, and the tables that it gets before the stream.
    private func start(_ warm: Warm?) -> (join: JoinPoint, tables: [UInt8]) {
        let warm = warm ?? .seconds(options.join)
        guard let track else { return (joinPoint(warm), []) }
        let start = startPoint(warm, in: track)
        return (JoinPoint(position: start.position, seconds: start.seconds), start.preamble)
    }

    /// Of a stream that can be joined at every unit.
    private func joinPoint(_ warm: Warm) -> JoinPoint {
        JoinPoint(warm, head: log.head, tail: log.tail, capacity: log.capacity, unit: log.unit, byteRate: byteRate ?? 0)
    }

    private func body(_ rendition: Rendition) throws(JoinRefusal) -> LiveBody {
        do {
            var body = try LiveBody(rendition, of: format)
            if format == .raw, let type = origin?.playableType { body.contentType = type }
            return body
        } catch {
            switch error {
            case .unsuitable(let station, let rendition):
                throw .unsuitable(station: station, rendition: rendition)
            }
        }
    }

    /// Hands a socket over, with its sink; it is the station's when this returns, and the caller's when it throws. Either
    /// way the seat is used up. `head` is sent before the body, as it is, and the body as `wrapping` says; `whenLeft` gets
    /// the listener as it was at its end, and the reason.
    public func attach(
        _ seat: Seat, descriptor: Int32, sink: Fanout.Sink? = nil, head: [UInt8] = [], wrapping: Wrapping = Wrapping(),
        whenLeft: (@LoopActor (ListenerReport, _ reason: String) -> Void)? = nil
    ) throws(CoreError) -> UInt64 {
        guard seat.take() else { throw .invalid }
        reserved -= 1
        guard !isClosing else {
            seats.leave()
            throw .closed
        }
        // The ring has moved on while the head was written; what is gone is gone. Of a transport stream nothing can take its
        // place: the joiner was told where it starts.
        let position = track == nil ? max(seat.join.position, log.tail) : seat.join.position
        let framing = wrapping.framing(head: head.count)
        let head = head + seat.body.preamble
        let past = log.head - min(position, log.head)
        let ticket = Ticket(path: seat.path, since: WallClock.now, whenLeft: whenLeft)
        let id: UInt64
        do {
            id = try fanout.add(
                descriptor: descriptor, sink: sink, position: position, preamble: head,
                transform: seat.body.transform, pace: pace(past), framing: framing, label: seat.address,
                attachment: ticket)
        } catch {
            seats.leave()
            demandChanged()
            throw error
        }
        joins.record(clock.now - seat.asked)
        adaptWindow()
        audienceChanged()
        let listener = ListenerReport(
            id: id, address: seat.address, path: seat.path, since: ticket.since, seconds: 0, position: position,
            lagBytes: past, lagSeconds: seat.join.seconds, skippedBytes: 0, skips: 0, sentBytes: 0)
        emit(.joined(listener))
        sentWarm(listener, past: past, seat: seat)
        return id
    }

    /// Ends a listener. False when there is none of that number.
    public func kick(_ id: UInt64) -> Bool {
        do {
            try fanout.kick(id)
            return true
        } catch {
            return false
        }
    }

    /// A seat that nobody sat down on.
    func giveBack() {
        reserved -= 1
        seats.leave()
        demandChanged()
    }

    func demandChanged() {
        // A fan-out that is closed may not be asked.
        if !isClosing { handle(.demand(demand + followers.count)) }
    }

    private func adaptWindow() {
        guard let nanoseconds = window.adapt(to: fanout.count) else { return }
        // The policy's windows are within the core's range.
        try? fanout.setWindow(nanoseconds)
    }

    // MARK: Waiting for the first byte

    /// Whether bytes came. Not any more once the station is off the air, the deadline has passed, or the joiner's task is
    /// cancelled.
    private func waitForBytes(until deadline: UInt64) async -> Bool {
        if isDelivering { return true }
        if isClosing { return false }
        return await wait(in: \.waiters, until: deadline)
    }

    /// Waits for a place where decoding can begin, where the stream has such. False when the station went off the air
    /// meanwhile; at the deadline the joiner starts at the newest packet.
    private func waitForAccess(until deadline: UInt64) async -> Bool {
        guard let track, !track.join(seconds: 0).isAccess else { return true }
        _ = await wait(in: \.accessWaiters, until: deadline)
        return !isClosing && (state != .stopped || isDelivering) && !Task.isCancelled
    }

    /// Whether somebody woke the joiner, and admitted it, before the deadline.
    private func wait(
        in list: ReferenceWritableKeyPath<Station, [JoinWaiter]>, until deadline: UInt64
    ) async -> Bool {
        let waiter = JoinWaiter(LoopTimer(clock: clock))
        self[keyPath: list].append(waiter)
        try? await waiter.timer.sleep(until: deadline)
        self[keyPath: list].removeAll { $0 === waiter }
        waiter.timer.close()
        return waiter.isAdmitted
    }

    /// Lets in those who wait for bytes, or tells everyone who waits that there will be none.
    func wake(_ admitted: Bool) {
        wake(\.waiters, admitted)
        if !admitted { wake(\.accessWaiters, false) }
    }

    func wake(_ list: ReferenceWritableKeyPath<Station, [JoinWaiter]>, _ admitted: Bool) {
        let woken = self[keyPath: list]
        self[keyPath: list] = []
        for waiter in woken {
            waiter.isAdmitted = admitted
            waiter.timer.stop()
        }
    }

    // MARK: From the fan-out

    func skipped(_ listener: Fanout.Listener) { emit(.skipped(report(listener))) }

    func left(_ listener: Fanout.Listener, _ reason: Fanout.EndReason, _ error: CoreError?) {
        seats.leave()
        let report = report(listener)
        recentEnds.note(report, until: WallClock.now, reason: reason.name, error: error?.description)
        emit(.left(report, reason: reason.name, error: error?.description))
        (listener.attachment as? Ticket)?.whenLeft?(report, reason.name)
        // The last ones leave while the fan-out closes, which may not be asked then.
        if isClosing { return }
        adaptWindow()
        audienceChanged()
        demandChanged()
    }

    // MARK: Reports

    func report(_ listener: Fanout.Listener) -> ListenerReport {
        let ticket = listener.attachment as? Ticket
        return ListenerReport(
            id: listener.id, address: listener.label, path: ticket?.path ?? "", since: ticket?.since ?? 0,
            seconds: Double(clock.now - min(clock.now, listener.since)) / 1e9, position: listener.position,
            lagBytes: listener.lag, lagSeconds: byteRate.flatMap { $0 > 0 ? Double(listener.lag) / $0 : nil },
            skippedBytes: listener.skippedBytes, skips: listener.skips, sentBytes: listener.sentBytes)
    }

    /// - Complexity: O(listeners).
    public var report: StationReport {
        let counters = counters
        return StationReport(
            name: name, format: format, kind: options.source.kind, autostart: options.autostart,
            access: options.access, state: state, position: log.head, bitrate: byteRate.map { $0 * 8 },
            restarts: supervision.restarts, lastError: supervision.lastError, listeners: fanout.listeners.map(report),
            listenersMax: options.listenersMax, listenersAlert: options.listenersAlert,
            ends: Fanout.EndReason.allCases.map { ($0.name, counters.ended($0)) },
            window: Double(fanout.window) / 1e6, fallback: fallbackName, title: heardTitle, sender: senderReport,
            origin: originReport, transport: track?.facts, warm: warmReport, isCommitRequested: isCommitRequested)
    }

    /// What is kept, and what a joiner would be given of it: nothing unless bytes come, as those that come next do not
    /// continue what was before.
    public var warmReport: WarmReport? {
        guard var report = cache?.report else { return nil }
        if !isDelivering { (report.bytes, report.seconds, report.tail) = (0, 0, report.head) }
        return report
    }

    /// Totals since the station was made.
    public var counters: Fanout.Counters { fanout.counters }
    /// Nanoseconds of the stream that listeners were behind, at each flush.
    public var lag: Histogram { fanout.lag }
}

extension Station {
    /// Seconds between two flushes of a listener; 0: at every write of the source.
    public var windowSeconds: Double { Double(fanout.window) / 1e9 }
}
