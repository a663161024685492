/// When a station's source runs, and what becomes of it when it fails, hangs, ends, or nobody listens.
///
/// A pure state machine: events and the time go in, effects come out, and all transitions are in this file. Times are
/// seconds of any clock that only grows.
///
///                 start, first listener              first byte
///     idle, stopped ──────────────────► starting ──────────────────► live ◄──► stalled (a source that is only waited for)
///          ▲  ▲                          │  ▲                         │
///          │  └── closing ◄──────────────┼──┼── stop, linger ─────────┤
///          │                     failure │  │ backoff        failure, │
///          └── at its end                ▼  │                silence  │
///                                       failed ◄── closing ◄──────────┘
///
/// A source that is only waited for is stalled from `starting` too: a pipe whose writer stays away. One that comes by
/// itself, a client that sends, is idle while it is away, and starting from its coming to its first byte.
public struct Supervision: Sendable, Equatable {
    /// What a station says of itself.
    public enum State: String, Sendable, CaseIterable {
        /// The source does not run; the first listener starts it, or it is one that comes by itself.
        case idle
        /// The source runs and has not delivered a byte yet.
        case starting
        /// Bytes come.
        case live
        /// No byte came for `stall_timeout`; the source is being restarted, where that can help. A named pipe's writer may be
        /// away.
        case stalled
        /// The source does not run until somebody starts it.
        case stopped
        /// The source ended or could not be started, and will be tried again.
        case failed
    }

    public enum Event: Sendable, Equatable {
        /// Somebody wants it to run: an operator, or `autostart: always`.
        case start
        /// An operator wants it off the air.
        case stop
        /// Listeners and joiners that wait, all together.
        case demand(Int)
        /// The first byte of a run, or the first after a silence.
        case bytes
        /// No byte for `stall_timeout`.
        case silence
        /// The writer of a named pipe left, or there is no client that sends, and the next one is waited for: not a
        /// failure.
        case writerLeft
        /// A client that sends has come.
        case writerCame
        /// The source is gone, with everything that belonged to it.
        case ended(Ending)
        /// What `Effect.close` asked for is done.
        case closed
        case backoffDue
        case lingerDue
    }

    /// How a source came to its end by itself.
    public enum Ending: Sendable, Equatable {
        /// A file that is not repeated was played to its end.
        case finished
        /// It ended and can never run again: standard input.
        case exhausted(String)
        /// It failed, or ended where it should not.
        case failed(String)
        /// It was sent away, with the seconds after which it may be asked again: `Backoff.ceiling` of them are waited at
        /// most.
        case putOff(String, Double)
    }

    /// What the station has to do.
    public enum Effect: Sendable, Equatable {
        case open
        /// Take the source down in an orderly way, then report `closed`.
        case close
        /// Report `backoffDue` after so many seconds.
        case backoff(Double)
        case cancelBackoff
        /// Report `lingerDue` after so many seconds.
        case linger(Double)
        case cancelLinger
        /// The joiners that wait can be let in.
        case admit
        /// There is nothing to wait for any more.
        case refuse
        /// The programme is over for those who listen.
        case endListeners
    }

    /// What a source's kind means for its supervision.
    public struct Traits: Sendable, Equatable {
        /// Whether a source that is silent is better started again.
        public var restartsWhenSilent: Bool
        /// Whether it comes by itself, and nothing runs while it is away.
        public var comesByItself: Bool

        public init(restartsWhenSilent: Bool, comesByItself: Bool = false) {
            self.restartsWhenSilent = restartsWhenSilent
            self.comesByItself = comesByItself
        }
    }

    private enum Phase: Equatable {
        case idle
        case stopped
        case opening
        /// Open for a source that comes by itself, and has not.
        case vacant
        case running(since: Double)
        /// A source that is only waited for; nil when it had not delivered yet.
        case silent(since: Double?)
        /// The source is being taken down, and what comes then.
        case closing(Next)
        /// Until the backoff is over.
        case waiting
    }

    private enum Next: Equatable {
        case idle, stopped, reopen
        /// Seconds it had delivered, and whether it was for silence.
        case retry(running: Double, silent: Bool)
    }

