import Glibc
import Testing

/// Listeners of a warm station who come and go and check every byte: `Tests/Warm/audience.c`.
struct Crowd {
    struct Listener: CustomStringConvertible {
        /// As the audience printed it.
        let description: String
        private let fields: JSON

        init?(_ line: String) {
            guard let fields = JSON(line), fields["event"]?.text == "listener" else { return nil }
            (description, self.fields) = (line, fields)
        }

        func number(_ name: String) -> Int { fields[name]?.number.map { Int($0) } ?? -1 }
        func text(_ name: String) -> String { fields[name]?.text ?? "" }
        var warmSeconds: Double { fields["warm_seconds"]?.number ?? -1 }
        /// Seconds until it had caught up.
        var catchingUp: Double { fields["catching_up"]?.number ?? -1 }
        /// Seconds that the first packet was old when it came.
        var firstAge: Double { fields["first_age"]?.number ?? -1 }
        var hasCaughtUp: Bool { fields["caught_up"] == .bool(true) }
        var address: String { "127.0.0.1:\(number("port"))" }
        /// Run, first packet, packets.
        var segments: [[Int]] {
            (fields["segments"]?.items ?? []).map { ($0.items ?? []).compactMap { $0.number.map { Int($0) } } }
        }
        var faults: [String: Int] {
            guard case .object(let faults)? = fields["faults"] else { return ["no faults said": 1] }
            return faults.compactMapValues { $0.number.map { Int($0) } }.filter { $0.value != 0 }
        }
    }

    let listeners: [Listener]
    let sum: JSON

    func number(_ name: String) -> Int { sum[name]?.number.map { Int($0) } ?? -1 }
    /// Milliseconds.
    func lag(_ quantile: String) -> Double { sum["lag_ms"]?[quantile]?.number ?? .infinity }
    func first(_ quantile: String) -> Double { sum["first_ms"]?[quantile]?.number ?? .infinity }

    /// Starts them; `gather` waits for the last to leave.
    static func start(_ weir: Daemon, target: String = "/live/tv.ts", _ options: [String]) throws -> Process {
        try Process(
            [try Tool.path("audience"), "--url", "http://127.0.0.1:\(weir.port)\(target)"] + options)
    }

    /// So many who stay, or lag, until they are told.
    static func stay(_ weir: Daemon, _ joins: Int, kind: String = "healthy", warm: String) throws -> Process {
        try start(
            weir,
            [
                "--joins", "\(joins)", "--within", "0.1", "--kinds", "\(kind):1", "--warm", warm, "--until-told",
            ])
    }

    /// Waits until so many listen to the station.
    static func expect(_ count: Int, of weir: Daemon) throws {
        try eventually("\(count) listen") {
            try weir.station("tv")["listeners"]?.items?.count == count ? true : nil
        }
    }

    /// Has those leave, or read on, who were to do nothing of it before: `--until-told`.
    static func release(_ process: Process) { process.signal(SIGUSR1) }

    static func gather(_ process: Process) throws -> Crowd {
        guard try process.waitForExit(2 * Pace.patience) == .code(0) else {
            throw Failure("the audience failed: \(process.state.lines)")
        }
        let lines = process.state.text.split(separator: "\n").map { String($0) }
        guard let sum = lines.last.flatMap({ JSON($0) }), sum["event"]?.text == "sum" else {
            throw Failure("the audience gave no sum")
        }
        return Crowd(listeners: lines.compactMap { Listener($0) }, sum: sum)
    }

    static func join(
        _ weir: Daemon, target: String = "/live/tv.ts", _ options: String...
    ) throws -> Crowd {
        let process = try start(weir, target: target, options)
        defer { process.end() }
        return try gather(process)
    }

