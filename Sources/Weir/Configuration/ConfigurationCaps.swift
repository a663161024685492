internal import CWeir
internal import WeirHTTP
internal import WeirLive
internal import WeirLoop
internal import WeirMedia

/// What a configuration lets happen at most: listeners and the memory that they cost.
public struct ConfigurationCaps: Sendable, Equatable {
    /// Heap that a listener costs, in bytes, at most.
    public static let listenerHeap = 2048
    /// ... and with TLS.
    public static let secureListenerHeap = 40 << 10
    /// Least send buffer of a listener's socket, in bytes.
    public static let leastSendBuffer = 64 << 10
    /// What a send buffer holds beyond the window, in milliseconds.
    public static let sendBufferMargin = 100

    public struct Station: Sendable, Equatable {
        public var name: String
        /// Most listeners: its own limit, and that of all.
        public var listeners: Int
        /// Bytes.
        public var ring: Int
        /// Bytes a second; nil when only the source knows.
        public var byteRate: Int?
        /// Bytes of a listener's send buffer in the kernel, at most.
        public var sendBuffer: Int
        /// Bytes of disk for its warm cache, before `cache.budget` is short.
        public var disk: Int
    }

    public struct Bot: Sendable, Equatable {
        public var slug: String
        /// Uploads ahead of need that Telegram's limits allow in a minute, with so many warm-up chats.
        public var mediaPerMinute: Double
        public var chats: Int
    }

    public var stations: [Station]
    public var bots: [Bot]
    /// Most listeners of all stations together.
    public var listeners: Int
    /// Most connections.
    public var connections: Int
    /// Bytes of all rings.
    public var rings: Int { stations.reduce(0) { $0 + $1.ring } }
    /// Bytes of heap that one listener costs.
    public var eachHeap: Int
    /// Bytes of disk for all warm caches.
    public var disk: Int
    /// Bytes of memory through which files are written and read.
    public var fileBuffers: Int
    /// Bytes of heap of all listeners.
    public var heap: Int { listeners * eachHeap }
    /// Bytes of send buffers in the kernel, when the costliest stations are full. Not part of the process.
    public var sendBuffers: Int {
        var left = listeners
        var bytes = 0
        for station in stations.sorted(by: { $0.sendBuffer > $1.sendBuffer }) {
            let count = min(left, station.listeners)
            bytes += count * station.sendBuffer
            left -= count
        }
        return bytes
    }

    public init(of configuration: Configuration, connections: Int = ProcessLimits.connections) {
        stations = configuration.stations.map { station in
            var rate: Int?
            if case .pcm(let format) = station.format { rate = format.byteRate }
            return Station(
                name: station.name, listeners: min(station.listenersMax, configuration.limits.listeners),
                ring: station.ring, byteRate: rate,
                sendBuffer: Self.sendBuffer(byteRate: rate ?? 0, window: station.window), disk: station.disk)
        }
        bots = configuration.telegram.bots.map { bot in
            Bot(
                slug: bot.slug, mediaPerMinute: configuration.telegram.rates.cap(bot.chats),
                chats: bot.warmupChats.count)
        }
        let server = configuration.server
        let isSecure = server.addresses.contains(where: server.isSecure)
        eachHeap = isSecure ? Self.secureListenerHeap : Self.listenerHeap
        let block = Int(WEIR_DISK_BLOCK)
        let rings = configuration.stations.filter(\.keepsFiles).map(\.ring)
        // Two to stage what is written, for each; those that hold what was read, and one to send from, for all.
        fileBuffers = rings.isEmpty ? 0 : (Int(WEIR_DISK_BLOCKS) + 1) * block
        fileBuffers += rings.reduce(0) { $0 + 2 * min(block, $1 / 4) }
        // Nobody is left with less than the least, whatever the budget.
        let least = rings.count * Int(WarmBudget.disk(WarmBudget.least))
        disk = min(stations.reduce(0) { $0 + $1.disk }, max(configuration.cache.budget, least))
        self.connections = configuration.server.maxConnections ?? connections
        let wanted = stations.reduce(0) { $0 + $1.listeners }
        listeners = min(wanted, configuration.limits.listeners, self.connections)
    }

    /// Bytes: twice what the stream brings in a window and a margin.
    static func sendBuffer(byteRate: Int, window: StationOptions.Window) -> Int {
        let milliseconds =
            switch window {
            case .auto: StationDraft.autoWindowMost
            case .fixed(let milliseconds): milliseconds
            }
        return max(leastSendBuffer, 2 * byteRate * (milliseconds + sendBufferMargin) / 1000)
    }
}
