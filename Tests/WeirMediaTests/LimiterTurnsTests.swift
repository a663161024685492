import TelegramStandIn
import Testing
import WeirHTTP
import WeirLoop

@testable import WeirMedia

@Suite struct LimiterTurnsTests {
    private static let wall: @Sendable () -> Double = { 1_700_000_000 }

    /// Takes turns as they come, and notes them.
    @LoopActor
    private final class Taker {
        var turns: [LimiterTurn] = []
        var errors: [LimiterError] = []

        func take(_ turn: @escaping @LoopActor () async throws(LimiterError) -> LimiterTurn) -> Task<Void, Never> {
            spawn {
                do throws(LimiterError) {
                    self.turns.append(try await turn())
                } catch {
                    self.errors.append(error)
                }
            }
        }
    }

    private func run(
        _ chats: [TelegramChat], rates: LimiterRates = LimiterRates(),
        _ body: @escaping @LoopActor (TelegramLimiter, LoopClock, Taker) async throws -> Void
    ) throws {
        try LoopActor.runInTurn {
            let clock = LoopClock.manual(at: 1_000_000_000_000)
            let limiter = TelegramLimiter(rates: rates, warmupChats: chats, clock: clock, wall: Self.wall)
            try await body(limiter, clock, Taker())
            limiter.close()
        }
    }

    private static let three: [TelegramChat] = [.number(1), .number(2), .number(3)]

    @Test func uploadsGoToTheWarmupChatsInTurn() throws {
        try run(Self.three + Self.three) { limiter, clock, taker in
            for _ in 0..<8 { _ = taker.take { () async throws(LimiterError) in try await limiter.warmupTurn() } }
            await clock.advance(seconds: 0.2)
            #expect(taker.turns.map(\.chat) == Self.three)
            #expect(limiter.waitingUploads == 5)
            await clock.advance(seconds: 1)
            #expect(taker.turns.map(\.chat) == Self.three + Self.three)
            await clock.advance(seconds: 1)
            #expect(taker.turns.map(\.chat) == Self.three + Self.three + [.number(1), .number(2)])
            #expect(limiter.waitingUploads == 0)
            #expect(limiter.turns == 8)
        }
    }

    @Test func aSendGoesBeforeUploadsThatWaitedLonger() throws {
        var rates = LimiterRates()
        rates.bot = 2
        try run((1...50).map { .number($0) }, rates: rates) { limiter, clock, taker in
            for _ in 0..<20 { _ = taker.take { () async throws(LimiterError) in try await limiter.warmupTurn() } }
            await clock.advance(seconds: 0.1)
            #expect(taker.turns.count == 2)
            _ = taker.take { () async throws(LimiterError) in try await limiter.turn(to: .number(99)) }
            await clock.advance(seconds: 0.1)
            #expect(limiter.waitingSends == 1)
            #expect(limiter.wait(for: .number(99)) > 0.7)
            await clock.advance(seconds: 1)
            #expect(taker.turns.map(\.priority) == [.prewarm, .prewarm, .send, .prewarm])
            #expect(taker.turns[2].chat == .number(99))
        }
    }

    @Test func sendsToOneChatWaitAndOthersPassThem() throws {
        try run([]) { limiter, clock, taker in
            for chat: Int64 in [7, 7, 7, 8] {
                _ = taker.take { () async throws(LimiterError) in try await limiter.turn(to: .number(chat)) }
            }
            await clock.advance(seconds: 0.01)
            #expect(taker.turns.map(\.chat) == [.number(7), .number(8)])
            await clock.advance(seconds: 1.02)
            #expect(taker.turns.map(\.chat) == [.number(7), .number(8), .number(7)])
            await clock.advance(seconds: 1.02)
            #expect(taker.turns.count == 4)
        }
    }

    @Test func aTurnThatWouldComeTooLateIsNotWaitedFor() throws {
        try run([]) { limiter, clock, taker in
            let chat = TelegramChat.number(7)
            @LoopActor func take(within seconds: Double) -> Task<Void, Never> {
                let deadline = clock.deadline(after: seconds)
                return taker.take { () async throws(LimiterError) in try await limiter.turn(to: chat, by: deadline) }
            }
            // A free one is taken even by who does not wait at all.
            await take(within: 0).value
            #expect(taker.turns.count == 1)
            await take(within: 1).value
            #expect(taker.errors == [.late(after: 1.02)])
            let waiting = take(within: 1.5)
            let second = take(within: 1.5)
            await clock.advance(seconds: 1.02)
            await waiting.value
            #expect(taker.turns.count == 2)
            // The other one was before it: what was in time is late now, which is told at once.
            await second.value
            #expect(taker.errors == [.late(after: 1.02), .late(after: 1.02)])
            #expect(limiter.waitingSends == 0)
            // So does an answer that closes the chat.
            let third = take(within: 20)
            let trouble = TelegramError(.limited(retryAfter: 30), method: "sendPhoto", status: 429, "Too Many Requests")
            limiter.ended(taker.turns[1], trouble)
            await third.value
            #expect(taker.errors.count == 3 && limiter.waitingSends == 0)
            #expect(abs(limiter.wait(for: chat) - 30.25) < 0.01)
        }
    }

    @Test func whoIsCancelledWaitsNoLonger() throws {
        try run([.number(1)]) { limiter, clock, taker in
            let tasks = (0..<3).map { _ in
                taker.take { () async throws(LimiterError) in try await limiter.warmupTurn() }
            }
            await clock.advance(seconds: 0.01)
            tasks[1].cancel()
            await tasks[1].value
            #expect(taker.errors == [.cancelled])
            #expect(limiter.waitingUploads == 1)
            await clock.advance(seconds: 1.1)
            #expect(taker.turns.count == 2)
        }
    }

