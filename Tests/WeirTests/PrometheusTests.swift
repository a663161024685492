import Testing
import WeirLoop

@testable import Weir

@Suite struct PrometheusTests {
    private func text(_ build: (inout PrometheusText) -> Void) -> String {
        var text = PrometheusText()
        build(&text)
        return String(decoding: text.bytes, as: UTF8.self)
    }

    @Test func `a family and its samples`() {
        let text = text {
            $0.family("weir_live_listeners", .gauge, "Listeners of a station.")
            $0.sample(3, [("station", "vinyl")])
            $0.sample(0.5)
        }
        #expect(
            text == """
                # HELP weir_live_listeners Listeners of a station.
                # TYPE weir_live_listeners gauge
                weir_live_listeners{station="vinyl"} 3
                weir_live_listeners 0.5

                """)
    }

    @Test func `label values are escaped`() {
        #expect(
            text {
                $0.family("x", .gauge, "One\\two\nthree \"four\".")
                $0.sample(1, [("a", "one\\two\nthree \"four\"")])
            } == """
                # HELP x One\\\\two\\nthree "four".
                # TYPE x gauge
                x{a="one\\\\two\\nthree \\"four\\""} 1

                """)
    }

    @Test func `numbers that are none have names`() {
        #expect(PrometheusText.number(.nan) == "NaN")
        #expect(PrometheusText.number(.infinity) == "+Inf")
        #expect(PrometheusText.number(-.infinity) == "-Inf")
        #expect(PrometheusText.number(2) == "2")
        #expect(PrometheusText.number(0.25) == "0.25")
    }

    @Test func `a histogram of nanoseconds is cumulative, in seconds`() throws {
        var histogram = Histogram()
        for value: UInt64 in [50_000, 2_000_000, 3_000_000, 20_000_000_000] { histogram.record(value) }
        let lines = text {
            $0.family("weir_live_join_seconds", .histogram, "Joins.")
            $0.sample(histogram, [("station", "vinyl")])
        }.split(separator: "\n").dropFirst(2)
        #expect(lines.first == #"weir_live_join_seconds_bucket{station="vinyl",le="0.0001"} 1"#)
        #expect(lines.contains(#"weir_live_join_seconds_bucket{station="vinyl",le="0.005"} 3"#))
        #expect(lines.contains(#"weir_live_join_seconds_bucket{station="vinyl",le="10"} 3"#))
        #expect(lines.contains(#"weir_live_join_seconds_bucket{station="vinyl",le="+Inf"} 4"#))
        #expect(lines.contains(#"weir_live_join_seconds_sum{station="vinyl"} 20.00505"#))
        #expect(lines.last == #"weir_live_join_seconds_count{station="vinyl"} 4"#)
        let counts = lines.filter { $0.contains("_bucket") }.compactMap { Int($0.split(separator: " ")[1]) }
        #expect(counts == counts.sorted())
        #expect(counts.count == PrometheusText.latencyBounds.count + 1)
    }
}
