import WeirLoop

@testable import WeirStorage

/// A store that counts what is asked of it, and holds what is fetched as long as a test wants.
@LoopActor
final class CountingStore: ObjectStore {
    /// Objects whose bytes were asked for, and bytes that came.
    private(set) var gets = 0
    private(set) var bytes: UInt64 = 0
    private(set) var puts = 0
    /// Fetches that were cancelled while they were held.
    private(set) var cancelled = 0
    /// Of a clock that stands still: fetches wait for an hour of it.
    var holding: LoopClock?
    private let store: any ObjectStore

    init(_ store: any ObjectStore) { self.store = store }

    private func hold(_ key: ObjectKey) async throws(ObjectError) {
        gets += 1
        guard let holding else { return }
        do {
            try await holding.sleep(for: 3600)
        } catch {
            cancelled += 1
            throw ObjectError(.cancelled, operation: "get", key: key.text, "cancelled")
        }
    }

    func put(
        _ key: ObjectKey, _ source: ObjectSource, _ facts: ObjectFacts
    ) async throws(ObjectError) -> ObjectInfo {
        puts += 1
        return try await store.put(key, source, facts)
    }

    func get(_ key: ObjectKey, _ range: ObjectRange?) async throws(ObjectError) -> ObjectStream {
        try await hold(key)
        let stream = try await store.get(key, range)
        bytes += stream.info.length
        return stream
    }

    func read(_ key: ObjectKey, _ range: ObjectRange?, limit: Int) async throws(ObjectError) -> [UInt8] {
        try await hold(key)
        let read = try await store.read(key, range, limit: limit)
        bytes += UInt64(read.count)
        return read
    }

    func save(
        _ key: ObjectKey, to descriptor: Int32, _ progress: ObjectProgress?
    ) async throws(ObjectError) -> ObjectInfo {
        try await hold(key)
        let info = try await store.save(key, to: descriptor, progress)
        bytes += info.length
        return info
    }

    func head(_ key: ObjectKey) async throws(ObjectError) -> ObjectInfo { try await store.head(key) }
    func delete(_ key: ObjectKey) async throws(ObjectError) { try await store.delete(key) }
    func list(prefix: String, after: String?, limit: Int) async throws(ObjectError) -> ObjectList {
        try await store.list(prefix: prefix, after: after, limit: limit)
    }
    func copy(_ key: ObjectKey, to other: ObjectKey) async throws(ObjectError) -> ObjectInfo {
        try await store.copy(key, to: other)
    }
    func url(_ key: ObjectKey, expires: Int) -> String? { store.url(key, expires: expires) }
    func close() async { await store.close() }
}
