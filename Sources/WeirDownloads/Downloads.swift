internal import Glibc
public import WeirDatabase
public import WeirLoop
public import WeirStorage

/// Chapters and books as archives and documents: made while they are sent, and kept for the next who asks.
///
/// A request is served in three steps: `find` says what there is to have (all that a HEAD needs, and nothing is generated),
/// `Download.begin` gets hold of the first byte of a range (until then an error can be a status), and `Download.send` sends
/// it. All on the loop's thread.
@LoopActor
public final class Downloads {
    public let options: DownloadOptions
    /// Told what happens. Called on the loop.
    public var onEvent: (@LoopActor (DownloadEvent) -> Void)?

    /// Seconds for which a failed artefact is not tried again.
    public static let failureAge: Double = 1
    /// Failures that are remembered.
    static let failureLimit = 1000
    /// Pages of layouts that are kept for the next request of the same artefact, and of one that is laid out on the loop.
    static let layoutPages = 100_000
    static let pagesOnLoop = 2000

    let catalogue: any Catalogue
    let index: any ArtefactIndex
    let store: any ObjectStore
    let clock: LoopClock
    let wall: () -> Int64
    let policy: DownloadPolicy
    let space: FillSpace
    let cache: ArtefactCache
    let learner: PageLearner
    let memory: MemoryAdmission
    var counts = DownloadCounters()
    /// Generations under way that others can join, by their key.
    var fills: [String: SharedFill] = [:]
    /// Those that are about to begin.
    var beginning: [String: Task<Beginning, Never>] = [:]
    /// All of them, also those that nobody can join any more.
    var under: [ObjectIdentifier: Fill] = [:]
    /// How often something was invalidated, here or by another node.
    private(set) var invalidations: UInt64 = 0
    private var failures: [String: (error: DownloadError, until: UInt64)] = [:]
    private var layouts: [(key: String, layout: Layout)] = []
    private var opening: Task<Void, Never>?
    private var background: Set<String> = []
    private(set) var isClosed = false

    /// Nothing is read or written before `start()`. `CoreError` without memory.
    public convenience init(
        catalogue: any Catalogue, index: any ArtefactIndex, store: any ObjectStore, options: DownloadOptions,
        clock: LoopClock = .monotonic
    ) throws(CoreError) {
        try self.init(
            catalogue: catalogue, index: index, store: store, options: options, clock: clock, space: FillSpace())
    }

    init(
        catalogue: any Catalogue, index: any ArtefactIndex, store: any ObjectStore, options: DownloadOptions,
        clock: LoopClock, space: FillSpace
    ) throws(CoreError) {
        self.options = options
        self.catalogue = catalogue
        self.index = index
        self.store = store
        self.clock = clock
        self.space = space
        wall = Downloads.now
        policy = DownloadPolicy(options, memory: ProcessMemory().limit)
        cache = ArtefactCache(options, index: index, clock: clock, wall: Downloads.now)
        learner = PageLearner(store, space, directory: options.directory)
        memory = MemoryAdmission(limit: options.memory)
        cache.onEvent = { [weak self] in self?.onEvent?($0) }
    }

    private nonisolated static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    // MARK: Beginning and end

    /// Makes the directory, and removes what an interrupted run left in it. Requests may come before it has ended; a
    /// directory that cannot be used is told as an event and in `state`, and downloads work without a cache.
    public func start() async {
        if let opening { return await opening.value }
        let task = spawn { [self] in
            onEvent?(.threshold(megabytes: Int(policy.threshold >> 20)))
            await cache.open()
            // What was invalidated before this is told by it.
            if !isClosed { index.onInvalidation = { [weak self] keys in self?.invalidated(keys) } }
        }
        opening = task
        await task.value
    }

    /// Generations end, and who reads them is cut; new requests get `.closed`.
    public func close() async {
        guard !isClosed else { return }
        isClosed = true
        index.onInvalidation = nil
        memory.close()
        await opening?.value
        for task in beginning.values { _ = await task.value }
        for fill in Array(under.values) { fill.cancel(DownloadError(.closed, "Weir is shutting down")) }
        for fill in Array(under.values) { await fill.ended() }
        await cache.close()
    }

    // MARK: What there is

    /// What a request is about: title, length, ETag. Facts of pages that nobody knows yet are learnt first, once.
    public func find(_ request: DownloadRequest) async throws(DownloadError) -> Download {
        let began = invalidations
        var artefact = try await artefact(of: request)
        var key = try await key(of: artefact)
        if let entry = await cache.find(key) {
            return Download(
                self, key: key, artefact, length: entry.row.bytes, layout: nil, book: request.book, entry: entry,
                cache: .hit)
        }
        try check(key)
        if !artefact.isKnown {
            artefact = try await learn(artefact)
            key = try await self.key(of: artefact)
        }
        let layout = try await layout(of: artefact, key)
        let download = Download(
            self, key: key, artefact, length: layout.length, layout: layout, book: request.book, entry: nil,
            cache: fills[key] == nil ? .miss : .joined)
        download.began = began
        return download
    }

