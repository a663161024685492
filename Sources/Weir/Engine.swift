internal import WeirDatabase
internal import WeirHTTP
internal import WeirLive
internal import WeirLoop
internal import WeirMedia
internal import WeirStorage

/// Everything that a daemon runs, on one loop: stations, the HTTP server, health.
@LoopActor
final class Engine {
    /// The part of `shutdown.grace` that sources and responses get; the rest is for children that must be killed, and for
    /// what follows.
    static let patience = 0.8

    /// What runs.
    var configuration: Configuration
    let stations: Stations
    /// Where transport streams are kept.
    let caches: WarmCaches
    let server: Server
    /// For requests to others, by what they are for.
    let clients: ClientPools
    /// Everything durable; opened when it is first used.
    let store: OnDemandStore
    /// Opened when it is first used, too.
    let database: EngineDatabase
    let downloads: DownloadService
    /// Nil while no bot is configured, and before `open()`.
    private(set) var media: MediaService?
    let health: HealthMonitor
    let access: ListenerAccess
    let reloads = ReloadCounters()

    let log: LogWriter
    private let clock: LoopClock
    private let watchdog: Watchdog
    private(set) var isStopping = false

    /// `environment` may have the object store's credentials.
    init(
        _ configuration: Configuration, _ secrets: Secrets, environment: [String: String] = [:], log: LogWriter,
        clock: LoopClock = .monotonic
    ) throws {
        self.configuration = configuration
        self.log = log
        self.clock = clock
        watchdog = try Watchdog()
        let clients = ClientPools(clock: clock)
        self.clients = clients
        store = OnDemandStore(clock: clock) { () throws(ObjectError) in
            try Engine.openStore(configuration, environment, clients, log)
        }
        database = EngineDatabase { try await Engine.openDatabase(configuration) }
        downloads = DownloadService(configuration, database: database, store: store, log: log, clock: clock)
        caches = try WarmCaches(
            directory: configuration.cacheDirectory, budget: UInt64(configuration.cache.budget), clock: clock)
        stations = try Stations(
            configuration.stations, listenersMax: configuration.limits.listeners, caches: caches, clients: clients,
            clock: clock)
        let router = Router()
        server = Server(options: configuration.server, router: router, adminToken: secrets.adminToken, clock: clock)
        health = HealthMonitor(
            stations: stations, watchdog: watchdog,
            memoryLimit: configuration.limits.memory ?? ProcessLimits.memoryShare, store: store, log: log, clock: clock)
        access = ListenerAccess(linkKeys: secrets.linkKeys)
        let live = LiveRoutes(stations: stations, access: access)
        live.install(on: router)
        SendingRoutes(live: live, clock: clock).install(on: router)
        var metrics = Metrics(
            stations: stations, server: server, clients: clients, watchdog: watchdog, log: log, reloads: reloads)
        metrics.media = { [weak self] in self?.media }
        health.media = { [weak self] in self?.media }
        metrics.downloads = { [weak self] in self?.downloads }
        health.downloads = { [weak self] in self?.downloads }
        OperationRoutes(health: health, metrics: metrics).install(on: router)
        let mediaRoutes = MediaRoutes { [weak self] in self?.media }
        mediaRoutes.install(on: router)
        SendRoutes(media: mediaRoutes, clock: clock).install(on: router)
        PrewarmRoutes(media: mediaRoutes).install(on: router)
        var catalogue = CatalogueRoutes(
            catalogue: { [database] in try await database.get() },
            pages: CataloguePages(store: store, directory: configuration.data))
        catalogue.onChange = { [downloads] in await downloads.changed($0) }
        catalogue.onPages = { [downloads] in downloads.learn(chapter: $0) }
        catalogue.install(on: router)
        DownloadRoutes(service: downloads, access: access, needsLink: configuration.downloads.access == .signed)
            .install(on: router)
    }

    /// Opens what media need, when a bot is configured: the database, the limits that were learnt. Before `start`. Throws
    /// what is wrong with them.
    func open() async throws {
        guard media == nil, !configuration.telegram.bots.isEmpty else { return }
        media = try await MediaService.open(
            configuration, database: try await database.get(), store: store, clients: clients, log: log, clock: clock)
    }

