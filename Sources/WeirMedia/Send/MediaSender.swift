public import WeirDatabase
public import WeirLoop

/// Sends media to chats, by their `file_id` where there is one: one call. A medium that is being warmed goes before all
/// others and is waited for. On the loop's thread.
@LoopActor
public final class MediaSender {
    public typealias Refusal = MediaSend.Refusal
    /// Seconds between two looks at a medium that another process may be warming.
    static let lookInterval = 0.5

    public private(set) var counters = MediaSend.Counters()
    /// What Weir itself adds to a send by `file_id`, before it waits for its turn and calls; nanoseconds.
    public private(set) var overhead = Histogram()
    /// All of a send; nanoseconds.
    public private(set) var latency = Histogram()

    private let database: any Database
    private let worker: PrewarmWorker
    private let library: MediaLibrary
    private let known = KnownFiles()

    public init(database: any Database, worker: PrewarmWorker, library: MediaLibrary) {
        self.database = database
        self.worker = worker
        self.library = library
        worker.onReady = { [known] in known.remember($1, as: $0) }
        library.onRemove = { [known] in known.forget($0) }
    }

    /// Sends it once; never twice, also when Telegram's answer was lost.
    public func send(_ send: MediaSend) async throws(Refusal) -> MediaSend.Outcome {
        let began = worker.clock.now
        do throws(Refusal) {
            let outcome = try await attempt(send, began)
            latency.record(worker.clock.now - began)
            return outcome
        } catch {
            if case .notReady = error { counters.notReady += 1 } else { counters.failed += 1 }
            throw error
        }
    }

    private func attempt(_ send: MediaSend, _ began: UInt64) async throws(Refusal) -> MediaSend.Outcome {
        guard let bot = worker.bots[send.bot] else { throw .noBot(send.bot) }
        let deadline = worker.clock.deadline(after: min(max(0, send.wait), MediaSend.longestWait))
        let key = try await key(of: send)
        guard let file = try await ready(key) else { return try await join(key, bot, send, deadline) }
        if let outcome = try await call(file, key, bot, send, deadline, began) {
            counters.hits += 1
            return outcome
        }
        return try await replace(file, key, bot, send, deadline)
    }

    /// The database has just failed, and may take its time to fail again.
    private var isAway: Bool { if case .failing(let error) = database.state { error.isTransient } else { false } }

    private func key(of send: MediaSend) async throws(Refusal) -> MediaKey {
        if let kind = send.kind { return MediaKey(bot: send.bot, sha256: send.sha256, kind: kind) }
        let entries: [MediaEntry]
        if isAway, let key = known.find(bot: send.bot, sha256: send.sha256) { return key }
        do throws(DatabaseError) {
            entries = try await database.entries(bot: send.bot, sha256: send.sha256)
        } catch {
            if error.isTransient, let key = known.find(bot: send.bot, sha256: send.sha256) { return key }
            throw .database(error)
        }
        guard let entry = entries.first(where: { $0.status == .ready }) ?? entries.first else { throw .noMedium }
        return entry.medium.key
    }

    /// As the database has it; while it is away, as it was known last. An identifier that is wrong by now is refused by
    /// Telegram, and nothing worse.
    private func ready(_ key: MediaKey) async throws(Refusal) -> CachedFile? {
        if isAway, let file = known[key] { return file }
        do throws(DatabaseError) {
            guard let file = try await database.readyFile(key) else {
                known.forget(key)
                return nil
            }
            known.remember(file, as: key)
            return file
        } catch {
            if error.isTransient, let file = known[key] { return file }
            throw .database(error)
        }
    }

    private func entry(_ key: MediaKey) async throws(Refusal) -> MediaEntry {
        do throws(DatabaseError) {
            if let entry = try await database.entry(key) { return entry }
        } catch {
            throw .database(error)
        }
        throw .noMedium
    }

    // MARK: By its identifier

    /// As what an identifier may be sent that came back as another kind: a silent video is an animation.
    private static let others: [TelegramKind: [TelegramKind]] = [
        .photo: [.document], .video: [.animation, .document], .animation: [.video, .document],
        .audio: [.document], .document: [.animation, .video, .audio],
    ]

