import Testing

@testable import TelegramStandIn
@testable import WeirMedia

/// Minutes and hours on a virtual clock, against limits that count every second and every minute.
@Suite struct LimiterModelTests {
    private static func chats(_ count: Int) -> [TelegramChat] { (0..<count).map { .number(Int64(1000 + $0)) } }
    private static func groups(_ count: Int) -> [TelegramChat] { (0..<count).map { .number(-Int64(1000 + $0)) } }

    static let steady: [(chats: [TelegramChat], perMinute: Double)] = [
        (chats(1), 60), (groups(1), 20), (groups(8), 160), (chats(25), 1500), (groups(75), 1500),
        (chats(40), 1800), (chats(5) + groups(10), 500),
    ]

    @Test(arguments: steady)
    func theLimitIsUsedAndKept(chats: [TelegramChat], perMinute: Double) {
        let model = LimiterModel(chats: chats)
        #expect(model.rates.cap(chats) == perMinute)
        let outcome = model.run(seconds: 300)
        #expect(outcome.rate(from: 120, to: 300) >= 0.9 * perMinute)
        #expect(outcome.rate(from: 120, to: 300) <= perMinute * 1.02)
        #expect(outcome.share429(from: 0) <= 0.01)
        #expect(outcome.violations == 0)
    }

    @Test func moreWarmupChatsRaiseItLinearlyUntilTheBotsLimit() {
        let one = LimiterModel(chats: Self.groups(1)).run(seconds: 300).rate(from: 120, to: 300)
        for count in [2, 10, 60] {
            let rate = LimiterModel(chats: Self.groups(count)).run(seconds: 300).rate(from: 120, to: 300)
            #expect(rate >= 0.97 * one * Double(count) && rate <= 1.03 * one * Double(count), "\(count) groups")
        }
        let most = LimiterModel(chats: Self.groups(200)).run(seconds: 180).rate(from: 60, to: 180)
        #expect(most >= 0.9 * 1800 && most <= 1800)
    }

