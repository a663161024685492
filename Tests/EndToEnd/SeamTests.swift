import Glibc
import Testing

/// The seam between what is kept in files and what is live: listeners who join a rotating cache at any moment, lag into
/// it, come back, or fall behind it. Every packet of the stream says which one it is.
@Suite("Warm streams: the seam", .ownThread, .serialized)
struct SeamTests {
    /// Joins in all, over the cases below: 2000 and more in a long run.
    static let joins = Pace.scale > 1 ? 600 : 36
    static let atOnce = Pace.scale > 1 ? 200 : 36
    /// Microseconds that each operation of the busy pool takes.
    static let delay = Pace.scale > 1 ? 500 : 3000
    static let within = Pace.scale > 1 ? 20 : 2

    struct Case: CustomTestStringConvertible {
        let place: Place
        /// One thread for all file operations, which take their time, and nothing to be had without waiting.
        let isBusy: Bool

        var testDescription: String { "\(place)\(isBusy ? ", a thread pool that is busy" : "")" }

        static let all =
            Place.available.map { Case(place: $0, isBusy: false) } + [Case(place: .disk, isBusy: true)]
    }

    @Test(
        "whoever joins, lags and comes back has an unbroken run of packets, but for skips behind one marker",
        arguments: Case.all)
    func seam(_ one: Case) throws {
        let words = try Scratch()
        try Disk.write(words.path + "/words", "cold=1 read_us=\(SeamTests.delay) write_us=\(SeamTests.delay)\n".utf8)
        var station = WarmStation(source: "{ kind: exec, command: \(try Tool.source()), autostart: always }")
        station.place = one.place
        if one.isBusy {
            station.environment = [
                "UV_THREADPOOL_SIZE": "1", "LD_PRELOAD": try Tool.path("disk.so"), "WEIR_DISK": words.path + "/words",
                "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0",
            ]
        }
        try station.run { weir, cache in
            let process = try Crowd.start(
                weir,
                [
                    "--joins", "\(SeamTests.joins)", "--at-once", "\(SeamTests.atOnce)", "--within",
                    "\(SeamTests.within)", "--seed", "\(one.isBusy ? 2 : 1)", "--kinds",
                    "healthy:5,slow:2,stall:3,past:2", "--stay", Pace.scale > 1 ? "5" : "2", "--slow", "3", "--past",
                    Pace.scale > 1 ? "7" : "4.8",
                ])
            defer { process.end() }
            var most = WarmStation.Files()
            while process.exit == nil {
                let files = WarmStation.files(cache)
                if files.bytes > most.bytes { most = files }
                usleep(20_000)
            }
            let crowd = try Crowd.gather(process)
            crowd.expectWhole()
            try crowd.expectAccounted(weir)

            // Each was told of once.
            let sent = weir.events("SENT WARMCACHE").compactMap { $0.number("listener") }
            #expect(Set(sent).count == sent.count)
            #expect(sent.count >= crowd.listeners.filter { $0.text("warm") != "0" }.count)
            #expect(sent.count <= crowd.listeners.count)

            // The cache went round, and never took more than it may.
            #expect(most.directories.count == 1)
            #expect((5 << 20...9 << 20).contains(most.bytes), "\(most.bytes) bytes on disk")
            #expect(most.segments <= 10)
            let warm = try weir.station("tv")["warm"]
            #expect(try #require(warm?["tail"]?.integer) > 8 << 20)

            // Lagging into the files costs nothing, falling behind them does. A disk that cannot give everybody what is asked
            // for, or is so busy that the files began anew, proves less; so does a machine that leaves the program, or those
            // who listen, without a turn for a good part of what is kept.
            let restarts = try #require(try weir.metrics()["weir_live_warm_restarts_total{station=\"tv\"}"])
            let by = { (kind: String) in crowd.listeners.filter { $0.text("kind") == kind } }
            #expect(!by("stall").isEmpty && !by("past").isEmpty)
            #expect(by("past").allSatisfy { $0.number("skips") > 0 }, "nothing to fall behind")
            let isOnTime = crowd.lag("max") < 500 && crowd.first("max") < 500
            guard restarts == 0 && !one.isBusy && !Pace.isSanitized && isOnTime else { return }
            #expect(by("healthy").allSatisfy { $0.number("skips") == 0 }, "a healthy one lost something")
            #expect(by("stall").allSatisfy { $0.number("skips") == 0 }, "the files did not reach")
            expectWarm(crowd)
        }
    }

    @Test("pace: line gives the past at once, realtime a picture at once and the rest half as fast again as it plays")
    func pace() throws {
        let source = "{ kind: exec, command: \(try Tool.source()), autostart: always }"
        for pace in ["line", "realtime"] {
            var station = WarmStation(source: source)
            station.settings = "warm: { seconds: 6, max: 8MiB, ceiling: 8MiB, pace: \(pace) }"
            try station.run { weir, _ in
                let crowd = try Crowd.join(
                    weir, "--joins", "5", "--within", "0.5", "--kinds", "healthy:1", "--stay", "1", "--warm", "max")
                crowd.expectWhole()
                try crowd.expectAccounted(weir)
                for listener in crowd.listeners {
                    #expect(listener.number("skips") == 0)
                    #expect(listener.warmSeconds > 1.6)
                    // A second of it is free, and who is 0.4 s behind counts as having caught up.
                    let paced = 0.8 * (listener.warmSeconds - 1.4) / 0.5
                    if pace == "realtime" { #expect(listener.catchingUp >= paced, "\(listener)") }
                }
                // At once, unless the machine is late: none with a pace could have been so early.
                if pace == "line" {
                    #expect(crowd.listeners.contains { $0.catchingUp < 0.8 * ($0.warmSeconds - 1.4) / 0.5 })
                }
            }
        }
    }

    /// As many seconds as were asked for and are kept, and as the head says.
    private func expectWarm(_ crowd: Crowd) {
        for listener in crowd.listeners {
            let said = listener.warmSeconds
            // Between two random-access points lie 0.4 s; the files keep 2 s and more.
            let wanted: ClosedRange<Double> = listener.text("warm") == "0" ? 0...0.45 : 1.6...3.8
            #expect(wanted.contains(said), "X-Weir-Warm-Seconds, warm=\(listener.text("warm"))")
            #expect(abs(listener.firstAge - said) < 0.6, "it said \(said) s, it was \(listener.firstAge) s")
        }
    }
}
