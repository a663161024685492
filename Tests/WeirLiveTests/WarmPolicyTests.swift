import Testing
import WeirLoop

@testable import WeirLive

@Suite struct WarmSizeTests {
    private func options(_ change: (inout WarmOptions) -> Void = { _ in }) -> WarmOptions {
        var options = WarmOptions()
        change(&options)
        return options
    }

    @Test func `before the bitrate is known it is 24 MiB, within its bounds`() {
        #expect(options().size.max == 25_165_824)
        #expect(options { $0.ceiling = 8 << 20 }.size.max == 8 << 20)
        #expect(options { $0.min = 32 << 20 }.size.max == 32 << 20)
    }

    @Test(
        "the seconds fit into three quarters of it",
        arguments: [
            // Bits a second, seconds, bytes.
            (20e6, 6.0, 20_000_000), (20e6, 3, 10_000_000), (1e6, 6, 6_291_456), (100e6, 6, 50_331_648),
            (8_000_001, 6, 8_000_001), (40e6, 0.5, 6_291_456),
        ])
    func follows(bitrate: Double, seconds: Double, bytes: Int) {
        var size = options().size
        let isOther = size.update(bitrate: bitrate, seconds: seconds)
        #expect(isOther && size.max == bytes)
        let isOtherAgain = size.update(bitrate: bitrate)
        #expect(!isOtherAgain && size.max == bytes)
    }

    /// The sizes after each of the samples: bits a second, and whether the stream is committed.
    private func sizes(_ size: WarmSize, _ samples: [(Double, Bool)]) -> [Int] {
        var size = size
        return samples.map { bitrate, isCommitted in
            let before = size.max
            let isOther = size.sample(bitrate: bitrate, isCommitted: isCommitted)
            #expect(isOther == (size.max != before))
            return size.max
        }
    }

    @Test func `a size from the configuration stays`() {
        var size = options { $0.max = 100 << 20 }.size
        let isOther = size.update(bitrate: 1e6, seconds: 60)
        #expect(!isOther && size.max == 100 << 20)
        #expect(sizes(size, [(20e6, true)]) == [100 << 20])
    }

    @Test func `nonsense is no bitrate`() {
        let nonsense = [0, -1, Double.nan, .infinity]
        #expect(sizes(options().size, nonsense.map { ($0, true) }) == nonsense.map { _ in 25_165_824 })
        for bitrate in nonsense {
            var size = options().size
            let isOther = size.update(bitrate: bitrate)
            #expect(!isOther && size.max == 25_165_824)
        }
    }

    @Test func `a bitrate is taken once, and then while the stream is committed`() {
        let samples = [(20e6, false), (30e6, false), (40e6, true), (10e6, false), (0, true), (60e6, true)]
        // A tenth of the way from 20 to 40, and from there to 60.
        #expect(
            sizes(options().size, samples) == [
                20_000_000, 20_000_000, 20_000_000, 20_000_000, 20_000_000, 25_800_000,
            ])
    }

    @Test func `a bitrate that swings does not move it, one that changes does`() {
        let swinging = (0..<100).map { (second: Int) in (second % 4 < 2 ? 17e6 : 23e6, true) }
        #expect(Set(sizes(options().size, [(20e6, true)] + swinging)) == [20_000_000])
        let changing = [(20e6, true)] + (0..<100).map { _ in (40e6, true) }
        let sizes = sizes(options().size, changing)
        #expect(sizes == sizes.sorted() && Set(sizes).count < 10)
        #expect(sizes[99] > 36_000_000 && sizes[99] <= 40_000_000)
    }
}

@Suite struct RotationTests {
    private func cut(
        tail: UInt64 = 0, head: UInt64, max: UInt64 = 188_000, points: [UInt64] = []
    ) -> UInt64 {
        Rotation.cut(tail: tail, head: head, max: max, unit: 188) { position, floor in
            points.last { $0 <= position && $0 >= floor }
        }
    }

    @Test func `three quarters stay, from a packet on`() {
        // 750 packets of 1000.
        #expect(cut(head: 188_000) == 188 * 250)
        // A boundary rather before than after: 141000 bytes are 750 packets exactly, here they begin inside of one.
        #expect(cut(head: 188_000 + 100) == 188 * 250)
    }

    @Test func `it goes back to where decoding can begin, while nine tenths stay at most`() {
        #expect(cut(head: 188_000, points: [188 * 240, 188 * 260]) == 188 * 240)
        #expect(cut(head: 188_000, points: [188 * 100]) == 188 * 100)
        #expect(cut(head: 188_000, points: [188 * 99]) == 188 * 250)
        #expect(cut(head: 188_000, points: [188 * 250]) == 188 * 250)
        #expect(cut(head: 188_000, points: [188 * 251]) == 188 * 250)
    }

