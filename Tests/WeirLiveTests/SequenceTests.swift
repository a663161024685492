import Glibc
import Testing
import WeirLoop

@testable import WeirLive

/// Random sequences of what can happen to sources and listeners, two stations of which one plays the other; after each
/// event everything that must always hold is looked at. `WEIR_SEED` has one sequence again, `WEIR_SCALE` multiplies.
@Suite struct SequenceTests {
    /// How the station that has a fallback gets its stream. The other one is sent it.
    enum Kind: String, CaseIterable, Sendable {
        case push, fifo, http
        /// A transport stream that is sent.
        case ts

        var sequences: Int { self == .push ? 50 : 25 }
    }

    static let events = 40

    @Test(arguments: Kind.allCases)
    func `what must always hold does, whatever happens in whatever order`(_ kind: Kind) throws {
        var seeds = (0..<UInt64(kind.sequences * scale)).map { 0x5EED_0000 &+ $0 &* 0x9E37_79B9_7F4A_7C15 | 1 }
        if let given = getenv("WEIR_SEED").flatMap({ UInt64(String(cString: $0)) }) { seeds = [given] }
        var total = SequenceTotals()
        for seed in seeds {
            do {
                total += try LoopActor.runInTurn { try await Sequence(seed, kind).run() }
            } catch {
                Issue.record("\(kind), WEIR_SEED=\(seed): \(error)")
                return
            }
        }
        print("sequences: \(seeds.count) of \(kind), \(total)")
        // They were not all idle.
        if seeds.count >= kind.sequences {
            #expect(total.joins > seeds.count && total.skips > 0 && total.switches > seeds.count / 4, "\(total)")
            #expect(total.reasons.count >= 3, "\(total)")
            // An origin is asked by threads of the system's: these few are not the same each time.
            if kind != .http { #expect(total.timeouts > 0 && total.laps > 0, "\(total)") }
        }
    }
}

/// What a run of sequences met with.
struct SequenceTotals: Sendable, CustomStringConvertible {
    var events = 0
    var joins = 0
    var skips = 0
    var switches = 0
    var timeouts = 0
    var laps = 0
    var bytes = 0
    var reasons: Set<String> = []

    static func += (left: inout SequenceTotals, right: SequenceTotals) {
        left.events += right.events
        left.joins += right.joins
        left.skips += right.skips
        left.switches += right.switches
        left.timeouts += right.timeouts
        left.laps += right.laps
        left.bytes += right.bytes
        left.reasons.formUnion(right.reasons)
    }

    var description: String {
        "\(events) events, \(joins) joins, \(skips) skips, \(switches) switches to a fallback, \(timeouts) time-outs, \(laps) heard on after a skip, "
            + "\(bytes) bytes heard, ends: \(reasons.sorted().joined(separator: " "))"
    }
}

@LoopActor
private final class Sequence {
    /// Whole frames, and whole packets.
    private static let ring = 47 * 352
    private static let slowTimeout = 5.0
    private static let step: UInt64 = 20_000_000

    private let seed: UInt64
    private let kind: SequenceTests.Kind
    private let stallTimeout: Double
    /// What the station reads from, of the kinds that have one.
    private let directory: String
    private var pipe: String { directory + "/pipe" }
    /// How many times as long what is sent is.
    private var weight: Int { kind == .ts ? 47 : 1 }
    private let origin: TalkerOrigin?
    private var random: Xorshift
    private let clock = LoopClock.manual()
    private let turns = LoopTurns()
    private let stations: Stations
    /// All that ever were.
    private var observed: [Observed] = []
    private var options: [StationOptions]
    private var talkers: [Talker] = []
    /// All that ever came, by their tags.
    private var everybody: [UInt8: Talker] = [:]
    private var nextTag: UInt8 = 1
    private var witnesses: [Witness] = []
    private var joining: [Task<Void, Never>] = []
    private var failure: String?
    private var story: [String] = []
    private var totals = SequenceTotals()

