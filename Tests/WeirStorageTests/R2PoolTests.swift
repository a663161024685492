import Glibc
import Testing
import WeirHTTP
import WeirLoop

@testable import WeirStorage

@Suite("R2: beside others")
struct R2PoolTests {
    /// Whether a server may answer.
    private final class Gate: Sendable {
        private let isOpen = Guarded(false)

        func open() { isOpen.withLock { $0 = true } }
        func pass() { while !isOpen.withLock({ $0 }) { usleep(1000) } }
    }

    @LoopActor
    private static func until(_ condition: () -> Bool) async throws {
        let end = LoopClock.monotonic.deadline(after: 240)
        while !condition() {
            try #require(LoopClock.monotonic.now < end)
            try await LoopClock.monotonic.sleep(for: 0.002)
        }
    }

    @Test("objects wait for nothing that others wait for, as their pool is their own")
    func dedicated() throws {
        let gate = Gate()
        let elsewhere = RecordingServer { _, _ in
            gate.pass()
            return .answer(200, [], [])
        }
        let server = RecordingServer { _, _ in .answer(200, ["ETag: \"e\""], []) }
        defer {
            gate.open()
            elsewhere.close()
            server.close()
        }
        let options = server.options()
        let url = elsewhere.endpoint + "/slow"
        try LoopActor.runInTurn {
            var four = ClientPoolOptions()
            four.connections = 4
            let pools = ClientPools()
            let others = pools.pool("others", four)
            let store = try R2Store(options, pools: pools, pool: four)
            #expect(pools.all.map(\.name) == ["others", "r2"])
            func ask(_ pool: ClientPool) -> [Task<Int, any Error>] {
                (0..<8).map { _ in spawn { try await pool.send(ClientRequest(.get, url)).status } }
            }
            // The others' pool is full, with as many waiting.
            let slow = ask(others)
            try await Self.until { elsewhere.requests.count == 4 && others.metrics.waiting == 4 }
            let key = try ObjectKey("k")
            for _ in 0..<20 { _ = try await store.head(key) }
            #expect(server.requests.count == 20)
            #expect(elsewhere.requests.count == 4)
            // The same load in the objects' own pool: now they wait.
            let shared = ask(store.pool)
            try await Self.until { elsewhere.requests.count == 8 && store.metrics.waiting == 4 }
            let head = spawn { try await store.head(key) }
            try await Self.until { store.metrics.waiting == 5 }
            #expect(server.requests.count == 20)
            gate.open()
            for task in slow + shared { #expect(try await task.value == 200) }
            #expect(try await head.value.etag == "e")
            #expect(server.requests.count == 21)
            await store.close()
            #expect(pools.all.map(\.name) == ["others"])
            await pools.close()
        }
    }

    @Test("a copy above 5 GiB goes in parts of 1 GiB, all of the same object")
    func largeCopy() throws {
        let length = 6 * (UInt64(1) << 30) + 1
        let server = RecordingServer { request, _ in
            if request.method == "HEAD" {
                return .answer(200, ["Content-Length: \(length)", "ETag: \"v1\"", "Content-Type: video/mp2t"], [])
            }
            if request.target.contains("uploads") {
                return .xml(
                    200, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
            }
            if request.method == "POST" {
                return .xml(
                    200, "<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>")
            }
            return .xml(200, "<CopyPartResult><ETag>\"part\"</ETag></CopyPartResult>")
        }
        defer { server.close() }
        try withR2(server.options()) { store in
            let info = try await store.copy(try ObjectKey("from here"), to: try ObjectKey("to"))
            #expect(info.length == length)
            #expect(info.etag == "whole")
            #expect(info.type == "video/mp2t")
        }
        let requests = server.requests
        #expect(requests.count == 10)
        #expect(requests[1].field("Content-Type") == "video/mp2t")
        let parts = requests[2..<9].sorted { $0.target < $1.target }
        #expect(parts.map(\.target) == (1...7).map { "/media/to?partNumber=\($0)&uploadId=u" })
        for (index, part) in parts.enumerated() {
            let start = UInt64(index) << 30
            let last = min(length, start + (1 << 30)) - 1
            #expect(part.method == "PUT")
            #expect(part.field("X-Amz-Copy-Source") == "/media/from%20here")
            #expect(part.field("X-Amz-Copy-Source-Range") == "bytes=\(start)-\(last)")
            #expect(part.field("X-Amz-Copy-Source-If-Match") == "\"v1\"")
            #expect(part.length == 0)
        }
    }

    @Test("control characters in a key are encoded on their way, and decoded in a listing")
    func controlCharacters() throws {
        let server = RecordingServer { request, _ in
            guard request.method == "GET" else { return .answer(200, ["ETag: \"e\""], []) }
            return .xml(
                200,
                "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
                    + "<Contents><Key>a%01b%09c%0Ad%0De%7F</Key><Size>1</Size></Contents></ListBucketResult>")
        }
        defer { server.close() }
        try withR2(server.options()) { store in
            let key = try ObjectKey("a\u{1}b\tc\nd\re\u{7f}")
            _ = try await store.put(key, .bytes([1]))
            #expect(try await store.list(prefix: "a\u{1}", after: nil, limit: 10).objects.map(\.key) == [key])
        }
        #expect(server.requests.first?.target == "/media/a%01b%09c%0Ad%0De%7F")
        #expect(server.requests.last?.target.contains("&prefix=a%01") == true)
        #expect(server.requests.last?.target.contains("encoding-type=url") == true)
    }
}
