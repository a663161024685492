public import WeirLoop

/// All warm caches: the directory that they lie in, the disk that they share, and how much of it each may take.
@LoopActor
public final class WarmCaches {
    /// Bytes of disk for all of them.
    public static nonisolated let budget: UInt64 = 2 << 30

    public let directory: String
    /// Bytes.
    public var budget: UInt64 {
        didSet { balance() }
    }
    let disk: Disk
    let clock: LoopClock
    /// What dead processes left behind was removed: so many directories.
    public private(set) var leftovers = 0

    private var members: [WarmCache] = []
    private var cleaning: Task<Void, any Error>?

    /// `directory` is made when it is needed first.
    public init(
        directory: String, budget: UInt64 = WarmCaches.budget, clock: LoopClock = .monotonic
    ) throws(CoreError) {
        self.directory = directory
        self.budget = budget
        self.clock = clock
        disk = try Disk()
    }

    /// Removes what processes left behind that died. Once; further calls wait for the first.
    public func clean() async throws {
        let task =
            cleaning
            ?? spawn { [directory] in
                self.leftovers = try await onPool { WarmDirectory.removeLeftovers(in: directory) }
            }
        cleaning = task
        do {
            try await task.value
        } catch {
            cleaning = nil
            throw error
        }
    }

    /// After every cache was destroyed.
    public func close() async {
        _ = try? await cleaning?.value
        await disk.close()
    }

    // MARK: From the caches

    func place(for name: String) async throws -> WarmDirectory {
        try await clean()
        return try await onPool { [directory] in try WarmDirectory.create(for: name, in: directory) }
    }

    func add(_ cache: WarmCache) {
        members.append(cache)
        balance()
    }

    func remove(_ cache: WarmCache) {
        members.removeAll { $0 === cache }
        balance()
    }

    /// Gives each its share: after any of them wants more or less, or is watched or not any more.
    func balance() {
        let shares = WarmBudget.shares(members.map(\.claim), budget: budget)
        // What one gives is another's once it is gone from the disk: it may be being read.
        disk.limit = max(budget, shares.reduce(0) { $0 + WarmBudget.disk($1) })
        for (cache, share) in zip(members, shares) { cache.allow(share) }
    }
}
