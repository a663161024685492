internal import Glibc
internal import WeirDatabase
internal import WeirDownloads
internal import WeirHTTP
internal import WeirLoop
internal import WeirStorage

/// What makes and keeps downloads: there from the first request for one on, or from the start where some are kept.
@LoopActor
final class DownloadService {
    let meters = DownloadMeters()
    private(set) var downloads: Downloads?

    private let configuration: Configuration
    private let database: EngineDatabase
    private let store: OnDemandStore
    private let log: LogWriter
    private let clock: LoopClock
    private var index: (any ArtefactIndex)?
    private var opening: Task<Downloads, any Error>?
    private var isClosed = false

    init(
        _ configuration: Configuration, database: EngineDatabase, store: OnDemandStore, log: LogWriter,
        clock: LoopClock
    ) {
        self.configuration = configuration
        self.database = database
        self.store = store
        self.log = log
        self.clock = clock
    }

    /// Begins where artefacts of an earlier run may lie, which others may invalidate. What is wrong is logged; the next
    /// request tries again.
    func start() {
        let directory = configuration.downloadDirectory
        spawn { [self] in
            guard (try? await onPool({ access(directory, F_OK) })) == 0 else { return }
            do {
                _ = try await open()
            } catch {
                log.error("downloads not available", [("error", .string("\(error)"))])
            }
        }
    }

    /// Throws 503 when there is no database.
    func get() async throws -> Downloads {
        do {
            return try await open()
        } catch let error as HTTPError {
            throw error
        } catch {
            throw HTTPError.unavailable("DATABASE_UNAVAILABLE", "the database does not answer: \(error)")
        }
    }

    private func open() async throws -> Downloads {
        if isClosed { throw HTTPError.unavailable("SHUTTING_DOWN", "this server is shutting down") }
        if let downloads { return downloads }
        if let opening { return try await opening.value }
        let task = spawn { [self] in try await make() }
        opening = task
        defer { opening = nil }
        let made = try await task.value
        if isClosed {
            await made.close()
            throw HTTPError.unavailable("SHUTTING_DOWN", "this server is shutting down")
        }
        downloads = made
        spawn { await made.start() }
        return made
    }

    private func make() async throws -> Downloads {
        let database = try await database.get()
        let index = try await openIndex(database)
        self.index = index
        let made = try Downloads(
            catalogue: database, index: index, store: store, options: configuration.downloadOptions, clock: clock)
        made.onEvent = { [meters, log] event in
            meters.note(event)
            DownloadLog.write(event, to: log)
        }
        return made
    }

    private func openIndex(_ database: any Database) async throws -> any ArtefactIndex {
        switch configuration.downloads.index {
        case .database: return database
        case .redis(let url): return try await openArtefactIndex(url, directory: configuration.data)
        }
    }

    /// What was made of a chapter or a book that has changed goes, here and on other nodes. The revision is part of an
    /// artefact's key, so that one that stays, because the index does not answer, is never taken for the new one.
    func changed(_ what: Invalidation) async {
        do {
            try await get().invalidate(what)
        } catch {
            log.warning("downloads not invalidated", [("error", .string("\(error)"))])
        }
    }

    /// Learns what is not known of a chapter's pages, in the background.
    func learn(chapter id: String) { downloads?.learn(chapter: id) }

    /// Ends what is under way.
    func close() async {
        isClosed = true
        if let opening { _ = try? await opening.value }
        await downloads?.close()
        // The database is closed by who opened it.
        if configuration.downloads.index != .database { await index?.close() }
    }

    var health: HealthSample.Downloads? {
        guard let downloads else { return nil }
        var trouble: String?
        if case .failing(let error) = index?.state { trouble = error.description }
        return HealthSample.Downloads(trouble: downloads.state.trouble, indexTrouble: trouble)
    }
}
