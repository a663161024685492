import Glibc
import Testing
import WeirLoop

@testable import WeirLive

/// A station whose source is away plays another. The tests are its senders and its listeners, and hold the clock.
@Suite struct FallbackTests {
    private func station(_ name: String, _ change: (inout StationOptions) -> Void = { _ in }) -> StationOptions {
        var options = StationOptions(name: name)
        options.source = .push(PushAccess())
        // What is written is sent at once.
        options.window = .fixed(milliseconds: 0)
        change(&options)
        return options
    }

    private func main(_ change: (inout StationOptions) -> Void = { _ in }) -> StationOptions {
        station("main") {
            $0.fallback = "other"
            change(&$0)
        }
    }

    /// Joins while somebody sends.
    @LoopActor
    private func join(_ station: Station, while talker: Talker) async throws -> Hearer {
        var hearer: Hearer?
        let joining = spawn { hearer = try? await Hearer(station) }
        try await eventually("a listener") {
            talker.send(frames: 1)
            return hearer != nil
        }
        await joining.value
        return try #require(hearer)
    }

    @LoopActor
    private func hears(_ hearer: Hearer, _ runs: [Hearer.Run]) async throws {
        try await eventually("\(runs)") {
            hearer.hear()
            return hearer.runs == runs && hearer.begun == 0
        }
    }

    private func run(_ tag: UInt8, _ first: UInt32, _ count: Int) -> Hearer.Run {
        Hearer.Run(tag: tag, first: first, count: count)
    }

    @Test func `who listens hears the other station while the sender is away, in whole frames`() throws {
        try withStations([main(), station("other")]) { stations, _ in
            let (main, other) = (stations["main"]!, stations["other"]!)
            var states: [String] = []
            main.onEvent = {
                if case .fallback(let name, let state) = $0 { states.append("\(name ?? "-") \(state)") }
            }
            let sender = try Talker(1, to: main)
            sender.send(bytes: 11)
            try await eventually("live") { main.state == .live }
            let hearer = try await Hearer(main)
            sender.send(bytes: 11)
            try await hears(hearer, [run(1, 2, 3)])
            let filler = try Talker(9, to: other)
            filler.send(frames: 10)
            try await eventually("it is there") { other.receivedBytes == 40 }
            // The last frame was not whole.
            sender.close()
            try await eventually("it has left") { main.state == .idle }
            #expect(other.followers.count == 1 && other.fanout.count == 0)
            filler.send(bytes: 41)
            try await hears(hearer, [run(1, 2, 3), run(9, 10, 10)])
            #expect(main.state == .idle && main.report.fallback == "other" && main.isDelivering)
            #expect((try? main.look(.own))?.join?.position == main.log.head)
            // A joiner is let in at once.
            let late = try await Hearer(main)
            filler.send(bytes: 3)
            try await hears(late, [run(9, 20, 1)])
            // The other one is within a frame when the next sender comes.
            filler.send(bytes: 2)
            let next = try Talker(2, to: main)
            next.send(bytes: 9)
            try await hears(hearer, [run(1, 2, 3), run(9, 10, 11), run(2, 0, 2)])
            #expect(main.state == .live && main.report.fallback == nil && other.followers.isEmpty)
            filler.send(frames: 5)
            next.send(bytes: 3)
            try await hears(late, [run(9, 20, 1), run(2, 0, 3)])
            #expect(states == ["other idle", "- starting"])
            #expect(main.fallbackSwitches == 1 && main.fallbackBytes == 44)
            #expect(main.receivedBytes == 22 + 12, "what the source delivered is told alone")
            #expect(main.report.listeners.allSatisfy { $0.skippedBytes == 0 })
            for hearer in [hearer, late] { hearer.close() }
            for sender in [filler, next] { sender.close() }
        }
    }

