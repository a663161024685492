internal import WeirLoop

/// One at a time for each key, in the order of asking.
@LoopActor
final class KeyedLock {
    private var queues: [String: [UnsafeContinuation<Void, Never>]] = [:]

    /// Keys that are held.
    var count: Int { queues.count }

    func with<Value: Sendable>(
        _ key: String, _ body: @LoopActor () async throws -> Value
    ) async throws -> Value {
        if queues[key] == nil {
            queues[key] = []
        } else {
            await withUnsafeContinuation { queues[key]?.append($0) }
        }
        defer { leave(key) }
        return try await body()
    }

    /// The next one has it, without a moment in which nobody does.
    private func leave(_ key: String) {
        if queues[key]?.isEmpty == false {
            queues[key]?.removeFirst().resume()
        } else {
            queues[key] = nil
        }
    }
}
