import CLibuv
import CWeirHTTP
import Glibc
import WeirHTTP
import WeirLoop

/// A file of known bytes in a directory that goes with it.
final class SourceFile: Sendable {
    let path: String
    let bytes: [UInt8]

    /// `directory` may be of another file system.
    init(bytes count: Int, in directory: String = "/tmp") {
        // Every eight bytes are others: a part that is out of its place is seen.
        bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            for index in 0..<count {
                let word = UInt64(index / 8) &* 0x9E37_79B9_7F4A_7C15
                buffer[index] = UInt8(truncatingIfNeeded: word >> UInt64(index % 8 * 8))
            }
            filled = count
        }
        path = "\(directory)/weir-source-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        var done = 0
        while done < count {
            let written = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress! + done, count - done) }
            precondition(written > 0)
            done += written
        }
        close(descriptor)
    }

    deinit { unlink(path) }

    /// Of as many bytes as it has, or as many as are said.
    @LoopActor
    func source(_ shelf: FileShelf, length: Int? = nil) throws -> ByteSource {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        return try ByteSource(file: descriptor, length: UInt64(length ?? bytes.count), on: shelf)
    }
}

/// A source that a test adds to.
@LoopActor
final class GrowingSource {
    private struct Core {
        var source: weir_byte_source_t
        var owner: Unmanaged<GrowingSource>
    }

    private nonisolated(unsafe) let core = UnsafeMutablePointer<Core>.allocate(capacity: 1)
    private nonisolated(unsafe) static let calls: UnsafeMutablePointer<weir_byte_source_calls_t> = {
        let calls = UnsafeMutablePointer<weir_byte_source_calls_t>.allocate(capacity: 1)
        calls.initialize(
            to: weir_byte_source_calls_t(
                peek: { source, position, limit, out in
                    nonisolated(unsafe) let (source, out) = (source!, out!)
                    return LoopActor.assumeIsolated {
                        GrowingSource.of(source).peek(position, limit, out)
                    }
                },
                close: { source in
                    nonisolated(unsafe) let source = source!
                    LoopActor.assumeIsolated { GrowingSource.of(source).isClosed = true }
                }, region: nil))
        return calls
    }()

    /// All that there will be, in memory that does not move.
    private nonisolated(unsafe) let bytes: UnsafeMutableBufferPointer<UInt8>
    private var head = 0
    private var end: Int32?
    private var waits = false
    private(set) var looks = 0
    private(set) var isClosed = false

    init(_ all: [UInt8]) {
        bytes = .allocate(capacity: all.count)
        _ = bytes.initialize(from: all)
        core.initialize(
            to: Core(
                source: weir_byte_source_t(calls: GrowingSource.calls, wake: nil, data: nil),
                owner: Unmanaged.passUnretained(self)))
    }

    deinit {
        bytes.deallocate()
        core.deallocate()
    }

    /// Once. It has to live longer than what this gives.
    func source() -> ByteSource { ByteSource(adopting: core) }

    func grow(to head: Int) {
        self.head = head
        wake()
    }

    /// There is no more; with an error there should have been.
    func finish(_ error: Int32 = UV_EOF.rawValue) {
        end = error
        wake()
    }

    /// A reader that was told to wait has been, and is not told twice.
    private func wake() {
        guard waits else { return }
        waits = false
        core.pointee.source.wake?(core.pointee.source.data)
    }

    private static func of(_ source: UnsafeMutablePointer<weir_byte_source_t>) -> GrowingSource {
        UnsafeMutableRawPointer(source).assumingMemoryBound(to: Core.self).pointee.owner.takeUnretainedValue()
    }

    private func peek(_ position: UInt64, _ limit: Int, _ out: UnsafeMutablePointer<iovec>) -> Int64 {
        looks += 1
        let at = Int(position)
        let count = min(limit, head - at)
        guard count > 0 else {
            if let end { return Int64(end) }
            waits = true
            return 0
        }
        // In two pieces, as a ring has them.
        let first = (count + 1) / 2
        let start = UnsafeMutableRawPointer(bytes.baseAddress! + at)
        out[0] = iovec(iov_base: start, iov_len: first)
        out[1] = iovec(iov_base: start + first, iov_len: count - first)
        return Int64(count)
    }
}
