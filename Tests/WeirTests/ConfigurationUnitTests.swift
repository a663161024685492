import Glibc
import Testing
import WeirHTTP
import WeirLive
import WeirLoop

@testable import Weir

@Suite struct ConfigurationUnitTests {
    @Test(arguments: [
        ("0", 0), ("65536", 65536), ("100_000", 100_000), ("64KiB", 65536), ("1MiB", 1 << 20), ("1 MiB", 1 << 20),
        ("1.5GiB", 3 << 29), ("2TiB", 2 << 40), ("100MB", 100_000_000), ("1kB", 1000), ("1KB", 1000),
        ("3GB", 3_000_000_000),
        ("12B", 12), ("1e3", 1000), ("0.3KiB", 308),
    ])
    func sizes(text: String, bytes: Int) {
        #expect(Units.bytes(text) == bytes)
    }

    @Test(arguments: [
        "", "KiB", "1.5", "1mib", "1M", "1 Mi B", "0x10", "1e30", "99999999999999999999", "inf", "nan", "1e999TiB",
        "--1",
    ])
    func whatIsNoSize(text: String) {
        #expect(Units.bytes(text) == nil)
    }

    @Test(arguments: [
        ("0", 0), ("5", 5), ("0.25", 0.25), ("5s", 5), ("200ms", 0.2), ("2m", 120), ("1h", 3600), ("1.5h", 5400),
        ("7 s", 7),
        ("1e2", 100), ("-3", -3),
    ])
    func durations(text: String, seconds: Double) {
        #expect(Units.seconds(text) == seconds)
    }

    @Test(arguments: ["", "s", "5sec", "5 m s", "1:30", "+5", ".5", "5.", "05", "1__0", "_1", "1_"])
    func whatIsNoDuration(text: String) {
        #expect(Units.seconds(text) == nil)
    }

    @Test(arguments: [0, 1, 1000, 1024, 1500, 65536, 1 << 20, 3 << 29, 100_000_000, 1 << 44, 12345])
    func aWrittenSizeReadsBackTheSame(bytes: Int) {
        #expect(Units.bytes(Units.write(bytes: bytes)) == bytes)
    }

    @Test(arguments: [0, 0.005, 0.1, 0.2, 0.5, 1, 1.5, 10, 60, 75, 120, 3600, 86400])
    func aWrittenDurationReadsBackTheSame(seconds: Double) {
        #expect(Units.seconds(Units.write(seconds: seconds)) == seconds)
    }

    @Test func roundedForPeople() {
        #expect(Units.round(bytes: 0) == "0 B" && Units.round(bytes: 1023) == "1023 B")
        #expect(Units.round(bytes: 1536) == "1.5 KiB" && Units.round(bytes: 1 << 30) == "1 GiB")
        #expect(Units.round(seconds: 5.4613) == "5.46 s" && Units.round(seconds: 0.05) == "0.05 s")
        #expect(Units.tenths(192) == "192" && Units.tenths(0.04) == "0" && Units.tenths(-0.5) == "-0.5")
    }

    // MARK: Suggestions

    @Test(arguments: [
        ("lisen", "listen"), ("LISTEN", "listen"), ("lsiten", "listen"), ("max-connections", "max_connections"),
        ("maxconnections", "max_connections"), ("warn", "warning"),
    ])
    func aMisspeltWordFindsItsOwn(word: String, expected: String) {
        #expect(Suggestion.nearest(to: word, among: ["listen", "max_connections", "warning", "data"]) == expected)
    }

    @Test(arguments: ["", "x", "banana", "dt", String(repeating: "listen", count: 1000)])
    func aStrangeWordFindsNone(word: String) {
        #expect(Suggestion.nearest(to: word, among: ["listen", "max_connections", "warning"]) == nil)
    }

    @Test func distances() {
        func distance(_ first: String, _ second: String) -> Int {
            Suggestion.distance(Array(first.utf8), Array(second.utf8))
        }
        #expect(distance("", "") == 0 && distance("", "abc") == 3 && distance("abc", "") == 3)
        #expect(distance("abcd", "abdc") == 1 && distance("kitten", "sitting") == 3 && distance("skip", "skip") == 0)
    }

    // MARK: Caps

    @Test func capsFollowTheLeastLimit() {
        var configuration = Configuration()
        var big = StationOptions(name: "big")
        big.listenersMax = 5000
        big.window = .fixed(milliseconds: 500)
        var small = StationOptions(name: "small")
        small.format = .raw
        small.ring = 65536
        configuration.stations = [small, big]
        configuration.limits.listeners = 2000
        var caps = ConfigurationCaps(of: configuration, connections: 20000)
        #expect(caps.stations.map(\.listeners) == [10, 2000] && caps.listeners == 2000)
        #expect(caps.stations.map(\.sendBuffer) == [65536, 2 * 192_000 * 600 / 1000])
        #expect(caps.rings == (1 << 20) + 65536 && caps.heap == 2000 * 2048)
        #expect(caps.sendBuffers == 2000 * 230_400)
        configuration.server.maxConnections = 100
        caps = ConfigurationCaps(of: configuration, connections: 20000)
        #expect(caps.listeners == 100 && caps.connections == 100)
        configuration.stations = []
        #expect(ConfigurationCaps(of: configuration).listeners == 0)
    }

    @Test func warmCachesTakeTheirCeilingAndASegmentUntilTheBudgetIsSpent() {
        var configuration = Configuration()
        var station = StationOptions(name: "tv")
        station.format = .ts
        var fixed = station
        fixed.warm.max = 8 << 20
        var off = station
        off.warm.seconds = 0
        configuration.stations = [station, fixed, off, .demo]
        var caps = ConfigurationCaps(of: configuration)
        #expect(caps.stations.map(\.disk) == [54 << 20, 9 << 20, 0, 0])
        #expect(caps.disk == 63 << 20)
        #expect(caps.fileBuffers == 9 * 262_144 + 4 * 262_144)
        configuration.cache.budget = 20 << 20
        #expect(ConfigurationCaps(of: configuration).disk == 20 << 20)
        // Each has a mebibyte and a segment, at the least.
        configuration.cache.budget = 1 << 20
        #expect(ConfigurationCaps(of: configuration).disk == 2 * (9 << 20) / 8)
        configuration.stations = [off, .demo]
        caps = ConfigurationCaps(of: configuration)
        #expect(caps.disk == 0 && caps.fileBuffers == 0)
    }

    @Test func controlGroupsAreLookedUpToTheRoot() {
        #expect(
            ProcessLimits.controlGroupFiles(of: "0::/system.slice/weir.service\n") == [
                "/sys/fs/cgroup/system.slice/weir.service/memory.max", "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max",
            ])
        #expect(
            ProcessLimits.controlGroupFiles(of: "5:cpu:/\n4:hugetlb,memory:/docker/1\nbroken\n") == [
                "/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            ])
        #expect(ProcessLimits.memory >= 1 << 20 && ProcessLimits.memoryShare == ProcessLimits.memory / 4)
    }

    /// What `weir check` says must be what `weir serve` does, which raises the soft limit first.
    @Test func connectionsAreCountedFromTheHardDescriptorLimit() {
        var limit = rlimit()
        #expect(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
        #expect(ProcessLimits.descriptors == Int(clamping: limit.rlim_max))
        #expect(ProcessLimits.connections == max(16, Int(clamping: limit.rlim_max) - 256))
    }
}
