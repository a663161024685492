internal import WeirHTTP
internal import WeirLive

/// How the engine is, and which checks say so.
struct Health: Sendable, Equatable {
    enum Status: String, Sendable, Comparable {
        case ok, degraded, failing

        private var rank: Int {
            switch self {
            case .ok: 0
            case .degraded: 1
            case .failing: 2
            }
        }

        static func < (left: Status, right: Status) -> Bool { left.rank < right.rank }
    }

    struct Check: Sendable, Equatable {
        /// `memory`, `memory_growth`, `loop`, `sources`, `listeners`, `warm`, `object_store`; with bots also `database`
        /// and `prewarm`, with downloads `downloads_disk` and `downloads_index`.
        var name: String
        var status: Status
        /// For people; empty when there is nothing to say.
        var message: String
    }

    var checks: [Check]

    /// The worst of the checks.
    var status: Status { checks.map(\.status).max() ?? .ok }

    var json: JSON {
        .object([
            ("status", .string(status.rawValue)),
            (
                "checks",
                .array(
                    checks.map { check in
                        .object([
                            ("name", .string(check.name)), ("status", .string(check.status.rawValue)),
                            ("message", .string(check.message)),
                        ])
                    })
            ),
        ])
    }
}

/// What health is judged by, at one moment.
struct HealthSample: Sendable {
    struct Station: Sendable {
        var name: String
        var state: Supervision.State
        var error: String?
        var listeners: Int
        var alert: Int
        /// Its stream is to be kept in files, and they failed.
        var isWarmOff = false
    }

    /// Bytes of resident memory.
    var resident: UInt64
    var stations: [Station] = []
    /// How the object store failed.
    var storeTrouble: String?
    /// Nil while no bot is configured.
    var media: Media?
    /// Nil while nobody has asked for any.
    var downloads: Downloads?

    struct Downloads: Sendable {
        /// What is wrong with the directory.
        var trouble: String?
        /// What is wrong with the index.
        var indexTrouble: String?
    }

    struct Media: Sendable {
        /// How the database failed.
        var databaseTrouble: String?
        /// Jobs that could start, and the seconds that the oldest of them has waited.
        var queued: Int
        var oldest: Double
        /// `prewarm.backlog`.
        var backlog: Int
        var isPaused: Bool
    }
}

/// Judges what it is given: time, memory and delays come from outside. What needs a past is recorded at intervals; a
/// verdict on the present can be asked for at any time.
struct HealthPolicy: Sendable {
    /// Parts of the memory limit.
    static let degradedMemory = 0.8
    static let failingMemory = 0.95
    /// Bytes a minute.
    static let growthLimit = 1_048_576.0
    /// Seconds over which memory must have been growing.
    static let growthSpan = 600.0
    /// Seconds that one turn of the loop may take, at the 99th percentile of the turns of `loopSpan` seconds.
    static let loopDelay = 0.050
    static let loopSpan = 60.0
    /// Seconds that a job may wait for its start.
    static let queueAge = 300.0
    /// Part of the backlog that may wait.
    static let queuePart = 0.8

    /// Bytes: `limits.memory`.
    var memoryLimit: UInt64
    private var memory: [(time: Double, bytes: Double)] = []
    private var turns: [(time: Double, all: UInt64, slow: UInt64)] = []

    init(memoryLimit: UInt64) {
        self.memoryLimit = memoryLimit
    }

    /// Bytes a minute by which memory grows; nil before there are samples of `growthSpan` seconds.
    var growth: Double? {
        guard let first = memory.first, let last = memory.last, memory.count > 2,
            last.time - first.time >= HealthPolicy.growthSpan * 0.99
        else { return nil }
        // Least squares, so that one large allocation or one release does not decide.
        let count = Double(memory.count)
        let meanTime = memory.reduce(0) { $0 + $1.time } / count
        let meanBytes = memory.reduce(0) { $0 + $1.bytes } / count
        var covariance = 0.0
        var variance = 0.0
        for sample in memory {
            covariance += (sample.time - meanTime) * (sample.bytes - meanBytes)
            variance += (sample.time - meanTime) * (sample.time - meanTime)
        }
        return variance > 0 ? covariance / variance * 60 : 0
    }

    /// Notes the resident memory, nil when it is not known, and how many times the loop turned since the note before, and how many of these turns
    /// took longer than `loopDelay`. `time` is in seconds of a clock that only grows.
    ///
    /// - Complexity: O(notes in `growthSpan`).
    mutating func record(at time: Double, resident: UInt64?, turns count: UInt64, slow: UInt64) {
        if let resident { memory.append((time, Double(resident))) }
        memory.removeAll { time - $0.time > HealthPolicy.growthSpan }
        turns.append((time, count, slow))
        turns.removeAll { time - $0.time >= HealthPolicy.loopSpan }
    }

