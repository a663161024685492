import Testing

@testable import WeirLive

@Suite struct FlushWindowTests {
    @Test(arguments: [
        (0, 20), (1, 20), (100, 20), (200, 40), (500, 100), (1000, 200), (10_000, 200), (Int.max, 200),
    ])
    func `the wanted window grows with the listeners, within bounds`(listeners: Int, milliseconds: Int) {
        #expect(FlushWindow.wanted(for: listeners) == UInt64(milliseconds) * 1_000_000)
    }

    @Test func `a fixed window never changes`() {
        for (milliseconds, nanoseconds) in [(0, 0), (5, 5_000_000), (500, 500_000_000)] {
            var window = FlushWindow(.fixed(milliseconds: milliseconds))
            #expect(window.nanoseconds == UInt64(nanoseconds))
            #expect(window.adapt(to: 1000) == nil)
        }
    }

    @Test func `it follows a growing audience in few steps and reaches the longest`() {
        var window = FlushWindow(.auto)
        let changes = (0...1200).compactMap { window.adapt(to: $0) }
        #expect(window.nanoseconds == 200_000_000)
        #expect(changes.count <= 12)
        #expect(changes == changes.sorted())
    }

    @Test func `it comes back as the audience shrinks`() {
        var window = FlushWindow(.auto)
        _ = window.adapt(to: 1000)
        for count in stride(from: 1000, through: 0, by: -1) { _ = window.adapt(to: count) }
        #expect(window.nanoseconds == 20_000_000)
    }

    @Test(arguments: [101, 124, 300, 777, 999])
    func `one who comes and goes does not move it`(listeners: Int) {
        var window = FlushWindow(.auto)
        _ = window.adapt(to: listeners)
        _ = window.adapt(to: listeners + 1)
        let settled = window.nanoseconds
        for _ in 0..<100 {
            _ = window.adapt(to: listeners)
            _ = window.adapt(to: listeners + 1)
        }
        #expect(window.nanoseconds == settled)
    }

    @Test(arguments: [120, 400, 1000, 1500])
    func `writes a second stay near the aim`(listeners: Int) {
        var window = FlushWindow(.auto)
        for count in 0...listeners { _ = window.adapt(to: count) }
        let writes = Double(listeners) / (Double(window.nanoseconds) / 1e9)
        #expect(writes <= Double(max(FlushWindow.writesPerSecond, listeners * 5)) * FlushWindow.hysteresis)
    }
}
