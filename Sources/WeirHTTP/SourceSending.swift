internal import CWeirHTTP
internal import WeirLoop

/// A range of a source on its way to a socket: `weir_sender_t`. Swift is entered at its end.
@LoopActor
final class SourceSending {
    let source: ByteSource
    private let from: UInt64
    private let to: UInt64
    private let rate: UInt64
    private let isChunked: Bool

    private var core: OpaquePointer?
    private var status: Int32?
    private var waiter: UnsafeContinuation<Void, Never>?
    /// Bytes of the source that the socket has taken.
    private(set) var sent: UInt64 = 0
    /// What had been moved at the last look, and when that was more than at the one before.
    private var moved: UInt64 = 0
    private var lastMove: UInt64 = 0

    init(_ source: ByteSource, from: UInt64, to: UInt64, rate: UInt64, isChunked: Bool) {
        self.source = source
        self.from = from
        self.to = to
        self.rate = rate
        self.isChunked = isChunked
    }

    /// Sends through the descriptor, which nothing else may watch meanwhile. 0, a libuv error of the socket, or nil when it
    /// was interrupted. Throws `ByteSourceError`.
    func run(descriptor: Int32, sink: Fanout.Sink?, now: UInt64) async throws -> Int32? {
        lastMove = now
        var options = weir_sender_options_t()
        options.fd = descriptor
        options.sink = sink?.raw.calls.assumingMemoryBound(to: weir_sink_t.self)
        options.sink_context = sink?.raw.context
        options.source = source.core
        options.from = from
        options.to = to
        options.rate = rate
        options.chunked = isChunked ? 1 : 0
        options.done = sendingDone
        options.data = Unmanaged.passUnretained(self).toOpaque()
        let begun = weir_sender_start(&core, LoopActor.loop, &options)
        guard begun == 0, let core else { throw CoreError(rawValue: begun) }
        await withUnsafeContinuation { waiter = $0 }
        self.core = nil
        sent = weir_sender_sent(core)
        let isOfSource = weir_sender_blames_source(core) != 0
        weir_sender_release(core)
        if isOfSource, let status { throw ByteSourceError(rawValue: status) }
        return status
    }

    /// Ends it where it is.
    func interrupt() {
        guard let waiter else { return }
        self.waiter = nil
        waiter.resume()
    }

    /// Since when the peer has taken nothing, though there was something; nil when that is not what it waits for.
    func quietSince(now: UInt64) -> UInt64? {
        guard let core else { return nil }
        let moved = weir_sender_moved(core)
        if moved != self.moved || weir_sender_waits_for(core) != WEIR_SENDER_PEER {
            self.moved = moved
            lastMove = now
            return nil
        }
        return lastMove
    }

    fileprivate func done(_ status: Int32) {
        self.status = status
        interrupt()
    }
}

private let sendingDone: @convention(c) (UnsafeMutableRawPointer?, Int32) -> Void = { data, status in
    nonisolated(unsafe) let data = data!
    LoopActor.enter { Unmanaged<SourceSending>.fromOpaque(data).takeUnretainedValue().done(status) }
}

/// A source that failed, or ended before it should have: a libuv error, `EOF` for the latter.
public struct ByteSourceError: Error, RawRepresentable, Equatable, Sendable, CustomStringConvertible {
    public let rawValue: Int32

    public init(rawValue: Int32) { self.rawValue = rawValue }

    public var description: String { "what was being sent failed: \(CoreError(rawValue: rawValue))" }
}
