import Testing
import WeirLoop

@Suite("Timers")
struct TimerTests {
    private let second: UInt64 = 1_000_000_000

    @Test("a repeating schedule keeps to its absolute times and says how many ticks a late one stands for")
    func absolute() throws {
        try LoopActor.runInTurn { [second] in
            let clock = LoopClock.manual(at: 100 * second)
            let timer = LoopTimer(clock: clock)
            var fired: [UInt64] = []
            var ticks: [UInt64] = []
            timer.schedule(every: second / 50, from: 100 * second + 7) { count in
                fired.append(clock.now - 100 * second)
                ticks.append(count)
            }
            clock.advance(by: 7)
            clock.advance(by: second / 50)
            clock.advance(by: second / 50 - 1)
            #expect(fired == [7, 20_000_007])
            clock.advance(by: 1)
            #expect(fired == [7, 20_000_007, 40_000_007])
            #expect(ticks == [1, 1, 1])
            #expect(timer.deadline == 100 * second + 60_000_007)
            timer.stop()
            clock.advance(by: second)
            #expect(fired.count == 3)
            #expect(clock.waitingTimers == 0)
        }
    }

    @Test("on the real clock a repeating schedule does not drift and is never early")
    func real() throws {
        try LoopActor.runInTurn { [second] in
            let clock = LoopClock.monotonic
            let timer = LoopTimer()
            let first = clock.now + second / 100
            var early = 0
            var sum: UInt64 = 0
            await withUnsafeContinuation { (done: UnsafeContinuation<Void, Never>) in
                timer.schedule(every: second / 200, from: first) { ticks in
                    sum += ticks
                    // The due time of the last tick that this call stands for.
                    if clock.now < first + (sum - 1) * (second / 200) { early += 1 }
                    if sum >= 20 {
                        timer.stop()
                        done.resume()
                    }
                }
            }
            timer.close()
            #expect(early == 0)
            #expect(clock.now >= first + 19 * (second / 200))
        }
    }

    @Test("sleepers wake in the order of their deadlines, each at its own time")
    func sleepers() throws {
        try LoopActor.runInTurn { [second] in
            let clock = LoopClock.manual(at: 0)
            var woken: [(Int, UInt64)] = []
            for number in [3, 1, 2] {
                spawn {
                    try? await clock.sleep(until: UInt64(number) * second)
                    woken.append((number, clock.now))
                }
            }
            await clock.advance(seconds: 2.5)
            #expect(woken.map(\.0) == [1, 2])
            #expect(woken.map(\.1) == [second, 2 * second])
            await clock.advance(seconds: 0.5)
            #expect(woken.map(\.0) == [1, 2, 3])
        }
    }

    @Test("cancelling a sleeping task wakes it, from the loop and from another thread")
    func cancelled() throws {
        try LoopActor.runInTurn {
            for elsewhere in [false, true] {
                let task = spawn { () async -> Bool in
                    do {
                        try await LoopClock.monotonic.sleep(for: 3600)
                        return false
                    } catch {
                        return Task.isCancelled
                    }
                }
                await LoopActor.settle()
                if elsewhere { onThread { task.cancel() } } else { task.cancel() }
                #expect(await task.value)
            }
            let task = spawn { () async -> Bool in
                while !Task.isCancelled { await Task.yield() }
                do { try await LoopClock.monotonic.sleep(for: 3600) } catch { return true }
                return false
            }
            task.cancel()
            #expect(await task.value)
        }
    }

    @Test("a deadline in the past fires at once")
    func past() throws {
        try LoopActor.runInTurn {
            try await LoopClock.monotonic.sleep(until: 0)
            let timer = LoopTimer()
            await withUnsafeContinuation { (done: UnsafeContinuation<Void, Never>) in
                timer.schedule(at: 1) { done.resume() }
            }
            timer.close()
            timer.close()
        }
    }

    @Test("what a timer's handler does to the timer itself holds")
    func reentrant() throws {
        try LoopActor.runInTurn { [second] in
            let clock = LoopClock.manual(at: 0)
            let timer = LoopTimer(clock: clock)
            var count = 0
            timer.schedule(every: second, from: second) { _ in
                count += 1
                if count == 3 { timer.close() }
            }
            clock.advance(by: 10 * second)
            #expect(count == 3)
            var chain: [UInt64] = []
            let other = LoopTimer(clock: clock)
            other.schedule(at: 11 * second) {
                chain.append(clock.now)
                other.schedule(at: 12 * second) { chain.append(clock.now) }
            }
            clock.advance(by: 5 * second)
            #expect(chain == [11 * second, 12 * second])
        }
    }
}