    /// One call; nil when Telegram does not know the identifier any more. A weak one is tried as other kinds too.
    private func call(
        _ file: CachedFile, _ key: MediaKey, _ bot: Bot, _ send: MediaSend, _ deadline: UInt64, _ began: UInt64? = nil
    ) async throws(Refusal) -> MediaSend.Outcome? {
        guard let kind = TelegramKind(rawValue: key.kind.rawValue) else { throw .noMedium }
        if let began { overhead.record(worker.clock.now - began) }
        for kind in [kind] + (file.isWeak ? MediaSender.others[kind] ?? [] : []) {
            let turn: LimiterTurn
            do throws(LimiterError) {
                turn = try await bot.limiter.turn(to: send.chat, by: deadline)
            } catch {
                if case .late(let seconds) = error { throw .limited(after: seconds) }
                throw .busy
            }
            do throws(TelegramError) {
                let sent = try await bot.client.send(
                    TelegramMessage(kind, to: turn.chat, .id(file.id), caption: send.caption))
                bot.limiter.ended(turn)
                return MediaSend.Outcome(way: .fileID, message: sent.message, fileID: file.id)
            } catch {
                bot.limiter.ended(turn, error)
                guard error.kind == .wrongFileID else { throw .telegram(error) }
            }
        }
        counters.refusedIDs += 1
        return nil
    }

    // MARK: By an upload

    /// The identifier was refused: the medium is warm no more, and goes to this chat as bytes, unless somebody is uploading
    /// it already. The new identifier is kept.
    private func replace(
        _ file: CachedFile, _ key: MediaKey, _ bot: Bot, _ send: MediaSend, _ deadline: UInt64
    ) async throws(Refusal) -> MediaSend.Outcome {
        known.forget(key)
        let medium = try await entry(key).medium
        do throws(DatabaseError) {
            _ = try await database.refuse(
                file.id, of: key, priority: library.priority(bytes: medium.bytes, kind: key.kind))
        } catch {
            throw .database(error)
        }
        if let outcome = try await upload(key, bot, send, deadline) { return outcome }
        return try await join(key, bot, send, deadline)
    }

    /// Takes the medium's job, so that nobody else does, and uploads it to the chat; nil when somebody has it.
    private func upload(
        _ key: MediaKey, _ bot: Bot, _ send: MediaSend, _ deadline: UInt64
    ) async throws(Refusal) -> MediaSend.Outcome? {
        let entry = try await entry(key)
        guard entry.phase == .queued else { return nil }
        let job: HeldJob?
        do throws(DatabaseError) { job = try await worker.take(entry.id) } catch { throw .database(error) }
        guard let job else { return nil }
        do throws(MediaUpload.Failure) {
            let sent = try await worker.send(job, bot, to: .chat(send.chat, caption: send.caption, by: deadline))
            counters.uploads += 1
            return MediaSend.Outcome(way: .upload, message: sent.message, fileID: sent.file?.id ?? "")
        } catch {
            if let telegram = error.telegram { throw .telegram(telegram) }
            if case .limited(let seconds) = error.failure { throw .limited(after: seconds) }
            throw .upload(error.reason)
        }
    }

    // MARK: Waiting

    private func join(
        _ key: MediaKey, _ bot: Bot, _ send: MediaSend, _ deadline: UInt64
    ) async throws(Refusal) -> MediaSend.Outcome {
        let clock = worker.clock
        let promoted: MediaEntry?
        do throws(DatabaseError) {
            promoted = try await database.promote(key, score: PriorityTable.range.upperBound)
        } catch {
            throw .database(error)
        }
        if let promoted {
            // Without a chat to warm it in, it goes straight to where it is wanted.
            if !bot.isWarmed, send.wait > 0, let outcome = try await upload(key, bot, send, deadline) {
                return outcome
            }
            worker.push(promoted)
        }
        while true {
            if let file = try await ready(key) {
                guard let outcome = try await call(file, key, bot, send, deadline) else {
                    throw .notReady(try await entry(key))
                }
                counters.joined += 1
                return outcome
            }
            let entry = try await entry(key)
            guard entry.status != .failed, clock.now < deadline, !Task.isCancelled else { throw .notReady(entry) }
            // Another process may be warming it.
            await worker.arrivals.wait(
                for: key, until: min(deadline, clock.deadline(after: MediaSender.lookInterval)))
        }
    }
}
