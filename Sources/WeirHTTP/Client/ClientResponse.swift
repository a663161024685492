public import WeirLoop

/// A response whose head is there. Dropping it, and its body, before the body's end takes the request back.
@LoopActor
public struct ClientResponse: Sendable {
    public nonisolated let status: Int
    /// `1.0`, `1.1` or `2`.
    public nonisolated let version: String
    /// At most 256 KiB of it are kept here before the peer is held; to be iterated once.
    public nonisolated let body: ClientBody

    private let transfer: ClientTransfer

    init(_ head: ClientHead, _ transfer: ClientTransfer) {
        status = head.status
        version = head.version
        self.transfer = transfer
        body = ClientBody(transfer)
    }

    /// Read from the head when they are asked for.
    public var fields: Fields { transfer.fields }

    /// Where it came from after redirects, without user and password.
    public var effectiveURL: String { transfer.effectiveURL }

    /// `Content-Length`; nil without one.
    public var length: UInt64? { fields["Content-Length"].flatMap { UInt64($0) } }

    /// The whole body; `.bodyTooLarge` when there is more than `limit` bytes.
    public func collect(limit: Int) async throws(ClientError) -> [UInt8] {
        var bytes: [UInt8] = []
        while let piece = try await body.next() {
            guard bytes.count + piece.count <= limit else {
                body.cancel()
                throw body.error(.bodyTooLarge, "the response's body is larger than \(limit) bytes")
            }
            if bytes.isEmpty { bytes = piece } else { bytes += piece }
        }
        return bytes
    }

    /// Takes the request back, its connection with it if the body is not complete.
    public func cancel() { body.cancel() }
}
