public import WeirLoop

/// The bytes of media that are about to be sent: files with their index in memory. What is in it is in the object store
/// too, so that it can be lost; a start begins with an empty one.
///
/// On the loop's thread. A file lives as long as somebody has it, whatever the cache has dropped.
@LoopActor
public final class DownloadCache {
    public struct Options: Sendable, Equatable {
        /// Seconds that a file is kept.
        public var ttl: Double = 300
        /// Files, at most.
        public var entries = 50
        /// Bytes, at most.
        public var bytes: Int64 = 500_000_000

        public init() {}
    }

    /// What it has done since it was made.
    public struct Counters: Sendable, Equatable {
        /// Asked for and there.
        public var hits: UInt64 = 0
        /// Asked for and fetched.
        public var misses: UInt64 = 0
        /// Asked for while it was fetched.
        public var joined: UInt64 = 0
        /// Dropped because the cache was full.
        public var evicted: UInt64 = 0
        /// Dropped because their time was over.
        public var expired: UInt64 = 0
        /// Bytes that hits and joined requests did not fetch.
        public var saved: UInt64 = 0

        public init() {}
    }

    /// Of a full cache, what goes: the oldest fifth.
    static let evictedShare = 5

    private final class Entry {
        let key: String
        let file: CacheFile
        let expires: UInt64
        var hits = 0

        init(_ key: String, _ file: CacheFile, expires: UInt64) {
            self.key = key
            self.file = file
            self.expires = expires
        }
    }

    public nonisolated let directory: String
    public let options: Options
    public private(set) var counters = Counters()
    /// Bytes of the files that are kept.
    public private(set) var bytes: Int64 = 0
    /// Called for each hit with the file's hits so far.
    public var onHit: (@LoopActor (_ key: String, _ hits: Int) -> Void)?

    private let clock: LoopClock
    private let timer: LoopTimer
    private var entries: [String: Entry] = [:]
    /// From the oldest to the newest.
    private var order: [Entry] = []
    /// What is being fetched, by whom others may join; and all of it, also what nobody waits for any more.
    private var fills: [String: CacheFill] = [:]
    private var fetching: [ObjectIdentifier: CacheFill] = [:]
    private var isClosed = false

    /// Files that are kept.
    public var count: Int { order.count }

    public init(directory: String, options: Options = Options(), clock: LoopClock = .monotonic) {
        self.directory = directory
        self.options = options
        self.clock = clock
        timer = LoopTimer(clock: clock)
    }

    /// Makes the directory, and takes away what dead processes left in it: how many files.
    @discardableResult
    public func open() async throws -> Int {
        let directory = directory
        return try await onPool {
            try LoopFile.makeDirectoryNow(directory)
            return try CacheFile.sweep(directory)
        }
    }

    /// Ends what is being fetched: who waits for it gets an error.
    public func stopFetching() {
        for fill in fetching.values { fill.cancel() }
    }

    /// Ends what is being fetched, and drops everything.
    public func close() async {
        isClosed = true
        timer.close()
        stopFetching()
        for fill in Array(fetching.values) { await fill.end() }
        for entry in order { entry.file.unlinkLater() }
        order = []
        entries = [:]
        bytes = 0
    }

    // MARK: Files

    /// The file of a key. One that is not there is fetched by `fill`, which writes `length` bytes into the descriptor: once,
    /// however many ask; a failure is everybody's who asked meanwhile. A cancelled task waits no longer, and what nobody
    /// waits for any more is not fetched to its end.
    ///
    /// - Throws: what `fill` throws; `CancellationError`; `CacheError` when the bytes are not as many; `CoreError` of the disk.
    public func file(
        _ key: String, length: Int64, fill: @escaping @LoopActor (_ descriptor: Int32) async throws -> Void
    ) async throws -> CacheFile {
        if let entry = find(key) {
            entry.hits += 1
            counters.hits += 1
            counters.saved += UInt64(max(0, length))
            onHit?(key, entry.hits)
            return entry.file
        }
        if let running = fills[key] {
            counters.joined += 1
            counters.saved += UInt64(max(0, length))
            return try await wait(running, key)
        }
        counters.misses += 1
        let fetch = CacheFill()
        fills[key] = fetch
        fetching[ObjectIdentifier(fetch)] = fetch
        fetch.run { [self] in
            defer { left(fetch, key) }
            let file = try await CacheFile.make(in: directory)
            try await fill(file.descriptor)
            file.length = try await file.measure()
            guard file.length == length else { throw CacheError(expected: length, found: file.length) }
            keep(file, as: key)
            return file
        }
        return try await wait(fetch, key)
    }

    private func wait(_ fetch: CacheFill, _ key: String) async throws -> CacheFile {
        do {
            return try await fetch.file()
        } catch {
            // Who comes now begins anew.
            if fetch.isAbandoned && fills[key] === fetch { fills[key] = nil }
            throw error
        }
    }

    private func left(_ fetch: CacheFill, _ key: String) {
        fetching[ObjectIdentifier(fetch)] = nil
        if fills[key] === fetch { fills[key] = nil }
    }

    /// A file for bytes whose key is not known yet. Dropping it removes it; `keep` puts it into the cache.
    public func spool() async throws -> CacheFile { try await CacheFile.make(in: directory) }

    /// Puts a filled file into the cache, in place of one that is there.
    public func keep(_ file: CacheFile, as key: String) {
        guard !isClosed, file.length <= options.bytes, options.entries > 0, options.ttl > 0 else { return }
        remove(key)
        while order.count >= options.entries || bytes + file.length > options.bytes { evict() }
        let entry = Entry(key, file, expires: clock.deadline(after: options.ttl))
        entries[key] = entry
        order.append(entry)
        bytes += file.length
        watch()
    }

    /// Drops a key's file.
    public func remove(_ key: String) {
        guard let entry = entries[key] else { return }
        order.removeAll { $0 === entry }
        drop(entry)
    }

    public func contains(_ key: String) -> Bool { find(key) != nil }

    // MARK: What goes

    private func find(_ key: String) -> Entry? {
        expire()
        return entries[key]
    }

    private func drop(_ entry: Entry) {
        entries[entry.key] = nil
        bytes -= entry.file.length
        entry.file.unlinkLater()
    }

    private func evict() {
        let count = min(order.count, max(1, order.count / DownloadCache.evictedShare))
        for entry in order.prefix(count) { drop(entry) }
        order.removeFirst(count)
        counters.evicted += UInt64(count)
    }

    private func expire() {
        let now = clock.now
        let count = order.prefix { $0.expires <= now }.count
        guard count > 0 else { return }
        for entry in order.prefix(count) { drop(entry) }
        order.removeFirst(count)
        counters.expired += UInt64(count)
    }

    private func watch() {
        guard !isClosed, let first = order.first else { return }
        timer.schedule(at: first.expires) { [weak self] in
            self?.expire()
            self?.watch()
        }
    }
}

/// A file of the cache that has not the bytes that it should have.
public struct CacheError: Error, Sendable, Equatable, CustomStringConvertible {
    public let expected: Int64
    public let found: Int64

    public var description: String { "\(found) bytes came, \(expected) were recorded" }
}
