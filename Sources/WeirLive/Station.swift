public import WeirHTTP
public import WeirLoop

/// A live stream: one source, the ring that it writes, and those who listen.
///
/// Nothing here runs for bytes or for a listener's writes: the core moves them. The station hears of its source's
/// beginning and end, of joins, skips and ends, and of its own timers.
@LoopActor
public final class Station {
    public private(set) var options: StationOptions
    public nonisolated let name: String
    /// The format of the stream: the configured one, until a WAV header says otherwise.
    public private(set) var format: StationOptions.Format
    public private(set) var supervision: Supervision
    /// For what belongs in the log.
    public var onEvent: ((StationEvent) -> Void)?

    /// Nanoseconds from the request to the moment the socket was handed over.
    public internal(set) var joins = Histogram()
    /// Who left last.
    public internal(set) var recentEnds = RecentEnds()

    let clock: LoopClock
    let seats: Seats
    private(set) var log: Log
    private(set) var fanout: Fanout
    /// The index of a transport stream.
    public let track: Track?
    /// What is kept of a transport stream in files.
    public let cache: WarmCache?
    var window: FlushWindow
    /// Listeners that have a seat and no socket yet, those who wait included.
    var reserved = 0
    /// Joiners who wait for the first byte, and those who wait for a place where decoding can begin.
    var waiters: [JoinWaiter] = []
    var accessWaiters: [JoinWaiter] = []
    /// An operator wants the stream to count as watched.
    var isCommitRequested = false
    /// The station that is played while this one has no source, and those that play this one.
    var fallback = Fallback()
    var followers: [Station] = []
    /// The programmes that were reported last.
    var programs: [TransportFacts.Program] = []

    private let random: () -> Double
    private let clients: ClientPools
    /// Through which the origin is asked, once it was; stays from run to run.
    private var pool: ClientPool?
    private(set) var run: SourceRun?
    /// Who sends the stream, to a station that is sent one.
    var sender: Sender?
    var presence: Presence?
    /// What the origin said of the stream, of a station that pulls it; nil while there is no connection.
    var origin: OriginAnswer?
    /// The title came with the stream.
    var isTitleOrigins = false
    /// What is being played, as somebody said.
    public internal(set) var title: String?
    /// Bytes of the runs before `run`.
    private var formerBytes: UInt64 = 0
    private var formerDatagrams = Datagrams()
    /// Where the log stood when bytes last ceased to come: the next ones begin there.
    private(set) var restingHead: UInt64 = 0
    /// A byte has been in the log: the format is what it is.
    private var isFormatFixed = false
    /// The source waits for a listener (`slow: pause`).
    private(set) var isHeld = false
    /// The clock when the source could last be silent by its own fault.
    private var watchedFrom: UInt64 = 0
    private var rate = RateMeter()
    /// Bytes a second that the fan-out was told.
    private var toldRate = 0.0

    private let backoffTimer: LoopTimer
    private let lingerTimer: LoopTimer
    private let silenceTimer: LoopTimer
    private let rateTimer: LoopTimer
    /// Until the other station is let go that nobody listens to any more, and until it is played from wherever it is.
    let fallbackTimer: LoopTimer
    let accessTimer: LoopTimer

    private var events: [Supervision.Event] = []
    private var isHandling = false
    /// It begins later: what happens until then waits.
    private(set) var isHeldBack = false
    private(set) var isClosing = false
    private var ending: Task<Void, Never>?