    /// Uploads of different lengths count in another order than they were begun in.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func callsThatTakeDifferentTimesAreLearntFrom(seed: UInt64) {
        var model = LimiterModel(chats: Self.groups(20))
        model.upload = 0.2...2
        let groups = model.run(seconds: 1200, seed: seed)
        #expect(groups.share429(from: 600) <= 0.01)
        #expect(groups.rate(from: 600, to: 1200) >= 0.9 * 400)
        #expect(groups.violations == 0)
        model.chats = Self.chats(10)
        model.upload = 0.05...0.15
        let chats = model.run(seconds: 1200, seed: seed)
        #expect(chats.share429(from: 600) <= 0.01)
        #expect(chats.violations == 0)
    }

    /// What is configured is more than is allowed.
    @Test func lowerLimitsThanConfiguredAreLearnt() {
        var model = LimiterModel(chats: Self.groups(10))
        model.truth.group = 12
        let outcome = model.run(seconds: 3600)
        #expect(outcome.share429(from: 1800) <= 0.01)
        #expect(outcome.rate(from: 1800, to: 3600) >= 0.8 * 120)
        #expect(outcome.violations == 0)
        model = LimiterModel(chats: Self.chats(40))
        model.truth.bot = 15
        let bot = model.run(seconds: 900)
        #expect(bot.share429(from: 300) <= 0.01)
        #expect(bot.rate(from: 300, to: 900) >= 0.8 * 900)
        #expect(bot.violations == 0)
    }

    /// The model's own measure: a limiter that knows nothing breaks the limits, and is seen to.
    @Test func aLimiterThatForgetsIsSeen() {
        var model = LimiterModel(chats: Self.groups(4))
        model.truth.group = 15
        model.forgets = true
        model.restarts = (1...40).map { Double($0) * 3.7 }
        let outcome = model.run(seconds: 300)
        #expect(outcome.violations > 10)
        #expect(outcome.share429(from: 0) > 0.02)
    }

    @Test func aLimitThatBecomesTheConfiguredOneAgainIsUsedAgain() {
        var limiter = Limiter()
        let chat = TelegramChat.number(7)
        var now: UInt64 = 1_000_000_000_000
        for _ in 0..<10 {
            now = max(now, limiter.opens(chat, for: .prewarm, at: now))
            let turn = limiter.take(chat, for: .prewarm, at: now)!
            limiter.limited(turn, retryAfter: 1, at: now + 1_000_000)
            now += 1_000_000
        }
        let stretched = limiter.book(for: chat).windows[0].stretch
        #expect(stretched > 2.3 && stretched < 2.7)
        for _ in 0..<2000 {
            now = max(now, limiter.opens(chat, for: .prewarm, at: now))
            limiter.answered(limiter.take(chat, for: .prewarm, at: now)!, at: now)
        }
        #expect(limiter.book(for: chat).windows[0].stretch == 1 + Limiter.slack)
    }

    @Test(arguments: [0, 10.0])
    func aRestartForgetsNothing(keepsEvery: Double) {
        var model = LimiterModel(chats: Self.groups(4) + Self.chats(2))
        // Several 429s lie before the restarts, which come at any moment of their waits.
        model.truth.group = 15
        model.restarts = (1...40).map { Double($0) * 13.7 }
        model.keepsEvery = keepsEvery
        let outcome = model.run(seconds: 900)
        #expect(outcome.limited.reduce(0, +) > 0)
        #expect(outcome.violations == 0)
        if keepsEvery == 0 {
            #expect(outcome.rate(from: 120, to: 900) >= 0.8 * (4 * 15 + 2 * 60))
        }
    }

    /// The bot's whole budget is in use by uploads.
    @Test func sendsThatSomebodyWaitsForGoFirst() {
        var model = LimiterModel(chats: Self.chats(60))
        model.workers = 200
        // Five a second, not in step with anything.
        model.sends = (0..<500).map { (index: Int) -> Double in
            let phase = Double(index % 7) * 0.011
            return 60 + Double(index) * 0.2 + phase
        }
        let outcome = model.run(seconds: 170)
        #expect(outcome.waits.count == 500)
        let sorted = outcome.waits.sorted()
        #expect(sorted[250] <= 0.001)
        #expect(sorted[475] <= 0.1)
        #expect(sorted[499] <= 1.1)
        #expect(outcome.violations == 0)
        #expect(outcome.share429(from: 0) <= 0.01)
        // The budget is one: uploads give way to them.
        #expect(outcome.rate(from: 60, to: 160) >= 0.9 * 1800 && outcome.rate(from: 60, to: 160) <= 1800)
    }

    @Test func chatsThatDoNotMatterAnyMoreAreForgotten() {
        var rates = LimiterRates()
        rates.bot = 1000
        var limiter = Limiter(rates: rates)
        var now: UInt64 = 1_000_000_000_000
        var most = 0
        for number in 1...20_000 {
            now += 1_100_000
            let turn = limiter.take(.number(Int64(number)), for: .send, at: now)
            if let turn { limiter.answered(turn, at: now) }
            most = max(most, limiter.chats.count)
        }
        #expect(most <= Limiter.chatLimit)
        #expect(most >= 900)
        limiter.sweep(at: now + 3_000_000_000)
        #expect(limiter.chats.isEmpty)
    }

    @Test func moreChatsThanAreRememberedHaveToWait() {
        var rates = LimiterRates()
        rates.bot = 1_000_000
        var limiter = Limiter(rates: rates)
        var now: UInt64 = 1_000_000_000_000
        for number in 1...Limiter.chatLimit {
            #expect(limiter.take(.number(-Int64(number)), for: .send, at: now) != nil)
            now += 1100
        }
        let one = TelegramChat.number(-Int64(Limiter.chatLimit) - 1)
        #expect(limiter.take(one, for: .send, at: now) == nil)
        #expect(limiter.opens(one, for: .send, at: now) > now)
        // Another call to one that is remembered is the group's matter only.
        #expect(limiter.opens(.number(-1), for: .send, at: now + 2_000_000_000) <= now + 2_000_000_000)
        #expect(limiter.take(one, for: .send, at: now + 62_000_000_000) != nil)
        #expect(limiter.chats.count == 1)
    }
}
