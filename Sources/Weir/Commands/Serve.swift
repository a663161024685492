internal import CLibuv
internal import CWeir
internal import Glibc
internal import WeirHTTP
internal import WeirLive
internal import WeirLoop

/// `weir serve`: the daemon.
enum Serve {
    /// Seconds beyond `shutdown.grace` after which a shutdown that hangs is cut off.
    static let overtime = 2.0
    /// Seconds that the disk has to remove what is kept, when everything else has ended.
    static let diskTime = 2.0
    /// Seconds that the last log lines may take.
    static let logTime = 1.0

    /// SIGHUP would end the program that is being started: it waits until it is caught, and is obeyed then.
    static func holdReloads() { change(SIG_BLOCK, SIGHUP) }

    /// Runs the daemon until it is told to stop, and returns the exit code. `source` can be loaded again.
    static func run(
        _ configuration: Configuration, warnings: [ConfigurationProblem], source: ConfigurationSource
    ) -> Int32 {
        for name in ServiceManager.variables { unsetenv(name) }
        openStandardStreams()
        change(SIG_BLOCK, SIGPIPE)
        raiseDescriptorLimit()
        let log = LogWriter(configuration.log)
        defer { log.close(within: logTime) }
        for warning in warnings { log.warning("configuration", [("problem", .string(warning.description))]) }
        do {
            let secrets = try Secrets.load(configuration)
            let sockets = try ServiceManager.sockets(source.environment)
            try LoopActor.run {
                let engine = try Engine(configuration, secrets, environment: source.environment, log: log)
                try await serve(engine, on: sockets, source, log)
            }
            return Program.done
        } catch {
            log.error("not started", [("error", .string("\(error)"))])
            return Program.failed
        }
    }

    // MARK: On the loop

    @LoopActor
    private static func serve(
        _ engine: Engine, on sockets: [Int32], _ source: ConfigurationSource, _ log: LogWriter
    ) async throws {
        do {
            try await engine.open()
            try engine.start(on: sockets)
        } catch {
            await engine.stop(grace: 0)
            throw error
        }
        let manager = ServiceManager(environment: source.environment)
        let reloader = Reloader(engine: engine, source: source, manager: manager, log: log)
        // Who reads that it runs may end it at once: the signals are caught by then.
        let signal = await firstSignal(log, reload: reloader.reload) {
            announce(engine, log)
            manager.ready(engine.summary)
        }
        let grace = engine.configuration.shutdownGrace
        log.info("shutting down", [("signal", .string(signal)), ("grace", .number(grace))])
        manager.stopping()
        let overtime = LoopTimer()
        overtime.schedule(at: LoopClock.monotonic.deadline(after: grace + Serve.overtime)) {
            log.error("the shutdown did not end in time")
            log.close(within: logTime)
            _exit(Program.failed)
        }
        await engine.stop(grace: grace) {
            overtime.schedule(at: LoopClock.monotonic.deadline(after: diskTime)) {
                log.error(
                    "the disk does not answer",
                    [("left", .string("\(engine.caches.directory)/weir-warm-*")), ("removed", "at the next start")])
                log.close(within: logTime)
                _exit(Program.failed)
            }
        }
        await reloader.close()
        overtime.close()
        manager.close()
        Signals.close()
        log.info("stopped")
    }

    /// Waits for SIGTERM or SIGINT; a second one of either ends the process at once. SIGHUP, so often as it comes, calls
    /// `reload`. `ready` is called when they are caught.
    @LoopActor
    private static func firstSignal(
        _ log: LogWriter, reload: @escaping @LoopActor () -> Void, _ ready: @LoopActor () -> Void
    ) async -> String {
        await withUnsafeContinuation { continuation in
            Signals.watch(log, reload: reload) { continuation.resume(returning: $0) }
            ready()
        }
    }

    @LoopActor
    private enum Signals {
        static var watches: [SignalWatch] = []
        static var first: ((String) -> Void)?

