/// How many bytes a warm cache may keep: a number from the configuration, or one that follows the stream's bitrate.
public struct WarmSize: Sendable, Equatable {
    /// Bytes of `auto` before the bitrate is known.
    public static let standard = 25_165_824
    public static let floor = 6_291_456
    public static let ceiling = 50_331_648
    /// The weight of a sampled bitrate against those before it: that of a film's scene is not that of the film.
    public static let weight = 0.1
    /// Samples change the size when it differs by this part of it: each change cuts or moves segments.
    public static let tolerance = 0.1

    /// Bytes that may be kept.
    public private(set) var max: Int
    /// Whether the size came from the configuration.
    public let isFixed: Bool
    /// Seconds to keep.
    public private(set) var seconds: Double
    private let bounds: ClosedRange<Int>
    /// Bits a second, smoothed; nil before the first sample.
    private var sampled: Double?

    public init(_ options: WarmOptions) {
        seconds = options.seconds
        bounds = options.min...Swift.max(options.min, options.ceiling)
        isFixed = options.max != nil
        max = options.max ?? WarmSize.clamp(Double(WarmSize.standard), bounds)
    }

    /// The size by other options; what is known of the bitrate stays.
    func with(_ options: WarmOptions) -> WarmSize {
        var size = WarmSize(options)
        size.sampled = sampled
        if let sampled { size.update(bitrate: sampled) }
        return size
    }

    /// Bytes for so many seconds at a bitrate, in bits a second, such that they are still there after a rotation.
    static func wanted(bitrate: Double, seconds: Double) -> Double { bitrate / 8 * seconds / Rotation.kept }

    /// Sets the size by a bitrate, in bits a second; a size from the configuration stays. True when it changed.
    @discardableResult
    public mutating func update(bitrate: Double, seconds: Double? = nil) -> Bool {
        if let seconds { self.seconds = seconds }
        guard !isFixed, bitrate.isFinite, bitrate > 0 else { return false }
        let wanted = WarmSize.clamp(WarmSize.wanted(bitrate: bitrate, seconds: self.seconds), bounds)
        defer { max = wanted }
        return wanted != max
    }

    /// The same with a bitrate that was measured, about once a second: the first one counts, and then those while the stream
    /// is committed, smoothed, when they make a difference.
    public mutating func sample(bitrate: Double, isCommitted: Bool) -> Bool {
        guard bitrate.isFinite, bitrate > 0 else { return false }
        guard let former = sampled else {
            sampled = bitrate
            return update(bitrate: bitrate)
        }
        guard isCommitted else { return false }
        let smooth = former + (bitrate - former) * WarmSize.weight
        sampled = smooth
        let wanted = Double(WarmSize.clamp(WarmSize.wanted(bitrate: smooth, seconds: seconds), bounds))
        return abs(wanted - Double(max)) > Double(max) * WarmSize.tolerance && update(bitrate: smooth)
    }

    private static func clamp(_ bytes: Double, _ bounds: ClosedRange<Int>) -> Int {
        Int(Swift.min(Swift.max(bytes.rounded(.up), Double(bounds.lowerBound)), Double(bounds.upperBound)))
    }
}
