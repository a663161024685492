import Glibc
import Testing
import WeirLoop

@testable import WeirLive

/// What is heard first of a station that is played in place of another, and what it is called.
@Suite struct FallbackBeginningTests {
    private func station(_ name: String, _ change: (inout StationOptions) -> Void = { _ in }) -> StationOptions {
        var options = StationOptions(name: name)
        options.source = .push(PushAccess())
        options.window = .fixed(milliseconds: 0)
        options.stallTimeout = 1000
        change(&options)
        return options
    }

    private func main() -> StationOptions { station("main") { $0.fallback = "other" } }

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

    /// `main` has played frames 0 to 3 of sender 1, who has left; the listener has heard 2.
    @LoopActor
    private func abandoned(_ main: Station) async throws -> Hearer {
        let sender = try Talker(1, to: main)
        sender.send(frames: 1)
        try await eventually("live") { main.state == .live }
        let hearer = try await Hearer(main)
        sender.send(frames: 2)
        try await hears(hearer, [run(1, 1, 2)])
        sender.close()
        try await eventually("it has left") { main.state == .idle }
        return hearer
    }

    @Test func `a fallback that only just starts is heard from its first byte on`() throws {
        // It says all that it has at once, and then nothing.
        let script = #"printf '\011\0\0\0\011\1\0\0\011\2\0\0'; exec sleep 1000"#
        let other = station("other") {
            $0.source = .exec(command: ["sh", "-c", script], directory: nil, environment: [:])
            $0.autostart = .onDemand
        }
        try withStations([main(), other]) { stations, _ in
            let main = stations["main"]!
            let hearer = try await abandoned(main)
            try await hears(hearer, [run(1, 1, 2), run(9, 0, 3)])
            #expect(main.fallbackBytes == 12)
            hearer.close()
        }
    }

    @Test func `a fallback that begins anew is heard from its next first byte on, over a chain too`() throws {
        let chain = [main(), station("other") { $0.fallback = "third" }, station("third")]
        try withStations(chain) { stations, _ in
            let (main, other, third) = (stations["main"]!, stations["other"]!, stations["third"]!)
            let hearer = try await abandoned(main)
            let first = try Talker(9, to: other)
            first.send(frames: 3)
            try await hears(hearer, [run(1, 1, 2), run(9, 0, 3)])
            first.close()
            try await eventually("it has left") { other.state == .idle }
            let last = try Talker(3, to: third)
            last.send(frames: 2)
            try await hears(hearer, [run(1, 1, 2), run(9, 0, 3), run(3, 0, 2)])
            last.close()
            try await eventually("it has left, too") { third.state == .idle }
            let next = try Talker(8, to: other)
            next.send(frames: 2)
            try await hears(hearer, [run(1, 1, 2), run(9, 0, 3), run(3, 0, 2), run(8, 0, 2)])
            next.close()
            hearer.close()
        }
    }

    @Test func `of one that has been playing the present is heard, not its past`() throws {
        try withStations([main(), station("other")]) { stations, _ in
            let (main, other) = (stations["main"]!, stations["other"]!)
            let filler = try Talker(9, to: other)
            filler.send(frames: 10)
            try await eventually("it is there") { other.receivedBytes == 40 }
            let hearer = try await abandoned(main)
            filler.send(frames: 2)
            try await hears(hearer, [run(1, 1, 2), run(9, 10, 2)])
            filler.close()
            hearer.close()
        }
    }

    @Test func `to count as watched has a fallback played, but not in place of a source that nobody started`() throws {
        for (autostart, isPlayed) in [(StationOptions.Autostart.onDemand, false), (.always, true)] {
            let main = station("main") {
                $0.source = .exec(command: ["false"], directory: nil, environment: [:])
                $0.autostart = autostart
                $0.fallback = "other"
            }
            let other = station("other") {
                $0.source = .tone
                $0.autostart = .onDemand
            }
            try withStations([main, other]) { stations, _ in
                let (main, other) = (stations["main"]!, stations["other"]!)
                main.isCommitRequested = true
                main.updateFallback()
                #expect(other.followers.count == (isPlayed ? 1 : 0))
                #expect(other.state == (isPlayed ? .starting : .idle))
            }
        }
    }

    @Test func `what is heard has the fallback's title while that is played`() throws {
        let chain = [main(), station("other") { $0.fallback = "third" }, station("third")]
        try withStations(chain) { stations, _ in
            let (main, other, third) = (stations["main"]!, stations["other"]!, stations["third"]!)
            let filler = try Talker(9, to: third)
            filler.send(frames: 1)
            try await eventually("it is there") { third.state == .live }
            third.setTitle("Third")
            let sender = try Talker(1, to: main)
            sender.send(frames: 1)
            try await eventually("live") { main.state == .live }
            main.setTitle("Main")
            let hearer = try await Hearer(main)
            #expect(main.report.title == "Main")
            sender.close()
            try await eventually("it is played") {
                filler.send(frames: 1)
                return main.fallbackName == "other" && other.fallbackName == "third"
            }
            #expect(main.report.title == "Third" && other.report.title == "Third" && main.title == nil)
            third.setTitle("Later")
            #expect(main.report.title == "Later")
            other.setTitle("Other's own")
            #expect(main.report.title == "Later", "nobody hears that one's own stream")
            third.setTitle(nil)
            #expect(main.report.title == nil)
            third.setTitle("Again")
            let next = try Talker(2, to: main)
            next.send(frames: 1)
            try await eventually("back") { main.state == .live }
            #expect(main.report.title == nil)
            main.setTitle("Main again")
            #expect(main.report.title == "Main again" && third.report.title == "Again")
            for talker in [filler, next] { talker.close() }
            hearer.close()
        }
    }
}
