public import WeirLoop

/// Writes a request's body while it is sent, at the pace of the peer.
@LoopActor
public final class ClientUpload {
    /// Bytes announced; nil when they go in chunks.
    public let length: UInt64?
    public private(set) var written: UInt64 = 0

    private let transfer: ClientTransfer

    init(_ transfer: ClientTransfer, length: UInt64?) {
        self.transfer = transfer
        self.length = length
    }

    /// Returns when libcurl has taken the bytes; at most 64 KiB of them are still on their way to the socket. Throws when the
    /// request is over, and when there are more bytes than were announced.
    public func write(_ bytes: [UInt8]) async throws(ClientError) {
        let total = written + UInt64(bytes.count)
        if let length, total > length { throw mismatch(total, length) }
        try await transfer.write(bytes)
        written = total
    }

    func finish() throws(ClientError) {
        if let length, written != length { throw mismatch(written, length) }
        transfer.finishUpload()
    }

    private func mismatch(_ written: UInt64, _ length: UInt64) -> ClientError {
        transfer.error(.upload, "a body of \(written) bytes was announced as \(length)")
    }
}
