import Glibc
import Testing

/// Lets threads of a test through, so many at a time.
final class Gate: Sendable {
    private let ends: (reading: Int32, writing: Int32)

    init() throws {
        var pair: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &pair) == 0)
        ends = (pair[0], pair[1])
    }

    deinit { Glibc.close(ends.reading) }

    /// `count` more threads may pass.
    func open(_ count: Int = 1) {
        precondition(write(ends.writing, [UInt8](repeating: 0, count: count), count) == count)
    }

    /// Once: those that still wait are sent away.
    func close() { Glibc.close(ends.writing) }

    /// On a thread of its own: blocks. False when the gate was closed.
    func wait() -> Bool {
        var byte: UInt8 = 0
        return read(ends.reading, &byte, 1) == 1
    }
}