    @Test func `a sender that is silent for too long, and one that was never there`() throws {
        try withStations([main { $0.stallTimeout = 10 }, station("other") { $0.stallTimeout = 1000 }]) {
            stations, clock in
            let (main, other) = (stations["main"]!, stations["other"]!)
            let filler = try Talker(9, to: other)
            filler.send(frames: 1)
            try await eventually("it is there") { other.state == .live }
            let hearer = try await join(main, while: filler)
            filler.send(frames: 2)
            let sender = try Talker(1, to: main)
            sender.send(bytes: 6)
            try await eventually("live") {
                hearer.hear()
                return main.state == .live && hearer.runs.last?.tag == 1
            }
            await clock.play(main, seconds: 10.1)
            try await eventually("dropped") { main.state == .idle }
            filler.send(frames: 1)
            try await eventually("the other one again") {
                hearer.hear()
                return hearer.runs.last?.tag == 9
            }
            #expect(main.supervision.lastError == "no byte for 10 s" && main.fallbackSwitches == 2)
            for pair in [filler, sender] { pair.close() }
            hearer.close()
        }
    }

    @Test func `a named pipe that says nothing is played again from a whole frame on`() throws {
        try withDirectory { directory in
            let path = "\(directory)/pipe"
            #expect(mkfifo(path, 0o600) == 0)
            let main = main {
                $0.source = .fifo(path: path)
                $0.stallTimeout = 10
            }
            try withStations([main, station("other") { $0.stallTimeout = 1000 }]) { stations, clock in
                let (main, other) = (stations["main"]!, stations["other"]!)
                let filler = try Talker(9, to: other)
                filler.send(frames: 1)
                try await eventually("it is there") { other.state == .live }
                let pipe = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK)
                defer { close(pipe) }
                func write(_ range: Range<Int>) {
                    let bytes = range.map { Talker.byte(1, UInt32($0 / 4), $0 % 4) }
                    #expect(Glibc.write(pipe, bytes, bytes.count) == bytes.count)
                }
                write(0..<14)
                try await eventually("live") { main.state == .live }
                let hearer = try await Hearer(main)
                write(14..<18)
                try await hears(hearer, [run(1, 3, 1)])
                await clock.play(main, seconds: 10.1)
                #expect(main.state == .stalled)
                filler.send(frames: 2)
                try await hears(hearer, [run(1, 3, 1), run(9, 1, 2)])
                // It goes on in the middle of a frame, whose beginning is gone.
                write(18..<19)
                filler.send(frames: 1)
                try await hears(hearer, [run(1, 3, 1), run(9, 1, 3)])
                write(19..<28)
                try await hears(hearer, [run(1, 3, 1), run(9, 1, 3), run(1, 5, 2)])
                #expect(main.state == .live && main.fallbackName == nil)
                hearer.close()
                filler.close()
            }
        }
    }

    @Test func `a child that fails is tried again behind the other station's back`() throws {
        try withDirectory { directory in
            let script = "[ -e \(directory)/go ] && while :; do printf '\\1\\0\\0\\0'; sleep 0.01; done; exit 3"
            let main = main {
                $0.source = .exec(command: ["sh", "-c", script], directory: nil, environment: [:])
                $0.stallTimeout = 1000
            }
            try withStations([main, station("other") { $0.stallTimeout = 1000 }]) { stations, clock in
                let (main, other) = (stations["main"]!, stations["other"]!)
                let filler = try Talker(9, to: other)
                filler.send(frames: 1)
                try await eventually("both") { other.state == .live && main.state == .failed }
                #expect((try? main.look(.own)) != nil)
                let hearer = try await join(main, while: filler)
                for attempt in 2...4 {
                    await clock.advance(seconds: 31)
                    try await eventually("attempt \(attempt)") {
                        main.supervision.restarts >= UInt64(attempt - 1) && main.state == .failed
                    }
                    #expect(main.fallbackSwitches == 1)
                }
                close(open("\(directory)/go", O_WRONLY | O_CREAT, 0o600))
                await clock.advance(seconds: 31)
                try await eventually("the source") {
                    hearer.hear()
                    return hearer.runs.last?.tag == 1
                }
                #expect(main.state == .live && main.fallbackName == nil)
                #expect(hearer.runs.allSatisfy { $0.tag == 1 || $0.tag == 9 })
                hearer.close()
                filler.close()
            }
        }
    }

    @Test func `an on-demand fallback runs while it is needed, and a moment longer`() throws {
        let other = station("other") {
            $0.source = .tone
            $0.autostart = .onDemand
            $0.linger = 5
        }
        try withStations([main { $0.linger = 3 }, other]) { stations, clock in
            let (main, other) = (stations["main"]!, stations["other"]!)
            await clock.advance(seconds: 60)
            #expect(other.state == .idle && main.state == .idle)
            let joining = spawn { try? await Hearer(main) }
            try await eventually("it is started") { other.state == .starting }
            await clock.play(other, seconds: 0.1)
            let hearer = try #require(await joining.value)
            for _ in 0..<10 {
                await clock.play(other, seconds: 0.1)
                hearer.hear()
            }
            #expect(hearer.bytes > 150_000 && hearer.bytes % 4 == 0 && main.fallbackName == "other")
            #expect(stations.seats.taken == 1 && other.counters.joined == 0, "it is no listener of the other's")
            #expect(main.kick(hearer.id))
            await clock.play(other, seconds: 2.9)
            #expect(main.fallbackName == "other" && other.state == .live)
            await clock.play(other, seconds: 0.2)
            #expect(main.fallbackName == nil && other.state == .live)
            await clock.play(other, seconds: 5)
            #expect(other.state == .idle)
            hearer.close()
        }
    }

    @Test func `of a chain the first that delivers is heard`() throws {
        let chain = [main { $0.fallback = "b" }, station("b") { $0.fallback = "c" }, station("c")]
        try withStations(chain) { stations, _ in
            let (main, b, c) = (stations["main"]!, stations["b"]!, stations["c"]!)
            let third = try Talker(3, to: c)
            third.send(frames: 1)
            try await eventually("it is there") { c.state == .live }
            let hearer = try await join(main, while: third)
            third.send(frames: 1)
            try await eventually("the third") {
                hearer.hear()
                return hearer.runs.last?.tag == 3
            }
            #expect(main.fallbackName == "b" && b.fallbackName == "c" && b.state == .idle)
            let second = try Talker(2, to: b)
            second.send(frames: 2)
            try await eventually("the second") {
                hearer.hear()
                return hearer.runs.last == run(2, 0, 2)
            }
            #expect(c.followers.isEmpty && b.followers.count == 1)
            second.close()
            try await eventually("it has left") { b.state == .idle && c.followers.count == 1 }
            third.send(frames: 1)
            try await eventually("the third again") {
                hearer.hear()
                return hearer.runs.last?.tag == 3
            }
            let first = try Talker(1, to: main)
            first.send(frames: 1)
            try await eventually("the first") {
                hearer.hear()
                return hearer.runs.last == run(1, 0, 1)
            }
            // Nobody needs the others any more.
            #expect(b.followers.isEmpty)
            for talker in [first, third] { talker.close() }
            hearer.close()
        }
    }

    @Test func `a programme that is over leaves its listeners to the other station, a stop ends them`() throws {
        try withDirectory { directory in
            let path = "\(directory)/short.pcm"
            let file = open(path, O_WRONLY | O_CREAT, 0o600)
            let bytes = (0..<38400).map { Talker.byte(1, UInt32($0 / 4), $0 % 4) }
            #expect(write(file, bytes, bytes.count) == bytes.count)
            close(file)
            let main = main {
                $0.source = .file(path: path, loop: false)
                $0.join = 1
            }
            try withStations([main, station("other") { $0.stallTimeout = 1000 }]) { stations, clock in
                let (main, other) = (stations["main"]!, stations["other"]!)
                let filler = try Talker(9, to: other)
                filler.send(frames: 1)
                try await eventually("it is there") { other.state == .live }
                try await eventually("it plays") {
                    clock.advance(by: 20_000_000)
                    main.turn()
                    return main.state == .live
                }
                let hearer = try await Hearer(main)
                try await eventually("it is over") {
                    clock.advance(by: 20_000_000)
                    main.turn()
                    hearer.hear()
                    return main.state == .stopped
                }
                filler.send(frames: 3)
                try await eventually("the other one") {
                    hearer.hear()
                    return hearer.runs.last?.tag == 9
                }
                #expect(hearer.runs.count == 2 && hearer.runs[0].first + UInt32(hearer.runs[0].count) == 9600)
                #expect(!hearer.isOver && main.state == .stopped && main.report.fallback == "other")
                // Joiners are let in, although the source is over.
                let late = try await Hearer(main)
                // When the other one is taken off the air there is nothing more to wait for.
                other.stop()
                try await eventually("the end") {
                    hearer.hear()
                    late.hear()
                    return hearer.isOver && late.isOver
                }
                #expect(hearer.reason == "shutdown" && hearer.begun == 0)
                for hearer in [hearer, late] { hearer.close() }
                filler.close()
            }
        }
    }

    @Test func `an operator's stop ends the station, fallback included`() throws {
        try withStations([main(), station("other")]) { stations, _ in
            let (main, other) = (stations["main"]!, stations["other"]!)
            let filler = try Talker(9, to: other)
            filler.send(frames: 1)
            try await eventually("it is there") { other.state == .live }
            let hearer = try await join(main, while: filler)
            main.stop()
            try await eventually("the end") {
                hearer.hear()
                return hearer.isOver
            }
            #expect(other.followers.isEmpty && main.fallbackName == nil)
            #expect(throws: JoinRefusal.stopped) { _ = try main.look(.own) }
            await #expect(throws: JoinRefusal.stopped) { _ = try await Hearer(main) }
            main.start()
            #expect((try? main.look(.own)) != nil)
            hearer.close()
            filler.close()
        }
    }

    @Test func `without a sender and without a fallback's it is as without a fallback`() throws {
        try withStations([main { $0.startTimeout = 5 }, station("other")]) { stations, clock in
            let main = stations["main"]!
            let joining = spawn { () -> JoinRefusal? in
                do throws(JoinRefusal) {
                    _ = try await main.join(.own, warm: nil, address: "a", path: "/")
                    return nil
                } catch {
                    return error
                }
            }
            try await eventually("it waits") { main.demand == 1 }
            await clock.advance(seconds: 5.1)
            #expect(await joining.value == .silent(state: .idle, error: nil))
            #expect(stations.seats.taken == 0)
        }
    }

    @Test func `a fallback that is taken away, changed or replaced while it is heard`() throws {
        try withStations([main(), station("other"), station("third")]) { stations, _ in
            let (main, other, third) = (stations["main"]!, stations["other"]!, stations["third"]!)
            let filler = try Talker(9, to: other)
            let filler3 = try Talker(3, to: third)
            for talker in [filler, filler3] { talker.send(frames: 1) }
            try await eventually("they are there") { other.state == .live && third.state == .live }
            let hearer = try await join(main, while: filler)
            @LoopActor func apply(_ new: [StationOptions], _ adjusted: [StationOptions], _ order: [String]) async throws
            {
                var change = Stations.Change()
                change.new = new
                change.adjusted = adjusted
                change.order = order
                stations.apply(change, made: try await stations.make(new, caches: nil), patience: 5)
            }
            // Another one from now on.
            try await apply([], [self.main { $0.fallback = "third" }], ["main", "other", "third"])
            #expect(stations["main"] === main && other.followers.isEmpty)
            filler3.send(frames: 1)
            try await eventually("the third") {
                hearer.hear()
                return hearer.runs.last?.tag == 3
            }
            // It is replaced under the same name.
            try await apply(
                [self.station("third") { $0.ring = 1 << 16 }], [], ["main", "other", "third"])
            let next = stations["third"]!
            #expect(next !== third && next.followers.count == 1)
            try await eventually("it has begun") { next.state == .idle }
            let filler4 = try Talker(4, to: next)
            try await eventually("its successor") {
                filler4.send(frames: 1)
                hearer.hear()
                return hearer.runs.last?.tag == 4
            }
            // And is taken away.
            try await apply([], [self.main { $0.fallback = nil }], ["main", "other"])
            #expect(main.fallbackName == nil && !hearer.isOver && main.fallbackSwitches == 3)
            let sender = try Talker(1, to: main)
            sender.send(frames: 1)
            try await eventually("the source") {
                hearer.hear()
                return hearer.runs.last == run(1, 0, 1)
            }
            for talker in [filler, filler3, filler4, sender] { talker.close() }
            hearer.close()
        }
    }

    @Test func `a header with another format than is heard from the fallback is refused`() throws {
        try withStations([main(), station("other")]) { stations, _ in
            let (main, other) = (stations["main"]!, stations["other"]!)
            let filler = try Talker(9, to: other)
            filler.send(frames: 1)
            try await eventually("it is there") { other.state == .live }
            let hearer = try await join(main, while: filler)
            let pair = try SocketPair()
            let sender = Sender(address: "a", agent: nil, name: nil, audio: nil)
            let header = WAVHeader.endless(PCMFormat(rate: 44100)) + [1, 2, 3, 4]
            var ending: SenderEnding?
            try main.send(Source.Body(descriptor: pair.station, prefix: header), from: sender) { end, _ in ending = end
            }
            try await eventually("refused") { ending?.name == "refused" }
            filler.send(frames: 1)
            try await eventually("it plays on") {
                hearer.hear()
                return hearer.runs.last.map { $0.first + UInt32($0.count) } == filler.next
            }
            #expect(hearer.runs.allSatisfy { $0.tag == 9 } && main.format == .pcm(PCMFormat()))
            pair.close()
            hearer.close()
            filler.close()
        }
    }

    @Test func `a fallback that turns out to be of another format is not played, and that is told`() throws {
        try withStations([main(), station("other")]) { stations, _ in
            let (main, other) = (stations["main"]!, stations["other"]!)
            var failures: [String] = []
            main.onEvent = {
                if case .fallbackFailed(let name, let error) = $0 { failures.append("\(name): \(error)") }
            }
            let joining = spawn { try? await main.join(.own, warm: nil, address: "a", path: "/") }
            try await eventually("it waits") { other.followers.count == 1 }
            let pair = try SocketPair()
            let header = WAVHeader.endless(PCMFormat(rate: 44100)) + [1, 2, 3, 4]
            try other.send(
                Source.Body(descriptor: pair.station, prefix: header),
                from: Sender(address: "a", agent: nil, name: nil, audio: nil)
            ) { _, _ in }
            try await eventually("it is live") { other.state == .live }
            #expect(other.format == .pcm(PCMFormat(rate: 44100)) && other.followers.isEmpty)
            #expect(
                failures.count == 1 && failures[0].contains("44100") && failures[0].contains("48000"), "\(failures)")
            let sender = try Talker(1, to: main)
            sender.send(frames: 1)
            #expect(await joining.value != nil)
            pair.close()
            sender.close()
        }
    }

    @Test func `of a transport stream the other one begins with its tables and a picture, behind markers`() throws {
        let tv = { (options: inout StationOptions) in
            options.format = .ts
            options.stallTimeout = 1000
        }
        try withStations([main(tv), station("other", tv)]) { stations, _ in
            let (main, other) = (stations["main"]!, stations["other"]!)
            var muxer = Muxer()
            var others = Muxer()
            _ = others.group(packets: 5000)
            @LoopActor func connect(_ station: Station) throws -> SocketPair {
                let pair = try SocketPair()
                try station.send(
                    Source.Body(descriptor: pair.station),
                    from: Sender(address: "a", agent: nil, name: nil, audio: nil)
                ) { _, _ in }
                return pair
            }
            func send(_ pair: SocketPair, _ bytes: [UInt8]) {
                #expect(Glibc.send(pair.test, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
            }
            let sender = try connect(main)
            let filler = try connect(other)
            let first = muxer.group(packets: 60)
            send(sender, first)
            let filled = others.group(packets: 60)
            send(filler, filled)
            try await eventually("both") {
                main.receivedBytes >= first.count - 1000 && other.receivedBytes >= filled.count - 1000
                    && main.track!.join(seconds: 0).isAccess && other.track!.join(seconds: 0).isAccess
            }
            let seat = try await main.join(.ts, warm: nil, address: "viewer", path: "/")
            let viewer = try SocketPair()
            _ = try main.attach(seat, descriptor: viewer.station)
            sender.close()
            try await eventually("the other one") { main.fallbackName == "other" }
            let more = others.group(packets: 60)
            send(filler, more)
            try await eventually("more of it") { main.fallbackBytes >= UInt64(more.count) }
            let back = try connect(main)
            let second = muxer.group(packets: 60)
            send(back, second)
            try await eventually("back") { main.state == .live }
            var heard: [UInt8] = []
            try await eventually("all") {
                heard += viewer.read().bytes
                main.turn()
                return heard.count >= seat.body.preamble.count + 60 * 188
                    && heard.suffix(20 * 188).elementsEqual(second.suffix(20 * 188))
            }
            #expect(heard.count % 188 == 0)
            let packets = stride(from: 0, to: heard.count, by: 188).map { Array(heard[$0..<$0 + 188]) }
            #expect(packets.allSatisfy { $0[0] == 0x47 })
            let markers = packets.indices.filter { packets[$0][3] & 0x30 == 0x20 && packets[$0][5] & 0x80 != 0 }
            // Of the PAT, the PMT and the video, twice.
            try #require(markers.count == 6)
            func unmarked(_ range: Range<Int>) -> [[UInt8]] {
                range.filter { !markers.contains($0) }.map { packets[$0] }
            }
            func split(_ bytes: [UInt8]) -> [[UInt8]] {
                stride(from: 0, to: bytes.count, by: 188).map { Array(bytes[$0..<$0 + 188]) }
            }
            // Between the markers: tables, a key picture, and the other one's packets without a gap.
            let between = unmarked(markers[0]..<markers[3])
            #expect(between[0][1] & 0x5F == 0x40 && between[0][2] == 0 && between[1][1] == 0x50)
            let foreign = split(filled + more)
            let body = Array(between.drop { pid($0) != Muxer.videoPID })
            #expect(body[0][5] & 0x40 != 0, "a place where decoding can begin")
            let start = try #require(foreign.firstIndex(of: body[0]))
            #expect(foreign[start..<start + body.count].elementsEqual(body))
            // After them: what the source sends.
            let last = unmarked(markers[3]..<packets.count)
            let own = split(second)
            let at = try #require(own.firstIndex(of: last[0]))
            #expect(own[at...].elementsEqual(last))
            for pair in [filler, back, viewer] { pair.close() }
        }
    }

    private func pid(_ packet: [UInt8]) -> Int { Int(packet[1] & 0x1F) << 8 | Int(packet[2]) }

    @Test func `a fallback that cannot be is told with what is expected`() {
        func problems(_ pairs: [(String, String?)]) -> [String] {
            StationOptions.fallbackProblems(
                pairs.map { name, fallback in station(name) { $0.fallback = fallback } }
            ).map { "\($0.index) \($0.text)" }
        }
        #expect(problems([("a", "b"), ("b", "c"), ("c", nil)]).isEmpty)
        #expect(
            problems([("a", "x")]) == ["0 there is no station `x`; expected the name of another station"])
        #expect(
            problems([("a", "a")]) == [
                "0 a station cannot be its own fallback; expected the name of another station"
            ])
        #expect(
            problems([("d", "a"), ("a", "b"), ("b", "c"), ("c", "a")]) == [
                "1 the fallbacks go round in a circle: a → b → c → a; expected one that ends"
            ])
        let formats = [
            station("a") { $0.fallback = "b" },
            station("b") { $0.format = .pcm(PCMFormat(rate: 44100)) },
            station("c") {
                $0.format = .ts
                $0.fallback = "a"
            },
        ]
        let found = StationOptions.fallbackProblems(formats)
        #expect(found.map(\.index) == [0, 2])
        #expect(found[0].text.contains("44100") && found[0].text.contains("48000"), "\(found)")
        #expect(throws: CoreError.invalid) {
            try LoopActor.runInTurn { _ = try Stations([main { $0.fallback = "main" }], listenersMax: 1) }
        }
    }
}
