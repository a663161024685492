public import WeirLoop

/// The pools of one engine, by name: made here, counted here, closed here. One for each purpose, so that what is stuck in
/// one does not hold up another. On the loop's thread.
@LoopActor
public final class ClientPools {
    /// In the order in which they were made; closed ones are not among them.
    public private(set) var all: [ClientPool] = []

    private let clock: LoopClock
    private var isClosed = false

    public nonisolated init(clock: LoopClock = .monotonic) { self.clock = clock }

    /// The pool of this name: made by the first call, with its `options`; later calls find it as it is. `name` is a word of
    /// the program, or of its configuration, as it becomes a label of metrics. Once all are closed it is a pool that refuses every request
    /// (`ClientError.Kind.poolClosed`).
    /// - Complexity: O(pools).
    public func pool(_ name: String, _ options: @autoclosure () -> ClientPoolOptions) -> ClientPool {
        if let pool = all.first(where: { $0.name == name }) { return pool }
        let pool = ClientPool(name: name, options: options(), clock: clock)
        if isClosed { pool.refuse() } else { all.append(pool) }
        return pool
    }

    /// Closes the pool of this name, if there is one: its requests end with `.poolClosed`. The name can be used again.
    public func close(_ name: String) async {
        guard let index = all.firstIndex(where: { $0.name == name }) else { return }
        await all.remove(at: index).close()
    }

    /// The same of a pool of these, whoever has its name by now.
    public func close(_ pool: ClientPool) async {
        all.removeAll { $0 === pool }
        await pool.close()
    }

    /// Closes every pool, all at once; none is made any more. Returns when nothing of them is left on the loop.
    public func close() async {
        isClosed = true
        let pools = all
        all = []
        // What waits in one may have its request in another.
        for pool in pools { pool.refuse() }
        for pool in pools { await pool.close() }
    }
}
