import Glibc
import Testing

/// Disks that are slow, full, or hang; crashes. Live goes on.
@Suite("Warm streams: the disk", .ownThread)
struct WarmDiskTests {
    /// A station whose disk does what the words say, from now on.
    private func onDisk(
        _ first: String, filled: Int = 5 << 20, _ body: (Daemon, String, (String) throws -> Void) throws -> Void
    ) throws {
        let words = try Scratch()
        let path = words.path + "/words"
        func say(_ text: String) throws {
            try Disk.write(path + ".new", "\(text)\n".utf8)
            guard rename(path + ".new", path) == 0 else { throw Failure.system("rename") }
        }
        try say(first)
        var station = WarmStation(source: "{ kind: exec, command: \(try Tool.source()), autostart: always }")
        // Memory for seconds of stream: what is late on a busy machine is not lost to those who are live.
        station.settings += "\n      ring: 16MiB"
        station.filled = filled
        station.environment = [
            "LD_PRELOAD": try Tool.path("disk.so"), "WEIR_DISK": path,
            "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0",
        ]
        try station.run { weir, cache in try body(weir, cache, say) }
    }

    private let healthy = ["--kinds", "healthy:1", "--warm", "0"]

    @Test("a slow disk shortens what is kept, and live listeners do not notice")
    func slow() throws {
        try onDisk("") { weir, _, say in
            let options = healthy + ["--joins", "20", "--within", "0.5", "--stay", Pace.scale > 1 ? "10" : "3"]
            func listen() throws -> Double {
                let process = try Crowd.start(weir, options)
                defer { process.end() }
                let crowd = try Crowd.gather(process)
                crowd.expectWhole()
                #expect(crowd.listeners.allSatisfy { $0.number("skips") == 0 })
                return crowd.lag("p99")
            }
            // In turns, so that what else happens on the machine meets both.
            var before: [Double] = []
            var during: [Double] = []
            for _ in 0..<(Pace.scale > 1 ? 5 : 1) {
                try say("")
                before.append(try listen())
                // 256 KiB in 300 ms: a third of what comes.
                try say("write_us=300000 cold=1 read_us=300000 open_us=100000")
                during.append(try listen())
            }
            func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
            // Everything else on this machine moves it too: it is measured where nothing else runs.
            if Pace.scale > 1 && !Pace.isSanitized {
                #expect(median(during) <= median(before) + 5, "p99 in ms: \(before) without, \(during) with")
            }
            try eventually("the files restart") {
                let restarts = try weir.metrics().filter { $0.key.hasPrefix("weir_live_warm_restarts_total") }
                return restarts.values.reduce(0, +) > 0 ? true : nil
            }

            // Fast again, it fills again.
            try say("")
            try eventually("5 MiB are kept again") {
                try weir.station("tv")["warm"]?["bytes"]?.integer ?? 0 > 5 << 20 ? true : nil
            }
            let warm = try Crowd.join(weir, "--joins", "5", "--within", "0.5", "--warm", "max", "--kinds", "healthy:1")
            warm.expectWhole()
            #expect(warm.listeners.allSatisfy { $0.warmSeconds > 1.5 })
        }
    }

    @Test("a disk that hangs holds up nobody who listens, and whoever waits for it goes on without")
    func hanging() throws {
        try onDisk("") { weir, _, say in
            try say("hang=1 cold=1")
            // One that must read from the files now, beside others who need not.
            let crowd = try Crowd.join(
                weir, "--joins", "10", "--within", "1", "--stay", "3", "--kinds", "healthy:1", "--warm", "0")
            crowd.expectWhole()
            #expect(crowd.listeners.allSatisfy { $0.number("skips") == 0 })
            let waiting = try Crowd.start(
                weir, ["--joins", "1", "--within", "0", "--warm", "max", "--stay", "1", "--kinds", "healthy:1"])
            defer { waiting.end() }
            try eventually("it listens") {
                try weir.station("tv")["listeners"]?.items?.isEmpty == false ? true : nil
            }
            try say("")
            let late = try Crowd.gather(waiting)
            late.expectWhole()
            try late.expectAccounted(weir)
        }
    }

    @Test("SIGTERM while the disk hangs: listeners and sources end in order, it is said, and the exit code is 1")
    func hangingAtTheEnd() throws {
        try onDisk("") { weir, cache, say in
            let listening = try Crowd.stay(weir, 3, warm: "0")
            defer { listening.end() }
            try Crowd.expect(3, of: weir)
            try say("hang=1")
            let family = ProcessTable.descendants(of: weir.process.pid)
            #expect(try weir.end(SIGTERM) == .code(1))
            #expect(weir.events("listener left").filter { $0["reason"] == "shutdown" }.count == 3)
            let said = try #require(weir.events("the disk does not answer").first)
            #expect(said["level"] == "error" && said["left"]?.hasSuffix("/weir-warm-*") == true)
            #expect(weir.events("the shutdown did not end in time").isEmpty)
            try eventually("the source has gone") { family.allSatisfy(ProcessTable.hasEnded) ? true : nil }
            #expect(WarmStation.files(cache).directories.count == 1)
        }
    }

