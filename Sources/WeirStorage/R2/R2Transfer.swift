internal import Glibc
internal import WeirHTTP
internal import WeirLoop

// Objects' bytes between the store and descriptors.
extension R2Store {
    // MARK: Up

    public func put(
        _ key: ObjectKey, _ source: ObjectSource, _ facts: ObjectFacts
    ) async throws(ObjectError) -> ObjectInfo {
        try await put(key, source, facts, inParts: true)
    }

    /// `inParts`: where it is large.
    func put(
        _ key: ObjectKey, _ source: ObjectSource, _ facts: ObjectFacts, inParts: Bool
    ) async throws(ObjectError) -> ObjectInfo {
        var call = Call(.put, key)
        call.fields["Content-Type"] = facts.type ?? "application/octet-stream"
        let etag: String
        let length: UInt64
        switch source.bytes {
        case .memory(let bytes):
            length = UInt64(bytes.count)
            etag = R2Answer.etag(
                try await ask(call, bytes, hasBody: true, operation: "put").fields["ETag"])
        case .file(let descriptor, let offset, let count):
            length = count
            if inParts && count > options.multipartAbove {
                return try await putParts(key, descriptor, offset..<(offset + count), source.progress, facts)
            }
            etag = try await putFile(call, descriptor, offset..<(offset + count), operation: "put") { moved in
                source.progress?(moved, count)
            }
            source.progress?(count, count)
        case .pipe(let descriptor, let count):
            guard let count, count <= MultipartPlan.mostPart else {
                return try await putSpooled(key, descriptor, length: count, facts)
            }
            length = count
            call.payload = .unsigned
            let request = request(call, .descriptor(descriptor, length: count))
            do throws(R2Trouble) {
                etag = R2Answer.etag(try await answer(to: request).fields["ETag"])
            } catch {
                throw error.error.during("put", key)
            }
        }
        return ObjectInfo(key: key, length: length, etag: etag, type: facts.type, modified: nil)
    }

    /// Puts a part of a file as one body, as often as may be; its ETag.
    func putFile(
        _ call: Call, _ file: Int32, _ range: Range<UInt64>, operation: String, _ progress: @escaping R2Progress
    ) async throws(ObjectError) -> String {
        var call = call
        let length = UInt64(range.count)
        if length == 0 {
            return R2Answer.etag(try await ask(call, hasBody: true, operation: operation).fields["ETag"])
        }
        call.payload = .unsigned
        return try await retrying(operation, call.key) { () throws(R2Trouble) in
            let body: FileBody
            do throws(CoreError) {
                body = try FileBody(self.lane, .give, file: file, offset: range.lowerBound, length: length)
            } catch {
                throw R2Trouble(ObjectError(file: error, "the file cannot be sent"), isTransient: false)
            }
            let outcome = await self.exchange(call, body, length, progress)
            let (status, moved) = (body.failure, body.moved)
            await body.close()
            progress(0)
            switch outcome {
            case .success(let answer):
                guard moved == length else {
                    throw R2Trouble(
                        ObjectError(.malformed, "the store took \(moved) of \(length) bytes for all"),
                        isTransient: false)
                }
                return R2Answer.etag(answer.fields["ETag"])
            case .failure(let trouble):
                // The file is the reason, if it failed.
                if status == UV.endOfFile {
                    throw R2Trouble(
                        ObjectError(.length, "the source ended after \(moved) of \(length) bytes"), isTransient: false)
                }
                if status < 0 {
                    throw R2Trouble(
                        ObjectError(file: CoreError(rawValue: status), "the source cannot be read"), isTransient: false)
                }
                throw trouble
            }
        }
    }

    /// Sends a request whose body is a file's.
    private func exchange(
        _ call: Call, _ body: FileBody, _ length: UInt64, _ progress: @escaping R2Progress
    ) async -> Result<R2Answer, R2Trouble> {
        let source = body.source()
        let watch = LoopTimer(clock: .monotonic)
        watch.schedule(every: R2Store.progressInterval, from: LoopClock.monotonic.now) { _ in progress(body.moved) }
        defer { watch.close() }
        do throws(R2Trouble) {
            return .success(try await answer(to: request(call, .source(source, length: length))))
        } catch {
            return .failure(error)
        }
    }

    /// Nanoseconds between two reports of progress.
    static let progressInterval: UInt64 = 100_000_000

    // MARK: Down

    public func get(_ key: ObjectKey, _ range: ObjectRange?) async throws(ObjectError) -> ObjectStream {
        try await retrying("get", key) { () throws(R2Trouble) in
            let (stream, info, range) = try await self.open(Call(.get, key), key, range)
            return ObjectStream(
                info, range, descriptor: stream.takeDescriptor(), isFile: false,
                end: { () throws(ObjectError) in
                    do throws(ClientError) {
                        try await stream.ended()
                    } catch {
                        throw R2Trouble(error).error.during("get", key)
                    }
                }, cancel: { stream.close() })
        }
    }

