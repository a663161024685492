import Glibc
public import WeirLoop

/// The last part of a stream, kept in files: what a joiner is given before the present.
///
/// It is the file tier of a log. Positions count the stream's bytes from its beginning, as everywhere, and what is here
/// can be named by them: `range`. Memory does not depend on how much is kept. A station has one for a transport stream;
/// on its own it keeps what is appended to it.
@LoopActor
public final class WarmCache {
    /// Seconds after which a disk that failed is tried again.
    public static nonisolated let retryDelay = 60.0
    /// Seconds from one report of emptied files to the next: a slow disk may empty them all the time.
    public static nonisolated let reportInterval = 10.0

    public nonisolated let name: String
    public let log: Log
    /// The index of a transport stream; nil for any other bytes.
    public let track: Track?
    public private(set) var size: WarmSize
    /// Somebody watches the stream: its size follows the bitrate, and it keeps its share of the disk when that is short.
    public private(set) var isCommitted = false
    /// For what belongs in the log.
    public var onEvent: ((WarmEvent) -> Void)?

    private let caches: WarmCaches
    private let ownsLog: Bool
    private let timer: LoopTimer
    private var state = State.closed
    /// Bytes that may be kept: the size, or what the budget leaves of it.
    public private(set) var share: UInt64
    /// Nothing before is there any more, whatever the log still has.
    private var floor: UInt64 = 0
    private var committedSince: UInt64
    /// Restarts that were not reported yet, and when the last report was.
    private var restarts: (times: Int, lost: UInt64, reported: UInt64?) = (0, 0, nil)
    private var ending: Task<Void, Never>?

    private enum State {
        case closed
        case opening(Task<Void, Never>)
        case open(WarmDirectory)
        case failed(CoreError)
        case destroyed
    }

    /// For a log that somebody else writes. `track` is its index, where it carries a transport stream.
    public init(name: String, log: Log, track: Track?, options: WarmOptions, caches: WarmCaches) {
        self.name = name
        self.log = log
        self.track = track
        self.caches = caches
        ownsLog = false
        size = options.size
        share = UInt64(size.max)
        committedSince = caches.clock.now
        timer = LoopTimer(clock: caches.clock)
    }

    /// With a log of its own, of which `ring` bytes stay in memory. A transport stream's bytes may come in any pieces.
    public init(
        name: String, isTransport: Bool = true, ring: Int = 1 << 20, options: WarmOptions = WarmOptions(),
        caches: WarmCaches
    ) throws(CoreError) {
        self.name = name
        let log = try Log(capacity: ring, unit: isTransport ? Track.packet : 1)
        do {
            track = isTransport ? try Track(log: log) : nil
        } catch {
            log.close()
            throw error
        }
        self.log = log
        self.caches = caches
        ownsLog = true
        size = options.size
        share = UInt64(size.max)
        committedSince = caches.clock.now
        timer = LoopTimer(clock: caches.clock)
    }

    // MARK: Opening and ending

    /// Makes the files; from then on what is written is kept. Returns when that is so, or has failed: then it is tried
    /// again after `retryDelay`.
    public func open() async {
        switch state {
        case .closed, .failed: break
        case .opening(let task): return await task.value
        case .open, .destroyed: return
        }
        let task: Task<Void, Never> = spawn { await self.openFiles() }
        state = .opening(task)
        await task.value
    }

    private func openFiles() async {
        do {
            let place = try await caches.place(for: name)
            do {
                let directory = try place.duplicate()
                caches.add(self)
                do {
                    try log.openFiles(on: caches.disk, directory: directory, max: share, handler: handler())
                } catch {
                    WarmCache.close(directory)
                    throw error
                }
            } catch {
                caches.remove(self)
                try? await onPool { place.remove() }
                throw error
            }
            state = .open(place)
            onEvent?(.sized(share))
        } catch {
            let error = error as? CoreError ?? .closed
            state = .failed(error)
            turnedOff(error)
        }
    }

    private func handler() -> Log.FilesHandler {
        let handler = Log.FilesHandler()
        handler.onFull = { [weak self] in self?.cut(tail: $0, head: $1, max: $2) ?? $0 }
        handler.onRestart = { [weak self] in self?.restarted($0, lost: $1) }
        return handler
    }

    /// Removes the files and the directory, and a log of its own. Nothing is kept any more; returns when nothing is left.
    public func destroy() async {
        let task = ending ?? spawn { await self.takeDown() }
        ending = task
        await task.value
    }

    private func takeDown() async {
        if case .opening(let task) = state { await task.value }
        timer.close()
        if case .open(let place) = state { await giveUp(place) }
        state = .destroyed
        onEvent = nil
        if ownsLog {
            track?.close()
            log.close()
        }
    }

    private var isDestroyed: Bool { ending != nil }

    // MARK: Bytes

    /// Appends to the stream. Of a transport stream whole packets are kept, and `CoreError` tells when it is none.
    public func append(_ bytes: UnsafeRawBufferPointer) throws(CoreError) {
        if isDestroyed { throw .closed }
        if let track {
            try track.push(bytes)
        } else {
            log.append(bytes)
        }
    }

    public func append(_ bytes: [UInt8]) throws(CoreError) {
        let status = bytes.withUnsafeBytes { bytes -> CoreError? in
            do throws(CoreError) { try append(bytes) } catch { return error }
            return nil
        }
        if let status { throw status }
    }

    /// What can be had of the stream now.
    public var range: Range<UInt64> {
        if isDestroyed { return 0..<0 }
        let head = log.head
        return min(max(log.tail, floor), head)..<head
    }

    /// Bytes that can be had now.
    public var length: Int { range.count }

