public import CWeir

/// Distribution of durations in nanoseconds, as the core counts them: a copy, or one's own to record into.
public struct Histogram: Sendable {
    public private(set) var core = weir_histogram_t()

    public init() {}

    /// Copies what the core holds.
    init(copying core: UnsafePointer<weir_histogram_t>?) {
        if let core { self.core = core.pointee }
    }

    /// - Complexity: O(1), no allocation.
    public mutating func record(_ value: UInt64) { weir_histogram_record(&core, value) }
    public mutating func reset() { weir_histogram_reset(&core) }

    public mutating func merge(_ other: Histogram) {
        var other = other.core
        weir_histogram_merge(&core, &other)
    }

    public var count: UInt64 { withCore { weir_histogram_count($0) } }
    public var sum: UInt64 { withCore { weir_histogram_sum($0) } }
    public var max: UInt64 { withCore { weir_histogram_max($0) } }

    /// At most 1/16 above the true value; 0 when nothing was recorded.
    public func quantile(_ fraction: Double) -> UInt64 { withCore { weir_histogram_quantile($0, fraction) } }

    /// How many values are at most `value`, by bucket.
    public func count(upTo value: UInt64) -> UInt64 { withCore { weir_histogram_count_below($0, value) } }

    private func withCore<Value>(_ body: (UnsafePointer<weir_histogram_t>) -> Value) -> Value {
        withUnsafePointer(to: core, body)
    }
}