    /// The cached artefact of chapters, whole and checked, or nil.
    public func getStream(_ chapterIDs: [String], _ format: DownloadFormat) async -> Download? {
        guard let artefact = try? await artefact(of: DownloadRequest(.chapters(chapterIDs), as: format)) else {
            return nil
        }
        guard let key = try? await key(of: artefact) else { return nil }
        guard let entry = await cache.find(key) else { return nil }
        return Download(self, key: key, artefact, length: entry.row.bytes, layout: nil, entry: entry, cache: .hit)
    }

    /// Why a request would be a hit or a miss. Nothing is read of pages.
    public func explain(_ request: DownloadRequest) async throws(DownloadError) -> DownloadExplanation {
        let artefact = try await artefact(of: request)
        let key = try await key(of: artefact)
        let pages = artefact.chapters.reduce(0) { $0 + $1.pages.count }
        let unknown = artefact.chapters.reduce(0) { $0 + $1.pages.filter { $0.facts == nil }.count }
        var length = artefact.isKnown ? try await layout(of: artefact, key).length : nil
        var state = DownloadCache.miss
        var reason = "it is not in the cache"
        if let row = await cache.look(key) {
            (state, length) = (.hit, row.bytes)
            reason = "it is in the cache, and was served \(row.hits) times"
        } else if let fill = fills[key] {
            state = .joined
            reason = "it is being made: \(fill.fill.done) bytes so far"
        } else if let dropped = cache.dropped(key) {
            reason = dropped.reason
        } else if unknown > 0 {
            reason = "nothing is known of \(unknown) of its \(pages) pages"
        }
        return DownloadExplanation(
            key: key, cache: state, reason: reason, length: length, estimate: artefact.estimate,
            strategy: policy.decide(length: length, estimate: artefact.estimate), pages: pages, unknown: unknown,
            dropped: cache.dropped(key))
    }

    private func artefact(of request: DownloadRequest) async throws(DownloadError) -> Artefact {
        if isClosed { throw DownloadError(.closed, "Weir is shutting down") }
        switch request.subject {
        case .chapter(let id): return Artefact(request.format, of: try await chapter(id))
        case .book(let id):
            let book: Book?
            do throws(DatabaseError) { book = try await catalogue.book(id) } catch { throw DownloadError(error) }
            guard let book else { throw DownloadError(.notFound, "there is no book '\(id)'") }
            return Artefact(request.format, title: book.title, chapters: try await chapters(book.chapters))
        case .chapters(let ids):
            guard !ids.isEmpty else { throw DownloadError(.notFound, "no chapters are asked for") }
            let chapters = try await chapters(ids)
            if chapters.count == 1 { return Artefact(request.format, of: chapters[0]) }
            return Artefact(request.format, title: chapters.map(\.title).joined(separator: ", "), chapters: chapters)
        }
    }

    private func chapters(_ ids: [String]) async throws(DownloadError) -> [Chapter] {
        var chapters: [Chapter] = []
        var pages = 0
        for id in ids {
            let chapter = try await chapter(id)
            pages += chapter.pages.count
            // Before there are more of them than anybody should hold.
            if pages > LayoutWriter.maxPages { throw DownloadError(LayoutError.tooManyPages(pages)) }
            chapters.append(chapter)
        }
        return chapters
    }

    /// What an artefact is known by; of many pages it is made on the pool.
    private func key(of artefact: Artefact) async throws(DownloadError) -> String {
        let pages = artefact.chapters.reduce(0) { $0 + $1.pages.count }
        if pages <= Downloads.pagesOnLoop { return ArtefactKey(artefact).description }
        guard let key = try? await onPool({ ArtefactKey(artefact).description }) else {
            throw DownloadError(.closed, "Weir is shutting down")
        }
        return key
    }

    private func chapter(_ id: String) async throws(DownloadError) -> Chapter {
        let chapter: Chapter?
        do throws(DatabaseError) { chapter = try await catalogue.chapter(id) } catch { throw DownloadError(error) }
        guard let chapter else { throw DownloadError(.notFound, "there is no chapter '\(id)'") }
        return chapter
    }

