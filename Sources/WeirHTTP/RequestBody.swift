internal import CWeir
public import WeirLoop

/// A request's body as a stream of pieces. Nothing is read from the peer before it is asked for; what was not read when
/// the response is done is drained if it is short, or the connection closes.
@LoopActor
public final class RequestBody {
    enum Framing {
        case none
        case length(UInt64)
        case chunked
    }

    /// Bytes that were announced; nil when they come in chunks.
    public let length: UInt64?
    /// Bytes delivered so far.
    public private(set) var received: UInt64 = 0
    /// The most that `next` delivers before it throws 413.
    public internal(set) var limit = Int.max

    private weak var connection: Connection?
    private var framing: Framing
    private var decoder = weir_http_chunked_t()
    /// The peer waits for `100 Continue` before it sends anything (RFC 9110 §10.1.1).
    private(set) var isExpected: Bool
    private(set) var hasFailed = false

    init(_ framing: Framing, isExpected: Bool, connection: Connection?) {
        self.framing = framing
        self.connection = connection
        self.isExpected = isExpected
        switch framing {
        case .none: length = 0
        case .length(let bytes): length = bytes
        case .chunked: length = nil
        }
        if length == 0 {
            self.framing = .none
            self.isExpected = false
        }
    }

    /// Nothing is left to read.
    public var isComplete: Bool {
        if case .none = framing { return true }
        return false
    }

    /// Bytes still to come; nil when that is not known.
    var remaining: UInt64? {
        switch framing {
        case .none: 0
        case .length(let bytes): bytes
        case .chunked: nil
        }
    }

    /// The next piece, not empty; nil at the end. Throws `HTTPError` 413 above the limit, 400 when the coding is broken,
    /// 408 when the peer sends nothing for `sendTimeout`.
    public func next() async throws -> [UInt8]? {
        while true {
            if case .none = framing { return nil }
            guard let connection, !hasFailed else { throw CoreError.closed }
            if isExpected {
                isExpected = false
                if !connection.hasPending { try await connection.sendContinue() }
            }
            let piece: [UInt8]
            do {
                piece = try await connection.receivePiece(of: self)
            } catch {
                hasFailed = true
                throw error
            }
            if hasFailed { throw HTTPError.badRequest("the body's chunks are malformed", code: "BAD_CHUNK") }
            received += UInt64(piece.count)
            if received > UInt64(limit) {
                hasFailed = true
                throw HTTPError.bodyTooLarge(limit)
            }
            if !piece.isEmpty { return piece }
        }
    }

    /// The whole body, at most `limit` bytes.
    public func collect(limit: Int? = nil) async throws -> [UInt8] {
        if let limit { self.limit = min(self.limit, limit) }
        if let length, length > UInt64(self.limit) { throw HTTPError.bodyTooLarge(self.limit) }
        var bytes: [UInt8] = []
        while let piece = try await next() {
            if bytes.isEmpty { bytes = piece } else { bytes += piece }
        }
        return bytes
    }

    /// Takes what belongs to the body from the start of `bytes`: how much was consumed, and what it decodes to.
    func consume(_ bytes: UnsafeMutableRawBufferPointer) -> (consumed: Int, piece: [UInt8]) {
        switch framing {
        case .none: return (0, [])
        case .length(let left):
            let count = Int(min(left, UInt64(bytes.count)))
            framing = left == UInt64(count) ? .none : .length(left - UInt64(count))
            return (count, Array(bytes[..<count]))
        case .chunked:
            var length = bytes.count
            var done: Int32 = 0
            let consumed = weir_http_chunked_decode(
                &decoder, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), &length, &done)
            guard consumed >= 0 else {
                hasFailed = true
                return (bytes.count, [])
            }
            if done != 0 { framing = .none }
            return (Int(consumed), Array(bytes[..<length]))
        }
    }

    func detach() { connection = nil }
}
