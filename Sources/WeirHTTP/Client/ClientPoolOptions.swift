internal import CWeir

/// How a pool behaves. Times are seconds.
public struct ClientPoolOptions: Sendable, Equatable {
    /// Requests under way at once, and connections open at once, idle ones among them: 1 ... 10 000.
    public var connections = 50
    /// The same for each host and port; nil is no limit of its own.
    public var connectionsPerHost: Int?
    /// Requests that wait for their turn; one more fails with `.queueFull`.
    public var waiting = 4096
    /// An idle connection is used again up to this age, and an idle pool closes them all: 1 ...
    /// `idleAgeLimit`.
    public var idleAge: Double = 120
    /// What `idleAge` is at most.
    public var idleAgeLimit: Double = 86_400
    /// A connection older than this is not used again; nil is no limit.
    public var lifetime: Double?
    /// For name, connection and TLS together: 0.01 ... 300.
    public var connectTimeout: Double = 10
    /// From the last byte of the request to the end of the response's head.
    public var headTimeout: Double = 30
    /// Without a byte of a body, in either direction, that the peer owes or ought to take.
    public var bodyTimeout: Double = 60
    /// `http://user:password@host:port`, `https://`, `socks5://` or `socks5h://`. Nil is none: the environment is not
    /// asked.
    public var proxy: String?
    /// Hosts that are asked without the proxy: names, `.domain`, addresses.
    public var proxyExceptions: [String] = []
    /// Certificates in PEM that are trusted, instead of the system's.
    public var caFile: String?
    /// A directory of such, with hashed names (`openssl rehash`).
    public var caDirectory: String?
    /// HTTP/2 over TLS where the server offers it (ALPN); requests then share a connection. Never without TLS.
    public var http2 = true
    /// `User-Agent`; empty sends none.
    public var userAgent = ClientPoolOptions.defaultUserAgent

    /// `weir/VERSION`.
    public static let defaultUserAgent = "weir/\(String(cString: weir_version_string()))"

    public init() {}

    /// For R2 and other S3 stores: 50 connections, idle ones for 120 s (180 s at most), a head within 30 s, a body within
    /// 60 s without progress. No HTTP/2: objects do not share a connection, and its window.
    public static var objectStore: ClientPoolOptions {
        var options = ClientPoolOptions()
        options.connections = 50
        options.idleAge = 120
        options.idleAgeLimit = 180
        options.headTimeout = 30
        options.bodyTimeout = 60
        options.http2 = false
        return options
    }

    /// For Telegram's Bot API: 100 connections, idle ones for 60 s (120 s at most), and one request after the other on each:
    /// no HTTP/2.
    public static var telegram: ClientPoolOptions {
        var options = ClientPoolOptions()
        options.connections = 100
        options.idleAge = 60
        options.idleAgeLimit = 120
        options.http2 = false
        return options
    }

    /// What `connections` may be.
    static let connectionsRange = 1...10_000

    /// The same with every number in its range.
    var clamped: ClientPoolOptions {
        var options = self
        options.connections = ClientPoolOptions.clamp(connections, ClientPoolOptions.connectionsRange)
        options.connectionsPerHost = connectionsPerHost.map { ClientPoolOptions.clamp($0, 1...options.connections) }
        options.waiting = max(0, waiting)
        options.idleAgeLimit = ClientPoolOptions.clamp(idleAgeLimit, 1...86_400)
        options.idleAge = ClientPoolOptions.clamp(idleAge, 1...options.idleAgeLimit)
        options.lifetime = lifetime.map { ClientPoolOptions.clamp($0, 1...31_536_000) }
        options.connectTimeout = ClientPoolOptions.clamp(connectTimeout, 0.01...300)
        options.headTimeout = max(0.01, headTimeout)
        options.bodyTimeout = max(0.01, bodyTimeout)
        return options
    }

    private static func clamp<Number: Comparable>(_ number: Number, _ range: ClosedRange<Number>) -> Number {
        min(max(number, range.lowerBound), range.upperBound)
    }
}
