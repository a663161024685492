/// What a cached artefact is worth, and which go first.
public struct CachedValue: Sendable, Equatable {
    public var bytes: UInt64
    /// Milliseconds that making it took.
    public var cost: Int64
    public var hits: Int64
    /// Milliseconds since 1970.
    public var used: Int64

    /// Milliseconds after which a hit counts half.
    public static let halfLife: Double = 86_400_000

    public init(bytes: UInt64, cost: Int64, hits: Int64, used: Int64) {
        (self.bytes, self.cost, self.hits, self.used) = (bytes, cost, hits, used)
    }

    /// What keeping it saves, for each byte that it takes: cost by popularity, which fades.
    public func worth(at now: Int64) -> Double {
        let age = max(0, Double(now) - Double(used)) / CachedValue.halfLife
        let popularity = (Double(max(0, hits)) + 1) * power(0.5, age)
        return Double(max(1, cost)) * popularity / Double(max(1, bytes))
    }

    /// The keys that go so that at least `needed` bytes become free: the least valuable first, and of equals the one that was
    /// not used for longest. All when that is not enough.
    ///
    /// - Complexity: O(n log n).
    public static func leastValuable(_ values: [String: CachedValue], needed: UInt64, at now: Int64) -> [String] {
        var keys: [String] = []
        var found: UInt64 = 0
        let order = values.map { (key: $0.key, value: $0.value, worth: $0.value.worth(at: now)) }.sorted {
            ($0.worth, $0.value.used, $0.key) < ($1.worth, $1.value.used, $1.key)
        }
        for entry in order where found < needed {
            keys.append(entry.key)
            found += entry.value.bytes
        }
        return keys
    }

    /// x^y of small y, without a library of mathematics: by squaring of the whole part, and linear between.
    private func power(_ base: Double, _ exponent: Double) -> Double {
        if exponent > 64 { return 0x1p-64 }
        var result = 1.0
        for _ in 0..<Int(exponent) { result *= base }
        let rest = exponent - exponent.rounded(.down)
        return result * (1 - rest * (1 - base))
    }
}
