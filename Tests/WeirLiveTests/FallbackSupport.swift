import Glibc
import Testing
import WeirLoop

@testable import WeirLive

/// Stations among which fallbacks are found, on a loop of their own with the time in the test's hand.
func withStations(
    _ options: [StationOptions], listenersMax: Int = 100,
    _ body: @escaping @LoopActor (Stations, LoopClock) async throws -> Void
) throws {
    try LoopActor.runInTurn {
        let clock = LoopClock.manual()
        let stations = try Stations(options, listenersMax: listenersMax, clock: clock)
        stations.begin()
        do {
            try await body(stations, clock)
        } catch {
            await stations.close()
            throw error
        }
        await stations.close()
        #expect(stations.seats.taken == 0)
    }
}
