/// What the loop costs, for the benchmarks and for the test that it allocates nothing.
@LoopActor
public enum LoopMeasurement {
    /// Two tasks that resume each other, `rounds` times in each of ten runs: nanoseconds from `resume()` until the task
    /// runs, as the mean of the best run and of all. On a busy machine only the best says something about the loop.
    public static func resumeToRun(rounds: Int) async -> (best: Double, mean: Double) {
        let rally = Rally()
        let other = spawn {
            while !rally.hasEnded { await rally.hit() }
        }
        // The other side waits before the first stroke.
        await LoopActor.settle()
        var best = Double.infinity
        var sum = 0.0
        for _ in 0..<10 {
            let start = LoopClock.monotonic.now
            for _ in 0..<rounds { await rally.hit() }
            let each = Double(LoopClock.monotonic.now - start) / Double(2 * rounds)
            best = min(best, each)
            sum += each
        }
        rally.end()
        await other.value
        return (best, sum / 10)
    }

    /// The mean number of nanoseconds of setting a timer and waking by it, when it is due at once.
    public static func sleep(rounds: Int) async -> Double {
        let timer = LoopTimer()
        defer { timer.close() }
        let start = LoopClock.monotonic.now
        for _ in 0..<rounds { try? await timer.sleep(until: start) }
        return Double(LoopClock.monotonic.now - start) / Double(rounds)
    }

    /// Each stroke wakes the other side and waits for its stroke.
    @LoopActor
    private final class Rally {
        private var waiting: UnsafeContinuation<Void, Never>?
        private(set) var hasEnded = false

        func hit() async {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                let other = waiting
                waiting = continuation
                other?.resume()
            }
        }

        func end() {
            hasEnded = true
            waiting?.resume()
            waiting = nil
        }
    }
}
