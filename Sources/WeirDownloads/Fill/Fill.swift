internal import Glibc
internal import WeirDatabase
internal import WeirHTTP
internal import WeirLoop
internal import WeirStorage

/// One generation of a range of a layout: whole into a file for the cache, or without one for a single reader.
@LoopActor
final class Fill {
    enum Outcome: Equatable {
        case running
        /// All bytes are there, and in the file if there is one.
        case complete
        case failed(DownloadError)
        /// The copy was given up; readers go on by themselves.
        case dropped(DownloadBypass)
    }

    let key: String
    let layout: Layout
    let range: Range<UInt64>
    let bytes: FillBytes
    /// What its file takes, until its last reader has gone.
    var memory: HeldMemory?
    private let reader: PageReader
    private let started: UInt64
    private let clock: LoopClock
    private(set) var outcome = Outcome.running
    private(set) var readers = 0
    /// Readers that there have been.
    private(set) var visits = 0
    private var task: Task<Void, Never>?
    private var isPrepared = false
    private var preparing: [UnsafeContinuation<Void, Never>] = []
    private var completing: [UnsafeContinuation<Void, Never>] = []
    /// Called when the last reader has left one that runs.
    var onDeserted: (() -> Void)?
    /// The disk is full: whether there is room again, so that writing goes on.
    var onFull: (() async -> Bool)?

    /// `file` is the fill's from then on, -1 for none; when this throws, the caller's.
    init(
        key: String, _ layout: Layout, _ range: Range<UInt64>, store: any ObjectStore, space: FillSpace, file: Int32,
        clock: LoopClock
    ) throws(CoreError) {
        self.key = key
        self.layout = layout
        self.range = range
        self.clock = clock
        started = clock.now
        bytes = try FillBytes(space, file: file, first: range.lowerBound)
        reader = PageReader(store, layout, range)
    }

    /// Milliseconds since it began.
    var age: Int64 { Int64(clamping: (clock.now &- started) / 1_000_000) }

    /// Of its bytes, how many there are.
    var done: UInt64 { bytes.head - range.lowerBound }

    // MARK: Making

    /// Makes all bytes; `finish`, of one with a file, is what is done when they are in it.
    func start(_ finish: @escaping @LoopActor (Fill) async -> Void = { _ in }) {
        bytes.onSlow = { [weak self] in self?.drop(.slow) }
        bytes.onUnwritable = { [weak self] error in self?.unwritable(error) }
        task = spawn {
            do throws(DownloadError) {
                try await self.make()
                if case .running = self.outcome { self.outcome = .complete }
            } catch {
                self.fail(error)
            }
            self.reader.close()
            self.prepared()
            let waiters = self.completing
            self.completing = []
            for waiter in waiters { waiter.resume() }
            await finish(self)
        }
    }

    /// Returns when it has ended, published and all.
    func ended() async { await task?.value }

    /// Returns when all its bytes are there, or never will be.
    func complete() async {
        if case .running = outcome { await withUnsafeContinuation { completing.append($0) } }
    }

    private func make() async throws(DownloadError) {
        // An object that is missing is known before the first byte.
        try await reader.prepare()
        while let piece = try await reader.next() {
            guard case .running = outcome else { return }
            switch piece {
            case .literal(let literal):
                do throws(CoreError) { try bytes.append(literal) } catch {
                    throw DownloadError(.overMemory, "no memory for \(literal.count) bytes")
                }
            case .page(let run, let stream):
                if !isPrepared { prepared() }
                try await feed(run, stream)
            }
            guard case .running = outcome else { return }
        }
        prepared()
        let status = await bytes.flush()
        if status != 0, case .running = outcome { throw DownloadError(.closed, "it was stopped") }
    }

    private func feed(_ run: PageRun, _ stream: ObjectStream) async throws(DownloadError) {
        let place = reader.place(of: run.page)
        let status = await bytes.feed(
            stream.takeDescriptor(), isFile: stream.isFile, offset: stream.offset, run.spans)
        defer { stream.close() }
        if bytes.stopped != 0 { return }
        if status == FillEnd.endOfFile {
            do throws(ObjectError) { try await stream.ended() } catch {
                throw DownloadError(error, page: place)
            }
            throw DownloadError(
                .pageShort, "page \(place.number), \(place.objectKey), ended before its \(run.end) bytes", page: place)
        }
        guard status == 0 else {
            throw DownloadError(
                .store, "page \(place.number), \(place.objectKey): \(CoreError(rawValue: status))", page: place)
        }
        guard let facts = reader.facts(of: run.page), run.offset == 0, run.end == facts.length, run.spans.count == 1
        else { return }
        guard bytes.fedCRC32 == facts.crc32 else {
            throw DownloadError(
                .pageChanged, "page \(place.number), \(place.objectKey), has not the bytes that it had", page: place)
        }
    }

    // MARK: Its end

    private func fail(_ error: DownloadError) {
        guard case .running = outcome else { return }
        outcome = .failed(error)
        bytes.stop(CoreError(errno: EIO))
    }

    /// Gives the copy up.
    func drop(_ reason: DownloadBypass) {
        guard case .running = outcome else { return }
        outcome = .dropped(reason)
        bytes.stop(CoreError(errno: EIO))
    }

    /// Ends it for everybody.
    func cancel(_ error: DownloadError = DownloadError(.closed, "it was given up")) {
        fail(error)
        reader.close()
    }

    private func unwritable(_ error: CoreError) {
        let isFull = [ENOSPC, EDQUOT].contains(-error.rawValue)
        guard isFull, let onFull else { return drop(isFull ? .full : .failed) }
        spawn {
            if await onFull() { self.bytes.retry() } else { self.drop(.full) }
        }
    }

    // MARK: Readers

    private func prepared() {
        isPrepared = true
        let waiters = preparing
        preparing = []
        for waiter in waiters { waiter.resume() }
    }

    /// Returns when its first page is there, or nothing ever will be.
    func prepare() async throws(DownloadError) {
        if !isPrepared, case .running = outcome { await withUnsafeContinuation { preparing.append($0) } }
        if case .failed(let error) = outcome { throw error }
    }

    func join() {
        readers += 1
        visits += 1
    }

    func leave() {
        readers -= 1
        if readers == 0, case .running = outcome { onDeserted?() }
    }
}

/// libuv's number for the end of a file.
enum FillEnd {
    static let endOfFile: Int32 = -4095
}