    init(_ seed: UInt64, _ kind: SequenceTests.Kind) throws {
        self.seed = seed
        self.kind = kind
        random = Xorshift(seed: seed)
        // A pipe that was silent goes on with what it had begun: often.
        stallTimeout = kind == .fifo || kind == .http ? 2 : 20
        var template = Array("/tmp/weir-sequence-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw CoreError(errno: errno) }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard mkfifo(directory + "/pipe", 0o600) == 0 else { throw CoreError(errno: errno) }
        origin = kind == .http ? try TalkerOrigin() : nil
        var main = StationOptions(name: "main")
        var other = StationOptions(name: "other")
        let policies: [StationOptions.SlowPolicy] = [.skip, .skip, .disconnect, .pause]
        for _ in 0..<8 { _ = random.next() }
        for name in ["main", "other"] {
            var options = StationOptions(name: name)
            options.source = .push(PushAccess())
            if kind == .ts { options.format = .ts }
            options.ring = Sequence.ring
            options.window = .fixed(milliseconds: random.next() % 2 == 0 ? 0 : 20)
            options.slowPolicy = policies[Int(random.next() % 4)]
            options.slowTimeout = Sequence.slowTimeout
            options.stallTimeout = stallTimeout
            options.startTimeout = 3
            options.linger = 1
            options.listenersMax = 3
            if name == "main" { main = options } else { other = options }
        }
        if kind == .fifo { main.source = .fifo(path: directory + "/pipe") }
        if let origin { main.source = .http(HTTPOrigin(url: "http://127.0.0.1:\(origin.port)/live/x")) }
        if random.next() % 8 != 0 { main.fallback = "other" }
        options = [main, other]
        stations = try Stations(options, listenersMax: 5, clock: clock)
        observe(stations.all)
    }

    private func observe(_ stations: [Station]) {
        for station in stations {
            let one = Observed(station)
            one.isSent = { [weak self] frame in
                guard let talker = self?.everybody[UInt8(truncatingIfNeeded: frame)] else { return false }
                return frame >> 8 < talker.next
            }
            observed.append(one)
        }
    }

    private func pick(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
    /// The one that has a fallback, mostly.
    private func any() -> Observed {
        let current = self.current
        return pick(3) > 0 ? current.first { $0.station.name == "main" } ?? current[0] : current[pick(current.count)]
    }
    /// A listener that is there.
    private func anybody() -> Witness? {
        witnesses.filter { $0.hearer.reason == nil && !$0.isGone }.randomElement(using: &random)
    }
    private var current: [Observed] { observed.filter { stations[$0.station.name] === $0.station } }

    func run() async throws -> SequenceTotals {
        stations.begin()
        do {
            for one in observed where pick(5) > 0 { come(one.station) }
            for _ in 0..<pick(3) { join(observed[0]) }
            for _ in 0..<SequenceTests.events {
                await happen()
                await settle()
                story.append("    " + current.map { state(of: $0.station) }.joined(separator: ", "))
                try check()
            }
            try await finish()
        } catch {
            for talker in talkers { talker.close() }
            for task in joining { task.cancel() }
            await stations.close()
            for witness in witnesses { witness.hearer.close() }
            closeWorld()
            throw Broken(description: "\(error)\n  " + story.joined(separator: "\n  "))
        }
        return totals
    }

    private func state(of station: Station) -> String {
        "\(station.name) \(station.state)\(station.fallbackName.map { " plays \($0)" } ?? ""), "
            + "\(station.fanout.count)+\(station.reserved) at \(station.log.head)"
    }

    // MARK: Events

    private func happen() async {
        totals.events += 1
        let who = any()
        let station = who.station
        func tell(_ what: String) { story.append("\(station.name): \(what)") }
        for talker in talkers where !talker.isHeard { talker.close() }
        talkers.removeAll { !$0.isHeard }
        switch pick(24) {
        case 0 where kind == .push || pick(3) == 0:
            tell("stop")
            station.stop()
        case 1, 2:
            tell("start")
            for one in current {
                if one.station.state == .stopped {
                    one.station.start()
                } else if one.station.sender == nil {
                    come(one.station)
                }
            }
        case 3, 4, 5:
            come(station)
        case 6, 7, 8, 9, 10:
            guard let talker = talkers.randomElement(using: &random) else { return }
            let count = (1 + pick(pick(3) == 0 ? 3000 : 60)) * weight + pick(weight)
            story.append("\(talker.tag) sends \(count)")
            talker.send(bytes: count)
            // The others go on, too, as streams do.
            for other in talkers where other !== talker && pick(2) == 0 { other.send(bytes: 1 + pick(60 * weight)) }
        case 11, 12, 13:
            guard let talker = talkers.filter({ !$0.isTo("other") || pick(3) == 0 }).randomElement(using: &random)
            else { return }
            story.append("\(talker.tag) leaves")
            talker.close()
            talkers.removeAll { $0 === talker }
            guard pick(3) > 0 else { return }
            await settle()
            for other in talkers { other.send(bytes: 1 + pick(400 * weight)) }
        case 14:
            let seconds = [0.5, 0.5, 1.0, 2.0, 4.0, stallTimeout + 1][pick(6)]
            story.append("\(seconds) s pass")
            await pass(seconds)
        case 15, 16, 17, 18:
            tell("a listener joins")
            join(who)
        case 19:
            guard let witness = anybody() else { return }
            story.append("\(witness.hearer.id) of \(witness.observed.station.name) leaves")
            _ = witness.check()
            witness.isGone = true
            witness.hearer.close()
        case 20:
            guard let witness = anybody() else { return }
            let name = witness.observed.station.name
            guard !witness.observed.station.fanout.isClosed else { return }
            let kicked = witness.observed.station.kick(witness.hearer.id)
            story.append("\(witness.hearer.id) of \(name) is kicked: \(kicked)")
        case 21:
            guard let witness = anybody() else { return }
            witness.isDeaf.toggle()
            story.append("\(witness.hearer.id) of \(witness.observed.station.name) is deaf: \(witness.isDeaf)")
            if witness.isDeaf { await flood(witness) }
        case 22: await reload()
        default:
            tell("joiners give up")
            if let task = joining.popLast() { task.cancel() }
        }
    }

    private func come(_ station: Station) {
        guard nextTag < 127, let talker = try? talker(to: station) else { return }
        story.append("\(station.name): \(nextTag) comes")
        everybody[nextTag] = talker
        nextTag += 1
        talkers.append(talker)
        talker.send(bytes: pick(4) == 0 ? 0 : 1 + pick(50 * weight))
    }

    /// Nil: there is no place for one now.
    private func talker(to station: Station) throws -> Talker? {
        switch station.options.source {
        case .fifo(let path):
            // What two write into a pipe is mixed.
            if talkers.contains(where: { $0.isConnected && $0.isTo("main") }) { return nil }
            let descriptor = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK)
            return descriptor < 0 ? nil : Talker(nextTag, to: station, over: descriptor)
        case .http:
            guard let descriptor = origin?.accept(type: "audio/pcm") else { return nil }
            return Talker(nextTag, to: station, over: descriptor)
        default: return try Talker(nextTag, to: station)
        }
    }

    private func join(_ who: Observed) {
        let station = who.station
        let wasFull = station.demand >= station.options.listenersMax
        let task = spawn { [self] in
            do {
                let seat = try await station.join(.own, warm: nil, address: "listener", path: "/")
                let witness = try Witness(who, seat)
                witnesses.append(witness)
                totals.joins += 1
                if wasFull { failure = "one more than \(station.options.listenersMax) was let in" }
            } catch let refusal as JoinRefusal {
                if case .full = refusal, !wasFull { failure = "\(refusal) with \(station.demand)" }
            } catch {}
        }
        joining.append(task)
    }

    /// More than its socket holds, and longer than a slow listener may take.
    private func flood(_ witness: Witness) async {
        let station = witness.observed.station
        guard !station.isClosing, let talker = talkers.first(where: { $0.isHeard && $0.isTo(station) }),
            station.state == .live
        else { return }
        if pick(2) == 0 { return await lap(witness, talker) }
        story.append("\(talker.tag) floods it")
        for _ in 0..<150 where witness.hearer.reason == nil {
            talker.send(bytes: 4000)
            await settle(rounds: 1)
        }
        for _ in 0..<Int(Sequence.slowTimeout / 0.1 * 2 + 10) where witness.hearer.reason == nil {
            talker.send(bytes: 40 * weight)
            clock.advance(by: 5 * Sequence.step)
            await settle(rounds: 1)
        }
        if witness.hearer.reason == nil && station.state == .live && talker.isHeard && witness.isDeaf {
            failure = "a listener that takes nothing is there after \(2 * Sequence.slowTimeout) s"
        }
        if witness.hearer.reason == "lag" || witness.hearer.reason == "stalled" { totals.timeouts += 1 }
    }

    /// As much as makes it skip, and then it listens again.
    private func lap(_ witness: Witness, _ talker: Talker) async {
        story.append("\(talker.tag) laps it")
        for _ in 0..<100 where witness.hearer.reason == nil {
            talker.send(bytes: 4000)
            await settle(rounds: 1)
        }
        witness.isDeaf = false
        for _ in 0..<10 where witness.hearer.reason == nil {
            talker.send(bytes: 1 + pick(100 * weight))
            await settle(rounds: 1)
        }
        totals.laps += witness.jumps
    }

    private func reload() async {
        var change = Stations.Change()
        change.listenersMax = 5
        var next = options
        let which = pick(next.count)
        switch pick(5) {
        case 0:
            next[0].fallback = next[0].fallback == nil ? "other" : nil
        case 1:
            next[which].ring = next[which].ring == Sequence.ring ? 2 * Sequence.ring : Sequence.ring
        case 2 where next.count == 2:
            next.removeLast()
            next[0].fallback = nil
        case 3 where next.count == 2: next.reverse()
        default:
            next[which].linger = next[which].linger == 1 ? 2 : 1
        }
        if !next.contains(where: { $0.name == "other" }) {
            if pick(2) == 0 || options.count == 1 {
                next.append(sibling(of: next[0]))
                next[0].fallback = "other"
            }
        }
        if next.count == 2, next[0].name == "other" { next[0].fallback = nil }
        guard StationOptions.fallbackProblems(next).isEmpty else { return }
        var keys: [String] = []
        for option in next {
            guard let known = options.first(where: { $0.name == option.name }) else {
                change.new.append(option)
                keys.append("+\(option.name)")
                continue
            }
            guard let differs = known.changes(to: option) else { continue }
            keys.append("\(option.name) \(differs.keys)")
            if differs.remedy == .adjust { change.adjusted.append(option) } else { change.new.append(option) }
        }
        change.order = next.map(\.name)
        story.append("reload: \(change.order) \(keys)")
        options = next
        capture()
        guard let made = try? await stations.make(change.new, caches: nil) else {
            failure = "a station could not be made"
            return
        }
        observe(made)
        // Of two that read a pipe each would have a part.
        for talker in talkers where change.new.contains(where: { talker.isTo($0.name) && $0.source.kind != "push" }) {
            talker.close()
        }
        if kind == .fifo { await settle() }
        stations.apply(change, made: made, patience: 1)
    }

    private func sibling(of options: StationOptions) -> StationOptions {
        var other = StationOptions(name: "other")
        other.source = .push(PushAccess())
        other.format = options.format
        other.ring = Sequence.ring
        other.window = options.window
        other.slowTimeout = Sequence.slowTimeout
        other.stallTimeout = stallTimeout
        other.listenersMax = 3
        return other
    }

    // MARK: Time

    private func pass(_ seconds: Double) async {
        // In steps, as the fan-outs see it.
        for _ in 0..<Int(seconds / 0.5) {
            clock.advance(by: 500_000_000)
            await settle(rounds: 1)
        }
    }

    private func capture() {
        for one in observed { one.capture() }
    }

    private func settle(rounds: Int = 4) async {
        for _ in 0..<rounds {
            await turns.wait(2)
            capture()
            clock.advance(by: Sequence.step)
            for one in observed where !one.station.fanout.isClosed {
                one.station.turn()
                capture()
            }
            for witness in witnesses where failure == nil {
                if let wrong = witness.check() { failure = wrong }
            }
        }
    }

    // MARK: What must hold

    private func check() throws {
        if let failure { throw Broken(description: failure) }
        var seated = 0
        for one in observed where !one.station.fanout.isClosed {
            let station = one.station
            if let broken = one.broken { throw Broken(description: broken) }
            seated += station.fanout.count + station.reserved
            let counters = station.counters
            let ended = Fanout.EndReason.allCases.reduce(UInt64(0)) { $0 + counters.ended($1) }
            try expect(ended == UInt64(one.ends), "\(ended) ended, \(one.ends) were told with a reason")
            try expect(counters.joined == ended + UInt64(counters.listeners), "joined and ended do not add up")
            try expect(station.demand <= station.options.listenersMax, "\(station.demand) listeners and joiners")
            try expect(
                station.log.head - station.log.tail <= UInt64(station.log.capacity)
                    && station.log.capacity <= 2 * Sequence.ring, "the ring is larger than it may be")
            try expect(station.fanout.listenerBytes <= 2048, "a listener takes \(station.fanout.listenerBytes) bytes")
            try checkFallback(station)
        }
        try expect(stations.seats.taken == seated, "\(stations.seats.taken) seats are taken, \(seated) sat on")
        try expect(seated <= stations.seats.limit, "\(seated) seats")
        for witness in witnesses where witness.hearer.isOver {
            try expect(witness.hearer.reason != nil, "a listener ended without a reason")
        }
    }

    private func checkFallback(_ station: Station) throws {
        let fallback = station.fallback
        let isOneOf = fallback.other?.followers.filter { $0 === station }.count ?? 0
        try expect(isOneOf == (fallback.isFollowing ? 1 : 0), "\(station.name) follows \(isOneOf) times")
        for follower in station.followers {
            try expect(follower.fallback.other === station, "\(station.name) has a follower that is none")
        }
        if station.state == .live || station.isClosing {
            try expect(!fallback.isFollowing && fallback.feed == nil, "\(station.name) is \(station.state) and fed")
            return
        }
        guard let other = fallback.other, !station.supervision.isOff, !station.isHeldBack else { return }
        try expect(
            station.options.fallback == other.name && stations[other.name] === other || other.isClosing,
            "\(station.name) plays a station that is gone")
        let canBegin = other.track?.join(seconds: 0).isAccess ?? true
        if other.isDelivering && canBegin && station.demand > 0 && station.sender == nil {
            try expect(fallback.feed != nil, "\(station.name) is silent, and \(other.name) is not played")
        }
    }

    private func expect(_ condition: Bool, _ what: @autoclosure () -> String) throws {
        if !condition { throw Broken(description: what()) }
    }

    // MARK: The end

    private func finish() async throws {
        story.append("the end")
        await pass(4)
        try check()
        for one in observed {
            totals.switches += Int(one.station.fallbackSwitches)
            if !one.station.fanout.isClosed { totals.skips += Int(one.station.counters.skips) }
        }
        for talker in talkers { talker.close() }
        await settle()
        try check()
        await stations.end()
        await turns.wait(2)
        for task in joining { await task.value }
        for witness in witnesses {
            if let wrong = witness.check() { throw Broken(description: wrong) }
            if let reason = witness.hearer.reason { totals.reasons.insert(reason) }
            totals.bytes += witness.hearer.bytes
            try expect(witness.hearer.reason != nil, "a listener ended without a reason")
        }
        await stations.close()
        try expect(stations.seats.taken == 0, "\(stations.seats.taken) seats are taken at the end")
        for witness in witnesses { witness.hearer.close() }
        closeWorld()
        if getenv("WEIR_SEED") != nil { print(story.joined(separator: "\n")) }
    }

    private func closeWorld() {
        turns.close()
        origin?.close()
        unlink(pipe)
        rmdir(directory)
    }
}
