internal import Glibc
internal import WeirDatabase
internal import WeirLoop

/// Artefacts on disk, with their rows in the index: what is found, kept, checked and evicted.
///
/// The file comes first and the row after it, so that a crash leaves a file without a row, which the next start removes, and
/// never a row without its file. One that is found all the same is removed by who finds it.
@LoopActor
final class ArtefactCache {
    /// A cached file, open.
    struct Entry: Sendable {
        let row: ArtefactRow
        let descriptor: Int32
    }

    /// Artefacts that are kept at most, whatever their size: what is remembered of each takes about 300 bytes.
    static let entryLimit = 100_000
    /// Seconds between two times that the index is told of uses.
    static let touchInterval: Double = 5
    /// Of the budget, what is freed beyond what is needed, so that not every artefact evicts one.
    static let evictedShare: UInt64 = 50
    /// Of the hits, one in so many is checked with `verify: sample`.
    static let sample: UInt64 = 16
    /// Seconds after which a directory that could not be used is tried again.
    static let retryInterval: Double = 10
    /// Bytes that are looked through at once.
    static let piece: UInt64 = 4 << 20
    /// Artefacts of which it is remembered when and why they went.
    static let memories = 1000

    let directory: ArtefactDirectory
    private let index: any ArtefactIndex
    private let options: DownloadOptions
    private let wall: () -> Int64
    private let timer: LoopTimer
    private var values: [String: CachedValue] = [:]
    private(set) var bytes: UInt64 = 0
    /// Of generations under way, which have their place already.
    private var reserved: UInt64 = 0
    private var uses: [String: Int] = [:]
    private var hits: UInt64 = 0
    private var dropped: [String: DownloadExplanation.Dropped] = [:]
    private var droppedOrder: [String] = []
    private var isClosed = false
    /// The directory's last word; nil while it is well.
    private(set) var trouble: String?
    /// Whether the directory has been looked at.
    private(set) var isOpen = false
    var counters = CacheCounters()
    var onEvent: ((DownloadEvent) -> Void)?

    /// - Parameter wall: milliseconds since 1970.
    init(_ options: DownloadOptions, index: any ArtefactIndex, clock: LoopClock, wall: @escaping () -> Int64) {
        self.options = options
        self.index = index
        self.wall = wall
        directory = ArtefactDirectory(path: options.directory)
        timer = LoopTimer(clock: clock)
    }

    var count: Int { values.count }

    // MARK: Beginning and end

    /// Makes the directory, and makes it and the index say the same.
    func open() async {
        let directory = directory
        let found: (temporary: Int, files: [String: UInt64])
        do {
            found = try await onPool { try directory.sweep() }
        } catch {
            return fail("the directory \(directory.path): \(error)")
        }
        await compare(found.files, temporary: found.temporary)
        isOpen = true
        touchLater()
    }

    /// Files without a row go, and rows without their file.
    private func compare(_ found: [String: UInt64], temporary: Int) async {
        var files = found
        var rows: [ArtefactRow] = []
        do throws(DatabaseError) {
            var after: String?
            while true {
                let page = try await index.rows(after: after, limit: 1000)
                rows += page
                guard let last = page.last else { break }
                after = last.key
            }
        } catch {
            return failedIndex(error)
        }
        var lost = 0
        for row in rows {
            if files.removeValue(forKey: row.key) == row.bytes {
                if values[row.key] == nil { add(row) }
                continue
            }
            // It may have been put there just now.
            if values[row.key] != nil && found[row.key] == nil { continue }
            lost += 1
            await remove(row.key, reason: "the file was gone or not as long as it should be")
        }
        let orphans = files.keys.filter { values[$0] == nil && !publishing.contains($0) }
        let directory = directory
        _ = try? await onPool { for key in orphans { directory.remove(key) } }
        counters.orphans += UInt64(temporary + orphans.count + lost)
        if temporary + orphans.count + lost > 0 {
            onEvent?(.swept(temporary: temporary, files: orphans.count, rows: lost))
        }
    }

    /// Compares directory and index anew: notifications may have been lost.
    func reconcile() async {
        let directory = directory
        guard isOpen, let found = try? await onPool({ try directory.sweep() }) else { return }
        // What is put there from now on may not be among the rows.
        let before = Array(values.keys)
        var rows: Set<String> = []
        do throws(DatabaseError) {
            var after: String?
            while true {
                let page = try await index.rows(after: after, limit: 1000)
                for row in page { rows.insert(row.key) }
                guard let last = page.last else { break }
                after = last.key
            }
        } catch {
            return failedIndex(error)
        }
        for key in before where values[key] != nil && !rows.contains(key) && !publishing.contains(key) {
            forget(key, "it was invalidated")
            unlinkLater(key)
        }
        await compare(found.files, temporary: found.temporary)
    }

    func close() async {
        isClosed = true
        timer.close()
        await tellUses()
    }

    // MARK: Finding

