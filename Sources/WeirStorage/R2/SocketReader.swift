internal import Glibc
internal import WeirLoop

/// Small bodies that went into a socket.
enum SocketReader {
    /// All that comes until its end, or `limit` bytes of it; the descriptor is closed.
    @LoopActor
    static func read(_ descriptor: Int32, limit: Int) async -> [UInt8] {
        defer { close(descriptor) }
        guard let poll = try? Poll(descriptor: descriptor) else { return [] }
        defer { poll.close() }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 16 << 10)
        while bytes.count < limit {
            let count = Glibc.read(descriptor, &block, min(block.count, limit - bytes.count))
            if count > 0 {
                bytes += block[..<count]
            } else if count < 0 && errno == EAGAIN {
                if await poll.wait(for: .readable).isEmpty { break }
            } else if count == 0 || errno != EINTR {
                break
            }
        }
        return bytes
    }
}
