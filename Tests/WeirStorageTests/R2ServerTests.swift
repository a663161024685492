import Glibc
import Testing
import WeirHTTP
import WeirLoop

@testable import WeirStorage

@Suite("R2: a real server", .enabled(if: S3Server.isThere))
struct R2ServerTests {
    @Test("a wrong secret is told as a wrong signature")
    func secret() throws {
        let options = try S3Server.shared().options { $0.credentials.secretAccessKey = "wrong" }
        try withR2(options) { store in
            let key = try ObjectKey("k")
            let error = await objectError { () throws(ObjectError) in try await store.read(key, limit: 1) }
            #expect(error?.kind == .signature)
            #expect(error?.status == 403)
            #expect(error?.code == "SignatureDoesNotMatch")
            #expect(error?.requestID?.isEmpty == false)
            // An answer to HEAD has no words of its own.
            let head = await objectError { () throws(ObjectError) in try await store.head(key) }
            #expect(head?.status == 403)
            #expect(head?.kind == .denied)
            // Credentials are replaced while it runs.
            store.credentials.secretAccessKey = S3Server.secret
            let missing = await objectError { () throws(ObjectError) in try await store.head(key) }
            #expect(missing?.kind == .notFound)
        }
    }

    @Test("a wrong region is named, beside the one that is expected")
    func region() throws {
        try withR2(try S3Server.shared().options { $0.region = "eu-wrong-1" }) { store in
            let key = try ObjectKey("k")
            let error = await objectError { () throws(ObjectError) in try await store.read(key, limit: 1) }
            #expect(error?.kind == .region)
            let text = error.map { "\($0)" } ?? ""
            #expect(text.contains("eu-wrong-1") && text.contains("auto"), "\(text)")
        }
    }

    @Test("a bucket that is not there is told")
    func bucket() throws {
        try withR2(try S3Server.shared().options { $0.bucket = "nobody" }) { store in
            let list = await objectError { () throws(ObjectError) in
                try await store.list(prefix: "", after: nil, limit: 1)
            }
            #expect(list?.kind == .noBucket)
        }
    }

    @Test("a presigned URL works until its time is over")
    func presigned() throws {
        try withR2(try S3Server.shared().options()) { store in
            let key = try ObjectKey("presigned/ü //+%")
            let put = ClientRequest(.put, store.presign(.put, key, expires: 600), body: .bytes([1, 2, 3]))
            var request = put
            request.keepsPath = true
            #expect(try await store.pool.send(request).status == 200)
            #expect(try await store.read(key, limit: 3) == [1, 2, 3])
            request = ClientRequest(.get, store.presign(.get, key, expires: 600))
            request.keepsPath = true
            let response = try await store.pool.send(request)
            #expect(response.status == 200)
            #expect(try await response.collect(limit: 3) == [1, 2, 3])
            try await store.delete(key)
        }
        let early = SigningDate(seconds: SigningDate.now.seconds - 120)
        try LoopActor.runInTurn {
            let store = try R2Store(try S3Server.shared().options(), now: { early })
            let url = store.presign(.get, try ObjectKey("k"), expires: 60)
            let response = try await store.pool.send(ClientRequest(.get, url))
            #expect(response.status == 403)
            let body = try await response.collect(limit: 4096)
            let error = R2Answer(status: 403, fields: response.fields, body: body).error(region: "auto")
            #expect(error.kind == .expired, "\(error)")
            await store.close()
        }
    }

    @Test("an upload that fails leaves nothing: no object, no upload")
    func abort() throws {
        let options = try S3Server.shared().options {
            $0.multipartAbove = 1 << 20
            $0.partSize = 5 << 20
        }
        let file = Scratch(length: 12 << 20)
        try withR2(options) { store in
            let key = try ObjectKey("aborted/object")
            let error = await objectError { () throws(ObjectError) in
                try await store.put(key, .file(file.descriptor, length: 40 << 20))
            }
            #expect(error?.kind == .length)
            #expect(try await store.uploads(prefix: "aborted/").isEmpty)
            let head = await objectError { () throws(ObjectError) in try await store.head(key) }
            #expect(head?.kind == .notFound)
        }
    }

    @Test("a task that is cancelled in the middle of an upload leaves nothing either")
    func cancelled() throws {
        let options = try S3Server.shared().options {
            $0.multipartAbove = 1 << 20
            $0.partSize = 5 << 20
        }
        let file = Scratch(length: 64 << 20)
        try withR2(options) { store in
            let key = try ObjectKey("cancelled/object")
            let begun = Begun()
            let putting = spawn {
                await objectError { () throws(ObjectError) in
                    try await store.put(
                        key,
                        .file(file.descriptor, length: 64 << 20) { moved, _ in if moved > 6 << 20 { begun.isIt = true }
                        })
                }
            }
            let end = LoopClock.monotonic.deadline(after: 240)
            while !begun.isIt {
                try #require(LoopClock.monotonic.now < end)
                try await LoopClock.monotonic.sleep(for: 0.002)
            }
            putting.cancel()
            let error = await putting.value
            #expect(error?.kind == .cancelled)
            #expect(try await store.uploads(prefix: "cancelled/").isEmpty)
            let head = await objectError { () throws(ObjectError) in try await store.head(key) }
            #expect(head?.kind == .notFound)
        }
    }

    @LoopActor
    private final class Begun { var isIt = false }
}
