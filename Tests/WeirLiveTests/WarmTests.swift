import Testing

@testable import WeirLive

@Suite struct WarmTests {
    @Test func `seconds, with and without a unit`() {
        let expected: [(String, Warm)] = [
            ("0", .seconds(0)), ("2", .seconds(2)), ("2s", .seconds(2)), ("1.5s", .seconds(1.5)),
            ("500ms", .seconds(0.5)), ("max", .max), ("86400", .seconds(86400)),
        ]
        for (text, warm) in expected { #expect(Warm(text) == warm, "\(text)") }
    }

    @Test(arguments: [
        "", "s", "ms", "-1", "+1", "1m", "1e3", "nan", "inf", "MAX", "0x10", "1,5", " 1", "1 s", "1.2.3", "86401",
        "9999999999999", ".",
    ])
    func `anything else is refused`(text: String) {
        #expect(Warm(text) == nil)
    }

    private func point(_ warm: Warm, head: UInt64, tail: UInt64, capacity: Int = 8000, unit: Int = 6) -> JoinPoint {
        JoinPoint(warm, head: head, tail: tail, capacity: capacity, unit: unit, byteRate: 600)
    }

    @Test func `zero is the newest unit`() {
        let join = point(.seconds(0), head: 12_000, tail: 6000)
        #expect(join.position == 12_000)
        #expect(join.seconds == 0)
    }

    @Test func `seconds are counted back from the newest unit`() {
        let join = point(.seconds(2), head: 12_000, tail: 6000)
        #expect(join.position == 10_800)
        #expect(join.seconds == 2)
    }

    @Test func `it starts on a unit, rather earlier than later`() {
        let join = point(.seconds(0.005), head: 12_000, tail: 6000)
        #expect(join.position == 11_994)
        #expect(point(.seconds(1.001), head: 12_000, tail: 6000).position == 11_394)
    }

    @Test func `a short log gives what it has`() {
        let join = point(.max, head: 606, tail: 0)
        #expect(join.position == 0)
        #expect(join.seconds == 1.01)
        #expect(point(.seconds(5), head: 606, tail: 0).position == 0)
        #expect(point(.max, head: 0, tail: 0).position == 0)
    }

    @Test func `a full log keeps an eighth between the joiner and its end`() {
        let join = point(.max, head: 96_000, tail: 88_002)
        #expect(join.position >= 96_000 - 7000)
        #expect(join.position == 89_004)
        #expect(join.position % 6 == 0)
    }

    @Test func `seconds say nothing while the rate is not known`() {
        let join = JoinPoint(.seconds(2), head: 500, tail: 0, capacity: 1000, unit: 1, byteRate: 0)
        #expect(join.position == 500)
        #expect(JoinPoint(.max, head: 500, tail: 0, capacity: 1000, unit: 1, byteRate: 0).position == 0)
    }

    @Test func `it is always a unit between tail and head`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let unit = Int.random(in: 1...40, using: &generator)
            let capacity = unit * Int.random(in: 16...400, using: &generator)
            let head = UInt64(unit) * UInt64.random(in: 0...10_000, using: &generator)
            let tail = head > UInt64(capacity) ? head - UInt64(capacity) : 0
            let warm: Warm = Bool.random() ? .max : .seconds(Double.random(in: 0...20, using: &generator))
            let join = JoinPoint(warm, head: head, tail: tail, capacity: capacity, unit: unit, byteRate: 600)
            #expect(join.position % UInt64(unit) == 0)
            #expect(join.position >= tail && join.position <= head)
        }
    }
}
