import Glibc
import Testing
import WeirLoop

@testable import WeirLive

/// Stations that come, go, and take on other options while others run.
@Suite struct StationsTests {
    private func station(_ name: String, _ change: (inout StationOptions) -> Void = { _ in }) -> StationOptions {
        var options = StationOptions(name: name)
        options.window = .fixed(milliseconds: 20)
        change(&options)
        return options
    }

    private func withStations(
        _ options: [StationOptions], _ body: @escaping @LoopActor (Stations, LoopClock) async throws -> Void
    ) throws {
        try LoopActor.runInTurn {
            let clock = LoopClock.manual()
            let stations = try Stations(options, listenersMax: 100, clock: clock)
            stations.begin()
            do {
                try await body(stations, clock)
            } catch {
                await stations.close()
                throw error
            }
            await stations.close()
        }
    }

    @LoopActor
    private func apply(
        _ stations: Stations, new: [StationOptions] = [], adjusted: [StationOptions] = [], order: [String]
    ) async throws {
        var change = Stations.Change()
        change.new = new
        change.adjusted = adjusted
        change.order = order
        stations.apply(change, made: try await stations.make(new, caches: nil), patience: 5)
    }

    /// A child that takes its time to go: until the file is there.
    private func stubborn(_ directory: String) -> StationOptions.Source {
        let script = "trap '' INT TERM; while [ ! -e \(directory)/go ]; do echo aaa; sleep 0.01; done"
        return .exec(command: ["sh", "-c", script], directory: nil, environment: [:])
    }

    @Test func `one that is not named goes, the others do not notice`() throws {
        try withStations([station("a"), station("b")]) { stations, clock in
            let (a, b) = (stations["a"]!, stations["b"]!)
            await clock.play(b, seconds: 1)
            await clock.play(a, seconds: 1)
            var gone: [String] = []
            stations.onGone = { gone.append($0.name) }
            let pair = try SocketPair()
            let other = try SocketPair()
            for (station, pair) in [(a, pair), (b, other)] {
                let seat = try await station.join(.own, warm: nil, address: "test", path: "/")
                _ = try station.attach(seat, descriptor: pair.station)
            }
            #expect(stations.seats.taken == 2)
            try await apply(stations, new: [station("c")], order: ["c", "a"])
            #expect(stations.all.map(\.name) == ["c", "a"])
            #expect(stations["a"] === a && stations["b"] == nil && stations.first?.name == "c")
            try await eventually("b is gone") { gone == ["b"] }
            #expect(other.read().isOver)
            #expect(stations.seats.taken == 1)
            await clock.play(a, seconds: 0.1)
            let heard = pair.read()
            #expect(heard.bytes.count == 19200 && !heard.isOver)
            pair.close()
            other.close()
        }
    }

    @Test func `one that takes a former one's place begins when that is gone, and who joins it waits`() throws {
        try withDirectory { directory in
            let slow = station("a") { $0.source = stubborn(directory) }
            try withStations([slow]) { stations, clock in
                let former = stations["a"]!
                try await eventually("it plays") { former.state == .live }
                try await apply(stations, new: [station("a")], order: ["a"])
                let next = stations["a"]!
                #expect(next !== former)
                let joining = spawn {
                    try? await next.join(.own, warm: nil, address: "test", path: "/").join.position
                }
                await LoopActor.settle()
                #expect(next.state == .stopped && next.reserved == 1, "it waits for its turn")
                #expect((try? next.look(.own)) != nil)
                let file = open("\(directory)/go", O_WRONLY | O_CREAT, 0o600)
                close(file)
                try await eventually("the former is gone") { next.state == .starting }
                await clock.play(next, seconds: 0.1)
                #expect(await joining.value != nil)
            }
        }
    }

    @Test func `one that is replaced again before it began never begins`() throws {
        try withDirectory { directory in
            try withStations([station("a") { $0.source = stubborn(directory) }]) { stations, _ in
                try await eventually("it plays") { stations["a"]!.state == .live }
                try await apply(stations, new: [station("a") { $0.source = .fifo(path: "/none") }], order: ["a"])
                let second = stations["a"]!
                let journal = Journal()
                second.onEvent = { journal.events.append($0) }
                try await apply(stations, new: [station("a") { $0.autostart = .manual }], order: ["a"])
                let third = stations["a"]!
                #expect(second.state == .stopped)
                // Nobody waits for one that only begins when it is told to.
                await #expect(throws: JoinRefusal.stopped) {
                    _ = try await third.join(.own, warm: nil, address: "test", path: "/")
                }
                close(open("\(directory)/go", O_WRONLY | O_CREAT, 0o600))
                try await LoopClock.monotonic.sleep(for: 0.1)
                #expect(journal.events.isEmpty)
                #expect(third.state == .stopped)
            }
        }
    }

    @Test func `one that cannot be made leaves everything as it was`() throws {
        try withStations([station("a")]) { stations, _ in
            let a = stations["a"]!
            await #expect(throws: CoreError.self) {
                try await apply(
                    stations, new: [station("b"), station("c") { $0.ring = 3 }], order: ["b", "c"])
            }
            #expect(stations.all.map(\.name) == ["a"] && stations["a"] === a)
        }
    }

    @Test func `other options hold from then on, for those who listen too`() throws {
        try withStations([station("a") { $0.stallTimeout = 3600 }]) { stations, clock in
            let a = stations["a"]!
            await clock.play(a, seconds: 1)
            let pair = try SocketPair()
            let seat = try await a.join(.own, warm: nil, address: "test", path: "/")
            _ = try a.attach(seat, descriptor: pair.station)
            try await apply(
                stations,
                adjusted: [
                    station("a") {
                        $0.window = .fixed(milliseconds: 100)
                        $0.listenersMax = 1
                        $0.join = 0.5
                        $0.slowTimeout = 2
                        $0.stallTimeout = 1
                    }
                ], order: ["a"])
            #expect(stations["a"] === a)
            #expect(a.report.window == 100 && a.report.listenersMax == 1)
            await #expect(throws: JoinRefusal.full(limit: 1)) {
                _ = try await a.join(.own, warm: nil, address: "test", path: "/")
            }
            // Nothing of it was lost on the way; what has come since the last window's end is due at the next.
            await clock.play(a, seconds: 0.5)
            let heard = pair.read().bytes.count
            #expect((96_000 - 19_200...96_000).contains(heard), "\(heard)")
            // It takes nothing any more: two seconds instead of thirty.
            var left: [String] = []
            a.onEvent = { if case .left(_, let reason, _) = $0 { left.append(reason) } }
            await clock.play(a, seconds: 10)
            #expect(left == ["stalled"] || left == ["lag"], "\(left)")
            pair.close()
            let warm = try await a.join(.own, warm: nil, address: "test", path: "/")
            #expect(warm.join.seconds == 0.5)
        }
    }

    @Test func `a limit for all holds for the next`() throws {
        try withStations([station("a")]) { stations, clock in
            let a = stations["a"]!
            await clock.play(a, seconds: 1)
            let first = try await a.join(.own, warm: nil, address: "test", path: "/")
            var change = Stations.Change()
            change.order = ["a"]
            change.listenersMax = 1
            stations.apply(change, made: [], patience: 1)
            await #expect(throws: JoinRefusal.allFull(limit: 1)) {
                _ = try await a.join(.own, warm: nil, address: "test", path: "/")
            }
            withExtendedLifetime(first) {}
        }
    }
}