    public let autostart: StationOptions.Autostart
    public internal(set) var linger: Double
    public let traits: Traits
    public private(set) var backoff = Backoff()
    /// Times the source was started again after a failure.
    public private(set) var restarts: UInt64 = 0
    /// Somebody wants it off the air, or nobody has started it yet: not so when the source came to its end.
    public private(set) var isOff: Bool
    /// What went wrong last; nil when nothing has since an operator started or stopped the source.
    public private(set) var lastError: String?

    private var phase: Phase
    private var demand = 0
    private var isLingering = false
    /// No new attempt before this, whoever comes and goes in between.
    private var notBefore = -Double.infinity

    public init(autostart: StationOptions.Autostart, linger: Double, traits: Traits) {
        self.autostart = autostart
        self.linger = linger
        self.traits = traits
        phase = autostart == .onDemand ? .idle : .stopped
        isOff = autostart == .manual
    }

    public var state: State {
        switch phase {
        case .idle, .vacant, .closing(.idle): .idle
        case .stopped, .closing(.stopped): .stopped
        case .opening, .closing(.reopen): .starting
        case .running: .live
        case .silent, .closing(.retry(_, silent: true)): .stalled
        case .waiting, .closing(.retry(_, silent: false)): .failed
        }
    }

    /// Whether a joiner can hope for a byte: it waits, instead of being refused at once.
    public var isPromising: Bool { state != .stopped }

    /// Notes what the station found wrong before the source's end says so.
    public mutating func note(error: String?) { lastError = error }

    /// `random` is in 0 ..< 1, for the jitter of a backoff.
    public mutating func handle(_ event: Event, at now: Double, random: Double = 0.5) -> [Effect] {
        switch event {
        case .start: start()
        case .stop: stop()
        case .demand(let count): demand(count, at: now)
        case .bytes: bytes(at: now)
        case .silence: silence(at: now)
        case .writerLeft: writerLeft()
        case .writerCame: writerCame()
        case .ended(let ending): ended(ending, at: now, random: random)
        case .closed: closed(at: now, random: random)
        case .backoffDue: phase == .waiting ? reopen() : []
        case .lingerDue: lingerDue()
        }
    }
}

// MARK: - Transitions

extension Supervision {
    private mutating func start() -> [Effect] {
        isOff = false
        backoff.reset()
        notBefore = -.infinity
        lastError = nil
        switch phase {
        case .idle, .stopped:
            phase = .opening
            return [.open] + lingerIfUnwanted()
        case .waiting:
            return [.cancelBackoff] + reopen()
        case .closing:
            phase = .closing(.reopen)
            return []
        case .opening, .vacant, .running, .silent:
            return []
        }
    }

    private mutating func stop() -> [Effect] {
        var effects: [Effect] = cancelLinger()
        isOff = true
        switch phase {
        case .idle, .stopped: phase = .stopped
        case .waiting:
            phase = .stopped
            effects.append(.cancelBackoff)
        case .closing: phase = .closing(.stopped)
        case .opening, .vacant, .running, .silent:
            phase = .closing(.stopped)
            effects.append(.close)
        }
        lastError = nil
        return effects + [.refuse, .endListeners]
    }

    private mutating func demand(_ count: Int, at now: Double) -> [Effect] {
        demand = count
        guard autostart == .onDemand else { return [] }
        if count > 0 {
            switch phase {
            case .idle where now < notBefore:
                phase = .waiting
                return [.backoff(notBefore - now)]
            case .idle:
                phase = .opening
                return [.open]
            case .closing(.idle):
                phase = .closing(.reopen)
                return []
            default: return cancelLinger()
            }
        }
        switch phase {
        case .opening, .vacant, .running, .silent: return lingerIfUnwanted()
        case .waiting:
            phase = .idle
            return [.cancelBackoff]
        case .closing(.retry), .closing(.reopen):
            phase = .closing(.idle)
            return []
        case .idle, .stopped, .closing: return []
        }
    }

