internal import WeirHTTP
internal import WeirLive
internal import WeirLoop
internal import WeirStorage

/// Samples memory and the loop's delay while the daemon runs, and logs every change of health.
@LoopActor
final class HealthMonitor {
    /// Seconds between two samples.
    static let interval = 5.0

    private(set) var policy: HealthPolicy
    private let stations: Stations
    private let watchdog: Watchdog
    private let store: OnDemandStore?
    var media: @LoopActor () -> MediaService? = { nil }
    var downloads: @LoopActor () -> DownloadService? = { nil }
    private let log: LogWriter
    private let clock: LoopClock
    private let timer: LoopTimer
    private let resident: () -> UInt64?
    /// Bytes of resident memory when they were last known.
    private var lastResident: UInt64 = 0
    private var turns: (all: UInt64, slow: UInt64) = (0, 0)
    private var last: Health?

    /// `memoryLimit` in bytes. `resident` gives the bytes of resident memory, nil when they are not known.
    init(
        stations: Stations, watchdog: Watchdog, memoryLimit: Int, store: OnDemandStore? = nil, log: LogWriter,
        clock: LoopClock = .monotonic,
        resident: @escaping () -> UInt64? = ResidentMemory.now
    ) {
        policy = HealthPolicy(memoryLimit: UInt64(max(1, memoryLimit)))
        self.stations = stations
        self.watchdog = watchdog
        self.store = store
        self.log = log
        self.clock = clock
        self.resident = resident
        timer = LoopTimer(clock: clock)
    }

    func start() {
        // While descriptors are there: the first reading opens a file.
        _ = readMemory()
        let interval = UInt64(HealthMonitor.interval * 1e9)
        timer.schedule(every: interval, from: clock.now + interval) { [weak self] _ in self?.sample() }
    }

    func close() { timer.close() }

    /// Bytes of resident memory that are measured against.
    func setMemoryLimit(_ bytes: Int) { policy.memoryLimit = UInt64(max(1, bytes)) }

    private func readMemory() -> UInt64? {
        let now = resident()
        lastResident = now ?? lastResident
        return now
    }

    private func sample() {
        let wall = watchdog.wall
        let all = wall.count
        let slow = all - min(all, wall.count(upTo: UInt64(HealthPolicy.loopDelay * 1e9)))
        policy.record(
            at: Double(clock.now) / 1e9, resident: readMemory(), turns: all - min(all, turns.all),
            slow: slow - min(slow, turns.slow))
        turns = (all, slow)
        _ = judge()
    }

    /// How things are now. A change is logged, whoever asks.
    func judge() -> Health {
        let sample = HealthSample(
            resident: readMemory() ?? lastResident,
            stations: stations.all.map { station in
                HealthSample.Station(
                    name: station.name, state: station.state, error: station.supervision.lastError,
                    listeners: station.counters.listeners, alert: station.options.listenersAlert,
                    isWarmOff: station.cache?.isOff ?? false)
            }, storeTrouble: store?.trouble?.error.description, media: media()?.health,
            downloads: downloads()?.health)
        let health = policy.judge(sample)
        report(health, sample)
        last = health
        return health
    }

    private func report(_ health: Health, _ sample: HealthSample) {
        let former = Dictionary(uniqueKeysWithValues: (last?.checks ?? []).map { ($0.name, $0.status) })
        var usesMuch = false
        for check in health.checks {
            let before = former[check.name] ?? .ok
            if check.status == before { continue }
            if check.name.hasPrefix("memory"), check.status > before { usesMuch = true }
            log.write(
                check.status > before ? .warning : .info, "health changed",
                [
                    ("check", .string(check.name)), ("from", .string(before.rawValue)),
                    ("to", .string(check.status.rawValue)), ("health", .string(health.status.rawValue)),
                    ("detail", .string(check.message)),
                ])
        }
        if usesMuch {
            log.warning(
                "High memory usage detected",
                [
                    ("rss", .unsigned(sample.resident)), ("limit", .unsigned(policy.memoryLimit)),
                    ("slope", policy.growth.map { .number($0.rounded()) } ?? .null),
                ])
        }
    }
}
