internal import WeirLoop

/// A response's body, piece by piece, at the pace of whoever iterates it: one task, once. It throws `ClientError` when the
/// body is not complete, after all that came.
public struct ClientBody: AsyncSequence, Sendable {
    public typealias Element = [UInt8]
    public typealias Failure = ClientError

    private let hold: Hold

    @LoopActor
    init(_ transfer: ClientTransfer) {
        hold = Hold(transfer)
    }

    /// The next piece, not empty; nil at the end.
    @LoopActor
    public func next() async throws(ClientError) -> [UInt8]? {
        let transfer = hold.transfer
        return transfer.isComplete ? transfer.takeRest() : try await transfer.next()
    }

    @LoopActor
    func cancel() { hold.transfer.cancel() }

    @LoopActor
    func error(_ kind: ClientError.Kind, _ reason: String) -> ClientError { hold.transfer.error(kind, reason) }

    public func makeAsyncIterator() -> Iterator { Iterator(body: self) }

    public struct Iterator: AsyncIteratorProtocol {
        let body: ClientBody

        public func next() async throws(ClientError) -> [UInt8]? { try await body.next() }

        public func next(isolation actor: isolated (any Actor)?) async throws(ClientError) -> [UInt8]? {
            try await body.next()
        }
    }

    /// Ends the transfer when nobody can read it any more.
    @LoopActor
    private final class Hold: Sendable {
        let transfer: ClientTransfer

        init(_ transfer: ClientTransfer) { self.transfer = transfer }

        isolated deinit { transfer.cancel() }
    }
}