    private mutating func bytes(at now: Double) -> [Effect] {
        switch phase {
        case .opening:
            phase = .running(since: now)
            return [.admit]
        case .silent(let since):
            phase = .running(since: since ?? now)
            return [.admit]
        case .idle, .stopped, .vacant, .running, .closing, .waiting: return []
        }
    }

    private mutating func silence(at now: Double) -> [Effect] {
        let since: Double?
        switch phase {
        case .opening: since = nil
        case .running(let start): since = start
        case .idle, .stopped, .vacant, .silent, .closing, .waiting: return []
        }
        if traits.restartsWhenSilent {
            phase = .closing(.retry(running: since.map { now - $0 } ?? 0, silent: true))
            return [.close]
        }
        // Nothing is won by opening a pipe again: it is waited for, with a writer or without.
        phase = .silent(since: since)
        return []
    }

    private mutating func writerLeft() -> [Effect] {
        switch phase {
        case .opening, .running, .silent: phase = traits.comesByItself ? .vacant : .opening
        case .idle, .stopped, .vacant, .closing, .waiting: break
        }
        return []
    }

    private mutating func writerCame() -> [Effect] {
        if phase == .vacant { phase = .opening }
        return []
    }

    private mutating func ended(_ ending: Ending, at now: Double, random: Double) -> [Effect] {
        let running: Double
        switch phase {
        case .opening, .vacant, .silent(since: nil): running = -1
        case .running(let since), .silent(since: let since?): running = now - since
        // It went by itself while it was being taken down.
        case .closing: return closed(at: now, random: random)
        case .idle, .stopped, .waiting: return []
        }
        switch ending {
        case .finished where running >= 0:
            phase = autostart == .onDemand ? .idle : .stopped
            return cancelLinger() + [.refuse, .endListeners]
        case .exhausted(let why):
            lastError = why
            phase = .stopped
            return cancelLinger() + [.refuse, .endListeners]
        case .finished:
            return retry("the source ended before its first byte", afterRunning: 0, at: now, random: random)
        case .failed(let why):
            return retry(why, afterRunning: max(0, running), at: now, random: random)
        case .putOff(let why, let seconds):
            let least = min(max(0, seconds), Backoff.ceiling)
            return retry(why, afterRunning: max(0, running), atLeast: least, at: now, random: random)
        }
    }

    private mutating func retry(
        _ why: String?, afterRunning running: Double, atLeast least: Double = 0, at now: Double, random: Double
    ) -> [Effect] {
        if let why { lastError = why }
        let delay = max(least, backoff.delay(afterRunning: running, random: random))
        notBefore = now + delay
        let effects = cancelLinger()
        if autostart == .onDemand && demand == 0 {
            phase = .idle
            return effects
        }
        phase = .waiting
        return effects + [.backoff(delay)]
    }

    private mutating func closed(at now: Double, random: Double) -> [Effect] {
        guard case .closing(let next) = phase else { return [] }
        switch next {
        case .idle:
            phase = .idle
            return []
        case .stopped:
            phase = .stopped
            return []
        case .reopen:
            phase = .opening
            // Who wanted it back may have gone meanwhile, or never have listened.
            return [.open] + lingerIfUnwanted()
        case .retry(let running, _):
            return retry(nil, afterRunning: running, at: now, random: random)
        }
    }

    private mutating func lingerDue() -> [Effect] {
        isLingering = false
        guard autostart == .onDemand, demand == 0 else { return [] }
        switch phase {
        case .opening, .vacant, .running, .silent:
            phase = .closing(.idle)
            return [.close]
        case .idle, .stopped, .closing, .waiting: return []
        }
    }

    private mutating func reopen() -> [Effect] {
        phase = .opening
        restarts += 1
        return [.open]
    }

    private mutating func lingerIfUnwanted() -> [Effect] {
        guard autostart == .onDemand, demand == 0, !isLingering else { return [] }
        isLingering = true
        return [.linger(linger)]
    }

    private mutating func cancelLinger() -> [Effect] {
        guard isLingering else { return [] }
        isLingering = false
        return [.cancelLinger]
    }
}
