internal import CWeirDownloads
internal import CWeirHTTP
internal import Glibc
internal import WeirHTTP
internal import WeirLoop

/// What the fills of a loop share: `weir_fills_t`.
@LoopActor
final class FillSpace {
    /// Called on the pool in place of `pwrite`: for tests, of what disks do.
    typealias Write = weir_fill_write_t

    let core: OpaquePointer

    /// `CoreError` without memory.
    init(write: Write? = nil, data: UnsafeMutableRawPointer? = nil) throws(CoreError) {
        guard let core = weir_fills_open(LoopActor.loop, write, data) else { throw CoreError(errno: ENOMEM) }
        self.core = core
    }

    isolated deinit { weir_fills_close(core) }

    /// Milliseconds that readers may wait for the disk before a copy is given up, for what begins from now on: for tests.
    func setPatience(_ milliseconds: UInt32) { weir_fills_set_patience(core, milliseconds) }

    /// Blocks of memory that are taken.
    var blocks: Int { Int(weir_fills_blocks(core)) }

    /// A complete file, which is the source's from then on; when this throws, the caller's.
    func source(file: Int32, length: UInt64) throws(CoreError) -> ByteSource {
        var source: UnsafeMutablePointer<weir_byte_source>?
        try check(weir_fills_file(core, &source, file, length))
        return ByteSource(adopting: UnsafeMutableRawPointer(source!))
    }
}

/// Bytes that come in order and are read while they come: `weir_fill_t`. Swift is entered once for each page.
@LoopActor
final class FillBytes {
    private let core: OpaquePointer
    private var feeder: UnsafeContinuation<Int32, Never>?
    private var flusher: UnsafeContinuation<Int32, Never>?
    /// Why it was stopped; 0 while it was not.
    private(set) var stopped: Int32 = 0
    private var isFlushed = false
    /// The file cannot be written: `retry()`, or `stop(_:)`.
    var onUnwritable: ((CoreError) -> Void)?
    /// The file holds readers up.
    var onSlow: (() -> Void)?

    /// `file` is its from then on, -1 for none; when this throws, the caller's.
    init(_ space: FillSpace, file: Int32, first: UInt64) throws(CoreError) {
        var core: OpaquePointer?
        // The callbacks' object is known once the fill is: nothing is told before the loop's next turn.
        let place = UnsafeMutablePointer<Unmanaged<FillBytes>?>.allocate(capacity: 1)
        place.initialize(to: nil)
        let status = weir_fill_open(&core, space.core, file, first, fillEvent, place)
        guard status == 0, let core else {
            place.deallocate()
            throw CoreError(rawValue: status)
        }
        self.core = core
        self.place = place
        place.pointee = Unmanaged.passUnretained(self)
    }

    private let place: UnsafeMutablePointer<Unmanaged<FillBytes>?>

    isolated deinit {
        weir_fill_close(core)
        place.deallocate()
    }

    /// The position behind the last byte that is there.
    var head: UInt64 { weir_fill_head(core) }
    var written: UInt64 { weir_fill_written(core) }
    var file: Int32 { weir_fill_file(core) }
    /// Of all bytes so far.
    var crc32: UInt32 { weir_fill_crc32(core) }
    /// Of what was fed last.
    var fedCRC32: UInt32 { weir_fill_fed_crc32(core) }

    func append(_ bytes: [UInt8]) throws(CoreError) {
        try check(weir_fill_append(core, bytes, bytes.count))
    }

    /// Bytes of a descriptor, which is closed in the end: 0, or a libuv error; `UV_EOF` when there were fewer.
    func feed(_ descriptor: Int32, isFile: Bool, offset: UInt64, _ spans: [PageSpan]) async -> Int32 {
        let spans = spans.map { weir_fill_span_t(skip: $0.skip, count: $0.count) }
        let status = weir_fill_feed(core, descriptor, isFile ? 1 : 0, offset, spans, spans.count)
        guard status == 0 else { return status }
        return await withUnsafeContinuation { feeder = $0 }
    }

    /// There are no more bytes; returns when all are in the file: 0, or why they never will be.
    func flush() async -> Int32 {
        weir_fill_end(core)
        if stopped != 0 { return stopped }
        if isFlushed { return 0 }
        return await withUnsafeContinuation { flusher = $0 }
    }

    func retry() { weir_fill_retry(core) }

    /// Readers get what is in the file, and then this error.
    func stop(_ error: CoreError) {
        guard stopped == 0 else { return }
        stopped = error.rawValue
        weir_fill_stop(core, error.rawValue)
        let flusher = flusher
        self.flusher = nil
        flusher?.resume(returning: error.rawValue)
    }

    func source(from position: UInt64) throws(CoreError) -> ByteSource {
        var source: UnsafeMutablePointer<weir_byte_source>?
        try check(weir_fill_source_open(&source, core, position))
        return ByteSource(adopting: UnsafeMutableRawPointer(source!))
    }

    fileprivate func told(_ event: weir_fill_event_t, _ status: Int32) {
        switch event {
        case WEIR_FILL_FED:
            let feeder = feeder
            self.feeder = nil
            feeder?.resume(returning: status)
        case WEIR_FILL_FLUSHED:
            isFlushed = true
            let flusher = flusher
            self.flusher = nil
            flusher?.resume(returning: 0)
        case WEIR_FILL_UNWRITABLE: onUnwritable?(CoreError(rawValue: status))
        default: onSlow?()
        }
    }
}

private func check(_ status: Int32) throws(CoreError) {
    if status < 0 { throw CoreError(rawValue: status) }
}

private let fillEvent: @convention(c) (UnsafeMutableRawPointer?, weir_fill_event_t, Int32) -> Void = {
    data, event, status in
    nonisolated(unsafe) let data = data!
    LoopActor.enter {
        data.assumingMemoryBound(to: Unmanaged<FillBytes>?.self).pointee?.takeUnretainedValue().told(event, status)
    }
}
