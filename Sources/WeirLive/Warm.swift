/// How far back a joiner starts: `?warm=2s`, `?warm=0`, `?warm=max`, or a station's `join`.
public enum Warm: Sendable, Equatable {
    /// Seconds before the newest unit; 0 is the newest.
    case seconds(Double)
    /// All that is kept.
    case max

    /// The longest time that can be asked for; more than any ring holds.
    public static let secondsLimit = 86_400.0

    /// `0`, `2`, `2s`, `1.5s`, `500ms` or `max`; nil for anything else.
    public init?(_ text: String) {
        if text == "max" {
            self = .max
            return
        }
        var number = text[...]
        var scale = 1.0
        if number.hasSuffix("ms") {
            number = number.dropLast(2)
            scale = 0.001
        } else if number.hasSuffix("s") {
            number = number.dropLast()
        }
        guard !number.isEmpty, number.count <= 12, number.utf8.allSatisfy({ $0 == 0x2E || (0x30...0x39).contains($0) }),
            let value = Double(number), value.isFinite
        else { return nil }
        let seconds = value * scale
        guard seconds <= Warm.secondsLimit else { return nil }
        self = .seconds(seconds)
    }
}

/// What a log holds at the moment somebody joins, and where that puts them.
public struct JoinPoint: Sendable, Equatable {
    /// The part of the ring that stays free between a joiner and the end of what is kept, as a fraction: the source goes
    /// on writing before the joiner's first bytes are out, and a joiner that is behind everything would skip it all.
    static let margin: UInt64 = 8

    /// A unit boundary.
    public var position: UInt64
    /// Seconds before the newest unit; 0 when the rate of the stream is not known.
    public var seconds: Double

    public init(position: UInt64, seconds: Double) {
        self.position = position
        self.seconds = seconds
    }

    /// The newest unit boundary that is at least as far back as wished, or as far as the log reaches.
    public init(_ warm: Warm, head: UInt64, tail: UInt64, capacity: Int, unit: Int, byteRate: Double) {
        let unit = UInt64(Swift.max(1, unit))
        let reach = UInt64(capacity) - UInt64(capacity) / JoinPoint.margin
        let kept = Swift.min(head - Swift.min(tail, head), reach)
        let wanted: UInt64 =
            switch warm {
            case .max: kept
            case .seconds(let seconds): UInt64(Swift.min(Swift.max(0, seconds * byteRate), 1e15).rounded(.up))
            }
        var back = Swift.min(wanted, kept)
        // Whole units, up where there are more: head itself is a boundary.
        let cut = back % unit
        if cut > 0 { back = back - cut + (back - cut + unit <= kept ? unit : 0) }
        position = head - back
        seconds = byteRate > 0 ? Double(back) / byteRate : 0
    }
}
