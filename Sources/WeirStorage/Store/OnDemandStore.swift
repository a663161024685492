public import WeirLoop

/// A store that is opened by its first use, and known by how its uses end: what a daemon has, which may never need it.
/// It is a store like the one that it opens. What cannot be opened is tried again by the next use.
public final class OnDemandStore: ObjectStore {
    /// What the store cannot do at present.
    public struct Trouble: Sendable, Equatable {
        public let error: ObjectError
        /// Nanoseconds of the store's clock.
        public let time: UInt64
    }

    /// Seconds for which a failure is news, when nothing of its kind was tried since.
    public static let troubleAge: Double = 300

    private enum Use: CaseIterable { case read, write }

    private let make: @LoopActor () throws(ObjectError) -> any ObjectStore
    private let clock: LoopClock
    private var opened: (any ObjectStore)?
    private var isClosed = false
    private var troubles: [Use: Trouble] = [:]

    /// `make` opens the store.
    public init(
        clock: LoopClock = .monotonic, _ make: @escaping @LoopActor () throws(ObjectError) -> any ObjectStore
    ) {
        self.clock = clock
        self.make = make
    }

    /// The latest failure that is the store's own, younger than `troubleAge`; nil when what failed has worked since.
    public var trouble: Trouble? {
        let age = UInt64(OnDemandStore.troubleAge * 1e9)
        return Use.allCases.compactMap { troubles[$0] }.filter { clock.now - $0.time < age }.max { $0.time < $1.time }
    }

    private func open() throws(ObjectError) -> any ObjectStore {
        if isClosed { throw ObjectError(.cancelled, "the store is closed") }
        if let opened { return opened }
        let store = try make()
        opened = store
        return store
    }

    private func using<Value: Sendable>(
        _ use: Use, _ body: @LoopActor (any ObjectStore) async throws(ObjectError) -> Value
    ) async throws(ObjectError) -> Value {
        do throws(ObjectError) {
            let value = try await body(try open())
            troubles[use] = nil
            return value
        } catch {
            switch isTrouble(error) {
            case true?: troubles[use] = Trouble(error: error, time: clock.now)
            case false?: troubles[use] = nil
            case nil: break
            }
            throw error
        }
    }

    /// Whether an error is the store's, or an answer of one that is well; nil when it says nothing of the store.
    private func isTrouble(_ error: ObjectError) -> Bool? {
        switch error.kind {
        case .noBucket, .denied, .signature, .region, .expired, .unavailable, .connection, .malformed: true
        case .notFound, .range, .changed: false
        // Files of a bucket's user are the user's.
        case .file: opened is LocalStore ? true : nil
        // It was not opened.
        case .argument: opened == nil ? true : nil
        case .key, .noUpload, .tooLarge, .length, .damaged, .refused, .cancelled: nil
        }
    }

    // MARK: Operations

    public func put(
        _ key: ObjectKey, _ source: ObjectSource, _ facts: ObjectFacts
    ) async throws(ObjectError) -> ObjectInfo {
        var isTaken = false
        defer { if !isTaken { source.discard() } }
        return try await using(.write) { store throws(ObjectError) in
            isTaken = true
            return try await store.put(key, source, facts)
        }
    }

    public func get(_ key: ObjectKey, _ range: ObjectRange?) async throws(ObjectError) -> ObjectStream {
        try await using(.read) { store throws(ObjectError) in try await store.get(key, range) }
    }

    public func read(_ key: ObjectKey, _ range: ObjectRange?, limit: Int) async throws(ObjectError) -> [UInt8] {
        try await using(.read) { store throws(ObjectError) in try await store.read(key, range, limit: limit) }
    }

    public func save(
        _ key: ObjectKey, to descriptor: Int32, _ progress: ObjectProgress?
    ) async throws(ObjectError) -> ObjectInfo {
        try await using(.read) { store throws(ObjectError) in try await store.save(key, to: descriptor, progress) }
    }

    public func head(_ key: ObjectKey) async throws(ObjectError) -> ObjectInfo {
        try await using(.read) { store throws(ObjectError) in try await store.head(key) }
    }

    public func delete(_ key: ObjectKey) async throws(ObjectError) {
        try await using(.write) { store throws(ObjectError) in try await store.delete(key) }
    }

    public func list(prefix: String, after: String?, limit: Int) async throws(ObjectError) -> ObjectList {
        try await using(.read) { store throws(ObjectError) in
            try await store.list(prefix: prefix, after: after, limit: limit)
        }
    }

    public func copy(_ key: ObjectKey, to other: ObjectKey) async throws(ObjectError) -> ObjectInfo {
        try await using(.write) { store throws(ObjectError) in try await store.copy(key, to: other) }
    }

    /// Nil as well when the store cannot be opened; whatever else is asked of it says why.
    public func url(_ key: ObjectKey, expires: Int) -> String? { (try? open())?.url(key, expires: expires) }

    /// Nothing is opened any more.
    public func close() async {
        isClosed = true
        await opened?.close()
    }
}
