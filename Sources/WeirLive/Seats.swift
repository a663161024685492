public import WeirLoop

/// How many listeners there may be in all: `limits.listeners`.
@LoopActor
public final class Seats {
    public internal(set) var limit: Int
    /// Listeners of all stations, and those who are about to be.
    public private(set) var taken = 0

    public init(limit: Int) {
        self.limit = limit
    }

    /// Whether there was room for one more.
    func take() -> Bool {
        guard taken < limit else { return false }
        taken += 1
        return true
    }

    func leave() { taken -= 1 }
}

/// Why somebody may not listen.
public enum JoinRefusal: Error, Equatable, Sendable {
    /// As many listeners as the station may have.
    case full(limit: Int)
    /// As many listeners as there may be in all.
    case allFull(limit: Int)
    /// The station is off the air.
    case stopped
    /// No byte came within the station's `start_timeout`.
    case silent(state: Supervision.State, error: String?)
    /// The form does not fit the station's format.
    case unsuitable(station: String, rendition: String)
}

/// A place among a station's listeners, to be taken with a socket. Dropped without one, it is given back.
@LoopActor
public final class Seat {
    /// Where the listener starts.
    public let join: JoinPoint
    public let body: LiveBody
    /// The clock's nanoseconds when it was asked for.
    let asked: UInt64
    let address: String
    let path: String
    private let station: Station
    private var isTaken = false

    init(_ station: Station, join: JoinPoint, body: LiveBody, asked: UInt64, address: String, path: String) {
        self.station = station
        self.join = join
        self.body = body
        self.asked = asked
        self.address = address
        self.path = path
    }

    /// True once.
    func take() -> Bool {
        defer { isTaken = true }
        return !isTaken
    }

    isolated deinit {
        if !isTaken { station.giveBack() }
    }
}
