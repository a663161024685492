#if Redis
    internal import WeirLoop

    /// The index in a Redis that several nodes share, whatever their databases are.
    ///
    /// While there is no connection, calls fail at once with the reason, and one is tried again 0.1 s doubling to 5 s later:
    /// downloads go on without the index, and it comes back by itself.
    @LoopActor
    final class RedisIndex: ArtefactIndex {
        static let backoffFirst: Double = 0.1
        static let backoffMax: Double = 5

        private let url: RedisURL
        private let options: RedisOptions
        private let node: String
        private let clock = LoopClock.monotonic
        private let listener: RedisListener
        private var connection: RedisConnection?
        private var task: Task<Void, Never>?
        private var broken: UnsafeContinuation<Void, Never>?
        private var waiters: [UnsafeContinuation<Void, Never>] = []
        /// The first attempt is over.
        private var isSettled = false
        private var isClosed = false
        private(set) var state = DatabaseState.ok

        var onInvalidation: (@LoopActor ([String]?) -> Void)? {
            didSet { if hasListened { onInvalidation?(nil) } }
        }
        /// What came before there was anybody to tell is lost.
        private var hasListened = false

        init(_ url: RedisURL, node: String, options: RedisOptions) {
            self.url = url
            self.node = node
            self.options = options
            listener = RedisListener(url, options)
        }

        /// Connects in the background. The first calls wait for how that ends.
        func start() {
            task = spawn { [weak self] in
                var backoff = RedisIndex.backoffFirst
                while let self, !isClosed {
                    if await follow() { backoff = RedisIndex.backoffFirst }
                    if isClosed { return }
                    do { try await clock.sleep(for: backoff) } catch { return }
                    backoff = min(backoff * 2, RedisIndex.backoffMax)
                }
            }
            listener.whenHeard = { [weak self] word in
                guard let self else { return }
                guard let word else {
                    hasListened = true
                    onInvalidation?(nil)
                    return
                }
                let words = word.split(separator: " ")
                guard let first = words.first, first == node else { return }
                onInvalidation?(words.dropFirst().map { String($0) })
            }
            listener.start()
        }

        func close() async {
            if isClosed { return }
            isClosed = true
            onInvalidation = nil
            task?.cancel()
            connection?.close()
            settle()
            await listener.close()
            await task?.value
            task = nil
        }

        /// Until the connection breaks. False when there was none.
        private func follow() async -> Bool {
            do throws(DatabaseError) {
                let connection = try await RedisConnection.connect(url, within: options.connect)
                defer { connection.close() }
                if isClosed { return false }
                state = .ok
                connection.whenBroken = { [weak self] error in
                    guard let self else { return }
                    self.connection = nil
                    if error.kind != .closed { state = .failing(error) }
                    broken?.resume()
                    broken = nil
                }
                self.connection = connection
                settle()
                await withUnsafeContinuation { continuation in
                    if connection.failure == nil { broken = continuation } else { continuation.resume() }
                }
                return true
            } catch {
                state = .failing(error)
                settle()
                return false
            }
        }

        private func settle() {
            isSettled = true
            let waiters = waiters
            self.waiters = []
            for waiter in waiters { waiter.resume() }
        }

        // MARK: ArtefactIndex

        func find(_ key: String) async throws(DatabaseError) -> ArtefactRow? {
            let reply = try await ask(["HMGET", "weir:artefact:\(node) \(key)"] + RedisScripts.fields)
            return try ArtefactRow.read(key: key, reply.list)
        }

        func record(_ row: ArtefactRow) async throws(DatabaseError) {
            try ArgumentCheck.artefact(row)
            let created = row.created > 0 ? row.created : DatabaseClock.now
            let values = [
                String(row.bytes), String(row.crc32), row.format, IdentifierList.text(row.chapters), row.book ?? "",
                String(row.cost), String(row.hits), String(created), String(max(created, row.used)),
            ]
            let pairs = zip(RedisScripts.fields, values).flatMap { [$0, $1] }
            _ = try await call(RedisScripts.record, [row.key] + pairs)
        }

        func remove(_ key: String) async throws(DatabaseError) -> Bool {
            try await call(RedisScripts.remove, [key]).integer == 1
        }

        func touch(_ uses: [String: Int]) async throws(DatabaseError) {
            let pairs = uses.flatMap { [$0.key, String($0.value)] }
            if pairs.isEmpty { return }
            _ = try await call(RedisScripts.touch, [String(DatabaseClock.now)] + pairs)
        }

        func rows(after: String?, limit: Int) async throws(DatabaseError) -> [ArtefactRow] {
            let reply = try await call(
                RedisScripts.page, [after ?? "", String(CatalogueLimits.bounded(limit))])
            var rows: [ArtefactRow] = []
            for row in reply.list {
                guard let key = row.list.first?.text else { continue }
                if let row = try ArtefactRow.read(key: key, Array(row.list.dropFirst())) { rows.append(row) }
            }
            return rows
        }

        func invalidate(_ what: Invalidation) async throws(DatabaseError) -> [String] {
            let names =
                switch what {
                case .chapters(let ids): ids.map { "chapter:\($0)" }
                case .books(let ids): ids.map { "book:\($0)" }
                case .key(let key): ["key:\(key)"]
                }
            return try await call(RedisScripts.invalidate, names).list.compactMap(\.text)
        }

        private func call(_ script: String, _ arguments: [String]) async throws(DatabaseError) -> RedisReply {
            try await ask(RedisScripts.call(script, [node] + arguments))
        }

        private func ask(_ command: [String]) async throws(DatabaseError) -> RedisReply {
            if !isSettled { await withUnsafeContinuation { waiters.append($0) } }
            if isClosed { throw DatabaseError(.closed, "the index is closed") }
            guard let connection else {
                if case .failing(let error) = state { throw error }
                throw DatabaseError(.unavailable, "\(url): no connection")
            }
            do throws(DatabaseError) {
                let reply = try await connection.run([command], within: options.command).first ?? .none
                state = .ok
                return reply
            } catch {
                if error.isOfTheDatabase { state = .failing(error) }
                throw error
            }
        }
    }

    extension ArtefactRow {
        /// From the values of `RedisScripts.fields`; nil when there are none.
        static func read(key: String, _ values: [RedisReply]) throws(DatabaseError) -> ArtefactRow? {
            guard values.contains(where: { $0.text != nil }) else { return nil }
            func number(_ index: Int) -> Int64? { values[index].integer }
            guard values.count == RedisScripts.fields.count, let bytes = number(0).flatMap(UInt64.init(exactly:)),
                let crc32 = number(1).flatMap(UInt32.init(exactly:)), let format = values[2].text,
                let chapters = values[3].text, let book = values[4].text, let cost = number(5), let hits = number(6),
                let created = number(7), let used = number(8)
            else { throw DatabaseError(.damaged, "Redis: the row of \(key) is not what was written") }
            return ArtefactRow(
                key: key, bytes: bytes, crc32: crc32, format: format, chapters: IdentifierList.ids(chapters),
                book: book.isEmpty ? nil : book, cost: cost, hits: hits, created: created, used: used)
        }
    }
#endif
