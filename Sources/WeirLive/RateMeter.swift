/// Bytes a second of a stream, smoothed over about ten measurements.
struct RateMeter: Sendable, Equatable {
    /// The weight of a measurement.
    static let weight = 0.1

    private(set) var bytesPerSecond: Double?
    private var time: UInt64 = 0
    private var bytes: UInt64 = 0

    /// Begins to count; nanoseconds of a clock that only grows, and a count that only grows.
    mutating func begin(at time: UInt64, _ bytes: UInt64) {
        self.time = time
        self.bytes = bytes
    }

    mutating func measure(at time: UInt64, _ bytes: UInt64) {
        guard time > self.time, bytes >= self.bytes else { return begin(at: time, bytes) }
        let now = Double(bytes - self.bytes) * 1e9 / Double(time - self.time)
        begin(at: time, bytes)
        guard let former = bytesPerSecond else {
            // Silence says nothing about the rate of what is yet to come.
            if now > 0 { bytesPerSecond = now }
            return
        }
        bytesPerSecond = former + (now - former) * RateMeter.weight
    }
}
