import Glibc
import Testing
import WeirLoop

@testable import WeirStorage

@Suite("R2: pipes whose length nobody knows")
struct R2SpoolTests {
    private static let key = ObjectKey(known: "k")
    static let part = 5 << 20

    /// A server that takes uploads.
    private func server(
        takes: @escaping @Sendable (RecordingServer.Request, Int) -> Int? = { _, _ in nil }
    ) -> RecordingServer {
        RecordingServer(takes: takes) { request, _ in
            if request.target.contains("uploads") {
                return .xml(
                    200, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
            }
            if request.method == "POST" {
                return .xml(
                    200, "<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>")
            }
            return .answer(request.method == "DELETE" ? 204 : 200, ["ETag: \"e\""], [])
        }
    }

    private func options(_ server: RecordingServer, _ folder: Folder) -> R2Options {
        server.options {
            $0.retry.first = 0.001
            $0.spooledPartSize = UInt64(Self.part)
            $0.parallelParts = 2
            $0.spool = folder.path + "/spool"
        }
    }

    private static func parts(_ requests: [RecordingServer.Request]) -> [RecordingServer.Request] {
        func number(_ request: RecordingServer.Request) -> Int {
            Int(request.target.split(separator: "partNumber=").last?.split(separator: "&").first ?? "") ?? 0
        }
        return requests.filter { $0.target.contains("partNumber=") }.sorted { number($0) < number($1) }
    }

    @Test(
        "they go in equal parts, each with its length, and the last is what is left",
        arguments: [
            (2 * R2SpoolTests.part + 12_345, [R2SpoolTests.part, R2SpoolTests.part, 12_345]),
            (2 * R2SpoolTests.part, [R2SpoolTests.part, R2SpoolTests.part]), (R2SpoolTests.part, [R2SpoolTests.part]),
        ])
    func parts(length: Int, lengths: [Int]) throws {
        let server = server()
        defer { server.close() }
        let folder = Folder()
        let source = Scratch(length: length)
        try withR2(options(server, folder)) { store in
            let info = try await store.put(Self.key, .pipe(try Feed.pipe(source.bytes)))
            #expect(info.length == UInt64(length))
            #expect(info.etag == "whole")
        }
        let requests = server.requests
        let parts = Self.parts(requests)
        #expect(parts.map(\.length) == lengths)
        #expect(parts.flatMap(\.body) == source.bytes)
        #expect(parts.allSatisfy { $0.field("Transfer-Encoding") == nil && $0.field("Content-Length") != nil })
        #expect(server.most <= 2)
        #expect(folder.files.isEmpty, "nothing is left where the parts lay")
        let complete = try #require(requests.last)
        let list = String(decoding: complete.body, as: UTF8.self)
        #expect(list.split(separator: "<PartNumber>").count == lengths.count + 1)
        #expect(
            list.contains("<PartNumber>1</PartNumber>") && list.contains("<PartNumber>\(lengths.count)</PartNumber>"))
    }

    @Test(
        "one that ends before a part is full is one request, and can be sent again",
        arguments: [0, 1, R2SpoolTests.part - 1])
    func small(length: Int) throws {
        // Of the first try only a part is taken, where there is something to take.
        let server = server(takes: { request, number in number == 0 && request.length > 0 ? 0 : nil })
        defer { server.close() }
        let folder = Folder()
        let source = Scratch(length: length)
        try withR2(options(server, folder)) { store in
            let pipe = try Feed.pipe(source.bytes)
            let info = try await store.put(Self.key, .pipe(pipe))
            #expect(info.length == UInt64(length))
        }
        let requests = server.requests
        #expect(requests.count == (length > 0 ? 2 : 1))
        #expect(requests.allSatisfy { $0.method == "PUT" && $0.target == "/media/k" })
        #expect(requests.last?.body == source.bytes)
    }

