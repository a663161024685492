internal import CWeirDownloads
internal import Glibc
internal import WeirDatabase
internal import WeirLoop

// Generations: one for each artefact, however many ask.
extension Downloads {
    /// The generation of an artefact: the one under way, or a new one.
    func beginning(_ download: Download, _ layout: Layout) async -> Beginning {
        let key = download.key
        if let shared = fills[key] {
            counts.joined += 1
            download.cache = .joined
            return .fill(shared)
        }
        if let task = beginning[key] {
            let result = await task.value
            switch result {
            case .fill:
                counts.joined += 1
                download.cache = .joined
                return result
            case .hit:
                // That file is another reader's.
                if let entry = await cache.find(key) { return .hit(entry) }
                return .none
            case .none, .failed: return result
            }
        }
        let task = spawn { await self.begin(download, layout) }
        beginning[key] = task
        let result = await task.value
        beginning[key] = nil
        if case .fill = result {
            counts.misses += 1
            download.cache = .miss
        }
        return result
    }

    private func begin(_ download: Download, _ layout: Layout) async -> Beginning {
        let (key, artefact) = (download.key, download.artefact)
        await start()
        // It may have been kept since it was looked for.
        if let entry = await cache.find(key) { return .hit(entry) }
        let strategy = policy.decide(length: layout.length, estimate: artefact.estimate)
        onEvent?(
            .size(key: key, estimate: DownloadPolicy.pageEstimate * UInt64(layout.pages.count), actual: layout.length))
        onEvent?(.strategy(key: key, strategy))
        if strategy == .buffer { return await beginInMemory(download, layout) }
        let temporary: ArtefactDirectory.Temporary
        switch await cache.begin(key, length: layout.length) {
        case .success(let made): temporary = made
        case .failure(.bypass(let reason)):
            bypassed(key, reason)
            return .none
        }
        guard let fill = make(key, layout, file: temporary.descriptor) else {
            Glibc.close(temporary.descriptor)
            await cache.discard(temporary, length: layout.length)
            return .none
        }
        let shared = share(fill, download, .stream, nil)
        fill.onFull = { [cache] in await cache.evict(atLeast: layout.length) }
        fill.start { [self] fill in
            await ended(shared)
            if case .complete = fill.outcome, !shared.isStale {
                await publish(shared, temporary, descriptor: fill.bytes.file)
            } else {
                await cache.discard(temporary, length: layout.length)
            }
            over(shared)
        }
        return .fill(shared)
    }

    /// One that is made in memory before any of it is sent; the copy on disk is made afterwards.
    private func beginInMemory(_ download: Download, _ layout: Layout) async -> Beginning {
        let key = download.key
        let grant: MemoryAdmission.Grant
        if memory.used > memory.limit - min(memory.limit, layout.length) || memory.waiting > 0 { counts.queued += 1 }
        do throws(DownloadError) { grant = try await memory.acquire(layout.length) } catch { return .failed(error) }
        let file = weir_spool_memory()
        guard file >= 0, let fill = make(key, layout, file: file) else {
            if file >= 0 { Glibc.close(file) }
            memory.release(grant)
            return .none
        }
        let shared = share(fill, download, .buffer, grant)
        fill.start { [self] fill in
            await ended(shared)
            // Who joins from now on finds it whole.
            if case .complete = fill.outcome, !shared.isStale {
                switch await cache.begin(key, length: layout.length) {
                case .failure(.bypass(let reason)): bypassed(key, reason)
                case .success(let temporary): await save(shared, temporary)
                }
            }
            over(shared)
        }
        return .fill(shared)
    }

    private func save(_ shared: SharedFill, _ temporary: ArtefactDirectory.Temporary) async {
        let (from, length) = (shared.fill.bytes.file, shared.fill.layout.length)
        let copied = (try? await onPool { weir_spool_copy(from, temporary.descriptor, length) }) ?? -EIO
        if copied == 0 {
            await publish(shared, temporary, descriptor: temporary.descriptor)
        } else {
            await cache.discard(temporary, length: length)
            bypassed(shared.fill.key, [ENOSPC, EDQUOT].contains(-copied) ? .full : .failed)
        }
        _ = try? await onPool { Glibc.close(temporary.descriptor) }
    }

    private func make(_ key: String, _ layout: Layout, file: Int32) -> Fill? {
        try? Fill(key: key, layout, 0..<layout.length, store: store, space: space, file: file, clock: clock)
    }

