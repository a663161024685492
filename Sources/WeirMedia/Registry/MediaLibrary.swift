public import WeirDatabase
public import WeirLoop
public import WeirStorage

/// Takes media in and lets go of them: their bytes in the object store under their digest, their rows in the database, their
/// warming in the durable queue. On the loop's thread.
@LoopActor
public final class MediaLibrary {
    /// What object keys of media begin with.
    public nonisolated static let prefix = "media/"
    /// Bytes of an upload that are in memory.
    static let blockSize = 256 << 10

    /// Why a medium is not taken in.
    public enum Refusal: Error, Sendable {
        case empty
        case tooLarge(limit: Int)
        /// The disk that uploads pass through.
        case spool(String)
        case store(ObjectError)
        case database(DatabaseError)
    }

    /// Largest medium, in bytes.
    public let limit: Int

    private let database: any Database
    private let store: any ObjectStore
    /// Where bytes wait until their digest is known.
    private let spool: DownloadCache
    /// They stay there afterwards.
    private let keepsBytes: Bool
    private let worker: PrewarmWorker
    /// Called when a medium is forgotten here.
    var onRemove: (@LoopActor (MediaKey) -> Void)?
    /// One at a time for each digest: an object is not deleted while the same bytes come in again.
    private let lock = KeyedLock()

    /// - Parameter keepsBytes: they are wanted by uploads soon, which a local store has anyway.
    public init(
        database: any Database, store: any ObjectStore, spool: DownloadCache, keepsBytes: Bool, worker: PrewarmWorker,
        limit: Int
    ) {
        self.database = database
        self.store = store
        self.spool = spool
        self.keepsBytes = keepsBytes
        self.worker = worker
        self.limit = limit
    }

    /// The score of a medium before the points for being fresh.
    public func priority(bytes: Int64, kind: MediaKind) -> JobPriority {
        let options = worker.options
        return JobPriority(
            score: options.priority.score(bytes: bytes, kind: kind), isSmall: bytes < Int64(options.smallBytes))
    }

    // MARK: Taking in

    /// Bytes that were taken in, of which nothing is kept yet; dropping it drops them.
    public struct Received: Sendable {
        let file: CacheFile
        /// In hexadecimal digits.
        public let sha256: String
        public let bytes: Int64
    }

    /// Writes down what `next` delivers, piece by piece until nil, and makes its digest.
    /// - Throws: `Refusal`; what `next` throws.
    public func receive(_ next: @LoopActor () async throws -> [UInt8]?) async throws -> Received {
        let file: CacheFile
        do { file = try await spool.spool() } catch { throw Refusal.spool("\(error)") }
        var digest = RunningDigest()
        var block: [UInt8] = []
        while true {
            let piece = try await next()
            if let piece {
                guard file.length + Int64(block.count + piece.count) <= Int64(limit) else {
                    throw Refusal.tooLarge(limit: limit)
                }
                if block.isEmpty { block = piece } else { block += piece }
                if block.count < MediaLibrary.blockSize { continue }
            }
            if !block.isEmpty {
                // The digest is made where the disk is waited for.
                do { digest = try await file.write(block, digest) } catch { throw Refusal.spool("\(error)") }
                block = []
            }
            if piece == nil { break }
        }
        guard file.length > 0 else { throw Refusal.empty }
        return Received(file: file, sha256: digest.hex, bytes: file.length)
    }

    /// Stores it, records it and enqueues its warming. The same bytes twice are one medium. Object, row and job are durable
    /// when this returns.
    /// - Throws: `Refusal`.
    public func add(
        _ received: Received, bot: String, kind: MediaKind, name: String, mime: String
    ) async throws -> Addition {
        let key = MediaKey(bot: bot, sha256: received.sha256, kind: kind)
        let medium = Medium(
            key: key, objectKey: MediaLibrary.prefix + key.sha256, bytes: received.bytes, mime: mime, name: name)
        let addition = try await lock.with(key.sha256) {
            let isNew = try await keep(received.file, medium)
            do throws(DatabaseError) {
                return try await database.add(medium, priority: priority(bytes: medium.bytes, kind: kind))
            } catch {
                // Nobody would ever delete it. Where it is not known whether there is a row, there may be.
                if isNew && error.kind == .backlogFull { await discard(medium) }
                throw Refusal.database(error)
            }
        }
        // What is ready is not uploaded again.
        if keepsBytes && addition.outcome != .ready { spool.keep(received.file, as: medium.objectKey) }
        worker.offer(addition)
        return addition
    }

    /// The object is there when this returns. One that is there already has the same bytes: its key is their digest. True
    /// when it was not.
    private func keep(_ file: CacheFile, _ medium: Medium) async throws(Refusal) -> Bool {
        do throws(ObjectError) {
            let key = try ObjectKey(medium.objectKey)
            do throws(ObjectError) {
                if try await store.head(key).length == UInt64(medium.bytes) { return false }
            } catch {
                // Whatever is wrong with it, it is written anew.
                guard error.kind == .notFound || error.kind == .damaged else { throw error }
            }
            let facts = ObjectFacts(type: medium.mime.isEmpty ? nil : medium.mime)
            let source = ObjectSource.file(file.descriptor, length: UInt64(medium.bytes))
            _ = try await store.put(key, source, facts)
            return true
        } catch {
            throw .store(error)
        }
    }

    /// Deletes an object that was stored for a row that there is not. Another node may have found it there meanwhile, and
    /// made one: then it stays. A failure leaves it, too.
    private func discard(_ medium: Medium) async {
        guard let isUsed = try? await database.isUsed(object: medium.objectKey), !isUsed else { return }
        try? await store.delete(ObjectKey(medium.objectKey))
    }

    // MARK: What there is

    /// Enqueues a medium again: one that is ready too, whose `file_id` is replaced. Nil when there is none.
    public func warm(_ key: MediaKey) async throws(DatabaseError) -> MediaEntry? {
        guard let entry = try await database.entry(key) else { return nil }
        switch entry.status {
        case .warming:
            guard let promoted = try await database.promote(key, score: PriorityTable.range.upperBound) else { break }
            worker.push(promoted)
            return promoted
        case .failed: _ = try await database.requeue(.key(key))
        case .ready:
            if let file = entry.file {
                let priority = priority(bytes: entry.medium.bytes, kind: key.kind)
                _ = try await database.refuse(file.id, of: key, priority: priority)
            }
        }
        guard let entry = try await database.entry(key) else { return nil }
        worker.push(entry)
        return entry
    }

    /// Forgets a medium, and its object when no other medium has it. False when there was none.
    ///
    /// With several nodes on one database, the same bytes that come in at another node at this very moment may find their
    /// object gone; their job says so, and taking them in again mends it.
    /// - Throws: `Refusal.database`; `Refusal.store` when the row is gone and the object could not be deleted.
    public func remove(_ key: MediaKey) async throws -> Bool {
        try await lock.with(key.sha256) {
            let removal: Removal?
            do throws(DatabaseError) { removal = try await database.remove(key) } catch {
                throw Refusal.database(error)
            }
            guard let removal else { return false }
            onRemove?(key)
            guard removal.objectIsUnused else { return true }
            spool.remove(removal.medium.objectKey)
            do throws(ObjectError) { try await store.delete(ObjectKey(removal.medium.objectKey)) } catch {
                throw Refusal.store(error)
            }
            return true
        }
    }
}
