internal import WeirHTTP
internal import WeirLoop

// Objects that are put, or copied, in parts.
extension R2Store {
    func putParts(
        _ key: ObjectKey, _ file: Int32, _ bytes: Range<UInt64>, _ progress: ObjectProgress?, _ facts: ObjectFacts
    ) async throws(ObjectError) -> ObjectInfo {
        let plan = try plan(key, UInt64(bytes.count))
        let meter = PartMeter(plan, progress)
        return try await inParts(key, plan, facts, operation: "put") { number, upload throws(ObjectError) in
            let range = plan.range(number)
            let call = Call(.put, key, [("partNumber", "\(number)"), ("uploadId", upload)])
            let operation = "put part \(number) of \(plan.count)"
            let etag = try await self.putFile(
                call, file, (bytes.lowerBound + range.lowerBound)..<(bytes.lowerBound + range.upperBound),
                operation: operation
            ) { meter.moved($0, of: number) }
            meter.done(number)
            return try R2Store.partTag(etag, operation, key)
        }
    }

    /// A copy of more than one request may copy.
    func copyParts(
        _ original: ObjectInfo, _ source: String, to key: ObjectKey
    ) async throws(ObjectError) -> ObjectInfo {
        guard let plan = MultipartPlan(length: original.length, partSize: 1 << 30) else {
            throw ObjectError(.tooLarge, operation: "copy", key: key.text, "\(original.length) bytes")
        }
        return try await inParts(key, plan, ObjectFacts(type: original.type), operation: "copy") {
            number, upload throws(ObjectError) in
            let range = plan.range(number)
            var call = Call(.put, key, [("partNumber", "\(number)"), ("uploadId", upload)])
            call.fields["X-Amz-Copy-Source"] = source
            call.fields["X-Amz-Copy-Source-Range"] = "bytes=\(range.lowerBound)-\(range.upperBound - 1)"
            call.fields["X-Amz-Copy-Source-If-Match"] = "\"\(original.etag)\""
            let operation = "copy part \(number) of \(plan.count)"
            let answer = try await self.ask(call, hasBody: true, operation: operation, root: "CopyPartResult")
            return try R2Store.partTag(R2Answer.etag(answer.elements?.texts["ETag"]), operation, key)
        }
    }

    func plan(_ key: ObjectKey, _ length: UInt64) throws(ObjectError) -> MultipartPlan {
        guard let plan = MultipartPlan(length: length, partSize: options.partSize) else {
            throw ObjectError(
                .tooLarge, operation: "put", key: key.text,
                "\(length) bytes; expected at most \(MultipartPlan.mostObject)")
        }
        return plan
    }

    // MARK: Uploads

    /// Makes the parts, so many at once, and puts them together.
    private func inParts(
        _ key: ObjectKey, _ plan: MultipartPlan, _ facts: ObjectFacts, operation: String,
        _ make: @escaping @LoopActor (_ number: Int, _ upload: String) async throws(ObjectError) -> String
    ) async throws(ObjectError) -> ObjectInfo {
        try await inParts(key, facts, operation: operation) { upload throws(ObjectError) in
            let tags = PartTags()
            let numbers = PartNumbers(plan.count)
            try await self.together(min(plan.count, self.parallelParts)) { _ throws(ObjectError) in
                while let number = numbers.next() { tags[number] = try await make(number, upload) }
            }
            return (tags.all, plan.length)
        }
    }

    /// Begins an upload, has its parts made, and puts them together; when one cannot be made, the upload is aborted, and
    /// nothing of it stays.
    func inParts(
        _ key: ObjectKey, _ facts: ObjectFacts, operation: String,
        _ make: @escaping @LoopActor (_ upload: String) async throws(ObjectError) -> (etags: [String], length: UInt64)
    ) async throws(ObjectError) -> ObjectInfo {
        let upload = try await begin(key, facts, operation)
        do throws(ObjectError) {
            let (etags, length) = try await make(upload.id)
            let etag = try await complete(key, upload, etags, length, operation)
            return ObjectInfo(key: key, length: length, etag: etag, type: facts.type, modified: nil)
        } catch {
            await abort(key, upload.id)
            throw error
        }
    }

    /// Parts of one object that are under way at once.
    var parallelParts: Int { min(max(1, options.parallelParts), 32) }

    /// `time` is the store's, in seconds since 1970.
    private func begin(
        _ key: ObjectKey, _ facts: ObjectFacts, _ operation: String
    ) async throws(ObjectError) -> (id: String, time: Int64?) {
        var call = Call(.post, key, [("uploads", "")])
        call.fields["Content-Type"] = facts.type ?? "application/octet-stream"
        // Without an answer there may be an upload that nobody knows: it is not begun a second time.
        let answer = try await ask(
            call, hasBody: true, operation: operation, root: "InitiateMultipartUploadResult",
            isTransient: { $0.isTransient && $0.error.status != nil })
        guard let id = answer.elements?.texts["UploadId"], !id.isEmpty else {
            throw ObjectError(.malformed, operation: operation, key: key.text, "the answer has no upload in it")
        }
        return (id, answer.fields["Date"].flatMap { R2Date.http($0) })
    }