    /// A copy of a part of the stream; fewer bytes at its head. `CoreError.behind` when the beginning of the range is not kept
    /// any more. What is cut off while it is read is still read, unless that takes so long that the stream, of which half
    /// of the ring waits meanwhile, needs the space on the disk: that is `CoreError.behind`, too.
    ///
    /// - Complexity: O(bytes of the range), in memory too.
    public func slice(_ range: Range<UInt64>) async throws(CoreError) -> [UInt8] {
        let kept = self.range
        if isDestroyed { throw .closed }
        if range.lowerBound < kept.lowerBound { throw .behind }
        let end = min(range.upperBound, kept.upperBound)
        if range.lowerBound >= end { return [] }
        return try await log.read(range.lowerBound..<end)
    }

    /// `slice`, by the name of the system replaced.
    public func getSlice(_ range: Range<UInt64>) async throws(CoreError) -> [UInt8] { try await slice(range) }

    // MARK: What is kept

    /// Cuts off the old end as if the cache were full. It happens by itself when it is.
    public func rotate() {
        let kept = range
        if isDestroyed { return }
        floor = cut(tail: kept.lowerBound, head: kept.upperBound, max: share)
        log.cutFiles(at: floor)
    }

    /// Forgets everything; what is appended from now on is kept.
    public func clear() {
        if isDestroyed { return }
        floor = log.head
        log.clearFiles()
    }

    private func cut(tail: UInt64, head: UInt64, max: UInt64) -> UInt64 {
        Rotation.cut(tail: tail, head: head, max: max, unit: UInt64(log.unit)) { [track] in
            track?.before($0, floor: $1)
        }
    }

    /// Says whether somebody watches the stream.
    public func setCommitted(_ committed: Bool) {
        guard committed != isCommitted, !isDestroyed else { return }
        isCommitted = committed
        committedSince = caches.clock.now
        onEvent?(.committed(committed))
        caches.balance()
    }

    /// Sets what is kept by a bitrate, in bits a second, and seconds. A size from the configuration stays as it is.
    public func updateMaxSize(bitrate: Double, seconds: Double) {
        if size.update(bitrate: bitrate, seconds: seconds) { caches.balance() }
    }

    /// Keeps what other options say.
    func adjust(to options: WarmOptions) {
        if isDestroyed { return }
        size = size.with(options)
        caches.balance()
    }

    /// Takes note of the bitrate: the first one that is known, and while the stream is committed.
    func sample(bitrate: Double) {
        if size.sample(bitrate: bitrate, isCommitted: isCommitted) { caches.balance() }
    }

    // MARK: The disk

    var claim: WarmBudget.Claim {
        WarmBudget.Claim(wanted: UInt64(size.max), isCommitted: isCommitted, since: committedSince)
    }

    /// The budget leaves so many bytes.
    func allow(_ bytes: UInt64) {
        guard bytes != share else { return }
        share = bytes
        guard log.hasFiles else { return }
        // Shares are never below what a tier can be told.
        try? log.setFilesMax(bytes)
        onEvent?(.sized(bytes))
    }

    private func restarted(_ error: CoreError?, lost: UInt64) {
        restarts.times += 1
        restarts.lost += lost
        let now = caches.clock.now
        if restarts.reported.map({ now - $0 >= UInt64(WarmCache.reportInterval * 1e9) }) ?? true {
            onEvent?(.restarted(error: error, times: restarts.times, lost: restarts.lost))
            restarts = (0, 0, now)
        }
        if let error, log.filesInfo.isOff { turnedOff(error) }
    }

    private func turnedOff(_ error: CoreError) {
        if isDestroyed { return }
        onEvent?(.off(error: error, retry: WarmCache.retryDelay))
        timer.schedule(at: caches.clock.deadline(after: WarmCache.retryDelay)) { [weak self] in self?.retry() }
    }

    private func retry() {
        if isDestroyed { return }
        onEvent?(.retried)
        if case .open(let place) = state {
            spawn { await self.retry(in: place) }
        } else {
            spawn { await self.open() }
        }
    }

    /// Somebody may have removed the directory: then nothing can be made in it any more, and it takes another.
    private func retry(in place: WarmDirectory) async {
        let isThere = try? await onPool { place.isThere }
        if isDestroyed { return }
        guard isThere == false else { return log.retryFiles() }
        let task: Task<Void, Never> = spawn {
            await self.giveUp(place)
            await self.openFiles()
        }
        state = .opening(task)
    }

    private func giveUp(_ place: WarmDirectory) async {
        caches.remove(self)
        await log.closeFiles()
        try? await onPool { place.remove() }
    }

    /// Nothing is kept in files, because of an error.
    public var isOff: Bool {
        switch state {
        case .failed: true
        case .open: log.filesInfo.isOff
        case .closed, .opening, .destroyed: false
        }
    }

    public var report: WarmReport {
        var range = range
        // What was before a gap of the source is kept for a moment, and given to nobody.
        if let track, !isDestroyed { range = range.clamped(to: track.floor ..< .max) }
        var files: Log.FilesInfo?
        if case .open = state, !isDestroyed { files = log.filesInfo }
        return WarmReport(
            bytes: UInt64(range.count), seconds: seconds(of: range), tail: range.lowerBound, head: range.upperBound,
            max: share, disk: files?.disk ?? 0, isCommitted: isCommitted, isOff: isOff,
            rotations: files?.rotations ?? 0, restarts: files?.restarts ?? 0)
    }

    private func seconds(of range: Range<UInt64>) -> Double {
        guard let track, !range.isEmpty else { return 0 }
        return track.seconds(from: range.lowerBound, to: range.upperBound)
    }

    private static func close(_ descriptor: Int32) { _ = Glibc.close(descriptor) }
}
