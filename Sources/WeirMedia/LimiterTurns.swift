public import WeirLoop

/// Gives out a bot's calls one by one, when they may be made: to those that somebody waits for first, in their order, then to
/// uploads ahead of need, in theirs, which go to the warm-up chats in turn. On the loop's thread.
///
///     let turn = try await limiter.turn(to: chat)
///     … the call …
///     limiter.ended(turn, error)
@LoopActor
public final class TelegramLimiter {
    /// Those of either kind that wait, at most; one more is refused.
    public nonisolated static let waitingLimit = 10_000
    /// Seconds for which a warm-up chat that refused the bot is left out.
    public nonisolated static let refusedPause: Double = 600

    /// Something happened that must not be forgotten by a crash: 429. The owner keeps `state`, before it makes the next call.
    public var onLimited: (() -> Void)?

    /// Turns given out, and calls that were answered with 429.
    public private(set) var turns: UInt64 = 0
    public private(set) var limited: UInt64 = 0

    private var limiter: Limiter
    private let clock: LoopClock
    private let wall: @Sendable () -> Double
    private let timer: LoopTimer
    private var sends: [Waiter] = []
    private var uploads: [Waiter] = []
    /// Uploads go to them in this order, over and over.
    private var warmupChats: [WarmupChat]
    private var rotation = 0
    private var isClosed = false

    private struct WarmupChat {
        let chat: TelegramChat
        var pausedUntil: UInt64 = 0
    }

    /// - Parameters:
    ///   - warmupChats: those that uploads ahead of need go to; each counts once.
    ///   - state: of the limiter before; one that was taken by the same wall clock.
    ///   - wall: seconds since 1970.
    public init(
        rates: LimiterRates = LimiterRates(), warmupChats: [TelegramChat], state: LimiterState? = nil,
        clock: LoopClock = .monotonic, wall: @escaping @Sendable () -> Double
    ) {
        limiter = state.map { Limiter(rates: rates, $0, at: clock.now, wall: wall()) } ?? Limiter(rates: rates)
        self.clock = clock
        self.wall = wall
        timer = LoopTimer(clock: clock)
        var seen: Set<TelegramChat> = []
        self.warmupChats = warmupChats.filter { seen.insert($0).inserted }.map { WarmupChat(chat: $0) }
    }

    isolated deinit { timer.close() }

    /// To be kept, and given to the next limiter of the same bot.
    public var state: LimiterState { limiter.state(at: clock.now, wall: wall()) }

    public var waitingSends: Int { sends.count }
    public var waitingUploads: Int { uploads.count }

    /// Seconds until a call to this chat could be made, if nobody else made one.
    public func wait(for chat: TelegramChat) -> Double {
        let (now, opens) = (clock.now, limiter.opens(chat, for: .send, at: clock.now))
        return opens > now ? Double(opens - now) / 1e9 : 0
    }

    // MARK: Waiting

    /// Returns when a call that somebody waits for may be made to a chat. A cancelled task waits no longer.
    /// - Parameter deadline: of the limiter's clock. A turn that would come later is not waited for.
    /// - Throws: `.late` then, as soon as that is known.
    public func turn(to chat: TelegramChat, by deadline: UInt64 = .max) async throws(LimiterError) -> LimiterTurn {
        try await wait(Waiter(chat, by: deadline))
    }

    /// Returns when an upload ahead of need may be made, and to which of the warm-up chats: the next in turn that is free.
    /// - Throws: `.noChat` when there is none, or each has refused the bot of late.
    public func warmupTurn() async throws(LimiterError) -> LimiterTurn {
        try await wait(Waiter(nil))
    }

    /// A call is over, however it ended: its turn cannot be used again.
    public func ended(_ turn: LimiterTurn, _ error: TelegramError? = nil) {
        switch error?.kind {
        case .limited(let retryAfter):
            limited += 1
            limiter.limited(turn, retryAfter: retryAfter, at: clock.now)
            onLimited?()
        case .kicked, .chatNotFound, .migrated:
            limiter.answered(turn, at: clock.now)
            pause(turn.chat)
        case .server, .timeout, .connection, .malformed, .cancelled, .source, .tooLarge:
            // Nothing is known, or nothing was asked.
            limiter.lost(turn, at: clock.now)
        default: limiter.answered(turn, at: clock.now)
        }
        serve()
    }

    /// Ends every wait with `.closed`.
    public func close() {
        isClosed = true
        timer.close()
        for waiter in sends + uploads { waiter.end(.failure(.closed)) }
        sends = []
        uploads = []
    }

