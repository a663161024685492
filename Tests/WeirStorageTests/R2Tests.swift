import Glibc
import Testing
import WeirHTTP
import WeirLoop

@testable import WeirStorage

@Suite("R2: on the wire")
struct R2Tests {
    private static let key = ObjectKey(known: "a/../b c")

    @Test("requests have R2's manners: lengths, no Expect, no chunks, a content hash, equal parts")
    func manners() throws {
        let server = RecordingServer { request, _ in
            if request.target.contains("uploads") {
                return .xml(
                    200, "<InitiateMultipartUploadResult><UploadId>u&amp;1</UploadId></InitiateMultipartUploadResult>")
            }
            if request.method == "POST" {
                return .xml(
                    200, "<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>")
            }
            return .answer(200, ["ETag: \"part\""], [])
        }
        defer { server.close() }
        let length = (11 << 20) + 1
        let file = Scratch(length: length)
        try withR2(
            server.options {
                $0.multipartAbove = 8 << 20
                $0.partSize = 5 << 20
            }
        ) { store in
            _ = try await store.put(Self.key, .bytes([1, 2, 3]))
            _ = try await store.put(Self.key, .bytes([]))
            _ = try await store.put(Self.key, .file(file.descriptor, length: 1 << 20))
            let info = try await store.put(Self.key, .file(file.descriptor, length: UInt64(length)))
            #expect(info.etag == "whole")
        }
        let requests = server.requests
        #expect(requests.count == 8)
        for request in requests {
            #expect(request.field("Expect") == nil)
            #expect(request.field("Transfer-Encoding") == nil)
            #expect(request.field("Content-Length") != nil)
            #expect(request.field("X-Amz-Content-Sha256")?.isEmpty == false)
            #expect(request.field("Authorization")?.hasPrefix("AWS4-HMAC-SHA256 Credential=id/") == true)
            #expect(request.target.hasPrefix("/media/a/../b%20c"), "\(request.target)")
        }
        #expect(requests[0].field("X-Amz-Content-Sha256") == SHA256.hex(of: [1, 2, 3]))
        #expect(requests[1].field("Content-Length") == "0")
        #expect(requests[7].field("X-Amz-Content-Sha256") == SHA256.hex(of: requests[7].body))
        #expect(requests[2].field("X-Amz-Content-Sha256") == "UNSIGNED-PAYLOAD")
        #expect(requests[2].body == Array(file.bytes.prefix(1 << 20)))
        let parts = requests[4...6].sorted { $0.target < $1.target }
        #expect(parts.map(\.target) == (1...3).map { "/media/a/../b%20c?partNumber=\($0)&uploadId=u%261" })
        #expect(parts.map(\.length) == [5 << 20, 5 << 20, (1 << 20) + 1])
        #expect(parts.flatMap(\.body) == file.bytes)
        let complete = String(decoding: requests[7].body, as: UTF8.self)
        #expect(requests[7].target == "/media/a/../b%20c?uploadId=u%261")
        #expect(complete.contains("<Part><PartNumber>3</PartNumber><ETag>\"part\"</ETag></Part>"))
    }

    // MARK: Retries

    @Test("what fails for a moment is tried four times, by the clock", arguments: [429, 500, 503])
    func retries(status: Int) throws {
        let server = RecordingServer { _, _ in .answer(status, [], []) }
        defer { server.close() }
        let clock = LoopClock.manual()
        try withR2(server.options(), clock: clock) { store in
            let start = clock.now
            let asking = spawn { await objectError { () throws(ObjectError) in try await store.head(Self.key) } }
            // Full jitter at one half: 0.1, 0.2, 0.4 s.
            for (count, seconds) in [(1, 0.1), (2, 0.2), (3, 0.4)] {
                try await Self.until { server.requests.count == count && clock.waitingTimers > 1 }
                await clock.advance(seconds: seconds)
            }
            let error = await asking.value
            #expect(error?.kind == .unavailable)
            #expect(error?.status == status)
            #expect(server.requests.count == 4)
            #expect(clock.now - start == 700_000_000)
        }
    }