    /// A response whose head is right, and what it says; its body is on its way.
    private func open(
        _ call: Call, _ key: ObjectKey, _ asked: ObjectRange?
    ) async throws(R2Trouble) -> (ClientStream, ObjectInfo, Range<UInt64>) {
        var call = call
        call.fields["Range"] = asked?.field
        let stream: ClientStream
        do throws(ClientError) {
            stream = try await pool.stream(request(call, .none))
        } catch {
            throw R2Trouble(error)
        }
        guard stream.status == 200 || (stream.status == 206 && asked != nil) else {
            let body = await SocketReader.read(stream.takeDescriptor(), limit: R2Answer.errorLimit)
            stream.close()
            throw R2Trouble(R2Answer(status: stream.status, fields: stream.fields, body: body), region: options.region)
        }
        guard let (info, range) = R2Answer.info(key, stream.fields, status: stream.status, asked: asked) else {
            stream.close()
            throw R2Store.noRange
        }
        return (stream, info, range)
    }

    private static var noRange: R2Trouble {
        R2Trouble(ObjectError(.malformed, "the answer has no length, or a wrong range"), isTransient: false)
    }

    public func save(
        _ key: ObjectKey, to descriptor: Int32, _ progress: ObjectProgress?
    ) async throws(ObjectError) -> ObjectInfo {
        let saved = Saved()
        while true {
            let before = saved.count
            do throws(ObjectError) {
                try await retrying(
                    "get", key, isTransient: { $0.isTransient && (saved.count == before || !saved.isResumable) }
                ) {
                    () throws(R2Trouble) in try await self.save(key, descriptor, saved, progress)
                }
                break
            } catch {
                // It has come further: that is no try in vain.
                guard saved.count > before, saved.isTransient, saved.isResumable, !Task.isCancelled else { throw error }
            }
        }
        guard let info = saved.info else { throw ObjectError(.malformed, operation: "get", key: key.text, "no answer") }
        do {
            try await onPool { [length = off_t(info.length)] in
                guard ftruncate(descriptor, length) == 0 else { throw CoreError(errno: errno) }
            }
        } catch {
            throw ObjectError(
                file: error as? CoreError ?? .invalid, operation: "get", key: key.text, "the file cannot be written")
        }
        progress?(info.length, info.length)
        return info
    }

    /// How far an object has come.
    @LoopActor
    private final class Saved {
        var count: UInt64 = 0
        var info: ObjectInfo?
        var isTransient = false
        var isResumable: Bool { info?.etag.isEmpty == false }
    }

    /// One try: from where the last one was cut, of the same object.
    private func save(
        _ key: ObjectKey, _ file: Int32, _ saved: Saved, _ progress: ObjectProgress?
    ) async throws(R2Trouble) {
        var call = Call(.get, key)
        // Without an ETag nobody knows whether it is the same: it begins anew.
        if !saved.isResumable { saved.count = 0 }
        if saved.count > 0, let info = saved.info { call.fields["If-Match"] = "\"\(info.etag)\"" }
        let asked: ObjectRange? = saved.count > 0 ? .from(saved.count) : nil
        call.fields["Range"] = asked?.field
        let response = try await respond(to: request(call, .none)) { $0 == 200 || ($0 == 206 && asked != nil) }
        guard let (info, range) = R2Answer.info(key, response.fields, status: response.status, asked: asked) else {
            throw R2Store.noRange
        }
        if let known = saved.info, saved.count > 0 {
            guard known.etag == info.etag, known.length == info.length, range == saved.count..<info.length else {
                throw R2Trouble(ObjectError(.changed, "the object has changed meanwhile"), isTransient: false)
            }
        }
        saved.info = info
        guard !range.isEmpty else { return }
        let body: FileBody
        do throws(CoreError) {
            body = try FileBody(lane, .take, file: file, offset: range.lowerBound, length: UInt64(range.count))
        } catch {
            throw R2Trouble(ObjectError(file: error, "the file cannot be written"), isTransient: false)
        }
        let watch = LoopTimer(clock: .monotonic)
        let start = range.lowerBound
        watch.schedule(every: R2Store.progressInterval, from: LoopClock.monotonic.now) { _ in
            progress?(start + body.moved, info.length)
        }
        let failure = await fill(body, from: response)
        let status = body.failure
        saved.count = start + body.moved
        watch.close()
        await body.close()
        if failure == nil && status == 0 && saved.count == range.upperBound { return }
        if Task.isCancelled { throw R2Trouble(ObjectError(.cancelled, "cancelled"), isTransient: false) }
        if status < 0 {
            throw R2Trouble(
                ObjectError(file: CoreError(rawValue: status), "the file cannot be written"), isTransient: false)
        }
        if let failure {
            let trouble = R2Trouble(failure)
            saved.isTransient = trouble.isTransient
            throw trouble
        }
        throw R2Trouble(
            ObjectError(.length, "\(saved.count) of \(info.length) bytes came"), isTransient: false)
    }

    /// Takes what comes into the file, and returns when it is there; why that is not all.
    private func fill(_ body: FileBody, from response: ClientResponse) async -> ClientError? {
        var failure: ClientError?
        do throws(ClientError) { try await response.body.drain(into: body.sink()) } catch { failure = error }
        await body.finish()
        return failure
    }
}

/// Told how many bytes of a body have gone.
typealias R2Progress = @LoopActor (UInt64) -> Void
