public import WeirLoop

/// A live stream: one source, the ring that it writes, and those who listen.
///
/// Nothing here runs for bytes or for a listener's writes: the core moves them. The station hears of its source's
/// beginning and end, of joins, skips and ends, and of its own timers.
@LoopActor
public final class Station {
    public let options: StationOptions
    public nonisolated let name: String
    /// The format of the stream: the configured one, until a WAV header says otherwise.
    public private(set) var format: StationOptions.Format
    public private(set) var supervision: Supervision
    /// For what belongs in the log.
    public var onEvent: ((StationEvent) -> Void)?

    /// Nanoseconds from the request to the moment the socket was handed over.
    public internal(set) var joins = Histogram()

    let clock: LoopClock
    let seats: Seats
    private(set) var log: Log
    private(set) var fanout: Fanout
    var window: FlushWindow
    /// Listeners that have a seat and no socket yet, those who wait included.
    var reserved = 0
    var waiters: [JoinWaiter] = []

    private let random: () -> Double
    private var run: SourceRun?
    /// Bytes of the runs before `run`.
    private var formerBytes: UInt64 = 0
    /// A byte has been in the log: the format is what it is.
    private var isFormatFixed = false
    /// The source waits for a listener (`slow: pause`).
    private(set) var isHeld = false
    /// The clock when the source could last be silent by its own fault.
    private var watchedFrom: UInt64 = 0
    private var rate = RateMeter()

    private let backoffTimer: LoopTimer
    private let lingerTimer: LoopTimer
    private let silenceTimer: LoopTimer
    private let rateTimer: LoopTimer

    private var events: [Supervision.Event] = []
    private var isHandling = false
    private(set) var isClosing = false
    private var ending: Task<Void, Never>?

    /// Throws when the ring is out of its range for the format. `random` gives the jitter of a backoff, 0 ..< 1.
    public init(
        _ options: StationOptions, seats: Seats, clock: LoopClock = .monotonic,
        random: @escaping () -> Double = { Double.random(in: 0..<1) }
    ) throws(CoreError) {
        self.options = options
        self.seats = seats
        self.clock = clock
        self.random = random
        name = options.name
        format = options.format
        window = FlushWindow(options.window)
        supervision = Supervision(
            autostart: options.autostart, linger: options.linger, traits: options.source.traits)
        (log, fanout) = try Station.stream(options, options.format, window: window, clock: clock)
        backoffTimer = LoopTimer(clock: clock)
        lingerTimer = LoopTimer(clock: clock)
        silenceTimer = LoopTimer(clock: clock)
        rateTimer = LoopTimer(clock: clock)
        listen(to: fanout)
    }

    /// Starts the source when it is to run from the beginning.
    public func begin() {
        if options.autostart == .always { handle(.start) }
    }

    /// An operator wants it to run.
    public func start() { handle(.start) }

    /// An operator wants it off the air: those who listen are ended, and nobody is let in until `start()`.
    public func stop() { handle(.stop) }

    public var state: Supervision.State { supervision.state }

    /// Bytes a second: of the format, or as measured; nil while it is not known.
    public var byteRate: Double? { format.byteRate.map(Double.init) ?? rate.bytesPerSecond }

    /// Bytes that the source delivered since the station was made. Never falls, unlike what the log has: that drops a unit
    /// that was begun when a source ends, and begins anew in another format.
    public var receivedBytes: UInt64 { formerBytes + (run?.bytes ?? 0) }

    // MARK: The stream

    private static func stream(
        _ options: StationOptions, _ format: StationOptions.Format, window: FlushWindow, clock: LoopClock
    ) throws(CoreError) -> (Log, Fanout) {
        let log = try Log(capacity: options.ring, unit: format.unit)
        var fanoutOptions = Fanout.Options()
        fanoutOptions.window = window.nanoseconds
        fanoutOptions.policy =
            switch options.slowPolicy {
            case .skip: .skip
            case .disconnect: .disconnect
            case .pause: .pause
            }
        if let rate = format.byteRate {
            fanoutOptions.byteRate = UInt64(rate)
            fanoutOptions.maxLag = UInt64(max(1, min(options.maxLag, 1e6) * Double(rate)))
        }
        fanoutOptions.timeout = UInt64(max(0.001, min(options.slowTimeout, 1e6)) * 1e9)
        do {
            return (log, try Fanout(log: log, options: fanoutOptions, clock: clock))
        } catch {
            log.close()
            throw error
        }
    }

    private func listen(to fanout: Fanout) {
        fanout.onSkip = { [weak self] in self?.skipped($0) }
        fanout.onEnd = { [weak self] in self?.left($0, $1, $2) }
        fanout.onHold = { [weak self] in self?.held($0) }
    }

    private func held(_ hold: Bool) {
        isHeld = hold
        if !hold { watchedFrom = clock.now }
    }

    /// A WAV header says something else than the station's format. It wins while no byte has been heard.
    private func found(_ pcm: PCMFormat) -> Problem? {
        guard case .pcm(let carried) = format, carried != pcm else { return nil }
        guard !isFormatFixed else { return Problem("the source changed its format from \(carried) to \(pcm)") }
        do {
            let (log, fanout) = try Station.stream(options, .pcm(pcm), window: window, clock: clock)
            let former = (log: self.log, fanout: self.fanout)
            emit(.format(was: format, is: .pcm(pcm)))
            format = .pcm(pcm)
            self.log = log
            self.fanout = fanout
            listen(to: fanout)
            run?.move(to: log, fanout, format)
            former.fanout.close { former.log.close() }
            return nil
        } catch {
            return Problem("the source's format \(pcm) does not fit the ring: \(error)")
        }
    }