    /// Waits without the store's clock.
    @LoopActor
    private static func until(_ condition: () -> Bool) async throws {
        let end = LoopClock.monotonic.deadline(after: 240)
        while !condition() {
            try #require(LoopClock.monotonic.now < end)
            try await LoopClock.monotonic.sleep(for: 0.002)
        }
    }

    @Test("Retry-After is waited for, with the jitter on top")
    func retryAfter() throws {
        let server = RecordingServer { _, number in
            number == 0 ? .answer(503, ["Retry-After: 7"], []) : .answer(200, ["ETag: \"e\""], [])
        }
        defer { server.close() }
        let clock = LoopClock.manual()
        try withR2(server.options(), clock: clock) { store in
            let asking = spawn { try await store.head(Self.key) }
            try await Self.until { server.requests.count == 1 && clock.waitingTimers > 1 }
            await clock.advance(seconds: 7.0)
            #expect(server.requests.count == 1)
            await clock.advance(seconds: 0.1)
            #expect(try await asking.value.etag == "e")
            #expect(server.requests.count == 2)
        }
    }

    @Test("no other error is tried again", arguments: [400, 403, 404, 409, 412, 416])
    func noRetries(status: Int) throws {
        let server = RecordingServer { _, _ in .answer(status, [], []) }
        defer { server.close() }
        try withR2(server.options()) { store in
            let error = await objectError { () throws(ObjectError) in try await store.head(Self.key) }
            #expect(error?.status == status)
            #expect(server.requests.count == 1)
        }
    }