    /// An artefact that is there and as long as it should be; nil otherwise.
    func find(_ key: String) async -> Entry? {
        guard let row = await row(of: key) else { return nil }
        let directory = directory
        let file: (descriptor: Int32, length: UInt64)
        do {
            file = try await onPool { try directory.open(key) }
        } catch {
            await heal(row, "\(error)")
            return nil
        }
        guard file.length == row.bytes else {
            Glibc.close(file.descriptor)
            await heal(row, "the file has \(file.length) bytes, expected \(row.bytes)")
            return nil
        }
        hits &+= 1
        switch options.verification {
        case .length: break
        case .always:
            guard await verify(row, file.descriptor) else {
                Glibc.close(file.descriptor)
                return nil
            }
        case .sample:
            if hits % ArtefactCache.sample == 1, !isSampling {
                let copy = fcntl(file.descriptor, F_DUPFD_CLOEXEC, 0)
                if copy >= 0 {
                    isSampling = true
                    spawn {
                        _ = await self.verify(row, copy)
                        Glibc.close(copy)
                        self.isSampling = false
                    }
                }
            }
        }
        return Entry(row: row, descriptor: file.descriptor)
    }

    /// When the directory may be tried again.
    private var retryAt: UInt64 = 0
    /// One file is looked through at a time.
    private var isSampling = false

    private func row(of key: String) async -> ArtefactRow? {
        do throws(DatabaseError) {
            return try await index.find(key)
        } catch {
            failedIndex(error)
            return nil
        }
    }

    /// Whether an artefact is in the cache, without a hit; its row.
    func look(_ key: String) async -> ArtefactRow? { await row(of: key) }

    /// Whether the bytes are those that were written; if not, they go.
    private func verify(_ row: ArtefactRow, _ descriptor: Int32) async -> Bool {
        counters.verified += 1
        var crc32: UInt32 = 0
        var place: UInt64 = 0
        // In pieces: others want the pool as well.
        while place < row.bytes {
            let (from, count, before) = (place, min(ArtefactCache.piece, row.bytes - place), crc32)
            let piece: UInt32?
            do {
                piece = try await onPool { ArtefactDirectory.crc32(descriptor, from: from, count: count, of: before) }
            } catch {
                // Weir ends.
                return true
            }
            guard let piece else { break }
            crc32 = piece
            place += count
        }
        if place == row.bytes, crc32 == row.crc32 { return true }
        counters.damaged += 1
        await heal(row, "the file's CRC-32 is not \(String(row.crc32, radix: 16))")
        return false
    }

    /// What is in the index and not on the disk.
    func heal(_ row: ArtefactRow, _ what: String) async {
        // Several may find it out at once.
        guard await remove(row.key, reason: what) else { return }
        counters.healed += 1
        onEvent?(.damaged(key: row.key, what: what))
    }

    /// It is served once more.
    func use(_ row: ArtefactRow) {
        if values[row.key] == nil { add(row) }
        values[row.key]?.hits += 1
        values[row.key]?.used = wall()
        uses[row.key, default: 0] += 1
    }

    private func touchLater() {
        guard !isClosed else { return }
        timer.schedule(at: timer.clock.deadline(after: ArtefactCache.touchInterval)) { [weak self] in
            guard let self else { return }
            spawn {
                await self.tellUses()
                self.touchLater()
            }
        }
    }

    private func tellUses() async {
        guard !uses.isEmpty else { return }
        let told = uses
        uses = [:]
        do throws(DatabaseError) { try await index.touch(told) } catch { failedIndex(error) }
    }

    // MARK: Keeping

    private var publishing: Set<String> = []

    /// A temporary file for an artefact, with its place in the budget; why there is none otherwise. What is given here is
    /// ended by `publish` or `discard`.
    func begin(
        _ key: String, length: UInt64
    ) async -> Result<ArtefactDirectory.Temporary, CacheRefusal> {
        await openAgain()
        guard trouble == nil, isOpen else { return .failure(.bypass(.failed)) }
        guard length <= options.budget else { return .failure(.bypass(.budget)) }
        reserved += length
        await makeRoom()
        let directory = directory
        for attempt in 0..<2 {
            do {
                return .success(try await onPool { try directory.begin(key, length: length) })
            } catch {
                let isFull = (error as? CoreError).map { [ENOSPC, EDQUOT].contains(-$0.rawValue) } ?? false
                if isFull, attempt == 0, await evict(atLeast: length) { continue }
                reserved -= length
                if !isFull { onEvent?(.trouble("no file for \(key): \(error)")) }
                return .failure(.bypass(isFull ? .full : .failed))
            }
        }
        return .failure(.bypass(.full))
    }

    /// What was begun is not kept. The file is closed by who has it.
    func discard(_ temporary: ArtefactDirectory.Temporary, length: UInt64) async {
        reserved -= min(reserved, length)
        let path = temporary.path
        _ = try? await onPool { unlink(path) }
    }

