/// What the loop costs, for the benchmarks and for the test that it allocates nothing.
@LoopActor
public enum LoopMeasurement {
    /// Two tasks that resume each other `rounds` times: the mean number of nanoseconds from `resume()` until the task runs.
    public static func resumeToRun(rounds: Int) async -> Double {
        let rally = Rally()
        let other = spawn {
            while !rally.hasEnded { await rally.hit() }
        }
        // The other side waits before the first stroke.
        await LoopActor.settle()
        let start = LoopClock.monotonic.now
        for _ in 0..<rounds { await rally.hit() }
        let end = LoopClock.monotonic.now
        rally.end()
        await other.value
        return Double(end - start) / Double(2 * rounds)
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
