internal import Glibc
internal import WeirLoop

/// Objects in a directory: a file each, at a path that follows from its key (`LocalPath`), with the object's bytes and nothing
/// else in it. Several processes may use one directory.
public final class LocalStore: ObjectStore {
    private let files: LocalFiles
    private let lane: PumpLane
    private var isPrepared = false

    /// The directory is made by the first operation if there is none.
    public init(directory: String) throws(ObjectError) {
        let root = directory.count > 1 && directory.hasSuffix("/") ? String(directory.dropLast()) : directory
        files = LocalFiles(root: root)
        do throws(CoreError) { lane = try PumpLane() } catch { throw ObjectError(file: error, "no memory for a store") }
    }

    // MARK: Operations

    public func put(
        _ key: ObjectKey, _ source: ObjectSource, _ facts: ObjectFacts
    ) async throws(ObjectError) -> ObjectInfo {
        let files = files
        var pipe: Int32 = -1
        if case .pipe(let descriptor, _) = source.bytes { pipe = descriptor }
        let file: (descriptor: Int32, path: String)
        do throws(ObjectError) {
            file = try await work("put", key) { () throws(ObjectError) in try files.begin() }
        } catch {
            if pipe >= 0 { Glibc.close(pipe) }
            throw error
        }
        do throws(ObjectError) {
            let digest: String
            let length: UInt64
            switch source.bytes {
            case .memory(let bytes):
                length = UInt64(bytes.count)
                digest = try await work("put", key) { () throws(ObjectError) in try files.fill(file.descriptor, bytes) }
            case .file(let descriptor, let offset, let count):
                length = count
                digest = try await copy(descriptor, offset, count, to: file.descriptor, "put", key)
            case .pipe(let descriptor, let count):
                pipe = -1
                (digest, length) = try await drain(descriptor, into: file.descriptor, count, key)
            }
            if Task.isCancelled { throw ObjectError(.cancelled, operation: "put", key: key.text, "cancelled") }
            let info = try await work("put", key) { () throws(ObjectError) in
                try files.finish(
                    key, file.descriptor, file.path, digest: digest, length: length, type: facts.type)
            }
            await later { Glibc.close(file.descriptor) }
            source.progress?(length, length)
            return info
        } catch {
            await later { files.discard(file.descriptor, file.path) }
            throw error
        }
    }

    /// All until the pipe's end without a length. The digest, and how many bytes there were.
    private func drain(
        _ socket: Int32, into file: Int32, _ length: UInt64?, _ key: ObjectKey
    ) async throws(ObjectError) -> (String, UInt64) {
        guard length != 0 else {
            Glibc.close(socket)
            return (SHA256.hex(of: []), 0)
        }
        let pump: FilePump
        do throws(CoreError) {
            pump = try FilePump(
                lane, file: file, length: length ?? UInt64(Int64.max), socket: socket, hashes: true)
        } catch {
            throw ObjectError(file: error, operation: "put", key: key.text, "the source cannot be read")
        }
        let status = await pump.ended()
        let moved = pump.moved
        let digest = pump.digest()
        await pump.close()
        if Task.isCancelled { throw ObjectError(.cancelled, operation: "put", key: key.text, "cancelled") }
        if status == UV.endOfFile {
            guard let length else { return (digest, moved) }
            throw ObjectError(
                .length, operation: "put", key: key.text, "the source ended after \(moved) of \(length) bytes")
        }
        guard status == 0 else {
            throw ObjectError(file: CoreError(rawValue: status), operation: "put", key: key.text, "the copy failed")
        }
        return (digest, moved)
    }

    public func get(_ key: ObjectKey, _ range: ObjectRange?) async throws(ObjectError) -> ObjectStream {
        let files = files
        let (descriptor, info) = try await work("get", key) { () throws(ObjectError) in try files.open(key) }
        do throws(ObjectError) {
            let range = try LocalFiles.resolve(range, info)
            return ObjectStream(info, range, descriptor: descriptor, isFile: true, offset: range.lowerBound)
        } catch {
            Glibc.close(descriptor)
            throw error.during("get", key)
        }
    }

