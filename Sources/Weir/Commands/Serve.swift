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
    /// Seconds that the last log lines may take.
    static let logTime = 1.0

    /// Runs the daemon until it is told to stop, and returns the exit code. `source` can be loaded again.
    static func run(
        _ configuration: Configuration, warnings: [ConfigurationProblem], source: ConfigurationSource
    ) -> Int32 {
        openStandardStreams()
        blockBrokenPipes()
        raiseDescriptorLimit()
        let log = LogWriter(configuration.log)
        defer { log.close(within: logTime) }
        for warning in warnings { log.warning("configuration", [("problem", .string(warning.description))]) }
        do {
            let token = try adminToken(configuration)
            try LoopActor.run { try await serve(configuration, token, log) }
            return Program.done
        } catch {
            log.error("not started", [("error", .string("\(error)"))])
            return Program.failed
        }
    }

    // MARK: On the loop

    @LoopActor
    private static func serve(_ configuration: Configuration, _ token: String, _ log: LogWriter) async throws {
        let engine = try Engine(configuration, adminToken: token, log: log)
        do {
            try engine.start()
        } catch {
            await engine.stop(grace: 0)
            throw error
        }
        // Who reads that it runs may end it at once: the signals are caught by then.
        let signal = await firstSignal(log) { announce(engine, log) }
        log.info("shutting down", [("signal", .string(signal)), ("grace", .number(configuration.shutdownGrace))])
        let overtime = LoopTimer()
        overtime.schedule(at: LoopClock.monotonic.deadline(after: configuration.shutdownGrace + Serve.overtime)) {
            log.error("the shutdown did not end in time")
            log.close(within: logTime)
            _exit(Program.failed)
        }
        await engine.stop(grace: configuration.shutdownGrace)
        overtime.close()
        Signals.close()
        log.info("stopped")
    }

    /// Waits for SIGTERM or SIGINT; a second one of either ends the process at once. `ready` is called when they are
    /// caught.
    @LoopActor
    private static func firstSignal(_ log: LogWriter, _ ready: @LoopActor () -> Void) async -> String {
        await withUnsafeContinuation { continuation in
            Signals.watch(log) { continuation.resume(returning: $0) }
            ready()
        }
    }

    @LoopActor
    private enum Signals {
        static var watches: [SignalWatch] = []
        static var first: ((String) -> Void)?

        static func watch(_ log: LogWriter, _ handler: @escaping (String) -> Void) {
            first = handler
            for (number, name) in [(SIGTERM, "SIGTERM"), (SIGINT, "SIGINT")] {
                // These two can be caught: nothing to throw.
                guard let watch = try? SignalWatch(number, { came(name, log) }) else { continue }
                watches.append(watch)
            }
            // Caught, so that a closed terminal or a habit of other daemons does not end it.
            if let watch = try? SignalWatch(SIGHUP, { log.warning("not reloaded: restart to apply a configuration") }) {
                watches.append(watch)
            }
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
            for watch in watches { watch.close() }
            watches = []
        }
    }

    // MARK: What it says

    @LoopActor
    private static func announce(_ engine: Engine, _ log: LogWriter) {
        let addresses = engine.server.addresses
        log.info(
            "started",
            [
                ("version", .string(String(cString: weir_version_string()))),
                ("listen", .array(addresses.map { .string($0.description) })),
                ("stations", .array(engine.stations.all.map { .string($0.name) })),
            ])
        Console.standard.output(banner(engine.configuration, addresses.map(\.description)))
    }

    /// What to open, for whoever started it by hand.
    static func banner(_ configuration: Configuration, _ addresses: [String]) -> String {
        var text = "Weir \(String(cString: weir_version_string()))\n"
        let roots = addresses.map { $0.hasPrefix("unix:") ? $0 : "http://\(reachable($0))" }
        for root in roots { text += "  page      \(root)\(root.hasPrefix("unix:") ? "" : "/")\n" }
        guard let root = roots.first(where: { $0.hasPrefix("http") }) else { return text }
        for (index, station) in configuration.stations.enumerated() {
            let ending = if case .pcm = station.format { ".wav" } else { "" }
            text += "  \(index == 0 ? "listen" : "      ")    \(root)/live/\(station.name)\(ending)\n"
        }
        if let station = configuration.stations.first, case .pcm = station.format {
            text += "  try       ffplay -nodisp \(root)/live/\(station.name).wav\n"
        }
        if configuration.auth.adminToken == nil { text += "  token     \(tokenPath(configuration))\n" }
        return text
    }

    /// An address that can be opened: a wildcard stands for this machine.
    private static func reachable(_ address: String) -> String {
        if address.hasPrefix("0.0.0.0:") { return "127.0.0.1:" + address.dropFirst("0.0.0.0:".count) }
        if address.hasPrefix("[::]:") { return "[::1]:" + address.dropFirst("[::]:".count) }
        return address
    }

    // MARK: The process

    /// The token that the configuration gives, or the one in the data directory, made at the first start.
    private static func adminToken(_ configuration: Configuration) throws -> String {
        try makeDirectory(configuration.data)
        if let token = configuration.auth.adminToken { return token.text }
        do {
            return try AdminToken.readOrCreate(tokenPath(configuration))
        } catch {
            throw ServeError(description: "\(tokenPath(configuration)): \(error)")
        }
    }

    private static func tokenPath(_ configuration: Configuration) -> String {
        configuration.data + (configuration.data.hasSuffix("/") ? "" : "/") + "admin.token"
    }

    /// Makes a directory and those above it, for this user alone: secrets lie in it.
    static func makeDirectory(_ path: String) throws {
        var made = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            made += (made.isEmpty || made.hasSuffix("/") ? "" : "/") + part
            if mkdir(made, 0o700) == 0 || errno == EEXIST { continue }
            throw ServeError(description: "\(made): \(CoreError(errno: errno))")
        }
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw ServeError(description: "\(path): \(CoreError(errno: errno))") }
        close(directory)
    }

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

    /// A reader of standard output or error who leaves is an error of that write, not the end of the daemon. Children get
    /// the default back.
    private static func blockBrokenPipes() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
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
