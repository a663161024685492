import Glibc
import Testing
import WeirHTTP
import WeirLoop

@testable import WeirStorage

@Suite("Files as bodies")
struct FileBodyTests {
    private static let key = ObjectKey(known: "key")
    /// Around a block, and both of them.
    private static let lengths = [1, 16_385, 131_071, 131_072, 131_073, 262_144, 262_145, 1_500_001]

    @Test("a part of a file goes up as it is, whether it is in memory or has to be read", arguments: [false, true])
    func up(isCold: Bool) throws {
        let file = Scratch(length: 2_000_000)
        let bytes = file.bytes
        let server = RecordingServer { _, _ in .answer(200, ["ETag: \"e\""], []) }
        defer { server.close() }
        try withR2(server.options()) { store in
            for (number, length) in Self.lengths.enumerated() {
                if isCold {
                    fsync(file.descriptor)
                    posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED)
                }
                let offset = 7 * number
                let source = ObjectSource.file(file.descriptor, offset: UInt64(offset), length: UInt64(length))
                _ = try await store.put(Self.key, source)
                #expect(server.requests[number].body == Array(bytes[offset..<(offset + length)]), "\(length) bytes")
            }
            #expect(store.metrics.connected == 1)
        }
    }

    @Test("an object comes down into a file as it is")
    func down() throws {
        let file = Scratch(length: 1_500_001)
        let bytes = file.bytes
        let server = RecordingServer { _, number in
            .answer(200, ["ETag: \"e\""], Array(bytes.prefix(Self.lengths[number])))
        }
        defer { server.close() }
        try withR2(server.options()) { store in
            for length in Self.lengths {
                let back = Scratch()
                _ = try await store.save(Self.key, to: back.descriptor, nil)
                #expect(back.bytes == Array(bytes.prefix(length)), "\(length) bytes")
            }
        }
    }

    @Test("a file that cannot be written or read is told as that, once, and takes the request back")
    func refused() throws {
        let server = RecordingServer { request, _ in
            .answer(200, ["ETag: \"e\""], request.method == "GET" ? Array(repeating: 1, count: 2_000_000) : [])
        }
        defer { server.close() }
        try withR2(server.options()) { store in
            let scratch = Scratch(length: 1_000_000)
            let path = "/proc/self/fd/\(scratch.descriptor)"
            let readable = open(path, O_RDONLY | O_CLOEXEC)
            let writable = open(path, O_WRONLY | O_CLOEXEC)
            defer {
                close(readable)
                close(writable)
            }
            let saving = await objectError { () throws(ObjectError) in
                try await store.save(Self.key, to: readable, nil)
            }
            #expect(saving?.kind == .file(CoreError(errno: EBADF)))
            let putting = await objectError { () throws(ObjectError) in
                try await store.put(Self.key, .file(writable, length: 1_000_000))
            }
            #expect(putting?.kind == .file(CoreError(errno: EBADF)))
            #expect(server.requests.count <= 2)
            #expect(store.metrics.running == 0)
        }
    }
}
