internal import CWeirHTTP
public import WeirLoop

/// Where a response's body goes without a copy: a function of C that is given each piece where libcurl has it.
///
/// It runs on the loop, within libcurl: it takes what it is given, or not, at once, and asks nothing of the pool. For one
/// body at a time.
@LoopActor
public final class ClientSink {
    /// Of at most 16 KiB: `taken` all of it; `held`, nothing of it until `resume()`; or `failed`, which ends the request.
    public typealias Take =
        @convention(c) (_ data: UnsafeMutableRawPointer?, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int32

    public nonisolated static let taken: Int32 = 0
    public nonisolated static let held: Int32 = -1
    public nonisolated static let failed: Int32 = -2

    let take: Take
    let data: UnsafeMutableRawPointer?
    /// While it has the body.
    var transfer: ClientTransfer?
    private var waiter: UnsafeContinuation<Void, Never>?

    /// `data` is valid as long as the sink has a body: until `drain(into:)`, or `send(_:into:)`, has returned.
    public init(_ take: @escaping Take, _ data: UnsafeMutableRawPointer? = nil) {
        self.take = take
        self.data = data
    }

    /// Takes everything, and throws it away.
    public static func discarding() -> ClientSink { ClientSink(weir_body_discard) }

    /// After `held`: there is room again, or it has failed. Harmless when nothing was held. Not from within the function.
    public func resume() {
        transfer?.takeMore()
        waiter?.resume()
        waiter = nil
    }

    /// Returns when there is room: false when the task was cancelled.
    func room() async -> Bool {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                if Task.isCancelled { return continuation.resume() }
                waiter = continuation
            }
        } onCancel: {
            spawn { self.resume() }
        }
        return !Task.isCancelled
    }
}

/// Where a request's body comes from without a copy: a function of C that writes it where libcurl sends from.
///
/// It runs on the loop, within libcurl, as a sink does. For one request.
@LoopActor
public final class ClientSource {
    /// Writes up to `room` bytes and returns how many, one at least; `held`, none until `resume()`; or `failed`, which ends
    /// the request (`.upload`). Not asked for more than the body's length.
    public typealias Give =
        @convention(c) (_ data: UnsafeMutableRawPointer?, _ to: UnsafeMutableRawPointer?, _ room: Int) -> Int64

    public nonisolated static let held: Int64 = -1
    public nonisolated static let failed: Int64 = -2

    let give: Give
    let data: UnsafeMutableRawPointer?
    var transfer: ClientTransfer?

    /// `data` is valid until the request is over: its response was read, or it was thrown.
    public init(_ give: @escaping Give, _ data: UnsafeMutableRawPointer?) {
        self.give = give
        self.data = data
    }

    /// After `held`: there are bytes again, or it has failed. Harmless when nothing was held. Not from within the function.
    public func resume() { transfer?.giveMore() }
}