    func judge(_ sample: HealthSample) -> Health {
        var checks = [
            memoryCheck(sample.resident), growthCheck(), loopCheck(), sourcesCheck(sample.stations),
            listenersCheck(sample.stations), warmCheck(sample.stations),
            storeCheck(sample.storeTrouble),
        ]
        if let media = sample.media { checks += [databaseCheck(media), prewarmCheck(media)] }
        if let downloads = sample.downloads { checks += downloadChecks(downloads) }
        return Health(checks: checks)
    }

    /// Without a directory or an index downloads work, and nothing is kept of them.
    private func downloadChecks(_ downloads: HealthSample.Downloads) -> [Health.Check] {
        [("downloads_disk", downloads.trouble), ("downloads_index", downloads.indexTrouble)].map { name, trouble in
            Health.Check(name: name, status: trouble == nil ? .ok : .degraded, message: trouble ?? "")
        }
    }

    private func databaseCheck(_ media: HealthSample.Media) -> Health.Check {
        Health.Check(
            name: "database", status: media.databaseTrouble == nil ? .ok : .degraded,
            message: media.databaseTrouble ?? "")
    }

    private func prewarmCheck(_ media: HealthSample.Media) -> Health.Check {
        var words: [String] = []
        if media.isPaused { words.append("paused") }
        if media.oldest > HealthPolicy.queueAge { words.append("a job has waited for \(Int(media.oldest)) s") }
        if Double(media.queued) > Double(media.backlog) * HealthPolicy.queuePart {
            words.append("\(media.queued) jobs wait, at most \(media.backlog) may")
        }
        // Who paused it knows.
        let isBad = words.count > (media.isPaused ? 1 : 0)
        return Health.Check(
            name: "prewarm", status: isBad ? .degraded : .ok, message: words.joined(separator: "; "))
    }

    private func memoryCheck(_ resident: UInt64) -> Health.Check {
        let part = Double(resident) / Double(max(1, memoryLimit))
        let status: Health.Status =
            part >= HealthPolicy.failingMemory ? .failing : part >= HealthPolicy.degradedMemory ? .degraded : .ok
        let text = "\(Units.round(bytes: Int(resident))) resident of \(Units.round(bytes: Int(memoryLimit)))"
        return Health.Check(name: "memory", status: status, message: text)
    }

    private func growthCheck() -> Health.Check {
        guard let growth, growth > HealthPolicy.growthLimit else {
            return Health.Check(name: "memory_growth", status: .ok, message: "")
        }
        return Health.Check(
            name: "memory_growth", status: .degraded,
            message: "\(Units.round(bytes: Int(growth))) a minute over \(Int(HealthPolicy.growthSpan / 60)) minutes")
    }

    private func loopCheck() -> Health.Check {
        let all = turns.reduce(0) { $0 + $1.all }
        let slow = turns.reduce(0) { $0 + $1.slow }
        // More than one in a hundred is above it: so is the 99th percentile.
        guard slow * 100 > all else { return Health.Check(name: "loop", status: .ok, message: "") }
        return Health.Check(
            name: "loop", status: .degraded,
            message: "\(slow) of \(all) turns took more than \(Int(HealthPolicy.loopDelay * 1000)) ms")
    }

    private func sourcesCheck(_ stations: [HealthSample.Station]) -> Health.Check {
        let bad = stations.filter { $0.state == .failed || $0.state == .stalled }
        let text = bad.map { "\($0.name) is \($0.state.rawValue)" + ($0.error.map { ": \($0)" } ?? "") }
        return Health.Check(
            name: "sources", status: bad.isEmpty ? .ok : .degraded, message: text.joined(separator: "; "))
    }

    private func listenersCheck(_ stations: [HealthSample.Station]) -> Health.Check {
        let busy = stations.filter { $0.listeners > $0.alert }
        let text = busy.map { "\($0.name) has \($0.listeners) listeners, alert at more than \($0.alert)" }
        return Health.Check(
            name: "listeners", status: busy.isEmpty ? .ok : .degraded, message: text.joined(separator: "; "))
    }

    private func warmCheck(_ stations: [HealthSample.Station]) -> Health.Check {
        let off = stations.filter(\.isWarmOff).map(\.name)
        return Health.Check(
            name: "warm", status: off.isEmpty ? .ok : .degraded,
            message: off.isEmpty ? "" : "nothing is kept in files of \(off.joined(separator: ", "))")
    }

    private func storeCheck(_ trouble: String?) -> Health.Check {
        Health.Check(name: "object_store", status: trouble == nil ? .ok : .degraded, message: trouble ?? "")
    }
}