    @LoopActor
    private final class Waiter {
        /// Nil for any of the warm-up chats.
        let chat: TelegramChat?
        let deadline: UInt64
        private(set) var outcome: Result<LimiterTurn, LimiterError>?
        var continuation: UnsafeContinuation<Void, Never>?

        init(_ chat: TelegramChat?, by deadline: UInt64 = .max) {
            self.chat = chat
            self.deadline = deadline
        }

        func end(_ outcome: Result<LimiterTurn, LimiterError>) {
            guard self.outcome == nil else { return }
            self.outcome = outcome
            continuation?.resume()
            continuation = nil
        }
    }

    private func wait(_ waiter: Waiter) async throws(LimiterError) -> LimiterTurn {
        if isClosed { throw .closed }
        if waiter.chat == nil {
            guard !usableChats(at: clock.now).isEmpty else { throw .noChat }
            guard uploads.count < Self.waitingLimit else { throw .full }
            uploads.append(waiter)
        } else {
            guard sends.count < Self.waitingLimit else { throw .full }
            sends.append(waiter)
        }
        serve()
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                if waiter.outcome != nil { return continuation.resume() }
                waiter.continuation = continuation
            }
        } onCancel: {
            spawn { self.withdraw(waiter) }
        }
        return try waiter.outcome.unsafelyUnwrapped.get()
    }

    private func withdraw(_ waiter: Waiter) {
        if waiter.chat == nil {
            uploads.removeAll { $0 === waiter }
        } else {
            sends.removeAll { $0 === waiter }
        }
        waiter.end(.failure(.cancelled))
    }

    private func pause(_ chat: TelegramChat) {
        for index in warmupChats.indices where warmupChats[index].chat == chat {
            warmupChats[index].pausedUntil = clock.deadline(after: Self.refusedPause)
        }
        guard usableChats(at: clock.now).isEmpty else { return }
        for waiter in uploads { waiter.end(.failure(.noChat)) }
        uploads = []
    }

    private func usableChats(at now: UInt64) -> [TelegramChat] {
        warmupChats.filter { $0.pausedUntil <= now }.map(\.chat)
    }

    // MARK: Serving

    /// Gives out what can be given out now, and sets the timer for what comes next.
    private func serve() {
        if isClosed { return }
        var next = UInt64.max
        if !sends.isEmpty { next = min(next, serveSends()) }
        if !uploads.isEmpty { next = min(next, serveUploads()) }
        if next == .max {
            timer.stop()
        } else {
            timer.schedule(at: next) { [unowned self] in serve() }
        }
    }

    /// In their order, those whose chats are free; when the next one may be. Who would be too late is told.
    private func serveSends() -> UInt64 {
        let now = clock.now
        var next = UInt64.max
        var left: [Waiter] = []
        for waiter in sends {
            guard let chat = waiter.chat else { continue }
            var opens = limiter.opens(for: .send)
            if opens <= now {
                if let turn = limiter.take(chat, for: .send, at: now) {
                    turns += 1
                    waiter.end(.success(turn))
                    continue
                }
                opens = limiter.opens(chat, for: .send, at: now)
            }
            guard opens <= waiter.deadline else {
                waiter.end(.failure(.late(after: Double(opens - now) / 1e9)))
                continue
            }
            next = min(next, opens)
            left.append(waiter)
        }
        sends = left
        return next
    }

    /// The first of those that wait, to the next chat in turn that is free, and so on; when the next one may go.
    private func serveUploads() -> UInt64 {
        let now = clock.now
        var served = 0
        defer { uploads.removeFirst(served) }
        while served < uploads.count {
            let open = limiter.opens(for: .prewarm)
            if open > now { return open }
            var next = UInt64.max
            var turn: LimiterTurn?
            for step in 0..<warmupChats.count where turn == nil {
                let index = (rotation + step) % warmupChats.count
                let place = warmupChats[index]
                guard place.pausedUntil <= now else {
                    next = min(next, place.pausedUntil)
                    continue
                }
                turn = limiter.take(place.chat, for: .prewarm, at: now)
                if turn == nil {
                    next = min(next, limiter.opens(place.chat, for: .prewarm, at: now))
                } else {
                    rotation = (index + 1) % warmupChats.count
                }
            }
            guard let turn else { return next }
            turns += 1
            uploads[served].end(.success(turn))
            served += 1
        }
        return .max
    }
}

/// Why there is no turn.
public enum LimiterError: Error, Sendable, Hashable {
    /// The bot has no warm-up chat, or each of them has refused it of late.
    case noChat
    /// Too many wait already.
    case full
    /// The turn would come too late: after so many seconds, if nobody else had one before.
    case late(after: Double)
    case cancelled, closed
}
