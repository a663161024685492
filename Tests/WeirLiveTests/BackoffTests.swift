import Testing

@testable import WeirLive

@Suite struct BackoffTests {
    @Test func `steps double from half a second to thirty`() {
        #expect((0...8).map(Backoff.step) == [0.5, 1, 2, 4, 8, 16, 30, 30, 30])
        #expect(Backoff.step(1000) == 30)
    }

    @Test func `a wait lies between half of its step and the whole of it`() {
        for random in [0, 0.25, 0.5, 0.999] {
            var backoff = Backoff()
            for step in [0.5, 1, 2, 4, 8, 16, 30, 30] {
                #expect(backoff.delay(afterRunning: 1, random: random) == step * (0.5 + random / 2))
            }
        }
    }

    @Test func `a run of a minute begins at the first step again`() {
        var backoff = Backoff()
        for _ in 0..<5 { _ = backoff.delay(afterRunning: 59.9, random: 1) }
        #expect(backoff.failures == 5)
        #expect(backoff.delay(afterRunning: 60, random: 1) == 0.5)
        #expect(backoff.delay(afterRunning: 0, random: 1) == 1)
    }
}
