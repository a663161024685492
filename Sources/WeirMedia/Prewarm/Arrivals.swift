internal import WeirDatabase
internal import WeirLoop

/// Those who wait for media that are being warmed.
@LoopActor
final class Arrivals {
    private let clock: LoopClock
    private var waiting: [MediaKey: [LoopTimer]] = [:]

    init(clock: LoopClock) { self.clock = clock }

    /// Media that somebody waits for.
    var count: Int { waiting.count }

    /// Returns when something has become of the medium, or at the deadline, or when the task is cancelled.
    func wait(for key: MediaKey, until deadline: UInt64) async {
        let timer = LoopTimer(clock: clock)
        waiting[key, default: []].append(timer)
        try? await timer.sleep(until: deadline)
        timer.close()
        waiting[key]?.removeAll { $0 === timer }
        if waiting[key]?.isEmpty == true { waiting[key] = nil }
    }

    /// Wakes everybody who waits for it.
    func arrived(_ key: MediaKey) {
        for timer in waiting[key] ?? [] { timer.stop() }
    }
}