    /// Listens, and starts the sources that run from the beginning. `sockets` are those that a service manager opened.
    func start(on sockets: [Int32] = []) throws {
        for station in stations.all { watch(station) }
        stations.onGone = { [log] in log.info("station gone", [("station", .string($0.name))]) }
        server.onAccess = { [log] in Engine.access($0, to: log) }
        server.onFailure = { [log] in log.error("request failed", [("error", .string("\($0)"))]) }
        server.onRefused = { [log] reason, remote in
            log.warning(
                "connection refused",
                [("reason", .string(reason)), ("address", remote.map { .string($0.description) } ?? .null)])
        }
        server.onHandshakeFailed = { [log] reason, remote in
            log.debug("handshake failed", [("reason", .string(reason)), ("address", .string(remote.description))])
        }
        try server.start(on: sockets)
        if isExposed && configuration.auth.adminToken == nil { throw Engine.exposed }
        spawn { [caches, log] in await Engine.clean(caches, log) }
        stations.begin()
        media?.start()
        downloads.start()
        health.start()
    }

    /// Stops accepting, lets short requests finish, ends listeners after whole units and sources in their own way.
    /// Returns within `grace` seconds, or a moment later; a disk that hangs keeps it for as long as it does, after
    /// `released` was called: everything else has ended by then.
    func stop(grace: Double, released: @LoopActor () -> Void = {}) async {
        if isStopping { return }
        isStopping = true
        health.close()
        let patience = LoopTimer(clock: clock)
        patience.schedule(at: clock.deadline(after: grace * Engine.patience)) { [stations] in stations.kill() }
        let ending = spawn { [stations] in await stations.end() }
        let warming = spawn { [media] in await media?.worker.stop(grace: grace * Engine.patience) }
        await server.stop(grace: grace * Engine.patience)
        await ending.value
        await warming.value
        patience.close()
        released()
        // Only now: requests that were under way may ask how things are.
        await stations.close()
        await media?.close()
        await downloads.close()
        await database.close()
        await store.close()
        await clients.close()
        await caches.close()
        watchdog.close()
    }

    private static func openDatabase(_ configuration: Configuration) async throws -> any Database {
        var options = DatabaseOptions()
        options.backlog = configuration.prewarm.backlog
        options.pool = DatabasePoolOptions(concurrency: configuration.prewarm.concurrency)
        return try await WeirDatabase.openDatabase(
            configuration.database, directory: configuration.data, options: options)
    }

    private static func openStore(
        _ configuration: Configuration, _ environment: [String: String], _ clients: ClientPools, _ log: LogWriter
    ) throws(ObjectError) -> any ObjectStore {
        let store = try configuration.openStore(environment: environment, pools: clients)
        if let bucket = store as? R2Store {
            log.info(
                "[R2][AGENT]",
                [
                    ("connections", .integer(Int64(configuration.storage.connections))),
                    ("endpoint", .string(bucket.options.endpoint)), ("bucket", .string(bucket.options.bucket)),
                ])
        }
        return store
    }

    func watch(_ station: Station) {
        station.onEvent = { [log, name = station.name] in StationLog.write($0, of: name, to: log) }
    }

    /// What a Weir left behind that died is nobody's any more, also where nothing is kept from now on.
    private static func clean(_ caches: WarmCaches, _ log: LogWriter) async {
        try? await caches.clean()
        if caches.leftovers > 0 {
            log.info(
                "warm caches of dead processes removed",
                [("directory", .string(caches.directory)), ("count", .integer(Int64(caches.leftovers)))])
        }
    }

    private static func access(_ event: AccessEvent, to log: LogWriter) {
        log.info(
            "access",
            [
                ("address", .string(event.remote.description)), ("method", .string(event.method)),
                ("target", .string(event.target)), ("status", .integer(Int64(event.status))),
                ("bytes", .unsigned(event.bytes)), ("seconds", event.seconds.rounded(to: 3)),
                ("reason", .string(event.reason)),
            ])
    }
}
