import Glibc
public import WeirLoop

/// A response whose body goes into a socket, moved without Swift: what a live source reads. Its reader's pace is the peer's.
///
/// The socket ends where the body does, or was cut: `ended()` says which. When the reader closes its end, the request is
/// taken back.
@LoopActor
public final class ClientStream {
    public nonisolated let status: Int
    public nonisolated let fields: Fields
    /// Where it came from after redirects, without user and password.
    public nonisolated let effectiveURL: String

    private let transfer: ClientTransfer
    private var descriptor: Int32

    init(_ head: ClientHead, _ transfer: ClientTransfer, descriptor: Int32) {
        status = head.status
        fields = transfer.fields
        effectiveURL = transfer.effectiveURL
        self.transfer = transfer
        self.descriptor = descriptor
    }

    isolated deinit { close() }

    /// The end to read from: non-blocking, and the caller's to close. Once; -1 afterwards.
    public func takeDescriptor() -> Int32 {
        defer { descriptor = -1 }
        return descriptor
    }

    /// Returns when the whole body has gone into the socket; throws why it has not.
    public func ended() async throws(ClientError) { try await transfer.ended() }

    /// Takes the request back, if it is not over. Closing twice is harmless.
    public func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
        transfer.cancel()
    }
}
