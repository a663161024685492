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
            var ends: [Int32] = [-1, -1]
            let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
            guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
                throw R2Trouble(ObjectError(file: CoreError(errno: errno), "no socket pair"), isTransient: false)
            }
            let pump: FilePump
            do throws(CoreError) {
                pump = try FilePump(
                    self.lane, .out, file: file, offset: range.lowerBound, length: length, socket: ends[0])
            } catch {
                Glibc.close(ends[1])
                throw R2Trouble(ObjectError(file: error, "the file cannot be sent"), isTransient: false)
            }
            let request = self.request(call, .descriptor(ends[1], length: length))
            let outcome = await self.exchange(request, pump, progress)
            let (status, moved) = (pump.failure, pump.moved)
            await pump.close()
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
                if status < 0 && status != UV.brokenPipe && status != UV.cancelled {
                    throw R2Trouble(
                        ObjectError(file: CoreError(rawValue: status), "the source cannot be read"), isTransient: false)
                }
                throw trouble
            }
        }
    }

    /// Sends a request whose body comes from a pump; taken back when the pump fails.
    private func exchange(
        _ request: ClientRequest, _ pump: FilePump, _ progress: @escaping R2Progress
    ) async -> Result<R2Answer, R2Trouble> {
        let sending = spawn { () -> Result<R2Answer, R2Trouble> in
            do throws(R2Trouble) {
                return .success(try await self.answer(to: request))
            } catch {
                return .failure(error)
            }
        }
        let watch = LoopTimer(clock: .monotonic)
        watch.schedule(every: R2Store.progressInterval, from: LoopClock.monotonic.now) { _ in progress(pump.moved) }
        pump.onFailure = { sending.cancel() }
        let result = await withTaskCancellationHandler {
            await sending.value
        } onCancel: {
            sending.cancel()
        }
        pump.onFailure = nil
        watch.close()
        return result
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
            throw R2Trouble(ObjectError(.malformed, "the answer has no length, or a wrong range"), isTransient: false)
        }
        return (stream, info, range)
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
        let (stream, info, range) = try await open(call, key, saved.count > 0 ? .from(saved.count) : nil)
        defer { stream.close() }
        if let known = saved.info, saved.count > 0 {
            guard known.etag == info.etag, known.length == info.length, range == saved.count..<info.length else {
                throw R2Trouble(ObjectError(.changed, "the object has changed meanwhile"), isTransient: false)
            }
        }
        saved.info = info
        guard !range.isEmpty else { return }
        let pump: FilePump
        do throws(CoreError) {
            pump = try FilePump(
                lane, .into, file: file, offset: range.lowerBound, length: UInt64(range.count),
                socket: stream.takeDescriptor())
        } catch {
            throw R2Trouble(ObjectError(file: error, "the file cannot be written"), isTransient: false)
        }
        let watch = LoopTimer(clock: .monotonic)
        let start = range.lowerBound
        watch.schedule(every: R2Store.progressInterval, from: LoopClock.monotonic.now) { _ in
            progress?(start + pump.moved, info.length)
        }
        let status = await pump.ended()
        saved.count = start + pump.moved
        watch.close()
        await pump.close()
        if status == 0 { return }
        if Task.isCancelled { throw R2Trouble(ObjectError(.cancelled, "cancelled"), isTransient: false) }
        guard status == UV.endOfFile else {
            throw R2Trouble(
                ObjectError(file: CoreError(rawValue: status), "the file cannot be written"), isTransient: false)
        }
        do throws(ClientError) {
            try await stream.ended()
        } catch {
            let trouble = R2Trouble(error)
            saved.isTransient = trouble.isTransient
            throw trouble
        }
        throw R2Trouble(
            ObjectError(.length, "\(saved.count) of \(info.length) bytes came"), isTransient: false)
    }
}

/// Told how many bytes of a body have gone.
typealias R2Progress = @LoopActor (UInt64) -> Void
