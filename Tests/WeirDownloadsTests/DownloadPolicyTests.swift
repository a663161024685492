import Testing
import WeirLoop

@testable import WeirDownloads

@Suite("Downloads: policy")
struct DownloadPolicyTests {
    private static let megabyte: UInt64 = 1 << 20

    @Test("small and of unknown length is made in memory; all else is streamed", arguments: [50, 100, 200])
    func hybrid(threshold: Int) {
        let bytes = UInt64(threshold) << 20
        let hybrid = DownloadPolicy(threshold: bytes, strategy: .hybrid)
        #expect(hybrid.decide(length: nil, estimate: bytes - 1) == .buffer)
        #expect(hybrid.decide(length: nil, estimate: bytes) == .stream)
        #expect(hybrid.decide(length: 1, estimate: 1) == .stream)
        let classic = DownloadPolicy(threshold: bytes, strategy: .classic)
        #expect(classic.decide(length: bytes - 1, estimate: .max) == .buffer)
        #expect(classic.decide(length: bytes, estimate: 1) == .stream)
        #expect(classic.decide(length: nil, estimate: bytes - 1) == .buffer)
    }

    @Test("two MiB for each page that is not known")
    func estimate() { #expect(DownloadPolicy.pageEstimate == 2 * Self.megabyte) }

    @Test(
        "auto goes by the memory",
        arguments: [
            (512, 25), (1024, 50), (4096, 50), (8192, 100), (7900, 100), (12_288, 150), (16_384, 200), (65_536, 200),
            (8, 1),
        ])
    func automatic(megabytes: Int, threshold: Int) {
        #expect(DownloadPolicy.megabytes(.automatic, memory: UInt64(megabytes) << 20) == threshold)
        #expect(DownloadPolicy.megabytes(.fixed(70), memory: UInt64(megabytes) << 20) == 70)
    }

    @Test("memory is the machine's, or what a control group of either version leaves")
    func memory() {
        func limit(_ files: [String: String]) -> UInt64 { ProcessMemory { files[$0] }.limit >> 20 }
        let machine = "MemTotal:       16384000 kB\nMemFree: 1 kB\n"
        #expect(limit(["/proc/meminfo": machine]) == 16_000)
        #expect(
            limit([
                "/proc/meminfo": machine, "/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/memory.max": "max\n",
                "/sys/fs/cgroup/a/memory.max": "536870912\n",
            ]) == 512)
        #expect(
            limit([
                "/proc/meminfo": machine, "/proc/self/cgroup": "3:cpu:/\n5:memory,x:/docker/1\n",
                "/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": "1073741824\n",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            ]) == 1024)
        #expect(limit([:]) == 4096)
        #expect(ProcessMemory().limit > 1 << 20)
    }

    @Test("ranges near the head wait for it, far ones come by themselves")
    func ways() {
        let far = DownloadPolicy.near + 1
        #expect(DownloadPolicy.way(0..<10, of: 100, head: nil) == .fill)
        #expect(DownloadPolicy.way(far..<far + 1, of: far * 2, head: nil) == .direct)
        #expect(DownloadPolicy.way(far..<far + 1, of: far * 2, head: 1) == .fill)
        #expect(DownloadPolicy.goesOn(done: 50, of: 100) && !DownloadPolicy.goesOn(done: 49, of: 100))
    }

    @Test("the rate holds above its size only")
    func rate() {
        var options = DownloadOptions(directory: "")
        (options.rate, options.rateAbove) = (1000, 10)
        #expect(DownloadPolicy.rate(options, length: 10 << 20) == 0)
        #expect(DownloadPolicy.rate(options, length: 10 << 20 + 1) == 1000)
    }

    @Test("what goes first is cheap to make, large, seldom asked for, and long ago")
    func value() {
        let day: Int64 = 86_400_000
        let usual = CachedValue(bytes: 1000, cost: 100, hits: 1, used: day)
        var values: [String: CachedValue] = ["usual": usual]
        values["large"] = CachedValue(bytes: 2000, cost: 100, hits: 1, used: day)
        values["cheap"] = CachedValue(bytes: 1000, cost: 10, hits: 1, used: day)
        values["popular"] = CachedValue(bytes: 1000, cost: 100, hits: 100, used: day)
        values["old"] = CachedValue(bytes: 1000, cost: 100, hits: 1, used: -day)
        #expect(
            CachedValue.leastValuable(values, needed: .max, at: day) == ["cheap", "old", "large", "usual", "popular"])
        #expect(CachedValue.leastValuable(values, needed: 1001, at: day) == ["cheap", "old"])
        #expect(CachedValue.leastValuable(values, needed: 0, at: day).isEmpty)
        #expect(usual.worth(at: 2 * day) == usual.worth(at: day) / 2)
    }

    @Test("memory is given in the order of asking, and given back")
    func admission() throws {
        try LoopActor.runInTurn {
            let memory = MemoryAdmission(limit: 100)
            let first = try await memory.acquire(60)
            var order: [Int] = []
            let large = spawn {
                let grant = try await memory.acquire(90); order.append(90); return grant
            }
            await LoopActor.settle()
            let small = spawn {
                let grant = try await memory.acquire(10); order.append(10); return grant
            }
            await LoopActor.settle()
            #expect(memory.waiting == 2 && memory.used == 60)
            memory.release(first)
            memory.release(first)
            let grants = [try await large.value, try await small.value]
            #expect(order == [90, 10] && memory.used == 100)
            let cancelled = spawn { try await memory.acquire(1) }
            await LoopActor.settle()
            cancelled.cancel()
            await #expect(throws: DownloadError.self) { _ = try await cancelled.value }
            for grant in grants { memory.release(grant) }
            #expect(memory.used == 0 && memory.waiting == 0)
            let error = await #expect(throws: DownloadError.self) { _ = try await memory.acquire(101) }
            #expect(error?.kind == .overMemory)
        }
    }
}
