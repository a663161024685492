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

/// A joiner that waits for the first byte.
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

    /// Whether somebody who asked now would be let in, without starting anything: for `HEAD`.
    public func look(_ rendition: Rendition) throws(JoinRefusal) -> LiveBody {
        let body = try body(rendition)
        if demand >= options.listenersMax { throw .full(limit: options.listenersMax) }
        if seats.taken >= seats.limit { throw .allFull(limit: seats.limit) }
        switch state {
        case .stopped: throw .stopped
        case .failed: throw .silent(state: state, error: supervision.lastError)
        case .idle, .starting, .live, .stalled: return body
        }
    }

    /// Takes a place among the listeners. Starts an on-demand source, and waits until bytes come, for `start_timeout` at
    /// most. The seat is for `attach`.
    public func join(
        _ rendition: Rendition, warm: Warm?, address: String, path: String
    ) async throws(JoinRefusal) -> Seat {
        let asked = clock.now
        _ = try body(rendition)
        if state == .stopped || isClosing { throw .stopped }
        if demand >= options.listenersMax { throw .full(limit: options.listenersMax) }
        guard seats.take() else { throw .allFull(limit: seats.limit) }
        reserved += 1
        demandChanged()
        guard await waitForBytes() else {
            giveBack()
            if state == .stopped || isClosing { throw .stopped }
            throw .silent(state: state, error: supervision.lastError)
        }
        // Only now is the format certain.
        let body: LiveBody
        do {
            body = try self.body(rendition)
        } catch {
            giveBack()
            throw error
        }
        let join = JoinPoint(
            warm ?? .seconds(options.join), head: log.head, tail: log.tail, capacity: log.capacity, unit: log.unit,
            byteRate: byteRate ?? 0)
        return Seat(self, join: join, body: body, asked: asked, address: address, path: path)
    }

    private func body(_ rendition: Rendition) throws(JoinRefusal) -> LiveBody {
        do {
            return try LiveBody(rendition, of: format)
        } catch {
            switch error {
            case .unsuitable(let station, let rendition):
                throw .unsuitable(station: station, rendition: rendition)
            }
        }
    }

    /// Hands a socket over; it is the station's when this returns, and the caller's when it throws. Either way the seat
    /// is used up. `head` is sent before the body; `whenLeft` gets the listener as it was at its end, and the reason.
    public func attach(
        _ seat: Seat, descriptor: Int32, head: [UInt8] = [],
        whenLeft: (@LoopActor (ListenerReport, _ reason: String) -> Void)? = nil
    ) throws(CoreError) -> UInt64 {
        guard seat.take() else { throw .invalid }
        reserved -= 1
        guard !isClosing else {
            seats.leave()
            throw .closed
        }
        // The ring has moved on while the head was written; what is gone is gone.
        let position = max(seat.join.position, log.tail)
        let ticket = Ticket(path: seat.path, since: WallClock.now, whenLeft: whenLeft)
        let id: UInt64
        do {
            id = try fanout.add(
                descriptor: descriptor, position: position, preamble: head + seat.body.preamble,
                transform: seat.body.transform, label: seat.address,
                attachment: ticket)
        } catch {
            seats.leave()
            demandChanged()
            throw error
        }
        joins.record(clock.now - seat.asked)
        adaptWindow()
        emit(
            .joined(
                ListenerReport(
                    id: id, address: seat.address, path: seat.path, since: ticket.since, seconds: 0, position: position,
                    lagBytes: log.head - position, lagSeconds: seat.join.seconds, skippedBytes: 0, skips: 0,
                    sentBytes: 0)))
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

    private func demandChanged() { handle(.demand(demand)) }

    private func adaptWindow() {
        guard let nanoseconds = window.adapt(to: fanout.count) else { return }
        // The policy's windows are within the core's range.
        try? fanout.setWindow(nanoseconds)
    }

    // MARK: Waiting for the first byte

    /// Whether bytes came. Not any more once the station is off the air, `start_timeout` has passed, or the joiner's task
    /// is cancelled.
    private func waitForBytes() async -> Bool {
        if state == .live { return true }
        if isClosing { return false }
        let waiter = JoinWaiter(LoopTimer(clock: clock))
        waiters.append(waiter)
        try? await waiter.timer.sleep(until: clock.deadline(after: options.startTimeout))
        waiters.removeAll { $0 === waiter }
        waiter.timer.close()
        return waiter.isAdmitted
    }

    func wake(_ admitted: Bool) {
        let woken = waiters
        waiters = []
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
        emit(.left(report, reason: reason.name, error: error?.description))
        (listener.attachment as? Ticket)?.whenLeft?(report, reason.name)
        // The last ones leave while the fan-out closes, which may not be asked then.
        if isClosing { return }
        adaptWindow()
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
        StationReport(
            name: name, format: format, state: state, position: log.head, bitrate: byteRate.map { $0 * 8 },
            restarts: supervision.restarts, lastError: supervision.lastError, listeners: fanout.listeners.map(report),
            listenersMax: options.listenersMax, listenersAlert: options.listenersAlert,
            window: Double(fanout.window) / 1e6)
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
