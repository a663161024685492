import TelegramStandIn
import Testing
import WeirDatabase
import WeirHTTP
import WeirLoop
import WeirStorage

@testable import WeirMedia

/// What becomes of a medium whose warming fails: its state, when it is tried again, and what it is said to have.
@Suite("A failed attempt")
struct PrewarmFailureTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var name: String
        /// What goes wrong, at Telegram or in the store.
        var action: StandInFault.Action?
        var times = 1
        var object: Object = .whole
        var outcome: Outcome
        /// Part of the error that is told.
        var said: String

        enum Object: Sendable { case whole, missing, shorter, longer }

        enum Outcome: Sendable {
            /// At once, for good.
            case dead
            /// Tried again within so many seconds; it counts as an attempt.
            case retried(within: Double)
            /// Tried again after so many seconds; it costs no attempt.
            case postponed(ClosedRange<Double>)
            /// Nobody notices: another chat takes it.
            case ready
        }

        var testDescription: String { name }
    }

    private static let kicked = StandInFault.Action.error(403, "Forbidden: bot was kicked from the supergroup chat")

    static let rows: [Row] = [
        Row(
            name: "400 wrong file", action: .error(400, "Bad Request: IMAGE_PROCESS_FAILED"), outcome: .dead,
            said: "sendPhoto answered 400: Bad Request: IMAGE_PROCESS_FAILED"),
        Row(
            name: "413", action: .error(413, "Request Entity Too Large"), outcome: .dead,
            said: "sendPhoto answered 413: Request Entity Too Large"),
        Row(
            name: "401", action: .error(401, "Unauthorized"), outcome: .postponed(60...62),
            said: "sendPhoto answered 401: Unauthorized"),
        Row(name: "403 kicked from one chat", action: kicked, outcome: .ready, said: ""),
        Row(
            name: "403 kicked from every chat", action: kicked, times: 3, outcome: .postponed(60...62),
            said: "every warm-up chat of the bot shop refuses it"),
        Row(
            name: "429", action: .error(429, "Too Many Requests: retry after 35", [("retry_after", 35)]),
            outcome: .postponed(35...37), said: "sendPhoto answered 429: Too Many Requests: retry after 35"),
        Row(
            name: "500", action: .error(500, "Internal Server Error"), outcome: .retried(within: 2),
            said: "sendPhoto answered 500: Internal Server Error"),
        Row(name: "timeout", action: .stall, outcome: .retried(within: 2), said: "sendPhoto: "),
        Row(name: "cut in mid-upload", action: .cut(after: 60_000), outcome: .retried(within: 2), said: "sendPhoto: "),
        Row(name: "cut before the answer", action: .close, outcome: .retried(within: 2), said: "sendPhoto: "),
        Row(name: "object missing", object: .missing, outcome: .dead, said: "the object is missing"),
        Row(
            name: "object shorter than recorded", object: .shorter, outcome: .dead,
            said: "the object has 10 bytes, 900000 were recorded"),
        Row(
            name: "object longer than recorded", object: .longer, outcome: .dead,
            said: "the object has 900001 bytes, 900000 were recorded"),
    ]

    @Test("ends as the table says", arguments: rows)
    func table(row: Row) throws {
        try MediaWorld.run {
            $0.prewarm.retry = RetrySchedule()
            if let action = row.action { $0.standIn.faults = [StandInFault(action, times: row.times)] }
            // The others' answers are not waited for as long as it takes under load.
            if case .stall = row.action {
                $0.headTimeout = 0.2
                $0.prewarm.retry.attempts = 1000
            }
        } _: { world in
            let events = Events(world.worker)
            let bytes = pattern(900_000)
            let addition = try await world.add(bytes, .photo)
            let key = try ObjectKey(addition.entry.medium.objectKey)
            switch row.object {
            case .whole: break
            case .missing: try await world.store.delete(key)
            case .shorter: _ = try await world.store.put(key, .bytes(Array(bytes.prefix(10))))
            case .longer: _ = try await world.store.put(key, .bytes(bytes + [1]))
            }
            world.worker.start()
            if case .ready = row.outcome {
                #expect(try await world.wait(addition, is: .ready).attempts == 1)
                #expect(events.failures.isEmpty)
                return
            }
            try await eventually("it has failed once") { !events.failures.isEmpty }
            let failure = try #require(events.failures.first)
            #expect(failure.attempt == 1)
            #expect(failure.error.contains(row.said), "\(failure.error)")
            #expect(!failure.error.contains(botToken))
            switch row.outcome {
            case .ready: break
            case .dead:
                #expect(failure.retryAfter == nil)
                let entry = try await world.wait(addition, is: .failed)
                #expect(entry.attempts == 1 && entry.phase == .done)
                let said = try #require(entry.lastError)
                #expect(said == failure.error)
                #expect(world.worker.counters.failed == 1)
            case .retried(let seconds):
                let pause = try #require(failure.retryAfter)
                #expect(pause >= 0 && pause <= seconds)
                // That was the only time, whatever slowness may add.
                let entry = try await world.wait(addition, is: .ready)
                #expect(entry.attempts >= 2 && entry.lastError == nil)
                #expect(world.worker.counters.failed == 0)
            case .postponed(let seconds):
                let pause = try #require(failure.retryAfter)
                #expect(seconds.contains(pause))
                let entry = try await world.entry(addition)
                #expect(entry.status == .warming && entry.phase == .waiting && entry.attempts == 0)
                let due = try #require(entry.nextRetryAt)
                #expect(due - entry.updatedAt >= Int64(seconds.lowerBound * 1000))
                let said = try #require(entry.lastError)
                #expect(said == failure.error)
            }
        }
    }

    @Test("is followed by others as the schedule says, as many in all as configured", arguments: [1, 5, 8])
    func schedule(attempts: Int) throws {
        try MediaWorld.run {
            $0.prewarm.retry.attempts = attempts
            $0.standIn.faults = [StandInFault(.error(500, "Internal Server Error"), times: 100)]
        } _: { world in
            let events = Events(world.worker)
            let addition = try await world.add(pattern(10), .photo)
            world.worker.start()
            let entry = try await world.wait(addition, is: .failed)
            #expect(entry.attempts == attempts)
            #expect(world.standIn.count == attempts)
            #expect(events.failures.map(\.attempt) == Array(1...attempts))
            for failure in events.failures.dropLast() {
                let pause = try #require(failure.retryAfter)
                // A thousandth of a second, doubling.
                #expect(pause >= 0 && pause <= 0.001 * Double(1 << (failure.attempt - 1)))
            }
            #expect(events.failures.last.map { $0.retryAfter == nil } ?? false)
        }
    }

    /// The waits of `retries: 8`, at their longest.
    @Test func waitsDoubleUpToTheirLimit() {
        var schedule = RetrySchedule()
        schedule.attempts = 8
        let waits = (1...8).map { schedule.decide(.transient, made: $0, random: 1) }
        let expected: [Double] = [2, 4, 8, 16, 32, 64, 128]
        #expect(waits == expected.map { .retry(after: $0, counts: true) } + [.dead])
        schedule.attempts = 100
        #expect(schedule.decide(.transient, made: 9, random: 1) == .retry(after: 300, counts: true))
        #expect(schedule.decide(.transient, made: 99, random: 0.5) == .retry(after: 150, counts: true))
        #expect(schedule.decide(.transient, made: 3, random: 0) == .retry(after: 0, counts: true))
        #expect(schedule.decide(.permanent, made: 1, random: 0.5) == .dead)
        // However many there were: the limit is not the medium's fault.
        #expect(schedule.decide(.limited(retryAfter: 7), made: 100, random: 0) == .retry(after: 7, counts: false))
    }

    /// What the worker tells of failed attempts.
    @LoopActor
    private final class Events {
        var failures: [(attempt: Int, error: String, retryAfter: Double?)] = []

        init(_ worker: PrewarmWorker) {
            worker.onEvent = { [weak self] event in
                guard case .attemptFailed(_, _, let attempt, let error, let retryAfter) = event else { return }
                self?.failures.append((attempt, error, retryAfter))
            }
        }
    }
}