    /// Throws when the ring is out of its range for the format. A transport stream is kept in files where there are
    /// `caches`. An origin is asked through a pool of `clients`, `live/NAME`. `random` gives the jitter of a backoff, 0 ..< 1.
    public init(
        _ options: StationOptions, seats: Seats, caches: WarmCaches? = nil, clients: ClientPools? = nil,
        clock: LoopClock = .monotonic,
        random: @escaping () -> Double = { Double.random(in: 0..<1) }
    ) throws(CoreError) {
        self.options = options
        self.seats = seats
        self.clock = clock
        self.random = random
        self.clients = clients ?? ClientPools(clock: clock)
        name = options.name
        format = options.format
        window = FlushWindow(options.window)
        supervision = Supervision(
            autostart: options.autostart, linger: options.linger, traits: options.source.traits)
        let log: Log
        (log, track, fanout) = try Station.stream(options, options.format, window: window, clock: clock)
        self.log = log
        cache =
            if let caches, let track, options.keepsFiles {
                WarmCache(name: options.name, log: log, track: track, options: options.warm, caches: caches)
            } else {
                nil
            }
        backoffTimer = LoopTimer(clock: clock)
        lingerTimer = LoopTimer(clock: clock)
        silenceTimer = LoopTimer(clock: clock)
        rateTimer = LoopTimer(clock: clock)
        fallbackTimer = LoopTimer(clock: clock)
        accessTimer = LoopTimer(clock: clock)
        listen(to: fanout)
        track?.onChange = { [weak self] in self?.transportChanged() }
        cache?.onEvent = { [weak self] in self?.emit(.warm($0)) }
    }

    /// Starts the source when it is to run from the beginning.
    public func begin() {
        isHeldBack = false
        if options.autostart == .always { events.insert(.start, at: 0) }
        handleEvents()
    }

    /// Has it do nothing until `begin()`: those who join wait.
    func holdBack() { isHeldBack = true }

    /// Its source will run when it has begun, or for whoever asks.
    var isPromised: Bool { isHeldBack && options.autostart != .manual }

    /// An operator wants it to run.
    public func start() { handle(.start) }

    /// An operator wants it off the air: those who listen are ended, and nobody is let in until `start()`.
    public func stop() { handle(.stop) }

    public var state: Supervision.State { supervision.state }

    /// Bytes a second: of the format, by the clock of a transport stream, or as measured; nil while it is not known.
    public var byteRate: Double? {
        format.byteRate.map(Double.init) ?? track?.bitrate.map { $0 / 8 } ?? rate.bytesPerSecond
    }

    /// Bytes that the source delivered since the station was made. Never falls, unlike what the log has: that drops a unit
    /// that was begun when a source ends, and begins anew in another format.
    public var receivedBytes: UInt64 { formerBytes + (run?.bytes ?? 0) }

    /// What became of the datagrams of all runs.
    public var datagrams: Datagrams { run.map { formerDatagrams + $0.datagrams } ?? formerDatagrams }

    /// Takes on what a running station can of other options, as `StationOptions.changes(to:)` says; listeners and the source
    /// do not notice.
    func adjust(to options: StationOptions) {
        if isClosing { return }
        let former = self.options
        self.options = options
        supervision.linger = options.linger
        fanout.setTimeout(options.slowNanoseconds)
        if let rate = byteRate, format.byteRate != nil || track != nil {
            fanout.setMaxLag(options.lagLimit(byteRate: rate))
        }
        if former.window != options.window {
            window = FlushWindow(options.window)
            _ = window.adapt(to: fanout.count)
            // Both kinds of window are within the core's range.
            try? fanout.setWindow(window.nanoseconds)
        }
        if former.warm != options.warm { cache?.adjust(to: options.warm) }
        // Its timer was set by the former timeout.
        if run != nil { lookForSilence() }
    }

    // MARK: The stream

