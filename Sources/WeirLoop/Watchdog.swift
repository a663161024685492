internal import CWeir

/// Measures how long the loop is kept from turning.
@LoopActor
public final class Watchdog {
    private var core: OpaquePointer?

    public init() throws(CoreError) {
        try CoreError.check(weir_watchdog_start(LoopActor.loop, &core, nil))
    }

    /// Nanoseconds between two polls on the wall clock: what others wait.
    public var wall: Histogram { Histogram(copying: core.flatMap { weir_watchdog_wall($0) }) }
    /// Nanoseconds of the thread's CPU time between two polls: what the code on the loop costs.
    public var cpu: Histogram { Histogram(copying: core.flatMap { weir_watchdog_cpu($0) }) }

    public func reset() {
        if let core { weir_watchdog_reset(core) }
    }

    /// Its memory goes at the loop's next turn. Required before the loop ends; closing twice is harmless.
    public func close() {
        weir_watchdog_close(core)
        core = nil
    }
}
