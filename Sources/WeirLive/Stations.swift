public import WeirHTTP
public import WeirLoop

/// All stations, in the order of the configuration.
@LoopActor
public final class Stations {
    public private(set) var all: [Station] = []
    public let seats: Seats
    /// A station that is no longer among them is gone: nothing is left of its listeners, its source and its files.
    public var onGone: ((Station) -> Void)?

    private let clock: LoopClock
    private let clients: ClientPools
    private var byName: [String: Station] = [:]
    private var departures: [Departure] = []

    /// A station that is being taken down while the others run.
    private struct Departure {
        let station: Station
        let task: Task<Void, Never>
    }

    /// Throws when two have the same name (`CoreError.exists`), one's fallback is none that can be (`CoreError.invalid`,
    /// `StationOptions.fallbackProblems`), or one cannot be made. Transport streams are kept in files
    /// where there are `caches`. Origins are asked through pools of `clients`, one for each station that pulls.
    public init(
        _ options: [StationOptions], listenersMax: Int, caches: WarmCaches? = nil, clients: ClientPools? = nil,
        clock: LoopClock = .monotonic
    ) throws(CoreError) {
        self.clock = clock
        let clients = clients ?? ClientPools(clock: clock)
        self.clients = clients
        seats = Seats(limit: listenersMax)
        guard StationOptions.fallbackProblems(options).isEmpty else { throw .invalid }
        for options in options {
            let station = try Station(options, seats: seats, caches: caches, clients: clients, clock: clock)
            guard byName.updateValue(station, forKey: station.name) == nil else { throw .exists }
            all.append(station)
        }
        setFallbacks()
    }

    /// The one that `/stream.wav` plays.
    public var first: Station? { all.first }

    public subscript(name: String) -> Station? { byName[name] }

    /// Starts those that run from the beginning.
    public func begin() {
        for station in all { station.begin() }
    }

    // MARK: Changing

    /// What running stations are to become: of the former ones by name, and of others in their place.
    public struct Change {
        /// Options that former stations take on.
        public var adjusted: [StationOptions] = []
        /// Options of those that are new, or take the place of a former one of their name.
        public var new: [StationOptions] = []
        /// The names of all, in their order.
        public var order: [String] = []
        /// Most listeners of all together.
        public var listenersMax = 1000

        public init() {}
    }

    /// The new stations of a change; throws when one cannot be made, and then none is.
    public func make(_ options: [StationOptions], caches: WarmCaches?) async throws(CoreError) -> [Station] {
        var made: [Station] = []
        do {
            for options in options {
                made.append(try Station(options, seats: seats, caches: caches, clients: clients, clock: clock))
            }
        } catch {
            for station in made { await station.close() }
            throw error
        }
        return made
    }

    /// Applies a change; `made` are its new stations. Those that are no longer named, or are replaced, are ended in an orderly
    /// way, for `patience` seconds. One that replaces another begins when that is gone, and those who join it meanwhile wait.
    /// The others do not notice.
    public func apply(_ change: Change, made: [Station], patience: Double) {
        seats.limit = change.listenersMax
        for options in change.adjusted { byName[options.name]?.adjust(to: options) }
        var next = byName
        for station in made { next[station.name] = station }
        let kept = Set(change.order)
        let former = all
        byName = next
        all = change.order.compactMap { next[$0] }
        setFallbacks()
        for station in former where !kept.contains(station.name) || next[station.name] !== station {
            depart(station, within: patience)
            if next[station.name] === station { byName[station.name] = nil }
        }
        for station in made { begin(station) }
    }

    /// Tells each which station it plays while it has no source.
    private func setFallbacks() {
        let refused = Set(StationOptions.fallbackProblems(all.map(\.options)).map(\.index))
        for (index, station) in all.enumerated() {
            let name = refused.contains(index) ? nil : station.options.fallback
            station.setFallback(name.flatMap { byName[$0] })
        }
    }

    private func depart(_ station: Station, within patience: Double) {
        let timer = LoopTimer(clock: clock)
        timer.schedule(at: clock.deadline(after: patience)) { station.kill() }
        let task = spawn {
            await station.close()
            timer.close()
            self.departures.removeAll { $0.station === station }
            self.onGone?(station)
        }
        departures.append(Departure(station: station, task: task))
    }

    /// Begins with a station when no former one of its name is left: two would fight for a pipe or a port.
    private func begin(_ station: Station) {
        let former = departures.filter { $0.station.name == station.name }.map(\.task)
        if former.isEmpty { return station.begin() }
        station.holdBack()
        spawn {
            for task in former { await task.value }
            station.begin()
        }
    }

    // MARK: Ending

    /// Ends every listener and every source in an orderly way, all at once. Nobody is let in any more.
    public func end() async {
        let ending = (all + departures.map(\.station)).map { station in spawn { await station.end() } }
        for task in ending { await task.value }
    }

    /// Lets go of everything; nothing may be asked of a station any more.
    public func close() async {
        await end()
        let closing = all.map { station in spawn { await station.close() } } + departures.map(\.task)
        for task in closing { await task.value }
    }

    /// Does not wait for children to end by themselves any more.
    public func kill() {
        for station in all + departures.map(\.station) { station.kill() }
    }
}
