import Testing

@testable import WeirLive

@Suite struct RateMeterTests {
    @Test func `it begins with the first measurement that is not silence`() {
        var meter = RateMeter()
        meter.begin(at: 0, 0)
        meter.measure(at: 1_000_000_000, 0)
        #expect(meter.bytesPerSecond == nil)
        meter.measure(at: 3_000_000_000, 4000)
        #expect(meter.bytesPerSecond == 2000)
    }

    @Test func `it follows a change slowly`() {
        var meter = RateMeter()
        meter.begin(at: 0, 0)
        meter.measure(at: 1_000_000_000, 1000)
        meter.measure(at: 2_000_000_000, 3000)
        #expect(meter.bytesPerSecond == 1100)
    }

    @Test func `time and counts that go backwards begin anew`() {
        var meter = RateMeter()
        meter.begin(at: 5, 10)
        meter.measure(at: 5, 20)
        meter.measure(at: 4, 0)
        #expect(meter.bytesPerSecond == nil)
    }
}