        static func watch(
            _ log: LogWriter, reload: @escaping @LoopActor () -> Void, _ handler: @escaping (String) -> Void
        ) {
            first = handler
            for (number, name) in [(SIGTERM, "SIGTERM"), (SIGINT, "SIGINT")] {
                // These two can be caught: nothing to throw.
                guard let watch = try? SignalWatch(number, { came(name, log) }) else { continue }
                watches.append(watch)
            }
            if let watch = try? SignalWatch(SIGHUP, reload) { watches.append(watch) }
            change(SIG_UNBLOCK, SIGHUP)
        }

        private static func came(_ name: String, _ log: LogWriter) {
            guard let handler = first else {
                log.warning("exiting at once", [("signal", .string(name))])
                log.close(within: 0.2)
                _exit(Program.failed)
            }
            first = nil
            handler(name)
        }

        static func close() {
            change(SIG_BLOCK, SIGHUP)
            for watch in watches { watch.close() }
            watches = []
        }
    }

    // MARK: What it says

    @LoopActor
    private static func announce(_ engine: Engine, _ log: LogWriter) {
        log.info(
            "started",
            [
                ("version", .string(String(cString: weir_version_string()))),
                ("listen", .array(engine.server.addresses.map { .string($0.description) })),
                ("stations", .array(engine.stations.all.map { .string($0.name) })),
            ])
        Console.standard.output(banner(engine.configuration, engine.server.roots))
    }

    /// What to open, for whoever started it by hand.
    static func banner(_ configuration: Configuration, _ roots: [String]) -> String {
        var text = "Weir \(String(cString: weir_version_string()))\n"
        let roots = roots.map(reachable)
        for root in roots { text += "  page      \(root)\(root.hasPrefix("unix:") ? "" : "/")\n" }
        guard let root = roots.first(where: { $0.hasPrefix("http") }) else { return text }
        for (index, station) in configuration.stations.enumerated() {
            let ending =
                switch station.format {
                case .pcm: ".wav"
                case .ts: ".ts"
                case .raw: ""
                }
            text += "  \(index == 0 ? "listen" : "      ")    \(root)/live/\(station.name)\(ending)\n"
        }
        if let station = configuration.stations.first, case .pcm = station.format {
            text += "  try       ffplay -nodisp \(root)/live/\(station.name).wav\n"
        }
        if configuration.auth.adminToken == nil { text += "  token     \(Secrets.tokenPath(configuration))\n" }
        return text
    }

    /// An address that can be opened: a wildcard stands for this machine.
    private static func reachable(_ root: String) -> String {
        root.replacing("//0.0.0.0:", with: "//127.0.0.1:").replacing("//[::]:", with: "//[::1]:")
    }

    // MARK: The process

    /// A service manager may start it with standard streams closed. Anything that is opened later would become one of
    /// them, printed to and read from, and libuv aborts when it is to close one.
    private static func openStandardStreams() {
        for stream in STDIN_FILENO...STDERR_FILENO where fcntl(stream, F_GETFD) < 0 && errno == EBADF {
            // The lowest number that is free: those below are open by now. Children get it, as they would the stream.
            let opened = open("/dev/null", O_RDWR)
            if opened < 0 { return }
            if opened == stream { continue }
            dup2(opened, stream)
            close(opened)
        }
    }

    /// For the thread that calls, and those that it starts from now on. Children get the default back. SIGPIPE is blocked for
    /// good: a reader of standard output or error who leaves is an error of that write, not the end of the daemon.
    private static func change(_ how: Int32, _ signal: Int32) {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, signal)
        pthread_sigmask(how, &signals, nil)
    }

    /// Every listener is a descriptor: as many as the system lets this process have.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        let which = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(which, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(which, &limit)
    }
}

/// Why the daemon did not start, for people.
struct ServeError: Error, CustomStringConvertible {
    let description: String
}
