import Glibc
import Testing
import WeirHTTP
import WeirLoop

@testable import WeirStorage

@Suite("R2: what a server may answer")
struct R2HostileTests {
    private static let key = ObjectKey(known: "k")
    private static let begun = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    private static let completed =
        "<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>"

    /// Retries wait for nothing, and small files go in parts.
    private static func hasty(_ options: inout R2Options) {
        options.retry.first = 0.001
        options.multipartAbove = 1 << 20
        options.partSize = 5 << 20
    }

    // MARK: Errors

    @Test("an error is what its status says, though its words are too many, or cut, or no XML")
    func words() throws {
        let replies: [RecordingServer.Reply] = [
            .answer(403, [], Array(repeating: 0x20, count: 1 << 20)),
            .cut(403, [], Array(repeating: 0x20, count: 4096), after: 100),
            .answer(403, [], Array("<Error><Code>".utf8)), .answer(403, [], [0xFF, 0xFE, 0]),
        ]
        let server = RecordingServer { _, number in replies[min(number, replies.count - 1)] }
        defer { server.close() }
        try withR2(server.options(Self.hasty)) { store in
            for _ in replies {
                let error = try #require(
                    await objectError { () throws(ObjectError) in try await store.read(Self.key, limit: 10) })
                #expect(error.kind == .denied && error.status == 403)
            }
        }
        // None of them is tried again.
        #expect(server.requests.count == replies.count)
    }

    @Test("a redirect is not followed, and names the region or the place")
    func redirects() throws {
        let replies: [(RecordingServer.Reply, ObjectError.Kind, String)] = [
            (
                .xml(
                    301,
                    "<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message>"
                        + "<Endpoint>b.s3.eu-west-1.example</Endpoint></Error>", ["x-amz-bucket-region: eu-west-1"]),
                .region, "expected eu-west-1; it says b.s3.eu-west-1.example"
            ),
            (.answer(301, ["x-amz-bucket-region: eu-west-1"], []), .region, "for region auto, expected eu-west-1"),
            (
                .xml(
                    307, "<Error><Code>TemporaryRedirect</Code><Message>moved</Message></Error>",
                    ["Location: http://127.0.0.1:1/media/k"]), .refused, "it says http://127.0.0.1:1/media/k"
            ),
            (.answer(302, [], []), .refused, "the store is somewhere else"),
        ]
        let server = RecordingServer { _, number in replies[min(number, replies.count - 1)].0 }
        defer { server.close() }
        try withR2(server.options(Self.hasty)) { store in
            for (_, kind, text) in replies {
                let error = try #require(
                    await objectError { () throws(ObjectError) in try await store.read(Self.key, limit: 10) })
                #expect(error.kind == kind)
                #expect(error.description.contains(text), "\(error)")
            }
        }
        #expect(server.requests.count == replies.count)
    }

    // MARK: Ranges

    @Test(
        "other bytes than were asked for are refused",
        arguments: [
            (200, [], 100), (206, [], 10), (206, ["Content-Range: bytes 0-9/100"], 10),
            (206, ["Content-Range: bytes 10-19/*"], 10), (206, ["Content-Range: bytes 10-18/100"], 9),
            (206, ["Content-Range: bytes 10-19/100"], 9), (206, ["Content-Range: nonsense"], 10),
        ] as [(Int, [String], Int)])
    func ranges(status: Int, fields: [String], count: Int) throws {
        let server = RecordingServer { _, _ in
            .answer(status, ["ETag: \"e\""] + fields, Array(repeating: 1, count: count))
        }
        defer { server.close() }
        try withR2(server.options(Self.hasty)) { store in
            let range = ObjectRange.bytes(from: 10, count: 10)
            let read = try #require(
                await objectError { () throws(ObjectError) in try await store.read(Self.key, range, limit: 1000) })
            #expect(read.kind == .malformed)
            let got = try #require(
                await objectError { () throws(ObjectError) in try await store.get(Self.key, range) })
            #expect(got.kind == .malformed)
        }
    }

    @Test("all is as good as a range that is all")
    func whole() throws {
        let server = RecordingServer { _, _ in .answer(200, [], [1, 2, 3]) }
        defer { server.close() }
        try withR2(server.options(Self.hasty)) { store in
            let bytes = try await store.read(Self.key, .from(0), limit: 3)
            #expect(bytes == [1, 2, 3])
        }
    }

    // MARK: Cuts

    @Test("an object without an ETag begins anew when it is cut: nobody knows whether it is the same")
    func untagged() throws {
        let server = RecordingServer { request, number in
            number == 0
                ? .cut(200, [], Array(repeating: 1, count: 1000), after: 500)
                : .answer(200, [], Array(repeating: 2, count: 1000))
        }
        defer { server.close() }
        try withR2(server.options(Self.hasty)) { store in
            let back = Scratch()
            let info = try await store.save(Self.key, to: back.descriptor, nil)
            #expect(info.length == 1000)
            #expect(back.bytes == Array(repeating: 2, count: 1000))
        }
        #expect(server.requests.count == 2)
        #expect(server.requests.allSatisfy { $0.field("Range") == nil && $0.field("If-Match") == nil })
    }

    // MARK: Uploads

    /// Puts 6 MiB in parts on a server that answers completing as told; how that ends, and what was asked.
    private func put(
        parts: [String] = ["ETag: \"e\""], head: [String] = [],
        _ complete: @escaping @Sendable (Int) -> RecordingServer.Reply
    ) throws -> (outcome: Result<ObjectInfo, ObjectError>, requests: [RecordingServer.Request]) {
        let completions = Guarded(0)
        let server = RecordingServer { request, _ in
            if request.target.contains("uploads") {
                return .xml(200, Self.begun, ["Date: Fri, 24 May 2013 00:00:10 GMT"])
            }
            if request.method == "POST" {
                return complete(
                    completions.withLock {
                        $0 += 1
                        return $0
                    })
            }
            if request.method == "HEAD" { return .answer(200, ["Content-Length: \(6 << 20)"] + head, []) }
            return .answer(request.method == "DELETE" ? 204 : 200, parts, [])
        }
        defer { server.close() }
        let file = Scratch(length: 6 << 20)
        let outcome = Guarded(Result<ObjectInfo, ObjectError>.failure(ObjectError(.cancelled, "")))
        try withR2(server.options(Self.hasty)) { store in
            do throws(ObjectError) {
                let info = try await store.put(Self.key, .file(file.descriptor, length: 6 << 20))
                outcome.withLock { $0 = .success(info) }
            } catch {
                outcome.withLock { $0 = .failure(error) }
            }
        }
        return (outcome.withLock { $0 }, server.requests)
    }

    private func error(_ outcome: Result<ObjectInfo, ObjectError>) throws -> ObjectError {
        guard case .failure(let error) = outcome else {
            let none: ObjectError? = nil
            return try #require(none, "it was taken for done")
        }
        return error
    }

    @Test("completing is tried again when its error comes behind a status of 200, and may be long in coming")
    func completing() throws {
        let (outcome, requests) = try put { number in
            number == 1
                ? .xml(200, "<Error><Code>InternalError</Code><Message>late</Message></Error>")
                // S3 sends white space meanwhile.
                : .answer(200, [], Array("   \n <?xml version=\"1.0\"?>\n\(Self.completed)".utf8))
        }
        #expect(try outcome.get().etag == "whole")
        #expect(requests.count { $0.method == "POST" && $0.target.hasSuffix("uploadId=u") } == 2)
        #expect(!requests.contains { $0.method == "DELETE" })
    }

    @Test("an answer to completing that says nothing is no success", arguments: ["", "<html>", "<ok/>"])
    func nothing(body: String) throws {
        let (outcome, requests) = try put { _ in .answer(200, [], Array(body.utf8)) }
        #expect(try error(outcome).kind == .malformed)
        #expect(requests.last?.method == "DELETE")
    }

    @Test("a part without an ETag cannot be put together: the upload is aborted")
    func tags() throws {
        let (outcome, requests) = try put(parts: []) { _ in .xml(200, Self.completed) }
        #expect(try error(outcome).kind == .malformed)
        #expect(try error(outcome).operation.hasPrefix("put part "))
        // What the other part's thread reads later is recorded later.
        #expect(requests.contains { $0.method == "DELETE" })
        #expect(!requests.contains { $0.method == "POST" && $0.target.hasSuffix("uploadId=u") })
    }

    @Test(
        "an upload that is gone was completed if there is an object as long and no older, and only then",
        arguments: [
            ("Fri, 24 May 2013 00:00:11 GMT", true), ("Fri, 24 May 2013 00:00:10 GMT", true),
            ("Fri, 24 May 2013 00:00:08 GMT", false), ("", false),
        ])
    func gone(modified: String, isDone: Bool) throws {
        let head = ["ETag: \"there\""] + (modified.isEmpty ? [] : ["Last-Modified: \(modified)"])
        let (outcome, _) = try put(head: head) { number in
            number == 1 ? .close : .xml(404, "<Error><Code>NoSuchUpload</Code><Message>gone</Message></Error>")
        }
        if isDone {
            #expect(try outcome.get().etag == "there")
        } else {
            #expect(try error(outcome).kind == .noUpload)
        }
    }

    @Test("a copy whose error comes behind a status of 200 is tried again, and is no copy")
    func copying() throws {
        let server = RecordingServer { request, _ in
            request.method == "HEAD"
                ? .answer(200, ["Content-Length: 5", "ETag: \"e\""], [])
                : .xml(200, "<Error><Code>SlowDown</Code><Message>later</Message></Error>")
        }
        defer { server.close() }
        try withR2(server.options(Self.hasty)) { store in
            let error = try #require(
                await objectError { () throws(ObjectError) in
                    try await store.copy(Self.key, to: ObjectKey(known: "other"))
                })
            #expect(error.kind == .unavailable && error.code == "SlowDown")
        }
        #expect(server.requests.count { $0.method == "PUT" } == 4)
    }

    // MARK: Lists

    private static func page(_ keys: [String], isCut: Bool) -> RecordingServer.Reply {
        .xml(
            200,
            "<ListBucketResult><IsTruncated>\(isCut)</IsTruncated>"
                + keys.map { "<Contents><Key>\($0)</Key><Size>1</Size></Contents>" }.joined() + "</ListBucketResult>")
    }

    @Test("a list that goes back has no end, and is refused")
    func endless() throws {
        let server = RecordingServer { _, _ in Self.page(["a", "b"], isCut: true) }
        defer { server.close() }
        try withR2(server.options(Self.hasty)) { store in
            let first = try await store.list(prefix: "", after: nil, limit: 2)
            #expect(first.next == "b")
            let error = try #require(
                await objectError { () throws(ObjectError) in
                    try await store.list(prefix: "", after: first.next, limit: 2)
                })
            #expect(error.kind == .malformed)
        }
    }

    @Test("a list with what is no key is refused", arguments: ["", String(repeating: "x", count: 1025), "a&#0;b"])
    func keys(text: String) throws {
        let server = RecordingServer { _, _ in Self.page([text], isCut: false) }
        defer { server.close() }
        try withR2(server.options(Self.hasty)) { store in
            let error = try #require(
                await objectError { () throws(ObjectError) in
                    try await store.list(prefix: "", after: nil, limit: 2)
                })
            #expect(error.kind == .malformed)
        }
    }

    @Test("an answer without end is not read to its end")
    func huge() throws {
        let server = RecordingServer { _, _ in
            .answer(200, [], Array("<ListBucketResult>".utf8) + Array(repeating: 0x20, count: 4 * R2Answer.limit))
        }
        defer { server.close() }
        try withR2(server.options(Self.hasty)) { store in
            let error = try #require(
                await objectError { () throws(ObjectError) in
                    try await store.list(prefix: "", after: nil, limit: 2)
                })
            #expect(error.kind == .tooLarge)
            #expect(store.metrics.receivedBytes < 2 * UInt64(R2Answer.limit))
        }
    }
}
