import Testing
import WeirLive
import WeirLoop

@testable import Weir

@Suite struct HealthMonitorTests {
    private static let mebibyte: UInt64 = 1 << 20

    /// A monitor of nothing but memory, on a clock that the test moves.
    private func withMonitor(
        resident: @escaping @Sendable (_ seconds: Double) -> UInt64,
        _ body: @escaping @LoopActor (HealthMonitor, LoopClock) async throws -> Void
    ) throws {
        let clock = LoopClock.manual()
        try LoopActor.runInTurn {
            let log = LogWriter(descriptor: -1)
            let watchdog = try Watchdog()
            let stations = try Stations([], listenersMax: 1, clock: clock)
            let began = clock.now
            let monitor = HealthMonitor(
                stations: stations, watchdog: watchdog, memoryLimit: Int(100 * Self.mebibyte), log: log, clock: clock,
                resident: { resident(Double(clock.now - began) / 1e9) })
            monitor.start()
            try await body(monitor, clock)
            monitor.close()
            await stations.close()
            watchdog.close()
            log.close(within: 1)
        }
    }

    @LoopActor
    private func status(_ name: String, of monitor: HealthMonitor) -> Health.Status? {
        monitor.judge().checks.first { $0.name == name }?.status
    }

    @Test func `what is resident now is judged when somebody asks`() throws {
        try withMonitor(resident: { $0 < 1 ? 96 * Self.mebibyte : 10 * Self.mebibyte }) { monitor, clock in
            #expect(status("memory", of: monitor) == .failing)
            await clock.advance(seconds: 1)
            #expect(status("memory", of: monitor) == .ok)
        }
    }

    @Test func `memory is sampled by itself: its growth is known without anybody's asking`() throws {
        try withMonitor(resident: { 10 * Self.mebibyte + UInt64($0 / 60 * 2 * Double(Self.mebibyte)) }) {
            monitor, clock in
            #expect(monitor.policy.growth == nil)
            await clock.advance(seconds: 900)
            let growth = try #require(monitor.policy.growth)
            #expect(abs(growth - 2 * Double(Self.mebibyte)) < 1024)
            #expect(status("memory_growth", of: monitor) == .degraded)
        }
    }
}
