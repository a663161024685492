@testable import TelegramStandIn
@testable import WeirMedia

/// Workers that upload to warm-up chats, and users who send, against the stand-in's limits, on one virtual clock: no task,
/// no socket. Each call takes some time until it counts, and some until its answer is there.
struct LimiterModel {
    var rates = LimiterRates()
    /// What the server really allows.
    var truth = StandInRates()
    var chats: [TelegramChat]
    /// Uploads under way at once.
    var workers = 50
    /// Seconds from the call to where it counts, and from there to its answer.
    var upload: ClosedRange<Double> = 0.05...0.05
    var answer: ClosedRange<Double> = 0.05...0.05
    /// Seconds at which users ask for a send, each to a chat of its own.
    var sends: [Double] = []
    /// Seconds after which the limiter's state is all that is left of it.
    var restarts: [Double] = []
    /// The state is not older than so many seconds then; 429 is kept at once.
    var keepsEvery: Double = 0
    /// Nothing is left of it, to see what that does.
    var forgets = false

    struct Outcome {
        /// Answers, by the second.
        var succeeded: [Int]
        var limited: [Int]
        /// Calls that `retry_after` forbade.
        var violations: UInt64
        /// Seconds that each send waited.
        var waits: [Double]
        /// Of the limiter in the end.
        var limiter: Limiter

        func rate(from second: Int, to end: Int) -> Double {
            Double(succeeded[second..<end].reduce(0, +)) / Double(end - second) * 60
        }
        func share429(from second: Int) -> Double {
            let limited = limited[second...].reduce(0, +)
            return Double(limited) / Double(max(1, limited + succeeded[second...].reduce(0, +)))
        }
    }

    private enum Event {
        /// A worker, or a user, wants a turn.
        case look
        case counts(LimiterTurn, sent: UInt64, epoch: Int)
        case answered(LimiterTurn, retryAfter: Int?, epoch: Int)
        case ask(TelegramChat)
        case restart
        case keep
    }

