internal import CWeirDownloads
internal import Glibc
internal import WeirDatabase
internal import WeirHTTP
internal import WeirLoop

// Where the bytes of a range come from.
extension Downloads {
    /// The first route of a download.
    func route(_ download: Download, _ range: Range<UInt64>) async throws(DownloadError) -> Download.Route {
        if isClosed { throw DownloadError(.closed, "Weir is shutting down") }
        if let entry = download.entry {
            download.entry = nil
            return try hit(download, entry)
        }
        let key = download.key
        guard let layout = download.layout else { throw DownloadError(.closed, "the reader has gone") }
        let head = fills[key]?.fill.bytes.head
        guard DownloadPolicy.way(range, of: layout.length, head: head) == .fill else {
            return try await direct(download, layout, range, cache: head == nil ? .miss : .joined)
        }
        switch await beginning(download, layout) {
        case .hit(let entry): return try hit(download, entry)
        case .failed(let error): throw error
        case .none: return try await direct(download, layout, range, cache: .miss)
        case .fill(let shared):
            let fill = shared.fill
            // From here on it is not given up under this reader's feet.
            fill.join()
            do throws(DownloadError) {
                try await fill.prepare()
                if shared.strategy == .buffer { await fill.complete() }
                if case .failed(let error) = fill.outcome { throw error }
                if case .dropped = fill.outcome {
                    fill.leave()
                    return try await direct(download, layout, range, cache: download.cache)
                }
            } catch {
                fill.leave()
                throw error
            }
            return .shared(fill, try source { () throws(CoreError) in try fill.bytes.source(from: range.lowerBound) })
        }
    }

    private func source(
        _ make: () throws(CoreError) -> ByteSource
    ) throws(DownloadError) -> ByteSource {
        do throws(CoreError) { return try make() } catch {
            throw DownloadError(.file(error), "no memory for a reader: \(error)")
        }
    }

    private func hit(
        _ download: Download, _ entry: ArtefactCache.Entry
    ) throws(DownloadError) -> Download.Route {
        let source: ByteSource
        do throws(CoreError) {
            source = try space.source(file: entry.descriptor, length: entry.row.bytes)
        } catch {
            Glibc.close(entry.descriptor)
            throw DownloadError(.file(error), "no memory for a reader: \(error)")
        }
        download.cache = .hit
        cache.use(entry.row)
        counts.hits += 1
        onEvent?(.hit(key: download.key))
        return .file(source)
    }

    /// A generation of a range by itself, which keeps its reader's pace.
    private func direct(
        _ download: Download, _ layout: Layout, _ range: Range<UInt64>, cache: DownloadCache
    ) async throws(DownloadError) -> Download.Route {
        let fill: Fill
        do throws(CoreError) {
            fill = try Fill(
                key: download.key, layout, range, store: store, space: space, file: -1, clock: clock)
        } catch {
            throw DownloadError(.file(error), "no memory for a reader: \(error)")
        }
        counts.direct += 1
        if cache == .miss, download.cache != .hit { counts.misses += 1 }
        if download.cache != .hit { download.cache = cache }
        under[ObjectIdentifier(fill)] = fill
        fill.start { [self] fill in
            under[ObjectIdentifier(fill)] = nil
            if case .failed(let error) = fill.outcome, error.kind == .pageChanged || error.kind == .pageShort {
                await forget(download.artefact, page: error.page)
            }
        }
        let source = try source { () throws(CoreError) in try fill.bytes.source(from: range.lowerBound) }
        fill.join()
        try await fill.prepare()
        return .direct(fill, source)
    }

    /// Goes on from a position after a route has ended early: with its reason where that is the artefact's, and by itself
    /// where only the copy failed.
    func reroute(
        _ download: Download, _ old: Download.Route, _ range: Range<UInt64>, _ status: Int32
    ) async throws(DownloadError) -> Download.Route {
        switch old {
        case .direct(let fill, _), .shared(let fill, _):
            if case .failed(let error) = fill.outcome { throw error }
            if case .direct = old {
                throw DownloadError(
                    .file(CoreError(rawValue: status)), "it ended early: \(CoreError(rawValue: status))")
            }
        case .file:
            if let row = await cache.look(download.key) { await cache.heal(row, "it ended early") }
        }
        if isClosed { throw DownloadError(.closed, "Weir is shutting down") }
        var artefact = download.artefact
        if download.layout == nil {
            if !artefact.isKnown { artefact = try await learn(artefact) }
            download.layout = try await layout(of: artefact, download.key)
        }
        guard let layout = download.layout, layout.length == download.length else {
            throw DownloadError(.pageChanged, "the pages have changed while they were sent")
        }
        return try await direct(download, layout, range, cache: download.cache)
    }
}
