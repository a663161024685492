import Testing

@testable import WeirMedia

@Suite("Slots")
struct PrewarmSlotsTests {
    @Test("a job could have had the slot that became free last, since then")
    func newest() {
        var slots = PrewarmSlots()
        slots.open(2, at: 100)
        #expect(slots.take() == 100)
        #expect(slots.take() == 100)
        slots.free(at: 250)
        slots.free(at: 300)
        #expect(slots.take() == 300)
        #expect(slots.take() == 250)
        // A job that takes no slot, because there was one more than is known: nothing trapped, nothing waited for.
        #expect(slots.take() == 100)
    }

    @Test("a slot that is kept for small jobs is not what a large one waited for")
    func kept() {
        var slots = PrewarmSlots()
        slots.open(3, at: 0)
        #expect([slots.take(), slots.take()] == [0, 0])
        for end: UInt64 in [500, 900, 1300] {
            slots.free(at: end)
            #expect(slots.take() == end)
        }
    }

    @Test("nothing could start while the worker was paused")
    func paused() {
        var slots = PrewarmSlots()
        slots.open(1, at: 0)
        _ = slots.take()
        slots.free(at: 10)
        slots.open(at: 5000)
        #expect(slots.take() == 5000)
    }
}