    @Test("a part that cannot be sent aborts the upload, and whoever writes into the pipe is told")
    func abort() throws {
        let server = server(takes: { request, _ in request.target.contains("partNumber=2") ? 100 : nil })
        defer { server.close() }
        let folder = Folder()
        try withR2(options(server, folder)) { store in
            let (pipe, writer) = try Feed.endless()
            let error = try #require(
                await objectError { () throws(ObjectError) in try await store.put(Self.key, .pipe(pipe)) })
            #expect(error.operation == "put part 2")
            // It writes until nobody reads.
            await writer.ended()
        }
        // What another part's thread reads later is recorded later.
        #expect(server.requests.contains { $0.method == "DELETE" && $0.target == "/media/k?uploadId=u" })
        #expect(folder.files.isEmpty)
    }

    @Test("a task that is cancelled while nothing comes leaves nothing behind")
    func cancel() throws {
        let server = server()
        defer { server.close() }
        let folder = Folder()
        try withR2(options(server, folder)) { store in
            var ends: [Int32] = [-1, -1]
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
            let (pipe, writer) = (ends[0], ends[1])
            defer { close(writer) }
            let putting = spawn {
                await objectError { () throws(ObjectError) in try await store.put(Self.key, .pipe(pipe)) }
            }
            let bytes = [UInt8](repeating: 1, count: Self.part + 1)
            await Feed.write(bytes, to: writer)
            let end = LoopClock.monotonic.now + 120_000_000_000
            while !server.requests.contains(where: { $0.target.contains("partNumber=1") }) {
                try #require(LoopClock.monotonic.now < end)
                try await LoopClock.monotonic.sleep(for: 0.002)
            }
            putting.cancel()
            let error = try #require(await putting.value)
            #expect(error.kind == .cancelled)
        }
        #expect(server.requests.last?.method == "DELETE")
        #expect(!server.requests.contains { $0.method == "POST" && $0.target.hasSuffix("uploadId=u") })
    }

    @Test("parts that cannot be kept are an error that says where")
    func disk() throws {
        let server = server()
        defer { server.close() }
        let folder = Folder()
        try withR2(server.options { $0.spool = folder.path + "/file/below" }) { store in
            close(open(folder.path + "/file", O_WRONLY | O_CREAT, 0o600))
            let pipe = try Feed.pipe([1])
            let error = try #require(
                await objectError { () throws(ObjectError) in try await store.put(Self.key, .pipe(pipe)) })
            #expect(error.description.contains("cannot be kept in \(folder.path)/file/below"), "\(error)")
        }
        #expect(server.requests.isEmpty)
    }
}

/// Who writes into a pipe, on a thread of its own.
final class Feed: Sendable {
    private let isOver = Guarded(false)

    /// A pipe that has these bytes, and ends.
    static func pipe(_ bytes: [UInt8]) throws -> Int32 {
        var ends: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        let writer = ends[1]
        startThread {
            // Who reads may have left.
            var brokenPipe = sigset_t()
            sigemptyset(&brokenPipe)
            sigaddset(&brokenPipe, SIGPIPE)
            pthread_sigmask(SIG_BLOCK, &brokenPipe, nil)
            _ = put(bytes, writer)
            close(writer)
        }
        return ends[0]
    }

    /// One that never ends by itself.
    static func endless() throws -> (Int32, Feed) {
        var ends: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        let writer = ends[1]
        let feed = Feed()
        startThread {
            let bytes = [UInt8](repeating: 7, count: 65536)
            while put(bytes, writer) {}
            close(writer)
            feed.isOver.withLock { $0 = true }
        }
        return (ends[0], feed)
    }

    /// Returns when all of it has been taken.
    @LoopActor
    static func write(_ bytes: [UInt8], to descriptor: Int32) async {
        let feed = Feed()
        startThread {
            _ = put(bytes, descriptor)
            feed.isOver.withLock { $0 = true }
        }
        await feed.ended()
    }

    /// Returns when it has written all, or nobody reads.
    @LoopActor
    func ended() async {
        let end = LoopClock.monotonic.now + 120_000_000_000
        while !isOver.withLock({ $0 }) {
            if LoopClock.monotonic.now > end {
                Issue.record("the writer goes on")
                return
            }
            try? await LoopClock.monotonic.sleep(for: 0.002)
        }
    }

    /// False when nobody reads.
    private static func put(_ bytes: [UInt8], _ descriptor: Int32) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { from in
                let sent = send(descriptor, from.baseAddress! + done, bytes.count - done, Int32(MSG_NOSIGNAL))
                // A pipe is no socket.
                return sent < 0 && errno == ENOTSOCK
                    ? Glibc.write(descriptor, from.baseAddress! + done, bytes.count - done) : sent
            }
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { return false }
            done += count
        }
        return true
    }
}