    /// Runs so many at once, each with its number from 0 on. The first error takes the others back, and is thrown when none
    /// is under way any more.
    func together(
        _ count: Int, _ body: @escaping @LoopActor (Int) async throws(ObjectError) -> Void
    ) async throws(ObjectError) {
        let outcome = Outcome()
        let workers = (0..<count).map { worker in
            spawn {
                do throws(ObjectError) { try await body(worker) } catch { outcome.fail(error) }
            }
        }
        outcome.onFailure = { for worker in workers { worker.cancel() } }
        await withTaskCancellationHandler {
            for worker in workers { await worker.value }
        } onCancel: {
            for worker in workers { worker.cancel() }
        }
        if let failure = outcome.failure { throw failure }
        if Task.isCancelled { throw ObjectError(.cancelled, "cancelled") }
    }

    @LoopActor
    private final class Outcome {
        var failure: ObjectError?
        var onFailure: (() -> Void)? {
            didSet { if failure != nil { onFailure?() } }
        }

        func fail(_ error: ObjectError) {
            guard failure == nil else { return }
            failure = error
            onFailure?()
        }
    }

    /// 1, 2, ... for whoever asks first.
    @LoopActor
    private final class PartNumbers {
        private let count: Int
        private var given = 0

        init(_ count: Int) { self.count = count }

        func next() -> Int? {
            guard given < count, !Task.isCancelled else { return nil }
            given += 1
            return given
        }
    }

    /// A part is known by its ETag, or not at all.
    static func partTag(_ tag: String, _ operation: String, _ key: ObjectKey) throws(ObjectError) -> String {
        if tag.isEmpty {
            throw ObjectError(.malformed, operation: operation, key: key.text, "the answer has no ETag of the part")
        }
        return tag
    }

    private func complete(
        _ key: ObjectKey, _ upload: (id: String, time: Int64?), _ etags: [String], _ length: UInt64,
        _ operation: String
    ) async throws(ObjectError) -> String {
        var body = "<CompleteMultipartUpload>"
        for (index, etag) in etags.enumerated() {
            body += "<Part><PartNumber>\(index + 1)</PartNumber><ETag>\"\(R2Store.escaped(etag))\"</ETag></Part>"
        }
        body += "</CompleteMultipartUpload>"
        var call = Call(.post, key, [("uploadId", upload.id)])
        call.fields["Content-Type"] = "application/xml"
        do throws(ObjectError) {
            let answer = try await ask(
                call, Array(body.utf8), hasBody: true, operation: operation, root: "CompleteMultipartUploadResult")
            return R2Answer.etag(answer.elements?.texts["ETag"])
        } catch {
            // A try whose answer was lost may have completed it: then there is an object that is no older than the upload.
            // (Where it has the upload's time, that may be of the second before the answer's.)
            guard error.kind == .noUpload, let begun = upload.time, let info = try? await head(key),
                info.length == length, let modified = info.modified, modified >= begun - 1
            else { throw error }
            return info.etag
        }
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing("\"", with: "&quot;")
    }

    /// Whatever becomes of the task that gave up: it is not left behind because of that.
    private func abort(_ key: ObjectKey, _ upload: String) async {
        let call = Call(.delete, key, [("uploadId", upload)])
        let aborting = spawn { _ = try? await self.ask(call, operation: "abort") }
        await aborting.value
    }

    /// An upload in parts that was neither completed nor aborted.
    public struct Upload: Sendable, Equatable {
        public let key: ObjectKey
        public let id: String
    }

    /// Those of keys that begin with `prefix`, up to 1000.
    public func uploads(prefix: String = "") async throws(ObjectError) -> [Upload] {
        let call = Call(.get, nil, [("uploads", ""), ("prefix", prefix), ("encoding-type", "url")])
        let answer = try await ask(call, operation: "list uploads")
        return try R2Listing.uploads(answer.body)
    }
}

/// The progress of an object whose parts are under way together.
@LoopActor
private final class PartMeter {
    private let plan: MultipartPlan
    private let report: ObjectProgress?
    private var done: UInt64 = 0
    private var under: [Int: UInt64] = [:]

    init(_ plan: MultipartPlan, _ report: ObjectProgress?) {
        self.plan = plan
        self.report = report
    }

    func moved(_ count: UInt64, of number: Int) {
        under[number] = count
        report?(min(plan.length, done + under.values.reduce(0, +)), plan.length)
    }

    func done(_ number: Int) {
        under[number] = nil
        done += UInt64(plan.range(number).count)
        report?(done, plan.length)
    }
}