    /// Puts a whole file into the cache: on the disk for good, then in the index.
    func publish(
        _ temporary: ArtefactDirectory.Temporary, descriptor: Int32, _ row: ArtefactRow
    ) async throws {
        let directory = directory
        publishing.insert(row.key)
        defer { publishing.remove(row.key) }
        do {
            try await onPool {
                try directory.publish(temporary, descriptor: descriptor, as: row.key, length: row.bytes)
            }
        } catch {
            await discard(temporary, length: row.bytes)
            throw error
        }
        reserved -= min(reserved, row.bytes)
        do throws(DatabaseError) {
            try await index.record(row)
        } catch {
            failedIndex(error)
            unlinkLater(row.key)
            throw error
        }
        add(row)
        counters.saved += 1
        counters.savedBytes += row.bytes
        await makeRoom(keeping: row.key)
    }

    private func add(_ row: ArtefactRow) {
        if let old = values[row.key] { bytes -= old.bytes }
        values[row.key] = CachedValue(
            bytes: row.bytes, cost: row.cost, hits: row.hits, used: max(row.used, row.created))
        bytes += row.bytes
    }

    // MARK: Going

    /// Evicts what is beyond the budget.
    private func makeRoom(keeping key: String? = nil) async {
        let wanted = bytes + reserved
        let isMany = values.count > ArtefactCache.entryLimit
        guard wanted > options.budget || isMany else { return }
        var needed = wanted > options.budget ? wanted - options.budget : 0
        needed += options.budget / ArtefactCache.evictedShare
        await evict(needed, keeping: key, entries: isMany ? ArtefactCache.entryLimit / 100 : 0)
    }

    /// Whether so many bytes, or any at all, were freed.
    func evict(atLeast needed: UInt64) async -> Bool {
        let before = values.count
        await evict(max(1, needed), keeping: nil, entries: 0)
        return values.count < before
    }

    private func evict(_ needed: UInt64, keeping key: String?, entries: Int) async {
        var candidates = values
        if let key { candidates[key] = nil }
        var keys = CachedValue.leastValuable(candidates, needed: needed, at: wall())
        if keys.count < entries {
            keys = Array(CachedValue.leastValuable(candidates, needed: .max, at: wall()).prefix(entries))
        }
        for key in keys {
            guard let value = values[key] else { continue }
            counters.evicted += 1
            counters.evictedBytes += value.bytes
            onEvent?(.evicted(key: key, bytes: value.bytes))
            await remove(key, reason: "it was evicted to make room")
        }
    }

    /// Removes a row and its file; false when there was no row.
    @discardableResult
    func remove(_ key: String, reason: String) async -> Bool {
        forget(key, reason)
        var wasThere = true
        do throws(DatabaseError) { wasThere = try await index.remove(key) } catch { failedIndex(error) }
        let directory = directory
        _ = try? await onPool { directory.remove(key) }
        return wasThere
    }

    /// The files of rows that are gone already.
    func removeFiles(_ keys: [String], reason: String) async {
        for key in keys { forget(key, reason) }
        let directory = directory
        _ = try? await onPool { for key in keys { directory.remove(key) } }
    }

    func invalidate(_ what: Invalidation) async throws(DatabaseError) -> [String] {
        let keys = try await index.invalidate(what)
        counters.invalidated += UInt64(keys.count)
        await removeFiles(keys, reason: "it was invalidated")
        return keys
    }

    private func forget(_ key: String, _ reason: String) {
        uses[key] = nil
        if let value = values.removeValue(forKey: key) { bytes -= value.bytes }
        if dropped.updateValue(.init(at: wall(), reason: reason), forKey: key) == nil { droppedOrder.append(key) }
        if droppedOrder.count > ArtefactCache.memories {
            dropped[droppedOrder.removeFirst()] = nil
        }
    }

    /// When an artefact went, and why.
    func dropped(_ key: String) -> DownloadExplanation.Dropped? { dropped[key] }

    private func unlinkLater(_ key: String) {
        let directory = directory
        spawn { _ = try? await onPool { directory.remove(key) } }
    }

    // MARK: What is wrong

    private func failedIndex(_ error: DatabaseError) {
        counters.indexErrors += 1
        onEvent?(.trouble("the index of downloads: \(error)"))
    }

    /// A directory that could not be used may have come back.
    private func openAgain() async {
        guard trouble != nil, !isOpen, !isClosed, timer.clock.now >= retryAt else { return }
        trouble = nil
        retryAt = .max
        await open()
    }

    private func fail(_ what: String) {
        trouble = what
        retryAt = timer.clock.deadline(after: ArtefactCache.retryInterval)
        onEvent?(.trouble(what))
    }
}

/// What the cache has done.
struct CacheCounters: Sendable, Equatable {
    var saved: UInt64 = 0
    var savedBytes: UInt64 = 0
    var evicted: UInt64 = 0
    var evictedBytes: UInt64 = 0
    var healed: UInt64 = 0
    var verified: UInt64 = 0
    var damaged: UInt64 = 0
    var orphans: UInt64 = 0
    var invalidated: UInt64 = 0
    var indexErrors: UInt64 = 0
}

enum CacheRefusal: Error, Sendable, Equatable {
    case bypass(DownloadBypass)
}
