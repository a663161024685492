internal import Glibc
public import WeirLoop

/// Where everything durable lies: objects, which are bytes under a key, written as a whole or not at all.
///
/// `LocalStore` is a directory, `R2Store` Cloudflare's R2 or any S3. On the loop's thread; several operations may be under
/// way at once, and of two writers of one key the last to end is right. Bytes go between descriptors, without Swift for
/// each piece. A cancelled task takes its operation back (`.cancelled`).
@LoopActor
public protocol ObjectStore: AnyObject, Sendable {
    /// Stores an object, in place of one that is there. When this returns, it is durable and whole; when it throws, what
    /// was there before is there still.
    ///
    /// - Throws: `.length` when the source has fewer bytes than it says, `.tooLarge` when it has too many for the store.
    func put(_ key: ObjectKey, _ source: ObjectSource, _ facts: ObjectFacts) async throws(ObjectError) -> ObjectInfo

    /// The bytes of an object, or of a range of it, from a descriptor. It returns when there is such an object; a cut is
    /// told by the stream's end.
    ///
    /// - Throws: `.notFound`; `.range` when the object ends before the range begins.
    func get(_ key: ObjectKey, _ range: ObjectRange?) async throws(ObjectError) -> ObjectStream

    /// The bytes of an object, or a range of it, of at most `limit` (`.tooLarge`).
    func read(_ key: ObjectKey, _ range: ObjectRange?, limit: Int) async throws(ObjectError) -> [UInt8]

    /// Writes an object into a regular file, from the file's beginning; the descriptor stays the caller's. A transfer that is
    /// cut goes on where it was, if the object is the same still. The file is as long as the object when this returns.
    func save(_ key: ObjectKey, to descriptor: Int32, _ progress: ObjectProgress?) async throws(ObjectError)
        -> ObjectInfo

    func head(_ key: ObjectKey) async throws(ObjectError) -> ObjectInfo

    /// One that is not there is deleted already.
    func delete(_ key: ObjectKey) async throws(ObjectError)

    /// Objects in the order of their keys' bytes.
    /// - Parameter after: those behind this key only; of the last list, for the next.
    /// - Parameter limit: 1 ... 1000.
    func list(prefix: String, after: String?, limit: Int) async throws(ObjectError) -> ObjectList

    /// A copy within the store, with the facts of the original.
    func copy(_ key: ObjectKey, to other: ObjectKey) async throws(ObjectError) -> ObjectInfo

    /// A URL by which anybody gets the object for `expires` seconds, or for good where it is public; nil when the store
    /// has none.
    func url(_ key: ObjectKey, expires: Int) -> String?

    /// Ends what is under way.
    func close() async
}

extension ObjectStore {
    public func put(
        _ key: ObjectKey, _ source: ObjectSource
    ) async throws(ObjectError) -> ObjectInfo { try await put(key, source, ObjectFacts()) }

    public func get(_ key: ObjectKey) async throws(ObjectError) -> ObjectStream { try await get(key, nil) }

    public func read(_ key: ObjectKey, limit: Int) async throws(ObjectError) -> [UInt8] {
        try await read(key, nil, limit: limit)
    }

    /// Stores many, `parallel` at once; the result of each, in their order.
    public func put(
        _ objects: [(key: ObjectKey, source: ObjectSource)], parallel: Int = 16
    ) async -> [Result<ObjectInfo, ObjectError>] {
        let batch = ObjectBatch(count: objects.count)
        let workers = (0..<min(max(1, parallel), max(1, objects.count))).map { _ in
            spawn {
                while let index = batch.next() {
                    do throws(ObjectError) {
                        batch.results[index] = .success(try await self.put(objects[index].key, objects[index].source))
                    } catch {
                        batch.results[index] = .failure(error)
                    }
                }
            }
        }
        await withTaskCancellationHandler {
            for worker in workers { await worker.value }
        } onCancel: {
            for worker in workers { worker.cancel() }
        }
        return batch.results.map { $0 ?? .failure(ObjectError(.cancelled, operation: "put", "cancelled")) }
    }
}

@LoopActor
private final class ObjectBatch {
    var results: [Result<ObjectInfo, ObjectError>?]
    private var started = 0

