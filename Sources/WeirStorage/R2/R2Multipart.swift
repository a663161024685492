internal import WeirHTTP
internal import WeirLoop

// Objects that are put, or copied, in parts.
extension R2Store {
    func putParts(
        _ key: ObjectKey, _ file: Int32, _ offset: UInt64, _ source: ObjectSource, _ facts: ObjectFacts
    ) async throws(ObjectError) -> ObjectInfo {
        let plan = try plan(key, source.length)
        let meter = PartMeter(plan, source.progress)
        return try await inParts(key, plan, facts, operation: "put") { number, upload throws(ObjectError) in
            let range = plan.range(number)
            let call = Call(.put, key, [("partNumber", "\(number)"), ("uploadId", upload)])
            let etag = try await self.putFile(
                call, file, (offset + range.lowerBound)..<(offset + range.upperBound),
                operation: "put part \(number) of \(plan.count)"
            ) { meter.moved($0, of: number) }
            meter.done(number)
            return etag
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
            let answer = try await self.ask(call, hasBody: true, operation: operation)
            guard let elements = answer.elements, elements.root == "CopyPartResult" else {
                throw answer.error(region: self.options.region).during(operation, key)
            }
            return R2Answer.etag(elements.texts["ETag"])
        }
    }

    private func plan(_ key: ObjectKey, _ length: UInt64) throws(ObjectError) -> MultipartPlan {
        guard let plan = MultipartPlan(length: length, partSize: options.partSize) else {
            throw ObjectError(
                .tooLarge, operation: "put", key: key.text,
                "\(length) bytes; expected at most \(MultipartPlan.mostObject)")
        }
        return plan
    }

    // MARK: Uploads

    /// Makes the parts, so many at once, and puts them together; when one cannot be made, the upload is aborted, and nothing
    /// of it stays.
    private func inParts(
        _ key: ObjectKey, _ plan: MultipartPlan, _ facts: ObjectFacts, operation: String,
        _ make: @escaping @LoopActor (_ number: Int, _ upload: String) async throws(ObjectError) -> String
    ) async throws(ObjectError) -> ObjectInfo {
        let upload = try await begin(key, facts, operation)
        do throws(ObjectError) {
            let etags = try await parts(plan.count) { number throws(ObjectError) in try await make(number, upload) }
            let etag = try await complete(key, upload, etags, plan, operation)
            return ObjectInfo(key: key, length: plan.length, etag: etag, type: facts.type, modified: nil)
        } catch {
            await abort(key, upload)
            throw error
        }
    }

    private func begin(_ key: ObjectKey, _ facts: ObjectFacts, _ operation: String) async throws(ObjectError) -> String
    {
        var call = Call(.post, key, [("uploads", "")])
        call.fields["Content-Type"] = facts.type ?? "application/octet-stream"
        // Without an answer there may be an upload that nobody knows: it is not begun a second time.
        let answer = try await ask(call, hasBody: true, operation: operation) {
            $0.isTransient && $0.error.status != nil
        }
        guard let elements = answer.elements, let id = elements.texts["UploadId"], !id.isEmpty else {
            throw ObjectError(.malformed, operation: operation, key: key.text, "the answer has no upload in it")
        }
        return id
    }

    /// The ETags of all parts, in their order; or the first error, when none is under way any more.
    private func parts(
        _ count: Int, _ make: @escaping @LoopActor (Int) async throws(ObjectError) -> String
    ) async throws(ObjectError) -> [String] {
        let parts = Parts(count)
        let workers = (0..<min(count, min(max(1, options.parallelParts), 32))).map { _ in
            spawn {
                while let number = parts.next() {
                    do throws(ObjectError) {
                        parts.etags[number - 1] = try await make(number)
                    } catch {
                        parts.fail(error)
                    }
                }
            }
        }
        parts.onFailure = { for worker in workers { worker.cancel() } }
        await withTaskCancellationHandler {
            for worker in workers { await worker.value }
        } onCancel: {
            for worker in workers { worker.cancel() }
        }
        if let failure = parts.failure { throw failure }
        if Task.isCancelled { throw ObjectError(.cancelled, operation: "put", "cancelled") }
        return parts.etags
    }

    @LoopActor
    private final class Parts {
        var etags: [String]
        var failure: ObjectError?
        var onFailure: (() -> Void)?
        private var begun = 0

        init(_ count: Int) { etags = Array(repeating: "", count: count) }

        func next() -> Int? {
            guard begun < etags.count, failure == nil, !Task.isCancelled else { return nil }
            begun += 1
            return begun
        }

        func fail(_ error: ObjectError) {
            guard failure == nil else { return }
            failure = error
            onFailure?()
        }
    }

    private func complete(
        _ key: ObjectKey, _ upload: String, _ etags: [String], _ plan: MultipartPlan, _ operation: String
    ) async throws(ObjectError) -> String {
        var body = "<CompleteMultipartUpload>"
        for (index, etag) in etags.enumerated() {
            body += "<Part><PartNumber>\(index + 1)</PartNumber><ETag>\"\(R2Store.escaped(etag))\"</ETag></Part>"
        }
        body += "</CompleteMultipartUpload>"
        var call = Call(.post, key, [("uploadId", upload)])
        call.fields["Content-Type"] = "application/xml"
        let answer: R2Answer
        do throws(ObjectError) {
            answer = try await ask(call, Array(body.utf8), hasBody: true, operation: operation)
        } catch {
            // A try whose answer was lost may have completed it.
            guard error.kind == .noUpload, let info = try? await head(key), info.length == plan.length else {
                throw error
            }
            return info.etag
        }
        // Completing takes time: the status may come before the outcome.
        guard let elements = answer.elements, elements.root == "CompleteMultipartUploadResult" else {
            throw answer.error(region: options.region).during(operation, key)
        }
        return R2Answer.etag(elements.texts["ETag"])
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
