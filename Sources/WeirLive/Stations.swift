public import WeirLoop

/// All stations, in the order of the configuration.
@LoopActor
public final class Stations {
    public let all: [Station]
    public let seats: Seats
    private let byName: [String: Station]

    /// Throws when two have the same name (`CoreError.exists`) or one cannot be made.
    public init(
        _ options: [StationOptions], listenersMax: Int, clock: LoopClock = .monotonic
    ) throws(CoreError) {
        seats = Seats(limit: listenersMax)
        var all: [Station] = []
        var byName: [String: Station] = [:]
        for options in options {
            let station = try Station(options, seats: seats, clock: clock)
            guard byName.updateValue(station, forKey: station.name) == nil else { throw .exists }
            all.append(station)
        }
        self.all = all
        self.byName = byName
    }

    /// The one that `/stream.wav` plays.
    public var first: Station? { all.first }

    public subscript(name: String) -> Station? { byName[name] }

    /// Starts those that run from the beginning.
    public func begin() {
        for station in all { station.begin() }
    }

    /// Ends every listener and every source in an orderly way, all at once. Nobody is let in any more.
    public func end() async {
        let ending = all.map { station in spawn { await station.end() } }
        for task in ending { await task.value }
    }

    /// Lets go of everything; nothing may be asked of a station any more.
    public func close() async {
        await end()
        for station in all { await station.close() }
    }

    /// Does not wait for children to end by themselves any more.
    public func kill() {
        for station in all { station.kill() }
    }
}