    init(count: Int) { results = Array(repeating: nil, count: count) }

    func next() -> Int? {
        guard started < results.count, !Task.isCancelled else { return nil }
        started += 1
        return started - 1
    }
}

/// Told now and then how many bytes of an object have gone. On the loop's thread.
public typealias ObjectProgress = @LoopActor (_ moved: UInt64, _ length: UInt64) -> Void

/// What an object's bytes come from.
public struct ObjectSource: Sendable {
    enum Bytes: Sendable {
        case memory([UInt8])
        case file(Int32, offset: UInt64, length: UInt64)
        case pipe(Int32, length: UInt64?)
    }

    let bytes: Bytes
    var progress: ObjectProgress?

    /// Nil of a pipe's when nobody knows it.
    public var length: UInt64? {
        switch bytes {
        case .memory(let bytes): UInt64(bytes.count)
        case .file(_, _, let length): length
        case .pipe(_, let length): length
        }
    }

    public static func bytes(_ bytes: [UInt8]) -> ObjectSource { ObjectSource(bytes: .memory(bytes)) }

    /// From a regular file, which stays the caller's and open until the operation is over. It is read again when a request
    /// has to be repeated.
    public static func file(
        _ descriptor: Int32, offset: UInt64 = 0, length: UInt64, progress: ObjectProgress? = nil
    ) -> ObjectSource {
        ObjectSource(bytes: .file(descriptor, offset: offset, length: length), progress: progress)
    }

    /// From a pipe or a socket, which is the store's from then on and closed in the end.
    ///
    /// With a `length` it goes into one request, as it comes: it can be read once, and nothing is tried again after its
    /// first byte. Without one all until its end is the object, whatever ended it: who knows that something is missing
    /// cancels the task. A bucket's store keeps parts of that in files until they are sent (`R2Options.spool`), as it does
    /// above 5 GiB.
    public static func pipe(_ descriptor: Int32, length: UInt64? = nil) -> ObjectSource {
        ObjectSource(bytes: .pipe(descriptor, length: length))
    }

    /// It is not read: what came with it is let go of.
    func discard() {
        if case .pipe(let descriptor, _) = bytes { close(descriptor) }
    }
}

/// What is kept of an object beside its bytes.
public struct ObjectFacts: Sendable, Equatable {
    /// `Content-Type`.
    public var type: String?

    public init(type: String? = nil) { self.type = type }
}

/// An object as it is stored.
public struct ObjectInfo: Sendable, Equatable {
    public var key: ObjectKey
    /// Bytes of the whole object.
    public var length: UInt64
    /// Names its bytes, whatever it consists of: another one, other bytes. Without quotes. A `LocalStore`'s is the SHA-256.
    public var etag: String
    public var type: String?
    /// Seconds since 1970; nil where the store does not say.
    public var modified: Int64?
}

/// A page of a listing.
public struct ObjectList: Sendable, Equatable {
    public var objects: [ObjectInfo]
    /// What to ask the next page with, as `after`; nil at the end.
    public var next: String?

    /// Objects of one, at most; as S3 has it.
    public static let limit = 1000
}

/// A part of an object.
public enum ObjectRange: Sendable, Equatable {
    /// So many bytes from a place on, or those that there are. `count` is at least 1.
    case bytes(from: UInt64, count: UInt64)
    case from(UInt64)
    case last(UInt64)

    /// `Range` of a request (RFC 9110 §14.2).
    var field: String {
        switch self {
        case .bytes(let from, let count):
            // Not past what servers count with.
            "bytes=\(from)-\(from + min(max(1, count) - 1, UInt64(Int64.max) - min(from, UInt64(Int64.max))))"
        case .from(let from): "bytes=\(from)-"
        case .last(let count): "bytes=-\(count)"
        }
    }

    /// Which bytes of an object of so many these are; nil for none.
    func resolve(_ length: UInt64) -> Range<UInt64>? {
        switch self {
        case .bytes(let from, let count):
            guard from < length, count > 0 else { return nil }
            return from..<(from + min(count, length - from))
        case .from(let from): return from < length ? from..<length : nil
        case .last(let count):
            guard count > 0, length > 0 else { return nil }
            return (length - min(count, length))..<length
        }
    }
}
