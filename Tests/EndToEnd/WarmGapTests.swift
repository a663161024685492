import Glibc
import Testing

/// What becomes of a warm cache when its source goes away, begins again, or becomes another.
@Suite("Warm streams: gaps", .ownThread)
struct WarmGapTests {
    /// Packets of the log, and of the runs of its source: `[run, first, packets]`.
    private func runs(_ listener: Crowd.Listener) -> [Int] { listener.segments.map { $0[0] } }

    @Test("a source that is started anew: markers precede it, and no joiner gets what was before")
    func restart() throws {
        let scratch = try Scratch()
        var station = WarmStation(
            source:
                "{ kind: exec, command: \(try Tool.source("--runs", scratch.path + "/runs")), autostart: always }")
        // Enough for those who lag to hear the old run's end and the new one's beginning, however late.
        station.settings = "warm: { seconds: 6, max: 96MiB, ceiling: 96MiB }"
        station.filled = 4 << 20
        try station.run { weir, _ in
            // Some listen across the gap, some lag when it comes and have yet to hear the old run's end.
            let across = try Crowd.stay(weir, 4, warm: "max,0")
            let lagging = try Crowd.stay(weir, 4, kind: "stall", warm: "0")
            defer {
                across.end()
                lagging.end()
            }
            try Crowd.expect(8, of: weir)
            try eventually("they lag") {
                let listeners = try weir.station("tv")["listeners"]?.items ?? []
                return listeners.filter { $0["lag_bytes"]?.integer ?? 0 > 1 << 20 }.count >= 4 ? true : nil
            }
            let old = try #require(ProcessTable.children(of: weir.process.pid).first).pid
            let killed = Pace.now
            kill(old, SIGKILL)
            try eventually("it is started anew") {
                let children = ProcessTable.children(of: weir.process.pid)
                return children.contains { $0.pid != old && $0.state != "Z" } ? true : nil
            }
            try weir.wait("tv", is: "live")
            // At once: all that is warm is a moment old.
            let joiners = try Crowd.join(
                weir, "--joins", "10", "--within", "1", "--kinds", "healthy:1", "--stay", "1", "--warm", "max,6s,0")
            joiners.expectWhole()
            for joiner in joiners.listeners {
                #expect(runs(joiner) == [1], "something old was served as if it were live")
                #expect(joiner.warmSeconds < Double(Pace.now - killed) / 1e9)
            }
            for (crowd, name) in [(across, "across"), (lagging, "lagging")] {
                Crowd.release(crowd)
                let heard = try Crowd.gather(crowd)
                heard.expectWhole()
                for listener in heard.listeners {
                    #expect(runs(listener) == [0, 1], "\(name): \(listener)")
                    // The new run, from its first packet on, behind a marker of the PAT, the PMT and the video; or,
                    // where the files that began anew took the rest of the old one away, from its first picture,
                    // behind the one of who skips.
                    let first = try #require(listener.segments.last)[1]
                    #expect(first == 0 || (first == 2 && name == "lagging"), "\(name): \(listener)")
                    #expect(listener.number("markers") == (first == 0 ? 3 : 1), "\(name): \(listener)")
                }
            }
        }
    }

    @Test("a source that is silent for longer than it may: markers, and the cache begins anew")
    func silence() throws {
        let scratch = try Scratch()
        let pipe = try NamedPipe(scratch.path + "/pipe")
        let source = try Process(["sh", "-c", "exec \"$0\" > \"$1\"", try Tool.path("source"), pipe.path])
        defer { source.end() }
        var station = WarmStation(source: "{ kind: fifo, path: \(pipe.path), stall_timeout: 10 }")
        station.filled = 3 << 20
        try station.run { weir, _ in
            let across = try Crowd.stay(weir, 4, warm: "max,0")
            defer { across.end() }
            try Crowd.expect(4, of: weir)
            source.signal(SIGUSR1)
            try weir.wait("tv", is: "stalled")
            let gap = try #require(try weir.station("tv")["position"]?.integer) / 188
            source.signal(SIGUSR1)
            try weir.wait("tv", is: "live")
            let joiners = try Crowd.join(
                weir, "--joins", "5", "--within", "0.5", "--kinds", "healthy:1", "--stay", "0.5", "--warm", "max")
            joiners.expectWhole()
            for joiner in joiners.listeners { #expect(joiner.number("first") >= Int(gap)) }
            Crowd.release(across)
            let heard = try Crowd.gather(across)
            heard.expectWhole()
            for listener in heard.listeners {
                #expect(listener.number("kept") == 3, "the markers stand where nothing was lost: \(listener)")
                #expect(listener.number("markers") == 3)
            }
        }
    }

    @Test("an encoder that begins again without a word: joins, seconds and bitrate stay sound")
    func jump() throws {
        var station = WarmStation(
            source: "{ kind: exec, command: \(try Tool.source("--jump-at", "4")), autostart: always }")
        station.filled = 5 << 20
        try station.run { weir, _ in
            let crowd = try Crowd.join(
                weir, "--joins", "30", "--within", "5", "--kinds", "healthy:1", "--stay", "0.5", "--warm", "max,6s,0")
            crowd.expectWhole()
            try crowd.expectAccounted(weir)
            for listener in crowd.listeners { #expect((0...4).contains(listener.warmSeconds)) }
            let bitrate = try #require(try weir.station("tv")["bitrate"]?.number)
            #expect(abs(bitrate / 20e6 - 1) < 0.05, "\(bitrate) bit/s")
        }
    }

    @Test("another programme: joiners get the tables of what they are sent")
    func programme() throws {
        var station = WarmStation(source: "{ kind: exec, command: \(try Tool.source()), autostart: always }")
        station.filled = 5 << 20
        try station.run { weir, _ in
            func program() throws -> UInt64? {
                try weir.station("tv")["ts"]?["programs"]?.items?.first?["pmt_pid"]?.integer
            }
            let former = try #require(try program())
            let before = try Crowd.stay(weir, 20, warm: "max,6s,0")
            defer { before.end() }
            try Crowd.expect(20, of: weir)
            let change = try #require(try weir.station("tv")["position"]?.integer) / 188
            let source = try #require(ProcessTable.children(of: weir.process.pid).first).pid
            kill(source, SIGUSR2)
            try eventually("there is another programme") { try program() != former ? true : nil }
            let after = try Crowd.join(
                weir, "--joins", "20", "--within", "2", "--kinds", "healthy:1", "--stay", "1", "--warm", "max,6s,0")
            Crowd.release(before)
            let crowd = try Crowd.gather(before)
            for crowd in [crowd, after] { crowd.expectWhole() }
            try Crowd(listeners: after.listeners + crowd.listeners, sum: crowd.sum).expectAccounted(weir)
            // The first began before the change; of the others, who wanted nothing of the past, behind it.
            #expect(crowd.listeners.allSatisfy { $0.number("first") <= Int(change) })
            let newest = after.listeners.filter { $0.text("warm") == "0" }
            #expect(!newest.isEmpty && newest.allSatisfy { $0.number("first") > Int(change) })
        }
    }
}