    func run(seconds: Int, seed: UInt64 = 1) -> Outcome {
        // Far from the clock's beginning, as a machine that has run for a day.
        let start: UInt64 = 86_400_000_000_000
        let wall = 1.7e9
        var now = start
        var random = SplitMix(seed)
        var limiter = Limiter(rates: rates)
        var server = StandInLimiter()
        var outcome = Outcome(
            succeeded: Array(repeating: 0, count: seconds + 1), limited: Array(repeating: 0, count: seconds + 1),
            violations: 0, waits: [], limiter: limiter)
        var queue = Heap()
        var free = workers
        var rotation = 0
        /// No upload may be made before.
        var closed: UInt64 = 0
        var users: [(chat: TelegramChat, since: UInt64)] = []
        var epoch = 0
        var kept = limiter.state(at: now, wall: wall).bytes
        func at(_ second: Double) -> UInt64 { start + UInt64(second * 1e9) }
        func wallTime() -> Double { wall + Double(now - start) / 1e9 }
        for (index, second) in sends.enumerated() { queue.push(at(second), .ask(.number(Int64(500_000 + index)))) }
        for second in restarts { queue.push(at(second), .restart) }
        if keepsEvery > 0 { queue.push(at(keepsEvery), .keep) }
        queue.push(start, .look)
        let end = at(Double(seconds))
        while let (time, event) = queue.pop(), time < end {
            now = time
            let second = Int((now - start) / 1_000_000_000)
            switch event {
            case .look: break
            case .ask(let chat): users.append((chat, now))
            case .keep:
                kept = limiter.state(at: now, wall: wallTime()).bytes
                queue.push(now + UInt64(keepsEvery * 1e9), .keep)
            case .restart:
                if keepsEvery == 0 { kept = limiter.state(at: now, wall: wallTime()).bytes }
                // The clock of the next process begins elsewhere; here it goes on.
                guard let state = LimiterState(kept) else { preconditionFailure("the state cannot be read") }
                limiter =
                    forgets ? Limiter(rates: rates) : Limiter(rates: rates, state, at: now, wall: wallTime())
                // What was under way is lost.
                epoch += 1
                free = workers
                closed = 0
            case .counts(let turn, let sent, let its):
                let verdict = server.judge("1", turn.chat.description, truth, arrived: sent, now: now)
                var seconds: Int?
                if case .limited(let retryAfter) = verdict { seconds = retryAfter }
                queue.push(
                    now + UInt64(Double.random(in: answer, using: &random) * 1e9),
                    .answered(turn, retryAfter: seconds, epoch: its))
            case .answered(let turn, let retryAfter, let its):
                if retryAfter == nil {
                    outcome.succeeded[second] += 1
                } else {
                    outcome.limited[second] += 1
                    server.told("1", turn.chat.description, now: now)
                }
                guard its == epoch else { break }
                if turn.priority == .prewarm { free += 1 }
                if let retryAfter {
                    limiter.limited(turn, retryAfter: Double(retryAfter), at: now)
                    kept = limiter.state(at: now, wall: wallTime()).bytes
                } else {
                    limiter.answered(turn, at: now)
                }
            }
            // What may be called now is called; the time to look again is when the next one may.
            var next = UInt64.max
            users.removeAll { user in
                guard let turn = limiter.take(user.chat, for: .send, at: now) else {
                    next = min(next, limiter.opens(user.chat, for: .send, at: now))
                    return false
                }
                outcome.waits.append(Double(now - user.since) / 1e9)
                queue.push(
                    now + UInt64(Double.random(in: upload, using: &random) * 1e9),
                    .counts(turn, sent: now, epoch: epoch))
                return true
            }
            while free > 0 && closed <= now && !chats.isEmpty {
                guard limiter.opens(for: .prewarm) <= now else {
                    closed = limiter.opens(for: .prewarm)
                    break
                }
                var turn: LimiterTurn?
                closed = .max
                let first = rotation
                for step in chats.indices where turn == nil {
                    let index = (first + step) % chats.count
                    turn = limiter.take(chats[index], for: .prewarm, at: now)
                    if turn != nil { rotation = index + 1 }
                    if turn == nil { closed = min(closed, limiter.opens(chats[index], for: .prewarm, at: now)) }
                }
                guard let turn else { break }
                closed = 0
                free -= 1
                queue.push(
                    now + UInt64(Double.random(in: upload, using: &random) * 1e9),
                    .counts(turn, sent: now, epoch: epoch))
            }
            if free > 0 && closed > now { next = min(next, closed) }
            // The loop's timers fire at whole milliseconds.
            if next != .max { queue.push((max(next, now + 1) + 999_999) / 1_000_000 * 1_000_000, .look) }
        }
        outcome.violations = server.violations
        outcome.limiter = limiter
        return outcome
    }

    /// Events by their times; those of one time in the order in which they came.
    private struct Heap {
        private var events: [(time: UInt64, number: Int, event: Event)] = []
        private var made = 0
        private var looks: Set<UInt64> = []

        mutating func push(_ time: UInt64, _ event: Event) {
            if case .look = event, !looks.insert(time).inserted { return }
            made += 1
            events.append((time, made, event))
            var index = events.count - 1
            while index > 0, isBefore(index, (index - 1) / 2) {
                events.swapAt(index, (index - 1) / 2)
                index = (index - 1) / 2
            }
        }

        mutating func pop() -> (UInt64, Event)? {
            guard let first = events.first else { return nil }
            let last = events.removeLast()
            if !events.isEmpty {
                events[0] = last
                var index = 0
                while true {
                    var least = index
                    for child in [2 * index + 1, 2 * index + 2] where child < events.count && isBefore(child, least) {
                        least = child
                    }
                    if least == index { break }
                    events.swapAt(index, least)
                    index = least
                }
            }
            if case .look = first.event { looks.remove(first.time) }
            return (first.time, first.event)
        }

        private func isBefore(_ a: Int, _ b: Int) -> Bool {
            (events[a].time, events[a].number) < (events[b].time, events[b].number)
        }
    }
}