    private static func stream(
        _ options: StationOptions, _ format: StationOptions.Format, window: FlushWindow, clock: LoopClock
    ) throws(CoreError) -> (Log, Track?, Fanout) {
        let log = try Log(capacity: options.ring, unit: format.unit)
        var track: Track?
        do {
            if case .ts = format { track = try Track(log: log) }
            var fanoutOptions = Fanout.Options()
            fanoutOptions.track = track
            fanoutOptions.window = window.nanoseconds
            fanoutOptions.policy =
                switch options.slowPolicy {
                case .skip: .skip
                case .disconnect: .disconnect
                case .pause: .pause
                }
            if let rate = format.byteRate {
                fanoutOptions.byteRate = UInt64(rate)
                fanoutOptions.maxLag = options.lagLimit(byteRate: Double(rate))
            }
            fanoutOptions.timeout = options.slowNanoseconds
            return (log, track, try Fanout(log: log, options: fanoutOptions, clock: clock))
        } catch {
            track?.close()
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
            let (log, _, fanout) = try Station.stream(options, .pcm(pcm), window: window, clock: clock)
            let former = (log: self.log, fanout: self.fanout)
            cutFollowers()
            emit(.format(was: format, is: .pcm(pcm)))
            format = .pcm(pcm)
            self.log = log
            self.fanout = fanout
            listen(to: fanout)
            restingHead = 0
            if let title = heardTitle { try? fanout.setTitle(title) }
            run?.move(to: log, fanout, format)
            former.fanout.close { former.log.close() }
            tellFollowersOfFormat()
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
        handleEvents()
    }

    private func handleEvents() {
        if isHandling || isHeldBack { return }
        isHandling = true
        while !events.isEmpty && !isClosing {
            let event = events.removeFirst()
            let before = supervision.state
            let effects = supervision.handle(event, at: Double(clock.now) / 1e9, random: random())
            let after = supervision.state
            if before != after { emit(.state(from: before, to: after, error: supervision.lastError)) }
            for effect in effects { perform(effect) }
            if before != after && after == .live { tellFollowers() }
            if before != after && after == .stopped { tellFollowersOfStop() }
        }
        isHandling = false
        updateFallback()
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
        case .refuse: if !inherit() { wake(false) }
        case .endListeners: if !fallback.isInheriting { fanout.end(.shutdown) }
        }
    }

    private func open() {
        let run = SourceRun(
            options: options, format: format, log: log, fanout: fanout, track: track, clock: clock,
            pool: { [weak self, clients, name] in
                let pool = clients.pool("live/\(name)", $0.poolOptions)
                self?.pool = pool
                return pool
            },
            onFormat: { [weak self] in self?.found($0) }, report: { [weak self] in self?.reported($0) })
        self.run = run
        isHeld = false
        fallback.isInheriting = false
        // What an earlier run left is not the past of this one.
        gap()
        rest()
        if fallback.feed != nil { run.yield() }
        if let cache { spawn { await cache.open() } }
        if !options.source.traits.comesByItself { watchSilence() }
        if format.byteRate == nil { watchRate() }
        run.open()
    }

    private func reported(_ report: SourceRun.Report) {
        switch report {
        case .started(let process): emit(.started(process: process))
        case .line(let line, let suppressed): emit(.line(line, suppressed: suppressed))
        case .connected(let answer): originAnswered(answer)
        case .title(let text): originPlays(text)
        case .returning: sourceReturns()
        case .first:
            isFormatFixed = true
            fallback.isSourceWriting = true
            handle(.bytes)
        case .writerLeft:
            gap()
            rest()
            handle(.writerLeft)
        case .senderLeft(let ending):
            senderLeft(ending)
            gap()
            rest()
            handle(.writerLeft)
        case .ended(let ending):
            runEnded()
            handle(.ended(ending))
        }
    }

    private func runEnded() {
        senderLeft(.stopped)
        originLeft()
        formerBytes += run?.bytes ?? 0
        formerDatagrams = datagrams
        run = nil
        rest()
        silenceTimer.stop()
        if fallback.feed == nil { stopWatchingRate() }
    }

    /// The source writes nothing for now.
    private func rest() {
        fallback.isSourceWriting = false
        // Else another station's bytes go on coming.
        if fallback.feed == nil { logRests() }
    }

    /// Nobody writes the log for now.
    func logRests() { restingHead = log.head }

    /// A byte of whatever source has been heard.
    func fixFormat() { isFormatFixed = true }

    // MARK: Silence

    func watchSilence() {
        watchedFrom = clock.now
        silenceTimer.schedule(at: clock.deadline(after: options.stallTimeout)) { [weak self] in self?.lookForSilence() }
    }

