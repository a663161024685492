public import WeirHTTP

/// Where a station pulls its stream from: another Weir, Icecast, or whatever else answers with one.
public struct HTTPOrigin: Sendable, Equatable, CustomStringConvertible {
    /// Seconds for name, connection and TLS together.
    public static let connectTimeout = 5.0
    /// Seconds from the request to the end of the answer's head: longer than a Weir takes to say that nothing comes. The
    /// body has no time of its own: `stall_timeout` watches.
    public static let headTimeout = 8.0
    /// Redirects that are followed. They stay within http and https, and the credentials within the host.
    public static let redirectLimit = 5
    /// Servers that a stream may have come through.
    public static let hopLimit = 16
    /// Characters of what an origin says of itself that are kept.
    public static let textLimit = 200

    /// `http://` or `https://`; may have user and password in it.
    public var url: String
    /// Sent to the URL's host alone; nil: those in the URL, if any.
    public var credentials: Credentials?
    /// Certificates in PEM that are trusted instead of the system's.
    public var caFile: String?

    public init(url: String, credentials: Credentials? = nil, caFile: String? = nil) {
        self.url = url
        self.credentials = credentials
        self.caFile = caFile
    }

    /// The URL without user, password, query and fragment: a query may be a signature.
    public var description: String { HTTPOrigin.redacted(url) }

    /// What is shown of a URL; the scheme alone of one that is none.
    static func redacted(_ url: String) -> String {
        do {
            return try ClientURL(url).label
        } catch {
            return "http:"
        }
    }

    /// How the pool that asks behaves: one request, on a connection of its own, so that one origin that hangs does not
    /// hold up another.
    var poolOptions: ClientPoolOptions {
        var options = ClientPoolOptions()
        options.connections = 1
        options.connectTimeout = HTTPOrigin.connectTimeout
        options.headTimeout = HTTPOrigin.headTimeout
        options.bodyTimeout = .infinity
        options.caFile = caFile
        // A stream that lasts gains nothing by it.
        options.http2 = false
        return options
    }

    /// The request for a station.
    func request(for station: String, asksForTitles: Bool) -> ClientRequest {
        var fields: Fields = ["Accept": "*/*", "Via": Relay.hop(station)]
        if asksForTitles { fields.append("Icy-MetaData", "1") }
        if let credentials { fields.append("Authorization", credentials.authorization) }
        var request = ClientRequest(.get, url, fields: fields)
        request.redirectLimit = HTTPOrigin.redirectLimit
        return request
    }
}

/// How a station that pulls from elsewhere names itself there (RFC 9110 §7.6.3), so that one that pulls from itself is
/// found out.
public enum Relay {
    /// Of this process.
    private static let instance = String(UInt64.random(in: .min ... .max), radix: 16)

    private static func pseudonym(of station: String) -> String { "weir-\(instance)-\(station)" }

    /// A station as a hop of `Via`.
    static func hop(_ station: String) -> String { "1.1 \(pseudonym(of: station))" }

    /// Whether these values of `Via` name a station: a request for it is its own then, and a stream has come from it.
    public static func isLoop(_ via: [String], at station: String) -> Bool {
        let own = pseudonym(of: station)
        return via.contains { value in
            value.split(separator: ",").contains { hop in hop.split(separator: " ").contains { $0 == own } }
        }
    }
}

/// Where a station's stream comes from, as far as that is known.
public struct OriginReport: Sendable, Equatable {
    /// As it is configured, without user, password and query.
    public var url: String
    /// What the origin said; nil while there is no connection.
    public var answer: OriginAnswer?
}
