internal import WeirLoop

/// A response's body, piece by piece, at the pace of whoever iterates it: one task, once. It throws `ClientError` when the
/// body is not complete, after all that came.
public struct ClientBody: AsyncSequence, Sendable {
    public typealias Element = [UInt8]
    public typealias Failure = ClientError

    private let transfer: ClientTransfer
    /// Nil when there is nothing to end.
    private let hold: Hold?

    @LoopActor
    init(_ transfer: ClientTransfer) {
        self.transfer = transfer
        hold = transfer.isOver ? nil : Hold(transfer)
    }

    /// The next piece, not empty; nil at the end.
    @LoopActor
    public func next() async throws(ClientError) -> [UInt8]? {
        transfer.isComplete ? transfer.takeRest() : try await transfer.next()
    }

    /// Gives all of it to a sink, where it lies: the cheapest way to take a body that is large. Returns when the sink has it;
    /// throws, after all that came, when it is not complete, and `.abandoned` when the sink has failed. A sink without room
    /// holds the peer. Instead of `next()`, or after it.
    @LoopActor
    public func drain(into sink: ClientSink) async throws(ClientError) { try await transfer.drain(into: sink) }

    @LoopActor
    func cancel() { transfer.cancel() }

    @LoopActor
    func error(_ kind: ClientError.Kind, _ reason: String) -> ClientError { transfer.error(kind, reason) }

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
