import Testing
import WeirHTTP

@testable import Weir
@testable import WeirLive

@Suite struct HealthTests {
    private let mebibyte: UInt64 = 1 << 20

    private func status(_ health: Health, _ name: String) -> Health.Status? {
        health.checks.first { $0.name == name }?.status
    }

    private func station(
        _ state: Supervision.State = .live, listeners: Int = 0, alert: Int = 5, error: String? = nil
    ) -> HealthSample.Station {
        .init(name: "vinyl", state: state, error: error, listeners: listeners, alert: alert)
    }

    @Test(arguments: [(0, "ok"), (79, "ok"), (80, "degraded"), (94, "degraded"), (95, "failing"), (200, "failing")])
    func `memory is degraded at 80 % of the limit and failing at 95 %`(percent: UInt64, expected: String) {
        let policy = HealthPolicy(memoryLimit: 100 * mebibyte)
        let health = policy.judge(HealthSample(resident: percent * mebibyte))
        #expect(status(health, "memory")?.rawValue == expected)
        #expect(health.status.rawValue == expected)
    }

    @Test func `five listeners are well, the sixth is one too many`() {
        let policy = HealthPolicy(memoryLimit: 100 * mebibyte)
        let five = policy.judge(HealthSample(resident: 0, stations: [station(listeners: 5)]))
        #expect(five.status == .ok)
        let six = policy.judge(HealthSample(resident: 0, stations: [station(listeners: 5), station(listeners: 6)]))
        #expect(six.status == .degraded)
        #expect(six.checks[4].message == "vinyl has 6 listeners, alert at more than 5")
    }

    @Test(arguments: Supervision.State.allCases)
    func `a source that stalled or failed is degraded, one that is off is not`(state: Supervision.State) {
        let policy = HealthPolicy(memoryLimit: 100 * mebibyte)
        let health = policy.judge(HealthSample(resident: 0, stations: [station(state, error: "exit status 1")]))
        #expect(health.status == (state == .stalled || state == .failed ? .degraded : .ok))
        if state == .failed {
            #expect(status(health, "sources") == .degraded)
            #expect(health.checks[3].message == "vinyl is failed: exit status 1")
        }
    }

    @Test func `a warm cache that is off is degraded`() {
        let policy = HealthPolicy(memoryLimit: 100 * mebibyte)
        var off = station()
        off.isWarmOff = true
        let health = policy.judge(HealthSample(resident: 0, stations: [station(), off]))
        #expect(status(health, "warm") == .degraded && health.status == .degraded)
        #expect(health.checks[5].message == "nothing is kept in files of vinyl")
        #expect(status(policy.judge(HealthSample(resident: 0, stations: [station()])), "warm") == .ok)
    }

    /// A policy that has seen memory every ten seconds.
    private func policy(seconds: Int, resident: (Double) -> Double) -> HealthPolicy {
        var policy = HealthPolicy(memoryLimit: 1000 * mebibyte)
        for second in stride(from: 0, through: seconds, by: 10) {
            policy.record(
                at: 5000 + Double(second), resident: UInt64(resident(Double(second) / 60) * Double(mebibyte)),
                turns: 100,
                slow: 0)
        }
        return policy
    }

    @Test func `memory that rises by more than a mebibyte a minute for ten minutes is degraded`() throws {
        // The system replaced grew by three.
        let rising = policy(seconds: 600) { 112 + 3 * $0 }
        #expect(abs(try #require(rising.growth) - 3 * 1_048_576) < 1000)
        let health = rising.judge(HealthSample(resident: 142 * mebibyte))
        #expect(status(health, "memory_growth") == .degraded)
        #expect(status(health, "memory") == .ok)
        #expect(health.checks[1].message == "3 MiB a minute over 10 minutes")
    }

    @Test func `less than ten minutes say nothing yet`() {
        let rising = policy(seconds: 580) { 112 + 3 * $0 }
        #expect(rising.growth == nil)
        #expect(rising.judge(HealthSample(resident: 0)).status == .ok)
    }

    @Test func `a reading that failed is not taken for memory`() throws {
        var policy = HealthPolicy(memoryLimit: 1000 * mebibyte)
        for second in stride(from: 0, through: 600, by: 10) {
            let failed = second < 200 && second % 20 == 10
            policy.record(at: Double(second), resident: failed ? nil : 500 * mebibyte, turns: 100, slow: 0)
        }
        #expect(policy.growth == 0)
        #expect(policy.judge(HealthSample(resident: 500 * mebibyte)).status == .ok)
    }

    @Test func `the kept file gives what is resident now`() throws {
        let size = 64 << 20
        // Other tests of this process give memory back meanwhile, but not each time.
        let grew = try (0..<100).contains { _ in
            let before = try #require(ResidentMemory.now())
            let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 4096)
            defer { memory.deallocate() }
            memory.initializeMemory(as: UInt8.self, repeating: 1, count: size)
            return try #require(ResidentMemory.now()) > before + 32 << 20
        }
        #expect(grew)
    }

    @Test func `slower growth, a step and a saw are well`() {
        for shape: (Double) -> Double in [
            { 100 + 0.9 * $0 }, { $0 < 5 ? 100 : 105 }, { 100 + 4 * $0.truncatingRemainder(dividingBy: 2) },
            { 200 - 3 * $0 },
        ] {
            #expect(policy(seconds: 1200, resident: shape).judge(HealthSample(resident: 0)).status == .ok)
        }
    }

    @Test func `growth that ended is forgotten`() {
        let policy = policy(seconds: 1800) { 100 + 3 * min($0, 15) }
        #expect(policy.judge(HealthSample(resident: 0)).status == .ok)
    }

    @Test func `the loop is degraded when its 99th percentile is above 50 ms, and recovers`() {
        var policy = HealthPolicy(memoryLimit: 100 * mebibyte)
        policy.record(at: 0, resident: 0, turns: 1000, slow: 10)
        #expect(policy.judge(HealthSample(resident: 0)).status == .ok)
        policy.record(at: 10, resident: 0, turns: 0, slow: 1)
        let slow = policy.judge(HealthSample(resident: 0))
        #expect(status(slow, "loop") == .degraded)
        #expect(slow.checks[2].message == "11 of 1000 turns took more than 50 ms")
        policy.record(at: 71, resident: 0, turns: 10, slow: 0)
        #expect(policy.judge(HealthSample(resident: 0)).status == .ok)
    }

    @Test func `the answer lists every check`() {
        let health = HealthPolicy(memoryLimit: 100 * mebibyte).judge(HealthSample(resident: 50 * mebibyte))
        let text = String(decoding: health.json.bytes, as: UTF8.self)
        #expect(
            text.hasPrefix(
                #"{"status":"ok","checks":[{"name":"memory","status":"ok","message":"50 MiB resident of 100 MiB"}"#))
        #expect(
            health.checks.map(\.name) == [
                "memory", "memory_growth", "loop", "sources", "listeners", "warm", "object_store",
            ])
    }

    @Test func `the resident size is the second number of statm, in pages`() throws {
        func bytes(_ text: String) -> UInt64? { Array(text.utf8).withUnsafeBytes { ResidentMemory.bytes($0) } }
        // Unwrapped first: comparing the optional in the macro trips AddressSanitizer inside the runtime.
        let three = try #require(bytes("5000 3 2 1 0 4 0\n"))
        #expect(three == UInt64(3 * 4096))
        for broken in ["", "5000", "5000 x", "1 99999999999999999999"] {
            let isRefused = bytes(broken) == nil
            #expect(isRefused, "\(broken)")
        }
        #expect(try #require(ResidentMemory.now()) > 1 << 20)
    }
}
