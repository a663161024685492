public import WeirLoop

/// Writes a body while it is sent, at the pace of the peer.
@LoopActor
public final class ResponseWriter {
    enum Framing {
        case length(UInt64)
        case chunked
        case close
    }

    /// Bytes of body written so far.
    public private(set) var written: UInt64 = 0

    private unowned let connection: Connection
    private let framing: Framing

    init(_ connection: Connection, framing: Framing) {
        self.connection = connection
        self.framing = framing
    }

    /// Returns when the socket has taken the bytes. Throws when the peer has gone or takes nothing for `sendTimeout`, and
    /// when there are more bytes than were announced.
    public func write(_ bytes: [UInt8]) async throws {
        if bytes.isEmpty { return }
        let total = written + UInt64(bytes.count)
        switch framing {
        case .length(let length):
            guard total <= length else { throw LengthMismatch(announced: length, written: total) }
            try await connection.send([bytes])
        case .close:
            try await connection.send([bytes])
        case .chunked:
            let size = Array(String(bytes.count, radix: 16).utf8)
            try await connection.send([size + [13, 10], bytes, [13, 10]])
        }
        written = total
    }

    public func write(_ text: String) async throws {
        try await write(Array(text.utf8))
    }

    /// Sends a range of a source, in C, and returns when the socket has taken all of it: `rate` bytes a second, or as fast as
    /// the peer takes them when it is 0. Throws as `write` does, and `ByteSourceError` when the source fails or ends before.
    public func write(_ source: ByteSource, _ range: Range<UInt64>, rate: UInt64 = 0) async throws {
        if range.isEmpty { return }
        if case .length(let length) = framing {
            let (total, overflows) = written.addingReportingOverflow(UInt64(range.count))
            guard !overflows, total <= length else { throw LengthMismatch(announced: length, written: total) }
        }
        try await send(source, from: range.lowerBound, to: range.upperBound, rate: rate)
    }

    /// The same from a position on, as far as the source goes. Not with a length.
    public func write(_ source: ByteSource, from position: UInt64, rate: UInt64 = 0) async throws {
        if case .length(let length) = framing { throw LengthMismatch(announced: length, written: written) }
        try await send(source, from: position, to: .max, rate: rate)
    }

    private func send(_ source: ByteSource, from: UInt64, to: UInt64, rate: UInt64) async throws {
        var isChunked = false
        if case .chunked = framing { isChunked = true }
        let sending = SourceSending(source, from: from, to: to, rate: rate, isChunked: isChunked)
        defer { written += sending.sent }
        try await connection.send(sending)
    }

    func finish() async throws {
        switch framing {
        case .length(let length):
            guard written == length else { throw LengthMismatch(announced: length, written: written) }
        case .close: break
        case .chunked: try await connection.send([Array("0\r\n\r\n".utf8)])
        }
    }

    /// A body that is not as long as its `Content-Length`.
    struct LengthMismatch: Error, CustomStringConvertible {
        let announced: UInt64
        let written: UInt64

        var description: String { "a body of \(written) bytes was announced as \(announced)" }
    }
}
