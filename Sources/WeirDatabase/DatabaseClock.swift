internal import Glibc
internal import Synchronization

/// Wall clocks, in milliseconds since 1970.
enum DatabaseClock {
    static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// Milliseconds of a span in seconds: 0 ... ten years; what is no number is 0.
    static func milliseconds(_ seconds: Double) -> Int64 {
        guard seconds > 0 else { return 0 }
        return Int64(min(seconds, 315_576_000) * 1000)
    }
}

/// Moves the clock of a database under test. Any thread.
package final class DatabaseClockOffset: Sendable {
    private let value = Atomic<Int64>(0)

    package init() {}

    package var milliseconds: Int64 { value.load(ordering: .sequentiallyConsistent) }

    package func advance(seconds: Double) {
        value.wrappingAdd(DatabaseClock.milliseconds(seconds), ordering: .sequentiallyConsistent)
    }
}
