/// What the HTTP server listens on and what it tolerates: `listen`, `http` and `auth` of the configuration.
public struct ServerOptions: Sendable, Equatable {
    /// An address to listen on.
    public enum Address: Sendable, Equatable, Hashable {
        /// `127.0.0.1:8080`, `[::1]:8080`; port 0 picks one. Without a scheme it is HTTPS if there is a certificate.
        case internet(host: String, port: UInt16, scheme: Scheme? = nil)
        /// `unix:/run/weir.sock`.
        case unix(path: String)
    }

    /// What is spoken on an address: `http://127.0.0.1:8080`, `https://127.0.0.1:8443`.
    public enum Scheme: String, Sendable {
        case http, https
    }

    /// The certificate and the key that HTTPS needs, files in PEM; both or neither.
    public struct TLS: Sendable, Equatable {
        public var certificate: String?
        public var key: String?

        public init(certificate: String? = nil, key: String? = nil) {
            self.certificate = certificate
            self.key = key
        }

        public var isConfigured: Bool { certificate != nil && key != nil }
    }

    public var tls = TLS()

    /// Whether HTTPS is spoken on an address.
    public func isSecure(_ address: Address) -> Bool {
        guard case .internet(_, _, let scheme) = address else { return false }
        return scheme == .https || (scheme == nil && tls.isConfigured)
    }

    public var addresses: [Address] = [.internet(host: "127.0.0.1", port: 8080)]
    /// Most connections at once; nil is the descriptor limit less 256.
    public var maxConnections: Int?
    public var connectionsPerAddress = 64
    /// Seconds for a whole request head.
    public var headTimeout: Double = 10
    /// Seconds that a kept-alive connection may be silent between requests.
    public var idleTimeout: Double = 75
    /// Seconds for which the peer may take no byte of a response, or send none of a body.
    public var sendTimeout: Double = 60
    /// Bytes of a request body that a route without a limit of its own accepts.
    public var bodyLimit = 1 << 20
    /// Addresses and networks (`10.0.0.0/8`) whose `X-Forwarded-For` is believed.
    public var trustedProxies: [String] = []
    /// Names that `Host` may have beside the addresses listened on and `localhost`; `*` turns the check off.
    public var allowedHosts: [String] = []
    /// `Access-Control-Allow-Origin` of what anyone may read; empty sends none.
    public var cors = "*"

    public init() {}
}