    public func read(_ key: ObjectKey, _ range: ObjectRange?, limit: Int) async throws(ObjectError) -> [UInt8] {
        try await work("get", key) { [files] () throws(ObjectError) in try files.read(key, range, limit: limit) }
    }

    public func save(
        _ key: ObjectKey, to descriptor: Int32, _ progress: ObjectProgress?
    ) async throws(ObjectError) -> ObjectInfo {
        let files = files
        let (file, info) = try await work("get", key) { () throws(ObjectError) in try files.open(key) }
        do throws(ObjectError) {
            let digest: String
            do throws(ObjectError) {
                digest = try await copy(file, 0, info.length, to: descriptor, "get", key)
            } catch let error where error.kind == .length {
                throw ObjectError(.damaged, operation: "get", key: key.text, "the file has become shorter")
            }
            try await work("get", key) { () throws(ObjectError) in
                try files.saved(info, in: descriptor, digest: digest)
            }
        } catch {
            await later { Glibc.close(file) }
            throw error
        }
        await later { Glibc.close(file) }
        progress?(info.length, info.length)
        return info
    }

    /// Copies bytes between files, piece by piece; their digest.
    private func copy(
        _ file: Int32, _ offset: UInt64, _ length: UInt64, to descriptor: Int32, _ operation: String, _ key: ObjectKey
    ) async throws(ObjectError) -> String {
        var copied = LocalFiles.Copied()
        while copied.count < length {
            let before = copied
            copied = try await work(operation, key) { [files] () throws(ObjectError) in
                try files.copy(file, offset: offset, length: length, to: descriptor, before)
            }
            if Task.isCancelled { throw ObjectError(.cancelled, operation: operation, key: key.text, "cancelled") }
        }
        return copied.digest.hex
    }

    public func head(_ key: ObjectKey) async throws(ObjectError) -> ObjectInfo {
        try await work("head", key) { [files] () throws(ObjectError) in try files.head(key) }
    }

    public func delete(_ key: ObjectKey) async throws(ObjectError) {
        try await work("delete", key) { [files] () throws(ObjectError) in try files.delete(key) }
    }

    public func list(prefix: String, after: String?, limit: Int) async throws(ObjectError) -> ObjectList {
        try await work("list", nil) { [files] () throws(ObjectError) in
            var listing = LocalListing(
                files: files, prefix: prefix, after: after, limit: min(max(1, limit), ObjectList.limit))
            return try listing.run()
        }
    }

    public func copy(_ key: ObjectKey, to other: ObjectKey) async throws(ObjectError) -> ObjectInfo {
        let stream: ObjectStream
        do throws(ObjectError) {
            stream = try await get(key)
        } catch {
            var error = error
            error.operation = "copy"
            throw error
        }
        let descriptor = stream.takeDescriptor()
        defer { Glibc.close(descriptor) }
        return try await put(
            other, .file(descriptor, length: stream.info.length), ObjectFacts(type: stream.info.type))
    }

    /// None: files are sent by whoever reads them.
    public func url(_ key: ObjectKey, expires: Int) -> String? { nil }

    public func close() async {}

    // MARK: On the pool

    private func work<Value: Sendable>(
        _ operation: String, _ key: ObjectKey?, _ body: @escaping @Sendable () throws(ObjectError) -> Value
    ) async throws(ObjectError) -> Value {
        do {
            // Several at once do no harm.
            if !isPrepared { try await onPool { [files] in try files.prepare() } }
            isPrepared = true
            return try await onPool { try body() }
        } catch let error as ObjectError {
            throw error.during(operation, key)
        } catch let error as CoreError {
            throw ObjectError(file: error, operation: operation, key: key?.text ?? "", "the pool refused")
        } catch {
            throw ObjectError(.cancelled, operation: operation, key: key?.text ?? "", "\(error)")
        }
    }

    private func later(_ body: @escaping @Sendable () -> Void) async { try? await onPool { body() } }
}