    @Test func aClosedLimiterGivesNoTurns() throws {
        try run([.number(1)]) { limiter, clock, taker in
            for _ in 0..<2 { _ = taker.take { () async throws(LimiterError) in try await limiter.warmupTurn() } }
            await clock.advance(seconds: 0.01)
            limiter.close()
            _ = taker.take { () async throws(LimiterError) in try await limiter.turn(to: .number(1)) }
            await clock.advance(seconds: 0.01)
            #expect(taker.turns.count == 1)
            #expect(taker.errors == [.closed, .closed])
        }
    }

    @Test func aChatThatRefusedTheBotIsLeftOut() throws {
        try run([.number(1), .number(2)]) { limiter, clock, taker in
            let kicked = TelegramError(.kicked, method: "sendPhoto", status: 403, "Forbidden: bot was kicked")
            let first = try await limiter.warmupTurn()
            #expect(first.chat == .number(1))
            limiter.ended(first, kicked)
            for _ in 0..<2 { _ = taker.take { () async throws(LimiterError) in try await limiter.warmupTurn() } }
            await clock.advance(seconds: 1.5)
            #expect(taker.turns.map(\.chat) == [.number(2), .number(2)])
            // The last one, too: whoever waits is told.
            let waiting = taker.take { () async throws(LimiterError) in try await limiter.warmupTurn() }
            await clock.advance(seconds: 0.01)
            limiter.ended(taker.turns[1], kicked)
            await waiting.value
            #expect(taker.errors == [.noChat])
            await #expect(throws: LimiterError.noChat) { try await limiter.warmupTurn() }
            // It is tried again later.
            await clock.advance(seconds: TelegramLimiter.refusedPause)
            #expect(try await limiter.warmupTurn().chat == .number(1))
        }
    }

    @Test func withoutWarmupChatsThereIsNoTurn() throws {
        try run([]) { limiter, _, _ in
            await #expect(throws: LimiterError.noChat) { try await limiter.warmupTurn() }
        }
    }

    @Test func what429SaidIsKeptAcrossARestart() throws {
        try run([.number(1)]) { limiter, clock, _ in
            var kept: [UInt8] = []
            limiter.onLimited = { kept = limiter.state.bytes }
            let turn = try await limiter.warmupTurn()
            limiter.ended(
                turn, TelegramError(.limited(retryAfter: 35), method: "sendPhoto", status: 429, "Too Many Requests"))
            #expect(limiter.limited == 1)
            limiter.close()
            let state = try #require(LimiterState(kept))
            // Ten seconds later, in a process whose clock began anew.
            let later = LoopClock.manual(at: 5_000_000_000)
            let next = TelegramLimiter(
                warmupChats: [.number(1)], state: state, clock: later, wall: { Self.wall() + 10 })
            #expect(abs(next.wait(for: .number(1)) - 25.25) < 0.01)
            #expect(abs(next.wait(for: .number(9)) - 25.25) < 0.01)
            let taker = Taker()
            _ = taker.take { () async throws(LimiterError) in try await next.warmupTurn() }
            await later.advance(seconds: 25.2)
            #expect(taker.turns.isEmpty)
            await later.advance(seconds: 0.1)
            #expect(taker.turns.count == 1)
            next.close()
        }
    }

    /// The stand-in, the client and the limiter on one virtual clock, over real sockets.
    @Test func uploadsThroughTheWholePathKeepTheLimits() throws {
        let clock = LoopClock.manual(at: 1_000_000_000_000)
        try withTelegram({ $0.rates = StandInRates() }, clock: clock) { standIn, client in
            let groups: [TelegramChat] = [.number(-1), .number(-2), .number(-3)]
            let limiter = TelegramLimiter(warmupChats: groups, clock: clock, wall: Self.wall)
            var underWay = 0
            let workers = (0..<10).map { worker in
                spawn {
                    var number = 0
                    while let turn = try? await limiter.warmupTurn() {
                        underWay += 1
                        number += 1
                        let upload = TelegramUpload.bytes(pattern(1000, seed: worker * 1000 + number), name: "a.jpg")
                        var trouble: TelegramError?
                        do throws(TelegramError) {
                            _ = try await client.send(TelegramMessage(.photo, to: turn.chat, .upload(upload)))
                        } catch {
                            trouble = error
                        }
                        limiter.ended(turn, trouble)
                        underWay -= 1
                    }
                }
            }
            for _ in 0..<1300 {
                await clock.advance(seconds: 0.1)
                if underWay > 0 { try await eventually("the calls are answered") { underWay == 0 } }
            }
            limiter.close()
            for worker in workers { await worker.value }
            let calls = standIn.calls()
            // The first minute was begun at once; after it they go evenly.
            let last = calls.suffix(where: { $0.answered > clock.now - 60_000_000_000 })
            #expect(calls.allSatisfy { $0.status == 200 })
            #expect(standIn.violations == 0)
            #expect(last.count >= 54 && last.count <= 60)
            #expect(Set(calls.map(\.sha256)).count == calls.count)
        }
    }
}

extension Array {
    fileprivate func suffix(where condition: (Element) -> Bool) -> ArraySlice<Element> {
        self[(lastIndex { !condition($0) }.map { $0 + 1 } ?? 0)...]
    }
}
