internal import WeirLoop

/// Connections that have something to read, in the order in which they said so. A thousand may say so in one turn of the
/// loop; they are read a few at a time, between the other jobs, so that no turn is long.
@LoopActor
final class ReadingQueue {
    /// Connections read before other jobs have their turn.
    static let burst = 4
    /// Connections that may wait here and stay watched: being told of them again costs less than unwatching them, as long
    /// as libuv gets all in one call (1024).
    static let watched = 512

    /// Places for connections that are kept when none waits.
    private static let kept = 64

    private var waiting: [Connection] = []
    private var next = 0

    /// Lets it be read when its turn comes.
    func append(_ connection: Connection) {
        waiting.append(connection)
        if waiting.count - next > ReadingQueue.watched { connection.poll.stop() }
        if waiting.count == 1 { spawn { await self.run() } }
    }

    private func run() async {
        while next < waiting.count {
            waiting[next].read()
            next += 1
            if next % ReadingQueue.burst == 0 { await Task.yield() }
        }
        waiting.removeAll(keepingCapacity: waiting.count <= ReadingQueue.kept)
        next = 0
    }
}