    @Test func `nothing is cut when less is there`() {
        #expect(cut(head: 100_016) == 0)
        #expect(cut(tail: 188 * 600, head: 188_000) == 188 * 600)
        #expect(cut(tail: 188 * 240, head: 188_000, points: [188 * 200]) == 188 * 250)
    }

    @Test func `the cut is a packet that is kept, and what stays is between three quarters and nine tenths`() {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = Xorshift(seed: seed)
        for _ in 0..<2000 * scale {
            let unit = UInt64.random(in: 1...200, using: &generator)
            let max = UInt64.random(in: 100...100_000, using: &generator) * unit
            let head = UInt64.random(in: 0...300_000, using: &generator) * unit
            let tail = head - min(head, UInt64.random(in: 0...max / unit, using: &generator) * unit)
            let every = UInt64.random(in: 1...50_000, using: &generator) * unit
            let cut = Rotation.cut(tail: tail, head: head, max: max, unit: unit) { position, floor in
                let point = position - position % every
                return point >= floor ? point : nil
            }
            let kept = head - cut
            #expect(cut >= tail && cut <= head && (cut % unit == 0 || cut == tail), "seed \(seed)")
            #expect(kept <= head - tail, "seed \(seed)")
            #expect(kept < max * 3 / 4 + unit || Double(kept) <= Double(max) * 0.9, "seed \(seed)")
            if head - tail >= max { #expect(kept >= max * 3 / 4, "seed \(seed)") }
        }
    }
}

@Suite struct WarmBudgetTests {
    private let mebibyte: UInt64 = 1 << 20

    private func claim(_ mebibytes: UInt64, _ isCommitted: Bool, since: UInt64 = 0) -> WarmBudget.Claim {
        WarmBudget.Claim(wanted: mebibytes << 20, isCommitted: isCommitted, since: since)
    }

    private func shares(_ claims: [WarmBudget.Claim], _ mebibytes: UInt64) -> [UInt64] {
        // Nine tenths of the least number of bytes that 8 MiB of cache take: 9 MiB.
        WarmBudget.shares(claims, budget: mebibytes * mebibyte / 8 * 9).map { $0 / mebibyte }
    }

    @Test func `everyone gets what it wants while that fits`() {
        #expect(shares([claim(24, false), claim(48, true)], 72) == [24, 48])
        #expect(WarmBudget.shares([], budget: 0).isEmpty)
    }

    @Test func `those that nobody watches give first, the longest unwatched before the others`() {
        #expect(
            shares([claim(24, true), claim(24, false, since: 5), claim(24, false, since: 3)], 60) == [24, 24, 12])
        #expect(
            shares([claim(24, true), claim(24, false, since: 5), claim(24, false, since: 3)], 40) == [24, 15, 1])
    }

    @Test func `those that are watched give the same part of what they have`() {
        #expect(shares([claim(41, true), claim(21, true), claim(24, false)], 33) == [21, 11, 1])
    }

    @Test func `nobody is left with less than the least`() {
        #expect(shares([claim(24, true), claim(24, false)], 0) == [1, 1])
    }

    @Test func `the budget holds, and the watched lose nothing while the others have something`() {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = Xorshift(seed: seed)
        for _ in 0..<2000 * scale {
            let claims = (0..<Int.random(in: 0...12, using: &generator)).map { _ in
                WarmBudget.Claim(
                    wanted: UInt64.random(in: 0...60_000_000, using: &generator),
                    isCommitted: Bool.random(using: &generator), since: UInt64.random(in: 0...9, using: &generator))
            }
            let budget = UInt64.random(in: 0...400_000_000, using: &generator)
            let shares = WarmBudget.shares(claims, budget: budget)
            let wanted = claims.map { max($0.wanted, WarmBudget.least) }
            #expect(zip(shares, wanted).allSatisfy { $0 >= WarmBudget.least && $0 <= $1 }, "seed \(seed)")
            let disk = shares.reduce(0) { $0 + WarmBudget.disk($1) }
            let isLeast = shares.allSatisfy { $0 == WarmBudget.least }
            #expect(disk <= budget || isLeast, "seed \(seed)")
            let watchedLost = claims.indices.contains { claims[$0].isCommitted && shares[$0] < wanted[$0] }
            let othersHave = claims.indices.contains { !claims[$0].isCommitted && shares[$0] > WarmBudget.least }
            #expect(!(watchedLost && othersHave), "seed \(seed)")
            if wanted.reduce(0, { $0 + WarmBudget.disk($1) }) + 100 <= budget / 9 * 9 { #expect(shares == wanted) }
        }
    }
}
