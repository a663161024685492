/// Where the old end of a warm cache is cut off when it is full.
public enum Rotation {
    /// The part of what may be kept that a cut leaves.
    public static let kept = 0.75
    /// The part that it may leave when that is how far it takes to a place where decoding can begin.
    public static let most = 0.9

    /// The position to cut at: the newest three quarters of `max` stay, from a packet boundary on, or from the random-access
    /// point before it, as long as at most nine tenths stay.
    ///
    /// `access` gives the newest such point at or before a position that is not before another. Nothing is cut when less is
    /// there. `unit` is the length of a packet.
    public static func cut(
        tail: UInt64, head: UInt64, max: UInt64, unit: UInt64,
        access: (_ position: UInt64, _ floor: UInt64) -> UInt64?
    ) -> UInt64 {
        let unit = Swift.max(1, unit)
        let least = head - Swift.min(head, UInt64(Double(max) * kept))
        let floor = head - Swift.min(head, UInt64(Double(max) * most))
        let boundary = least - least % unit
        let lowest = Swift.max(tail, floor + (unit - floor % unit) % unit)
        guard boundary > lowest else { return Swift.max(tail, boundary) }
        guard let point = access(boundary, lowest), (lowest...boundary).contains(point) else { return boundary }
        return point
    }
}