    @Test("a key's text, a code, a message and a request id are in the error")
    func errors() throws {
        let server = RecordingServer { _, _ in
            .xml(
                403,
                "<Error><Code>SignatureDoesNotMatch</Code><Message>The request &lt;signature&gt;\u{1B} is wrong</Message></Error>",
                ["cf-ray: 8a-FRA"])
        }
        defer { server.close() }
        try withR2(server.options()) { store in
            let error = await objectError { () throws(ObjectError) in try await store.read(Self.key, limit: 10) }
            #expect(error?.kind == .signature)
            #expect(error?.code == "SignatureDoesNotMatch")
            #expect(error?.requestID == "8a-FRA")
            #expect(
                error?.description
                    == "get a/../b c: 403 SignatureDoesNotMatch: The request <signature> is wrong (request 8a-FRA)")
        }
    }

    // MARK: Cuts

    @Test("an object whose connection is cut goes on where it was, if it is the same still")
    func resume() throws {
        let length = 3 << 20
        let file = Scratch(length: length)
        let bytes = file.bytes
        let server = RecordingServer { request, number in
            guard let range = request.field("Range") else {
                return .cut(200, ["ETag: \"v1\""], bytes, after: 1 << 20)
            }
            let from = Int(range.dropFirst(6).dropLast())!
            let fields = ["ETag: \"v1\"", "Content-Range: bytes \(from)-\(length - 1)/\(length)"]
            return number < 3
                ? .cut(206, fields, Array(bytes[from...]), after: 100_000) : .answer(206, fields, Array(bytes[from...]))
        }
        defer { server.close() }
        try withR2(server.options { $0.retry.first = 0.001 }) { store in
            let back = Scratch()
            let info = try await store.save(Self.key, to: back.descriptor, nil)
            #expect(info.length == UInt64(length))
            #expect(back.holds(length: length))
            #expect(server.requests.count == 4)
            #expect(server.requests[1].field("Range") == "bytes=\(1 << 20)-")
            #expect(server.requests[1].field("If-Match") == "\"v1\"")
            #expect(server.requests[3].field("Range") == "bytes=\((1 << 20) + 200_000)-")
        }
    }

    @Test("it is not put together from two versions")
    func changed() throws {
        let server = RecordingServer { _, number in
            number == 0
                ? .cut(200, ["ETag: \"v1\""], Array(repeating: 1, count: 1000), after: 500)
                : .xml(412, "<Error><Code>PreconditionFailed</Code><Message>changed</Message></Error>")
        }
        defer { server.close() }
        try withR2(server.options { $0.retry.first = 0.001 }) { store in
            let back = Scratch()
            let error = await objectError { () throws(ObjectError) in
                try await store.save(Self.key, to: back.descriptor, nil)
            }
            #expect(error?.kind == .changed)
        }
    }

    @Test("an object that is cut every time is an error, not a short object")
    func cut() throws {
        let server = RecordingServer { request, _ in
            let from = request.field("Range").flatMap { Int($0.dropFirst(6).dropLast()) } ?? 0
            return .cut(
                from == 0 ? 200 : 206, ["ETag: \"v1\"", "Content-Range: bytes \(from)-999/1000"],
                Array(repeating: 1, count: 1000 - from), after: from == 0 ? 500 : 0)
        }
        defer { server.close() }
        try withR2(server.options { $0.retry.first = 0.001 }) { store in
            let back = Scratch()
            let error = await objectError { () throws(ObjectError) in
                try await store.save(Self.key, to: back.descriptor, nil)
            }
            #expect(error?.kind == .connection(.closed))
            #expect(back.length == 500)
            let read = await objectError { () throws(ObjectError) in try await store.read(Self.key, limit: 1000) }
            #expect(read?.kind == .connection(.closed))
            let stream = try await store.get(Self.key)
            let bytes = await SocketReader.read(stream.takeDescriptor(), limit: 2000)
            #expect(bytes.count == 500)
            let end = await objectError { () throws(ObjectError) in try await stream.ended() }
            #expect(end?.kind == .connection(.closed))
        }
    }

    @Test("a file whose connection is cut is sent again from its beginning")
    func cutPut() throws {
        let file = Scratch(length: 2 << 20)
        let server = RecordingServer(takes: { _, number in number < 2 ? 300_000 : nil }) { _, _ in
            .answer(200, ["ETag: \"e\""], [])
        }
        defer { server.close() }
        try withR2(server.options { $0.retry.first = 0.001 }) { store in
            let info = try await store.put(Self.key, .file(file.descriptor, length: 2 << 20))
            #expect(info.etag == "e")
            #expect(server.requests.count == 3)
            #expect(server.requests[2].body == file.bytes)
        }
    }

    @Test("a part that cannot be sent aborts the upload, when no other part is under way any more")
    func abort() throws {
        let file = Scratch(length: 20 << 20)
        let server = RecordingServer(takes: { request, _ in
            request.target.contains("partNumber=2") ? 1 << 20 : nil
        }) { request, _ in
            if request.target.contains("uploads") {
                return .xml(
                    200, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
            }
            return .answer(request.method == "DELETE" ? 204 : 200, ["ETag: \"e\""], [])
        }
        defer { server.close() }
        try withR2(
            server.options {
                $0.retry.first = 0.001
                $0.multipartAbove = 1 << 20
                $0.partSize = 5 << 20
                $0.parallelParts = 2
            }
        ) { store in
            let error = await objectError { () throws(ObjectError) in
                try await store.put(Self.key, .file(file.descriptor, length: 20 << 20))
            }
            #expect(error?.operation == "put part 2 of 4")
            if case .connection = error?.kind {} else { Issue.record("\(String(describing: error))") }
            let last = try #require(server.requests.last)
            #expect(last.method == "DELETE")
            #expect(last.target == "/media/a/../b%20c?uploadId=u")
            #expect(server.requests.count { $0.target.contains("partNumber=2") } == 4)
            #expect(!server.requests.contains { $0.method == "POST" && $0.target.hasSuffix("?uploadId=u") })
        }
    }

    @Test("completing may fail behind a status of 200")
    func completion() throws {
        let file = Scratch(length: 6 << 20)
        let server = RecordingServer { request, _ in
            if request.target.contains("uploads") {
                return .xml(
                    200, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
            }
            if request.method == "POST" {
                return .xml(200, "<Error><Code>InternalError</Code><Message>late</Message></Error>")
            }
            return .answer(200, ["ETag: \"e\""], [])
        }
        defer { server.close() }
        try withR2(
            server.options {
                $0.multipartAbove = 1 << 20
                $0.retry.first = 0.001
            }
        ) { store in
            let error = await objectError { () throws(ObjectError) in
                try await store.put(Self.key, .file(file.descriptor, length: 6 << 20))
            }
            #expect(error?.code == "InternalError")
            #expect(server.requests.last?.method == "DELETE")
        }
    }

    @Test("an answer that is no store's is an error", arguments: ["", "<html>", "<a/>", "<ListBucketResult>"])
    func malformed(body: String) throws {
        let server = RecordingServer { _, _ in .answer(200, [], Array(body.utf8)) }
        defer { server.close() }
        try withR2(server.options()) { store in
            let error = await objectError { () throws(ObjectError) in
                try await store.list(prefix: "", after: nil, limit: 10)
            }
            #expect(error?.kind == .malformed)
        }
    }

    @Test("a cancelled task takes its transfer back")
    func cancel() throws {
        let server = RecordingServer { _, _ in
            sleep(2)
            return .close
        }
        defer { server.close() }
        let file = Scratch(length: 2 << 20)
        try withR2(server.options()) { store in
            let putting = spawn {
                await objectError { () throws(ObjectError) in
                    try await store.put(Self.key, .file(file.descriptor, length: 2 << 20))
                }
            }
            try await Self.until { server.requests.count == 1 }
            putting.cancel()
            let error = await putting.value
            #expect(error?.kind == .cancelled)
            #expect(store.metrics.running == 0)
        }
    }

    @Test("100 objects in a batch are put 16 at once, over as many connections")
    func batch() throws {
        // None of the first 16 is answered before all of them are there.
        let arrived = Guarded(0)
        let server = RecordingServer { _, _ in
            arrived.withLock { $0 += 1 }
            while arrived.withLock({ $0 }) < 16 { usleep(1000) }
            return .answer(200, ["ETag: \"e\""], [])
        }
        defer { server.close() }
        let objects = (0..<100).map { (key: ObjectKey(known: "k\($0)"), source: ObjectSource.bytes([1])) }
        try withR2(server.options()) { store in
            let results = await store.put(objects)
            #expect(results.allSatisfy { (try? $0.get()) != nil })
        }
        #expect(server.requests.count == 100)
        #expect(server.most == 16)
        #expect(server.connections == 16)
    }

    @Test("links are presigned, or below the public address")
    func links() throws {
        let server = RecordingServer { _, _ in .close }
        defer { server.close() }
        try withR2(server.options { $0.publicBaseURL = "https://media.example.com/x/" }) { store in
            #expect(store.url(Self.key, expires: 60) == "https://media.example.com/x/a/../b%20c")
            let url = store.presign(.put, Self.key, expires: 60)
            #expect(url.hasPrefix("\(server.endpoint)/media/a/../b%20c?X-Amz-Algorithm=AWS4-HMAC-SHA256&"))
            #expect(url.contains("&X-Amz-Expires=60&"))
        }
    }

    @Test(
        "an endpoint or a bucket that cannot be is refused",
        arguments: [
            ("ftp://h", "media"), ("https://h/path", "media"), ("https://h", "no"), ("https://h", "Media"),
            ("h", "media"),
        ])
    func refused(endpoint: String, bucket: String) throws {
        try LoopActor.runInTurn {
            let credentials = SigningCredentials(accessKeyID: "", secretAccessKey: "")
            let error = await objectError { () throws(ObjectError) in
                try R2Store(R2Options(endpoint: endpoint, bucket: bucket, credentials: credentials))
            }
            #expect(error?.kind == .argument)
        }
    }
}