    @Test(
        "writes that fail turn the cache off with a warning, and live goes on",
        arguments: [(ENOSPC, "no space left on device"), (EIO, "i/o error")])
    func failing(_ error: Int32, _ text: String) throws {
        try onDisk("") { weir, cache, say in
            let process = try Crowd.stay(weir, 5, warm: "0")
            defer { process.end() }
            try Crowd.expect(5, of: weir)
            try say("fail=\(error)")
            let restarted = try weir.event("warm cache restarted")
            #expect(restarted["level"] == "warning")
            #expect(restarted["station"] == "tv")
            #expect(restarted.number("lost") ?? 0 > 0)
            let off = try weir.event("warm cache off")
            #expect(off["level"] == "warning")
            #expect(off["error"] == text)
            Crowd.release(process)
            let crowd = try Crowd.gather(process)
            crowd.expectWhole()
            #expect(crowd.listeners.allSatisfy { $0.number("skips") == 0 })
            #expect(try weir.get("/health").json?["status"]?.text == "degraded")
            // What was kept is gone from the disk, too.
            try eventually("the segments are unlinked") { WarmStation.files(cache).bytes < 1 << 20 ? true : nil }
        }
    }

    @Test(
        "a disk that is full: the same, and room makes it whole again",
        .enabled(if: Place.available.contains(.tmpfs)))
    func full() throws {
        var station = WarmStation(source: "{ kind: exec, command: \(try Tool.source()), autostart: always }")
        station.place = .tmpfs
        station.size = "4m"
        station.filled = 1 << 20
        try station.run { weir, cache in
            let crowd = try Crowd.join(weir, "--joins", "10", "--within", "2", "--stay", "2")
            #expect(crowd.number("faults") == 0)
            #expect(crowd.number("left") == 10)
            #expect(try weir.event("warm cache restarted")["level"] == "warning")
            #expect(try weir.station("tv")["state"]?.text == "live")
        }
    }

    // MARK: What is left behind

    @Test("a daemon that stops leaves no file and no directory of its cache")
    func stopped() throws {
        let station = WarmStation(source: "{ kind: exec, command: \(try Tool.source()), autostart: always }")
        try station.run { weir, cache in
            // Listeners in the files at that moment, too.
            let process = try Crowd.stay(weir, 3, kind: "past", warm: "max")
            defer { process.end() }
            try eventually("they lag") {
                let listeners = try weir.station("tv")["listeners"]?.items ?? []
                return listeners.filter { $0["lag_bytes"]?.integer ?? 0 > 2 << 20 }.count == 3 ? true : nil
            }
            let files = WarmStation.files(cache)
            #expect(files.directories.count == 1 && files.segments > 0)
            #expect(try weir.end(SIGTERM) == .code(0))
            #expect(WarmStation.files(cache).directories.isEmpty)
        }
    }

    @Test("kill -9 while it rotates: the next start removes what was left, and leaves a living neighbour's alone")
    func killed() throws {
        let scratch = try Scratch()
        let cache = scratch.path + "/cache"
        func configuration(_ name: String) throws -> String {
            """
            cache: { dir: \(cache) }
            live:
              stations:
                - name: \(name)
                  format: ts
                  source: { kind: exec, command: \(try Tool.source()), autostart: always }
                  warm: { seconds: 6, max: 8MiB, ceiling: 8MiB }
            """
        }
        func filled(_ weir: Daemon, _ name: String, _ bytes: UInt64) throws {
            try eventually("\(name) has gone round") {
                try weir.station(name)["warm"]?["tail"]?.integer ?? 0 > bytes ? true : nil
            }
        }
        try Daemon.run(try configuration("neighbour")) { neighbour in
            try filled(neighbour, "neighbour", 0)
            let own = WarmStation.files(cache)
            #expect(own.directories.count == 1)
            for round in 0..<(Pace.scale > 1 ? 20 : 2) {
                try Daemon.run(try configuration("tv")) { weir in
                    try filled(weir, "tv", UInt64(round % 2) << 20)
                    #expect(try weir.end(SIGKILL) == .signal(SIGKILL))
                }
                let left = WarmStation.files(cache)
                #expect(left.directories.count == 2)
                #expect(left.bytes > own.bytes / 2)
            }
            try Daemon.run(try configuration("tv")) { weir in
                try weir.wait("tv", is: "live")
                let files = WarmStation.files(cache)
                #expect(files.directories.count == 2, "leftovers are gone, there is its own and the neighbour's")
                #expect(files.directories.contains(own.directories[0]))
                let crowd = try Crowd.join(
                    neighbour, target: "/live/neighbour.ts", "--joins", "5", "--within", "0.2", "--warm", "max",
                    "--stay", "1")
                crowd.expectWhole()
            }
            #expect(WarmStation.files(cache).directories == own.directories)
        }
        #expect(WarmStation.files(cache).directories.isEmpty)
    }

    @Test("listeners who come and go leave no descriptor and no memory behind")
    func descriptors() throws {
        let station = WarmStation(source: "{ kind: exec, command: \(try Tool.source()), autostart: always }")
        try station.run { weir, _ in
            func visit() throws {
                let crowd = try Crowd.join(
                    weir, "--joins", "40", "--within", "2", "--at-once", "20", "--stay", "0.5", "--kinds",
                    "healthy:3,stall:1", "--warm", "max,6s")
                crowd.expectWhole()
            }
            try visit()
            // Segments come and go; sockets must have gone.
            func open() -> Int { ProcessTable.descriptors(of: weir.process.pid) }
            try eventually("they have left") {
                try weir.station("tv")["listeners"]?.items?.isEmpty == true ? true : nil
            }
            let before = open()
            let memory = try ProcessTable.anonymousMemory(of: weir.process.pid)
            try visit()
            try eventually("as many descriptors as before") { abs(open() - before) <= 2 ? true : nil }
            if !Pace.isSanitized {
                let grown = try ProcessTable.anonymousMemory(of: weir.process.pid) - memory
                #expect(grown < 2 << 20, "grown by \(grown) bytes")
            }
        }
    }
}