    /// Everyone came, stayed as long as it wanted, and had what it had to have.
    func expectWhole(_ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) {
        let wrong = listeners.filter { !$0.faults.isEmpty || $0.text("state") != "left" }
        for listener in wrong.prefix(3) {
            Issue.record("one of \(wrong.count): \(listener)", sourceLocation: sourceLocation)
        }
        #expect(number("faults") == 0, comment, sourceLocation: sourceLocation)
        #expect(number("left") == number("joins"), comment, sourceLocation: sourceLocation)
        #expect(number("late") == 0, "who has not caught up", sourceLocation: sourceLocation)
    }

    /// What it had begins where the head said, what it lost is what the server counted, and each loss is behind one marker.
    /// The source has had no gap, and the station no other listeners.
    func expectAccounted(_ weir: Daemon, sourceLocation: SourceLocation = #_sourceLocation) throws {
        try eventually("all have left") { () -> Bool? in
            let left = weir.events("listener left")
            let addresses = Set(left.compactMap { $0["address"] })
            // Others may have listened before.
            return left.count >= listeners.count && listeners.allSatisfy { addresses.contains($0.address) } ? true : nil
        }
        // In the order of their leaving: a port may have been had by one after the other.
        var left = Dictionary(grouping: weir.events("listener left")) { $0["address"] ?? "" }
        for listener in listeners {
            // Who was overtaken before the first packet was sent has a marker before it.
            let early = listener.number("first") * 188 - listener.number("position")
            #expect(early == 0 || (early > 0 && listener.number("early") == 1), sourceLocation: sourceLocation)
            // Each time that it was overtaken, one packet says so: no more, no less.
            let times = listener.number("skips") + listener.number("kept") + listener.number("early")
            #expect(listener.number("markers") == times, "\(listener)", sourceLocation: sourceLocation)
            guard let event = left[listener.address]?.first, let skipped = event.number("skipped") else {
                throw Failure("the server knows nothing of \(listener)")
            }
            left[listener.address]?.removeFirst()
            if Int(skipped) != listener.number("skipped") + early {
                Issue.record(
                    "the server says \(skipped) bytes skipped, it was \(listener)", sourceLocation: sourceLocation)
            }
        }
    }
}

/// A daemon with one warm station, `tv`.
struct WarmStation {
    var source: String
    /// Further settings of the station.
    var settings = "warm: { seconds: 6, max: 8MiB, ceiling: 8MiB }"
    var place = Place.disk
    var size = "64m"
    var environment: [String: String] = [:]
    /// Waits until so many bytes lie in its files.
    var filled = 5 << 20

    /// Files of the warm cache: directories and what is in them, as the daemon sees them.
    struct Files {
        var directories: [String] = []
        var segments = 0
        var bytes = 0
    }

    func run(_ body: (Daemon, _ cache: String) throws -> Void) throws {
        let scratch = try Scratch()
        let under = try place.command(scratch.path, size: size)
        let configuration = """
            http: { max_connections: 2000, connections_per_address: 2000 }
            limits: { listeners: 1000 }
            cache: { dir: \(scratch.path)/cache }
            live:
              stations:
                - name: tv
                  format: ts
                  source: \(source)
                  listeners: { max: 1000, alert: 1000 }
                  \(settings)
            """
        try Daemon.run(configuration, environment: environment, under: under) { weir in
            try weir.wait("tv", is: "live")
            try eventually("\(filled) bytes are kept") {
                try weir.station("tv")["warm"]?["bytes"]?.integer ?? 0 >= UInt64(filled) ? true : nil
            }
            let cache = "\(scratch.path)/cache"
            try body(weir, place == .disk ? cache : "/proc/\(weir.process.pid)/root\(cache)")
        }
    }

    static func files(_ cache: String) -> Files {
        var files = Files()
        for directory in Disk.names(cache) where directory.hasPrefix("weir-warm-") {
            files.directories.append(directory)
            for name in Disk.names("\(cache)/\(directory)") {
                var status = stat()
                guard lstat("\(cache)/\(directory)/\(name)", &status) == 0 else { continue }
                files.segments += 1
                files.bytes += Int(status.st_size)
            }
        }
        return files
    }
}