    // MARK: Supervision

    /// One event at a time: what an effect reports at once waits until the effects before it are done.
    func handle(_ event: Supervision.Event) {
        if isClosing { return }
        events.append(event)
        if isHandling { return }
        isHandling = true
        while !events.isEmpty && !isClosing {
            let event = events.removeFirst()
            let before = supervision.state
            let effects = supervision.handle(event, at: Double(clock.now) / 1e9, random: random())
            let after = supervision.state
            if before != after { emit(.state(from: before, to: after, error: supervision.lastError)) }
            for effect in effects { perform(effect) }
        }
        isHandling = false
    }

    private func perform(_ effect: Supervision.Effect) {
        switch effect {
        case .open: open()
        case .close:
            guard let run else { return handle(.closed) }
            run.close { [weak self] in
                self?.runEnded()
                self?.handle(.closed)
            }
        case .backoff(let seconds):
            emit(.retry(after: seconds))
            backoffTimer.schedule(at: clock.deadline(after: seconds)) { [weak self] in self?.handle(.backoffDue) }
        case .cancelBackoff: backoffTimer.stop()
        case .linger(let seconds):
            lingerTimer.schedule(at: clock.deadline(after: seconds)) { [weak self] in self?.handle(.lingerDue) }
        case .cancelLinger: lingerTimer.stop()
        case .admit: wake(true)
        case .refuse: wake(false)
        case .endListeners: fanout.end(.shutdown)
        }
    }

    private func open() {
        let run = SourceRun(
            options: options, format: format, log: log, fanout: fanout, clock: clock,
            onFormat: { [weak self] in self?.found($0) }, report: { [weak self] in self?.reported($0) })
        self.run = run
        isHeld = false
        watchSilence()
        if format.byteRate == nil { watchRate() }
        run.open()
    }

    private func reported(_ report: SourceRun.Report) {
        switch report {
        case .started(let process): emit(.started(process: process))
        case .line(let line, let suppressed): emit(.line(line, suppressed: suppressed))
        case .first:
            isFormatFixed = true
            handle(.bytes)
        case .writerLeft: handle(.writerLeft)
        case .ended(let ending):
            runEnded()
            handle(.ended(ending))
        }
    }

    private func runEnded() {
        formerBytes += run?.bytes ?? 0
        run = nil
        silenceTimer.stop()
        rateTimer.stop()
    }

    // MARK: Silence

    private func watchSilence() {
        watchedFrom = clock.now
        silenceTimer.schedule(at: clock.deadline(after: options.stallTimeout)) { [weak self] in self?.lookForSilence() }
    }

    private func lookForSilence() {
        guard let run else { return }
        let now = clock.now
        let last = max(run.last ?? 0, watchedFrom)
        let silent = now - min(last, now)
        let timeout = clock.deadline(after: options.stallTimeout) - now
        if isHeld {
            // The source waits for a listener: that is no silence of its own.
        } else if silent >= timeout {
            if supervision.state == .live || supervision.state == .starting {
                if options.source.traits.restartsWhenSilent {
                    supervision.note(error: "no byte for \(Station.text(options.stallTimeout)) s")
                }
                handle(.silence)
            }
        } else {
            if supervision.state == .stalled { handle(.bytes) }
            silenceTimer.schedule(at: last + timeout) { [weak self] in self?.lookForSilence() }
            return
        }
        silenceTimer.schedule(at: clock.deadline(after: min(1, options.stallTimeout))) { [weak self] in
            self?.lookForSilence()
        }
    }

    private static func text(_ seconds: Double) -> String {
        seconds == seconds.rounded() && abs(seconds) < 1e9 ? String(Int(seconds)) : "\(seconds)"
    }

    // MARK: Rate

    /// Measures the rate of bytes whose format does not tell it, once a second while the source runs.
    private func watchRate() {
        rate.begin(at: clock.now, log.written)
        rateTimer.schedule(every: 1_000_000_000, from: clock.now + 1_000_000_000) { [weak self] _ in
            guard let self else { return }
            rate.measure(at: clock.now, log.written)
            if let rate = rate.bytesPerSecond { fanout.setByteRate(UInt64(rate)) }
        }
    }

    // MARK: Ending

    func emit(_ event: StationEvent) { onEvent?(event) }

    /// Ends those who listen, and takes the source down in an orderly way. Nobody is let in any more; what the station
    /// knows can still be asked for.
    public func end() async {
        let task = ending ?? spawn { await self.takeDown() }
        ending = task
        await task.value
    }

    private func takeDown() async {
        wake(false)
        fanout.end(.shutdown)
        isClosing = true
        for timer in [backoffTimer, lingerTimer, silenceTimer, rateTimer] { timer.close() }
        if let run {
            await withUnsafeContinuation { (done: UnsafeContinuation<Void, Never>) in run.close { done.resume() } }
        }
        formerBytes += run?.bytes ?? 0
        run = nil
    }

    /// Lets go of everything; nothing may be asked of the station any more.
    public func close() async {
        await end()
        if fanout.isClosed { return }
        await fanout.close()
        log.close()
    }

    /// Does not wait for a child to end by itself any more.
    public func kill() { run?.kill() }

    /// Writes what is due, with a manual clock.
    func turn() {
        run?.turn()
        fanout.turn()
    }
}

extension StationOptions.Source {
    /// A child can be started again when it hangs. A pipe that is opened again is the same pipe; a file and a tone are
    /// only ever late.
    var traits: Supervision.Traits {
        if case .exec = self { Supervision.Traits(restartsWhenSilent: true) } else { .init(restartsWhenSilent: false) }
    }
}