    private func lookForSilence() {
        guard let run else { return }
        if options.source.traits.comesByItself && sender == nil { return }
        let now = clock.now
        let last = max(run.last ?? 0, watchedFrom)
        let silent = now - min(last, now)
        let timeout = clock.deadline(after: options.stallTimeout) - now
        if isHeld {
            // The source waits for a listener: that is no silence of its own.
        } else if silent >= timeout {
            if options.source.traits.comesByItself {
                let why = "no byte for \(Station.text(options.stallTimeout)) s"
                return run.drop(.silent(why))
            }
            if supervision.state == .live || supervision.state == .starting {
                if options.source.traits.restartsWhenSilent {
                    supervision.note(error: "no byte for \(Station.text(options.stallTimeout)) s")
                }
                // What comes after it, if anything does, is not continued from what was before.
                gap()
                rest()
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

    /// Notes what was wrong with a source that left; nil: nothing is.
    func note(error: String?) { supervision.note(error: error) }

    private static func text(_ seconds: Double) -> String {
        seconds == seconds.rounded() && abs(seconds) < 1e9 ? String(Int(seconds)) : "\(seconds)"
    }

    // MARK: Rate

    /// The part by which the rate must differ for the fan-out to be told: it sets every listener's buffer by it.
    private static let rateTolerance = 0.1

    /// Measures the rate of bytes whose format does not tell it, once a second while the source runs.
    func watchRate() {
        rate.begin(at: clock.now, log.written)
        rateTimer.schedule(every: 1_000_000_000, from: clock.now + 1_000_000_000) { [weak self] _ in
            guard let self else { return }
            rate.measure(at: clock.now, log.written)
            if let rate = byteRate { tell(rate) }
        }
    }

    func stopWatchingRate() { rateTimer.stop() }

    private func tell(_ rate: Double) {
        cache?.sample(bitrate: rate * 8)
        guard abs(rate - toldRate) > toldRate * Station.rateTolerance else { return }
        toldRate = rate
        fanout.setByteRate(UInt64(rate))
        if track != nil { fanout.setMaxLag(options.lagLimit(byteRate: rate)) }
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
        // Only now: those who left until here would have had it follow again.
        leaveFallback()
        releaseFollowers()
        fallback.other = nil
        for timer in [backoffTimer, lingerTimer, silenceTimer, rateTimer, fallbackTimer, accessTimer] { timer.close() }
        if let run {
            await withUnsafeContinuation { (done: UnsafeContinuation<Void, Never>) in run.close { done.resume() } }
        }
        senderLeft(.stopped)
        originLeft()
        formerBytes += run?.bytes ?? 0
        formerDatagrams = datagrams
        run = nil
    }

    /// Lets go of everything; nothing may be asked of the station any more.
    public func close() async {
        await end()
        if fanout.isClosed { return }
        await fanout.close()
        if let pool { await clients.close(pool) }
        await cache?.destroy()
        track?.close()
        log.close()
    }

    /// Does not wait for a child to end by itself any more.
    public func kill() { run?.kill() }

    /// Writes what is due, with a manual clock.
    func turn() {
        run?.turn()
        fallback.feed?.turn()
        fanout.turn()
    }
}

extension StationOptions {
    /// Bytes of lag that `disconnect` tolerates.
    func lagLimit(byteRate: Double) -> UInt64 { UInt64(max(1, min(maxLag, 1e6) * min(byteRate, 1e12))) }

    /// `slowTimeout` in nanoseconds.
    fileprivate var slowNanoseconds: UInt64 { UInt64(max(0.001, min(slowTimeout, 1e6)) * 1e9) }
}

extension StationOptions.Source {
    /// A child can be started again when it hangs, and an origin asked again. A client that sends is dropped then, and may come again. A pipe that is opened again is the same pipe, and so is a socket; a file
    /// and a tone are only ever late.
    var traits: Supervision.Traits {
        switch self {
        case .exec, .http: Supervision.Traits(restartsWhenSilent: true)
        case .push: Supervision.Traits(restartsWhenSilent: false, comesByItself: true)
        case .tone, .file, .stdin, .fifo, .udp: Supervision.Traits(restartsWhenSilent: false)
        }
    }
}
