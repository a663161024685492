internal import CWeirDownloads
internal import Glibc
internal import WeirDatabase
internal import WeirLoop
internal import WeirStorage

/// Learns what is not known of pages, by reading them: a few at a time, those first that a request waits for.
@LoopActor
final class PageLearner {
    enum Priority {
        /// A request waits for it.
        case demand
        case background
    }

    /// Pages that are read at once.
    static let parallel = 4
    /// Bytes that are read at once, on the pool.
    nonisolated static let block = 262_144

    private let store: any ObjectStore
    private let space: FillSpace
    private let directory: String
    private var inside = 0
    private var waiting: [Priority: [UnsafeContinuation<Void, Never>]] = [:]
    private var running: [String: Task<Result<PageFacts, ObjectError>, Never>] = [:]
    private(set) var learnt: UInt64 = 0

    /// `directory`: where pages lie for a moment that are large and not local.
    init(_ store: any ObjectStore, _ space: FillSpace, directory: String) {
        self.store = store
        self.space = space
        self.directory = directory
    }

    /// The facts of pages whose facts are not known, by their objects' keys. Fails with the first that cannot be read; what
    /// was learnt until then is told by `keep`.
    func learn(
        _ pages: [Page], _ priority: Priority, keep: @LoopActor ([String: PageFacts]) async -> Void
    ) async throws(DownloadError) -> [String: PageFacts] {
        var wanted: [(place: DownloadError.Place, key: String)] = []
        var seen: Set<String> = []
        for (index, page) in pages.enumerated() where page.facts == nil && seen.insert(page.objectKey).inserted {
            wanted.append((DownloadError.Place(objectKey: page.objectKey, number: index + 1), page.objectKey))
        }
        var facts: [String: PageFacts] = [:]
        var failure: DownloadError?
        let batches = stride(from: 0, to: wanted.count, by: 64).map { wanted[$0..<min($0 + 64, wanted.count)] }
        for batch in batches where failure == nil {
            var learnt: [String: PageFacts] = [:]
            let tasks = batch.map { page in (page, spawn { await self.learn(page.key, priority) }) }
            for (page, task) in tasks {
                switch await task.value {
                case .success(let found): learnt[page.key] = found
                case .failure(let error): failure = failure ?? DownloadError(error, page: page.place)
                }
            }
            facts.merge(learnt) { $1 }
            if !learnt.isEmpty { await keep(learnt) }
        }
        if let failure { throw failure }
        return facts
    }

    private func learn(_ key: String, _ priority: Priority) async -> Result<PageFacts, ObjectError> {
        if let task = running[key] { return await task.value }
        let task = spawn { () -> Result<PageFacts, ObjectError> in
            await self.enter(priority)
            defer { self.leave() }
            do throws(ObjectError) {
                let facts = try await self.read(key)
                self.learnt += 1
                return .success(facts)
            } catch {
                return .failure(error)
            }
        }
        running[key] = task
        let result = await task.value
        running[key] = nil
        return result
    }

    private func enter(_ priority: Priority) async {
        if inside < PageLearner.parallel {
            inside += 1
            return
        }
        await withUnsafeContinuation { waiting[priority, default: []].append($0) }
    }

    private func leave() {
        for priority in [Priority.demand, .background] {
            guard let first = waiting[priority]?.first else { continue }
            waiting[priority]?.removeFirst()
            first.resume()
            return
        }
        inside -= 1
    }

    // MARK: One page

    private func read(_ text: String) async throws(ObjectError) -> PageFacts {
        let stream = try await store.get(try ObjectKey(text), nil)
        let info = stream.info
        defer { stream.close() }
        if stream.isFile {
            let descriptor = stream.takeDescriptor()
            let (facts, failure) = await PageLearner.facts(
                of: descriptor, from: stream.offset, length: info.length, etag: info.etag, closing: true)
            guard let facts else { throw PageLearner.error(failure, text) }
            return facts
        }
        let directory = directory
        let file = (try? await onPool { weir_spool_open(directory, info.length) }) ?? CoreError.closed.rawValue
        guard file >= 0 else { throw PageLearner.error(file, text) }
        let bytes: FillBytes
        do throws(CoreError) { bytes = try FillBytes(space, file: file, first: 0) } catch {
            Glibc.close(file)
            throw PageLearner.error(error.rawValue, text)
        }
        bytes.onUnwritable = { [unowned bytes] in bytes.stop($0) }
        let fed = await bytes.feed(
            stream.takeDescriptor(), isFile: false, offset: 0, [PageSpan(skip: 0, count: info.length)])
        if fed == FillEnd.endOfFile {
            try await stream.ended()
            throw ObjectError(argument: "\(text) ended before its \(info.length) bytes")
        }
        guard fed == 0 else { throw PageLearner.error(fed, text) }
        let flushed = await bytes.flush()
        guard flushed == 0 else { throw PageLearner.error(flushed, text) }
        let (facts, failure) = await PageLearner.facts(
            of: bytes.file, from: 0, length: info.length, etag: info.etag, closing: false)
        withExtendedLifetime(bytes) {}
        guard let facts else { throw PageLearner.error(failure, text) }
        return facts
    }

    private static func error(_ status: Int32, _ key: String) -> ObjectError {
        ObjectError(
            argument: status == FillEnd.endOfFile
                ? "\(key) ended before its length" : "\(key) cannot be read: \(CoreError(rawValue: status))")
    }

    /// Reads a file on the pool; the facts, or a libuv error.
    private static func facts(
        of descriptor: Int32, from offset: UInt64, length: UInt64, etag: String, closing: Bool
    ) async -> (PageFacts?, Int32) {
        let result = try? await onPool { () -> (PageFacts?, Int32) in
            defer { if closing { Glibc.close(descriptor) } }
            let reading = PageReading()
            var done: UInt64 = 0
            let room = UnsafeMutableRawBufferPointer.allocate(byteCount: block, alignment: 16)
            defer { room.deallocate() }
            while done < length {
                let wanted = Int(min(UInt64(block), length - done))
                let count = pread(descriptor, room.baseAddress, wanted, off_t(clamping: offset + done))
                if count < 0 && errno == EINTR { continue }
                if count <= 0 { return (nil, count < 0 ? -errno : FillEnd.endOfFile) }
                reading.read(UnsafeRawBufferPointer(rebasing: room[..<count]))
                done += UInt64(count)
            }
            return (reading.facts(etag: etag), 0)
        }
        return result ?? (nil, CoreError.closed.rawValue)
    }
}