    private func share(
        _ fill: Fill, _ download: Download, _ strategy: DownloadStrategy, _ grant: MemoryAdmission.Grant?
    ) -> SharedFill {
        let shared = SharedFill(fill, download.artefact, strategy, book: download.book)
        if let grant { fill.memory = HeldMemory(grant, memory) }
        fills[fill.key] = shared
        under[ObjectIdentifier(fill)] = fill
        counts.generations += 1
        // Something was invalidated since it was asked for, perhaps this: it is sent, but not kept.
        if download.began != invalidations { stale(shared) }
        fill.onDeserted = { [weak self, weak fill] in
            guard let self, let fill else { return }
            deserted(fill)
        }
        return shared
    }

    private func deserted(_ fill: Fill) {
        if DownloadPolicy.goesOn(done: fill.done, of: fill.layout.length) {
            counts.continued += 1
            return
        }
        counts.abandoned += 1
        if fills[fill.key]?.fill === fill { fills[fill.key] = nil }
        fill.cancel()
    }

    /// All its bytes are there, or never will be.
    private func ended(_ shared: SharedFill) async {
        let key = shared.fill.key
        switch shared.fill.outcome {
        case .running, .complete: break
        case .dropped(let reason):
            if fills[key] === shared { fills[key] = nil }
            bypassed(key, reason)
        case .failed(let error):
            if error.kind != .closed {
                counts.generationsFailed += 1
                onEvent?(.failed(key: key, error))
                switch error.kind {
                case .pageChanged, .pageShort: await forget(shared.artefact, page: error.page)
                default: remember(key, error)
                }
            }
            // From here on it is tried anew.
            if fills[key] === shared { fills[key] = nil }
        }
    }

    private func over(_ shared: SharedFill) {
        if fills[shared.fill.key] === shared { fills[shared.fill.key] = nil }
        under[ObjectIdentifier(shared.fill)] = nil
    }

    private func publish(
        _ shared: SharedFill, _ temporary: ArtefactDirectory.Temporary, descriptor: Int32
    ) async {
        let fill = shared.fill
        let row = ArtefactRow(
            key: fill.key, bytes: fill.layout.length, crc32: fill.bytes.crc32, format: shared.artefact.format.rawValue,
            chapters: shared.artefact.chapters.map(\.id), book: shared.book, cost: fill.age, created: wall(),
            used: wall())
        do {
            try await cache.publish(temporary, descriptor: descriptor, row)
            onEvent?(.saved(key: fill.key, bytes: row.bytes, milliseconds: fill.age))
            // It was invalidated in the last moment.
            if shared.isStale { await cache.remove(fill.key, reason: "it was invalidated") }
        } catch {
            onEvent?(.trouble("\(fill.key) is not kept: \(error)"))
            bypassed(fill.key, .failed)
        }
    }

    private func bypassed(_ key: String, _ reason: DownloadBypass) {
        counts.bypassed[reason, default: 0] += 1
        onEvent?(.bypassed(key: key, reason: reason))
    }

    // MARK: What is known

    public var counters: DownloadCounters {
        var counters = counts
        let kept = cache.counters
        (counters.saved, counters.savedBytes) = (kept.saved, kept.savedBytes)
        (counters.evicted, counters.evictedBytes) = (kept.evicted, kept.evictedBytes)
        (counters.healed, counters.verified, counters.damaged) = (kept.healed, kept.verified, kept.damaged)
        (counters.orphans, counters.invalidated) = (kept.orphans, kept.invalidated)
        counters.indexErrors = kept.indexErrors
        counters.learnt = learner.learnt
        return counters
    }

    public var state: DownloadState {
        var state = DownloadState()
        state.fills = fills.values.map {
            DownloadState.Fill(
                key: $0.fill.key, title: $0.artefact.title, format: $0.artefact.format, done: $0.fill.done,
                length: $0.fill.layout.length, readers: $0.fill.readers)
        }.sorted { $0.key < $1.key }
        state.artefacts = cache.count
        state.bytes = cache.bytes
        state.budget = options.budget
        state.memory = [.buffer: memory.used, .stream: UInt64(space.blocks) * UInt64(WEIR_FILL_BLOCK)]
        state.waiting = memory.waiting
        state.trouble = cache.trouble
        return state
    }
}
