internal import CWeir

/// What became of the datagrams of a source.
public struct Datagrams: Sendable, Equatable {
    public var received: UInt64 = 0
    /// Neither RTP nor a transport packet.
    public var foreign: UInt64 = 0
    /// Longer than the largest that is taken.
    public var truncated: UInt64 = 0
    /// Missing by their RTP sequence numbers.
    public var lost: UInt64 = 0
    /// Put right.
    public var reordered: UInt64 = 0
    /// Came after their turn.
    public var late: UInt64 = 0
    public var duplicates: UInt64 = 0
    /// Dropped by the kernel, because nobody took them in time.
    public var overflows: UInt64 = 0
    public var isRTP = false
    /// Of another sender than the one that is listened to.
    public var strangers: UInt64 = 0

    public init() {}

    init(_ core: weir_source_datagrams_t) {
        received = core.received
        foreign = core.foreign
        truncated = core.truncated
        lost = core.lost
        reordered = core.reordered
        late = core.late
        duplicates = core.duplicates
        overflows = core.overflows
        isRTP = core.is_rtp != 0
        strangers = core.strangers
    }

    /// Both together; RTP when the second is.
    public static func + (one: Datagrams, other: Datagrams) -> Datagrams {
        var sum = one
        sum.received += other.received
        sum.foreign += other.foreign
        sum.truncated += other.truncated
        sum.lost += other.lost
        sum.reordered += other.reordered
        sum.late += other.late
        sum.duplicates += other.duplicates
        sum.overflows += other.overflows
        sum.isRTP = other.isRTP
        sum.strangers += other.strangers
        return sum
    }
}
