internal import WeirHTTP
internal import WeirLive
internal import WeirLoop

/// Everything that a daemon runs, on one loop: stations, the HTTP server, health.
@LoopActor
final class Engine {
    let configuration: Configuration
    let stations: Stations
    let server: Server
    let health: HealthMonitor

    private let log: LogWriter
    private let clock: LoopClock
    private let watchdog: Watchdog
    private var isStopping = false

    init(
        _ configuration: Configuration, adminToken: String?, log: LogWriter, clock: LoopClock = .monotonic
    ) throws {
        self.configuration = configuration
        self.log = log
        self.clock = clock
        watchdog = try Watchdog()
        stations = try Stations(
            configuration.stations, listenersMax: configuration.limits.listeners, clock: clock)
        let router = Router()
        server = Server(options: configuration.server, router: router, adminToken: adminToken, clock: clock)
        health = HealthMonitor(
            stations: stations, watchdog: watchdog,
            memoryLimit: configuration.limits.memory ?? ProcessLimits.memoryShare, log: log, clock: clock)
        LiveRoutes(stations: stations).install(on: router)
        let metrics = Metrics(stations: stations, server: server, watchdog: watchdog, log: log)
        OperationRoutes(health: health, metrics: metrics).install(on: router)
    }

    /// Listens, and starts the sources that run from the beginning.
    func start() throws {
        for station in stations.all {
            station.onEvent = { [log, name = station.name] in StationLog.write($0, of: name, to: log) }
        }
        server.onAccess = { [log] in Engine.access($0, to: log) }
        server.onFailure = { [log] in log.error("request failed", [("error", .string("\($0)"))]) }
        server.onRefused = { [log] reason, remote in
            log.warning(
                "connection refused",
                [("reason", .string(reason)), ("address", remote.map { .string($0.description) } ?? .null)])
        }
        try server.start()
        stations.begin()
        health.start()
    }

    /// Stops accepting, lets short requests finish, ends listeners after whole units and sources in their own way.
    /// Returns within `grace` seconds, or a moment later.
    func stop(grace: Double) async {
        if isStopping { return }
        isStopping = true
        health.close()
        // A part of the time is for children that must be killed, and for what follows.
        let patience = LoopTimer(clock: clock)
        patience.schedule(at: clock.deadline(after: grace * 0.8)) { [stations] in stations.kill() }
        let ending = spawn { [stations] in await stations.end() }
        await server.stop(grace: grace * 0.8)
        await ending.value
        patience.close()
        // Only now: requests that were under way may ask how things are.
        await stations.close()
        watchdog.close()
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