    func layout(of artefact: Artefact, _ key: String) async throws(DownloadError) -> Layout {
        if let index = layouts.firstIndex(where: { $0.key == key }) {
            let found = layouts.remove(at: index)
            layouts.append(found)
            return found.layout
        }
        let pages = artefact.chapters.reduce(0) { $0 + $1.pages.count }
        let result: Result<Layout?, LayoutError>
        if pages <= Downloads.pagesOnLoop {
            result = Downloads.lay(artefact)
        } else {
            result = (try? await onPool { Downloads.lay(artefact) }) ?? .success(nil)
        }
        let layout: Layout?
        do throws(LayoutError) { layout = try result.get() } catch { throw DownloadError(error) }
        guard let layout else { throw DownloadError(.closed, "it could not be laid out") }
        layouts.append((key, layout))
        var kept = layouts.reduce(0) { $0 + $1.layout.pages.count }
        while layouts.count > 1, kept > Downloads.layoutPages { kept -= layouts.removeFirst().layout.pages.count }
        return layout
    }

    private nonisolated static func lay(_ artefact: Artefact) -> Result<Layout?, LayoutError> {
        do throws(LayoutError) { return .success(try Layout(artefact)) } catch { return .failure(error) }
    }

    // MARK: What is learnt

    func learn(_ artefact: Artefact) async throws(DownloadError) -> Artefact {
        var artefact = artefact
        let pages = artefact.chapters.flatMap(\.pages)
        let facts = try await learner.learn(pages, .demand) { await self.keep($0) }
        for chapter in artefact.chapters.indices {
            for page in artefact.chapters[chapter].pages.indices
            where artefact.chapters[chapter].pages[page].facts == nil {
                artefact.chapters[chapter].pages[page].facts = facts[artefact.chapters[chapter].pages[page].objectKey]
            }
        }
        return artefact
    }

    /// What is not kept will be learnt again.
    private func keep(_ facts: [String: PageFacts]) async {
        do throws(DatabaseError) { try await catalogue.learn(facts) } catch {
            onEvent?(.trouble("what was learnt of pages is not kept: \(error)"))
        }
    }

    /// Learns what is not known of a chapter's pages, in the background: after it was put. Never fails; what it cannot learn
    /// the next request will.
    public func learn(chapter id: String) {
        failures = [:]
        guard !isClosed, background.insert(id).inserted else { return }
        spawn { [self] in
            defer { background.remove(id) }
            do throws(DownloadError) {
                _ = try await learner.learn(try await chapter(id).pages, .background) { await self.keep($0) }
            } catch {
                if error.kind != .notFound { onEvent?(.trouble("chapter '\(id)': \(error)")) }
            }
        }
    }

    /// The objects of an artefact have changed: what is known of them is forgotten, and what was built of them goes.
    func forget(_ artefact: Artefact, page: DownloadError.Place?) async {
        for chapter in artefact.chapters {
            if let page, !chapter.pages.contains(where: { $0.objectKey == page.objectKey }) { continue }
            do throws(DatabaseError) {
                _ = try await catalogue.forget(chapter: chapter.id)
                _ = try await cache.invalidate(.chapters([chapter.id]))
            } catch {
                onEvent?(.trouble("chapter '\(chapter.id)', whose pages have changed: \(error)"))
            }
        }
        layouts = []
    }

    // MARK: What goes

    /// Removes what was built from these, here and on other nodes; the keys of what was here.
    @discardableResult
    public func invalidate(_ what: Invalidation) async throws(DownloadError) -> [String] {
        failures = [:]
        invalidations += 1
        for shared in fills.values where shared.isMade(of: what) { stale(shared) }
        do throws(DatabaseError) { return try await cache.invalidate(what) } catch { throw DownloadError(error) }
    }

    /// One that must not be kept any more. Its readers go on.
    func stale(_ shared: SharedFill) {
        shared.isStale = true
        fills[shared.fill.key] = nil
    }

    /// Another node has invalidated these; nil: some that nobody knows.
    private func invalidated(_ keys: [String]?) {
        invalidations += 1
        guard let keys else {
            spawn { await self.cache.reconcile() }
            return
        }
        for key in keys { if let shared = fills[key] { stale(shared) } }
        spawn { await self.cache.removeFiles(keys, reason: "another node invalidated it") }
    }

    // MARK: Failures

    func remember(_ key: String, _ error: DownloadError) {
        if failures.count >= Downloads.failureLimit { failures = failures.filter { $0.value.until > clock.now } }
        guard failures.count < Downloads.failureLimit else { return }
        failures[key] = (error, clock.deadline(after: Downloads.failureAge))
    }

    private func check(_ key: String) throws(DownloadError) {
        guard let failure = failures[key] else { return }
        if clock.now >= failure.until {
            failures[key] = nil
            return
        }
        counts.refused += 1
        throw failure.error
    }
}
