import Testing

@testable import WeirMedia

@Suite struct LimiterStateTests {
    private static let start: UInt64 = 1_000_000_000_000

    /// A limiter that has been in use, and the time.
    private func used() -> (Limiter, UInt64) {
        var limiter = Limiter()
        var now = Self.start
        for _ in 0..<25 {
            now = max(now, limiter.opens(.number(-5), for: .prewarm, at: now))
            if let turn = limiter.take(.number(-5), for: .prewarm, at: now) { limiter.answered(turn, at: now) }
        }
        let turn = limiter.take(.name("@channel"), for: .send, at: now)!
        limiter.limited(turn, retryAfter: 40, at: now)
        return (limiter, now)
    }

    @Test func aLimiterGoesOnWhereItWas() throws {
        let (limiter, now) = used()
        let bytes = limiter.state(at: now, wall: 1000).bytes
        #expect(bytes.count < 2000)
        let state = try #require(LimiterState(bytes))
        for passed: UInt64 in [0, 10, 39, 41, 100] {
            let later = now + passed * 1_000_000_000
            let next = Limiter(rates: LimiterRates(), state, at: later, wall: 1000 + Double(passed))
            for chat: TelegramChat in [.number(-5), .name("@channel"), .number(9)] {
                let (before, after) = (
                    limiter.opens(chat, for: .send, at: later), next.opens(chat, for: .send, at: later)
                )
                // To the millisecond, where it is still to come.
                let difference = max(before, later) > max(after, later) ? max(before, later) - max(after, later) : 0
                #expect(difference <= 1_000_000, "\(chat) after \(passed) s")
                #expect(max(after, later) <= max(before, later) + 1_000_000, "\(chat) after \(passed) s")
            }
        }
    }

    @Test func aWallClockThatWasSetBackShortensNothing() throws {
        let (limiter, now) = used()
        let state = limiter.state(at: now, wall: 1000)
        let next = Limiter(rates: LimiterRates(), state, at: now, wall: 500)
        #expect(next.opens(.number(9), for: .send, at: now) == limiter.opens(.number(9), for: .send, at: now))
    }

    @Test func whatIsNoStateIsRefused() {
        let texts = [
            "", "{}", "null", "[]", #"{"version":2,"taken":0,"bot":{"closed":0,"stretches":[],"calls":[]},"chats":[]}"#,
            #"{"version":1,"taken":0,"bot":{"closed":0,"stretches":[],"calls":["x"]},"chats":[]}"#,
            #"{"version":1,"taken":0,"bot":{"closed":0,"stretches":[],"calls":[]},"chats":[{"chat":"?"}]}"#,
        ]
        for text in texts { #expect(LimiterState(Array(text.utf8)) == nil, "\(text)") }
    }

    @Test func numbersOutOfRangeAreBroughtIntoIt() throws {
        let text = #"""
            {"version":1,"taken":-5e300,"bot":{"closed":1e300,"stretches":[1e9,0],"calls":[1e300,-1,0]},
             "chats":[{"chat":"7","closed":-1,"stretches":[0],"calls":[9e99]}]}
            """#
        let state = try #require(LimiterState(Array(text.utf8)))
        let limiter = Limiter(rates: LimiterRates(), state, at: Self.start, wall: 0)
        #expect(limiter.opens(.number(7), for: .send, at: Self.start) > Self.start)
        #expect(limiter.bot.windows[0].stretch == Limiter.stretchLimit)
    }

    /// Whatever a byte becomes, it is a state or none.
    @Test func nothingTraps() {
        let (limiter, now) = used()
        let bytes = limiter.state(at: now, wall: 1000).bytes
        var states = 0
        for index in bytes.indices {
            for byte: UInt8 in [0, 0x22, 0x2D, 0x30, 0x39, 0x5B, 0x65, 0x7D, 0xFF] {
                var changed = bytes
                changed[index] = byte
                guard let state = LimiterState(changed) else { continue }
                states += 1
                _ = Limiter(rates: LimiterRates(), state, at: now, wall: 1000).opens(
                    .number(-5), for: .prewarm, at: now)
            }
            #expect(LimiterState(Array(bytes[..<index])) == nil)
        }
        #expect(states > bytes.count)
    }
}
