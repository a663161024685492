/// Since when slots are free: for how long a job could have started.
///
/// The slot that became free last is taken first. One that is kept for small jobs is free for long, and no large job
/// waited for it.
struct PrewarmSlots {
    /// When each of those that are free became it, on the loop's clock; the newest at the end.
    private var since: [UInt64] = []
    /// Nothing could start before.
    private var opened: UInt64 = 0

    /// All slots are free, from now on.
    mutating func open(_ count: Int, at now: UInt64) {
        since = Array(repeating: now, count: count)
        opened = now
    }

    /// Jobs may start again.
    mutating func open(at now: UInt64) { opened = now }

    mutating func free(at now: UInt64) { since.append(now) }

    /// Takes one, and says since when a job could have had it.
    mutating func take() -> UInt64 { max(since.popLast() ?? opened, opened) }
}
