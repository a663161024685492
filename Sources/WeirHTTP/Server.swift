internal import CWeir
import Glibc
public import WeirLoop

/// An HTTP/1.1 server on the loop.
@LoopActor
public final class Server {
    /// Bytes of a body that are read and thrown away, so that the connection can be kept, when a handler left them.
    static let drainLimit: UInt64 = 65536
    /// Seconds that this may take.
    static let drainTimeout: Double = 5
    /// Seconds after which, and then between which, it is looked whether the peer of a running handler is still there.
    static let peerCheckInterval: Double = 0.5
    /// Seconds that are left, when the server stops, to a connection that was accepted and has not asked for anything.
    static let lastMoment: Double = 0.1
    /// Seconds for which a refused peer may go on sending, and how many bytes of it are thrown away.
    static let lingerTimeout: Double = 2
    static let lingerBytes = 1 << 20
    /// Descriptors that `maxConnections` leaves for everything else when it is not given.
    public nonisolated static let reservedDescriptors = 256
    /// Connections that are tried for however few descriptors there are.
    public nonisolated static let leastConnections = 16
    /// Seconds before accepting is tried again when there was no descriptor to refuse with.
    static let acceptPause: Double = 0.1
    /// Seconds between two looks at the deadlines, at most.
    static let sweepInterval: Double = 0.25
    /// Refused connections that are kept until their peers have read why.
    static let refusedLimit = 64

    public private(set) var options: ServerOptions
    public let router: Router
    /// What has been seen so far.
    public internal(set) var counters = ServerCounters()
    /// Called for every response that is done.
    public var onAccess: ((AccessEvent) -> Void)?
    /// Called with what a handler threw beside `HTTPError`; the peer was told 500 and no more.
    public var onFailure: ((any Error) -> Void)?
    /// Called when a connection was refused, with the count's name.
    public var onRefused: ((_ reason: String, _ remote: RemoteAddress?) -> Void)?

    /// Called when a TLS handshake failed, with what was wrong.
    public var onHandshakeFailed: ((_ reason: String, _ remote: RemoteAddress) -> Void)?

    /// What new connections show; old ones keep theirs.
    private var identity: TLSIdentity?
    let clock: LoopClock
    private(set) var proxies: TrustedProxies
    /// What every connection reads into: 64 KiB.
    nonisolated(unsafe) let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 16)
    nonisolated(unsafe) let head = UnsafeMutablePointer<weir_http_head_t>.allocate(capacity: 1)
    let reading = ReadingQueue()
    var date = HTTPDate()
    private(set) var isStopping = false

    private var adminToken: String?
    private var access: Access
    private var maxConnections: Int
    private var listeners: [Listener] = []
    private var connections: [Connection] = []
    private var perAddress: [RemoteAddress.LimitKey: Int] = [:]
    private var refused: [Int32] = []
    private var reserve: Int32 = -1
    private let sweeper: LoopTimer
    private let resumer: LoopTimer
    private var isSweeping = false
    private var whenEmpty: UnsafeContinuation<Void, Never>?

    /// Without an admin token no route for admins can be used.
    public init(options: ServerOptions, router: Router, adminToken: String? = nil, clock: LoopClock = .monotonic) {
        self.options = options
        self.router = router
        self.adminToken = adminToken
        self.clock = clock
        proxies = TrustedProxies(options.trustedProxies)
        access = Access(options: options, adminToken: adminToken, listening: [])
        maxConnections = Server.connections(of: options)
        head.initialize(to: weir_http_head_t())
        sweeper = LoopTimer(clock: clock)
        resumer = LoopTimer(clock: clock)
    }

    deinit {
        scratch.deallocate()
        head.deallocate()
    }

    /// Most connections of a process that may have so many descriptors, when no number is given: all but
    /// `reservedDescriptors`, and at least `leastConnections`.
    public nonisolated static func connections(ofDescriptors descriptors: Int) -> Int {
        max(leastConnections, descriptors - reservedDescriptors)
    }

    private static func connections(of options: ServerOptions) -> Int {
        options.maxConnections ?? connections(ofDescriptors: descriptorLimit)
    }

    /// The soft limit: what the process may open now.
    private static var descriptorLimit: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        return Int(clamping: limit.rlim_cur)
    }

    // MARK: Starting and stopping

    /// Where it listens, port 0 replaced by what was picked.
    public var addresses: [BoundAddress] { listeners.map(\.address) }

    /// How clients reach it: `http://127.0.0.1:8080`, `https://[::1]:8443`, `unix:/run/weir.sock`.
    public var roots: [String] {
        listeners.map { listener in
            if case .unix = listener.address { return listener.address.description }
            return "\(listener.isSecure ? "https" : "http")://\(listener.address)"
        }
    }

    /// Reads certificate and key again: new connections are shown them. When that fails everything stays as it is. The
    /// times between which the certificate is valid, in seconds since 1970; nil when no address speaks HTTPS. Throws
    /// `TLSProblem`.
    @discardableResult
    public func loadTLS() throws -> ClosedRange<Int64>? {
        guard let loaded = try identity(of: options) else { return nil }
        identity = loaded
        return loaded.validity
    }

    /// Reads the certificate and the key that options name, for `update`; nil when no address that is listened on speaks
    /// HTTPS. Throws `TLSProblem`.
    public func identity(of options: ServerOptions) throws -> TLSIdentity? {
        guard let certificate = options.tls.certificate, let key = options.tls.key,
            listeners.contains(where: \.isSecure)
        else { return nil }
        return try TLSIdentity(certificate: certificate, key: key)
    }

    /// Listens on every address, or on none. `sockets` are descriptors that listen already, of a service manager, and are the
    /// server's from then on. Addresses that one of them is bound to are not opened anew, and with any the default address is
    /// not either. With a certificate the internet ones among them speak HTTPS, unless `addresses` says otherwise of where
    /// they are bound.
    public func start(on sockets: [Int32] = []) throws {
        precondition(listeners.isEmpty && !isStopping, "a server starts once")
        do {
            for socket in sockets {
                listeners.append(try Listener.adopt(socket, isSecure: options.tls.isConfigured))
            }
            let adopted = listeners
            if adopted.isEmpty || options.addresses != ServerOptions().addresses {
                for address in options.addresses {
                    listeners += try Listener.open(
                        address, isSecure: options.isSecure(address), beside: adopted)
                }
            }
            try loadTLS()
            for listener in listeners { try listener.start { [unowned self] in accept(from: $0) } }
        } catch {
            for listener in listeners { listener.close() }
            listeners = []
            throw error
        }
        reserve = open("/dev/null", O_RDONLY | O_CLOEXEC)
        access = Access(options: options, adminToken: adminToken, listening: listening)
    }

    private var listening: [RemoteAddress] {
        listeners.compactMap {
            if case .internet(let address) = $0.address { return address }
            return nil
        }
    }

    /// Goes on by other options, from the next connection, request or wait on. Where it listens stays as it is, and so does
    /// whether that speaks HTTPS. Without an identity the one before stays.
    public func update(_ options: ServerOptions, adminToken: String?, identity: TLSIdentity? = nil) {
        let addresses = self.options.addresses
        self.options = options
        self.options.addresses = addresses
        self.adminToken = adminToken
        if let identity { self.identity = identity }
        proxies = TrustedProxies(options.trustedProxies)
        maxConnections = Server.connections(of: options)
        access = Access(options: self.options, adminToken: adminToken, listening: listening)
    }

    /// Stops accepting, closes what is idle, lets responses that are under way finish for `grace` seconds, and ends the
    /// rest. Returns when no connection is left but those that were handed over, which are their taker's to end.
    public func stop(grace: Double) async {
        isStopping = true
        for listener in listeners { listener.close() }
        listeners = []
        for connection in Array(connections) { connection.stop() }
        if !connections.isEmpty {
            let timer = LoopTimer(clock: clock)
            timer.schedule(at: clock.deadline(after: grace)) { [unowned self] in
                for connection in Array(connections) { connection.end() }
            }
            await withUnsafeContinuation { whenEmpty = $0 }
            timer.close()
        }
        sweeper.close()
        resumer.close()
        for descriptor in refused { close(descriptor) }
        refused = []
        if reserve >= 0 { close(reserve) }
        reserve = -1
    }

    // MARK: Accepting

    private func accept(from listener: Listener) {
        for _ in 0..<Listener.burst {
            do throws(CoreError) {
                let (descriptor, peer) = try listener.take()
                admit(descriptor, peer, isSecure: listener.isSecure)
            } catch {
                switch -error.rawValue {
                case EAGAIN: return
                case EINTR, ECONNABORTED, EPROTO: continue
                case EMFILE, ENFILE, ENOBUFS, ENOMEM:
                    guard refuseWithReserve(listener) else { return }
                default: return
                }
            }
        }
    }

    private func admit(_ descriptor: Int32, _ peer: RemoteAddress, isSecure: Bool) {
        counters.accepted += 1
        if counters.active >= maxConnections {
            counters.refusedFull += 1
            return refuse(descriptor, "full", peer, isSecure: isSecure)
        }
        // All of a proxy's clients come from its address.
        let key = peer.isUnix || proxies.contains(peer) ? nil : peer.limitKey
        if let key, perAddress[key, default: 0] >= options.connectionsPerAddress {
            counters.refusedPerAddress += 1
            return refuse(descriptor, "per_address", peer, isSecure: isSecure)
        }
        if !peer.isUnix {
            var on: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
            setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, socklen_t(MemoryLayout<Int32>.size))
        }
        let connection: Connection
        do throws(CoreError) {
            connection = try Connection(
                server: self, descriptor: descriptor, tls: try isSecure ? secure(descriptor) : nil, peer: peer,
                place: ConnectionPlace(server: self, key: key))
        } catch {
            counters.refusedDescriptors += 1
            return refuse(descriptor, "descriptors", peer, isSecure: isSecure)
        }
        counters.active += 1
        if let key { perAddress[key, default: 0] += 1 }
        connection.index = connections.count
        connections.append(connection)
        sweep()
        connection.start()
    }

    /// There is no descriptor left: the reserved one makes room to say so. Whether there may be more to refuse. Without a
    /// reserve accepting pauses, or the loop would spin on a listener that stays readable.
    private func refuseWithReserve(_ listener: Listener) -> Bool {
        var refused = false
        if reserve >= 0 {
            close(reserve)
            if let (descriptor, peer) = try? listener.take() {
                refused = true
                counters.accepted += 1
                counters.refusedDescriptors += 1
                onRefused?("descriptors", peer)
                if !listener.isSecure { Server.sayUnavailable(descriptor) }
                close(descriptor)
            }
            reserve = open("/dev/null", O_RDONLY | O_CLOEXEC)
            if reserve >= 0 { return refused }
        }
        counters.acceptPauses += 1
        onRefused?("descriptors", nil)
        for listener in listeners { listener.pause() }
        resumer.schedule(at: clock.deadline(after: Server.acceptPause)) { [unowned self] in
            if reserve < 0 { reserve = open("/dev/null", O_RDONLY | O_CLOEXEC) }
            for listener in listeners { listener.resume() }
        }
        return false
    }

    private func secure(_ descriptor: Int32) throws(CoreError) -> TLSConnection {
        guard let identity else { throw .closed }
        return try TLSConnection(identity, descriptor: descriptor)
    }

    /// 503, without a task and without reading; the peer gets a moment to read it. With TLS a handshake would have to
    /// come first, which is more than there is to give: the connection is closed.
    private func refuse(_ descriptor: Int32, _ reason: String, _ peer: RemoteAddress, isSecure: Bool) {
        onRefused?(reason, peer)
        if isSecure {
            close(descriptor)
            return
        }
        Server.sayUnavailable(descriptor)
        if refused.count >= Server.refusedLimit { close(refused.removeFirst()) }
        refused.append(descriptor)
        sweep()
    }

    private static func sayUnavailable(_ descriptor: Int32) {
        let body = HTTPError.unavailable("TOO_MANY_CONNECTIONS", "there are too many connections").body.bytes
        let head =
            "HTTP/1.1 503 Service Unavailable\r\nServer: \(ResponseHead.product)\r\nRetry-After: 5\r\n"
            + "Content-Type: application/json\r\nContent-Length: \(body.count)\r\nConnection: close\r\n\r\n"
        let bytes = Array(head.utf8) + body
        var unread = [UInt8](repeating: 0, count: 4096)
        recv(descriptor, &unread, unread.count, Int32(MSG_DONTWAIT))
        send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
        shutdown(descriptor, Int32(SHUT_WR))
    }

    // MARK: Deadlines

    /// One timer for all connections, armed only while there are some.
    private func sweep() {
        if isSweeping { return }
        isSweeping = true
        let shortest = min(options.headTimeout, options.idleTimeout, options.sendTimeout, Server.lingerTimeout)
        let interval = UInt64(max(0.01, min(Server.sweepInterval, shortest / 4)) * 1e9)
        var old = 0
        sweeper.schedule(every: interval, from: clock.now + interval) { [unowned self] _ in
            let now = clock.now
            for connection in connections.filter({ $0.deadline <= now }) { connection.expire() }
            // Those that were there at the last look but one have had their moment.
            for descriptor in refused.prefix(old) { close(descriptor) }
            refused.removeFirst(min(old, refused.count))
            old = refused.count
            if connections.isEmpty && refused.isEmpty {
                isSweeping = false
                sweeper.stop()
            }
        }
    }

    // MARK: From connections

    func remove(_ connection: Connection) {
        let last = connections.removeLast()
        if last !== connection {
            last.index = connection.index
            connections[connection.index] = last
        }
        if connections.isEmpty, let waiter = whenEmpty {
            whenEmpty = nil
            waiter.resume()
        }
    }

    func left(_ key: RemoteAddress.LimitKey?) {
        counters.active -= 1
        guard let key, let count = perAddress[key] else { return }
        perAddress[key] = count > 1 ? count - 1 : nil
    }

    func finished(_ event: AccessEvent, started: UInt64) {
        var event = event
        counters.responses[event.status / 100, default: 0] += 1
        let now = clock.now
        event.seconds = Double(now > started ? now - started : 0) / 1e9
        onAccess?(event)
    }

    // MARK: Answering

    func respond(to request: Request, local: () -> RemoteAddress?) async -> Response {
        do {
            return try await route(request, local: local)
        } catch {
            return response(to: error)
        }
    }

    private func route(_ request: Request, local: () -> RemoteAddress?) async throws -> Response {
        if let host = request.host, !access.allows(host: host, local: local) {
            counters.hostRefused += 1
            throw HTTPError(403, "HOST_REFUSED", "this server does not answer to that host name")
        }
        if request.target.isAsterisk {
            guard request.method == .options else { throw HTTPError.badRequest("only OPTIONS is asked of *") }
            return Response(204, fields: ["Allow": "GET, HEAD, POST, PUT, DELETE, OPTIONS"])
        }
        guard router.knows(request.method) else {
            throw HTTPError(501, "NOT_IMPLEMENTED", "this server has no \(request.method)")
        }
        let match = router.match(request.method, request.target.segments)
        switch match {
        case .nothing: throw HTTPError.notFound()
        case .wrongMethod(let routes):
            if request.method == .options { return preflight(request, routes) }
            throw HTTPError(
                405, "METHOD_NOT_ALLOWED", "this path has no \(request.method)", fields: ["Allow": Router.allow(routes)]
            )
        case .found(let route, let parameters):
            var request = request
            request.parameters = parameters
            request.isAdmin = access.isAdmin(request.fields["Authorization"])
            return try await call(route, request)
        }
    }

    private func call(_ route: Router.Route, _ request: Request) async throws -> Response {
        let isGuarded = route.audience == .admin || !request.method.isSafe
        if isGuarded, !Access.isSameOrigin(request.fields["Origin"], authority: request.authority) {
            counters.originRefused += 1
            throw HTTPError(403, "ORIGIN_REFUSED", "a page of another origin may not do this")
        }
        if route.audience == .admin, !request.isAdmin {
            counters.unauthorized += 1
            throw HTTPError(
                401, "UNAUTHORIZED", "this needs the admin token", fields: ["WWW-Authenticate": "Bearer realm=\"weir\""]
            )
        }
        request.body.limit = route.bodyLimit ?? options.bodyLimit
        if let length = request.body.length, length > UInt64(request.body.limit) {
            throw HTTPError.bodyTooLarge(request.body.limit)
        }
        var response: Response
        do {
            response = try await route.handler(request)
        } catch {
            response = self.response(to: error)
        }
        if route.audience == .anyone && request.method.isSafe { allowOrigin(&response.fields) }
        return response
    }

    /// What a page of another origin may do with a path: read it, if anyone may.
    private func preflight(_ request: Request, _ routes: [Router.Route]) -> Response {
        var response = Response(204, fields: ["Allow": Router.allow(routes)])
        guard routes.contains(where: { $0.audience == .anyone && $0.method.isSafe }) else { return response }
        allowOrigin(&response.fields)
        if !options.cors.isEmpty {
            response.fields.append("Access-Control-Allow-Methods", "GET, HEAD")
            response.fields.append("Access-Control-Allow-Headers", "Range, Icy-MetaData, If-None-Match, If-Range")
            response.fields.append("Access-Control-Max-Age", "600")
        }
        return response
    }

    private func allowOrigin(_ fields: inout Fields) {
        if options.cors.isEmpty { return }
        fields.append("Access-Control-Allow-Origin", options.cors)
        if options.cors != "*" { fields.append("Vary", "Origin") }
    }

    func response(to error: any Error) -> Response {
        if let error = error as? HTTPError {
            if error.status == 413 { counters.bodyTooLarge += 1 }
            return .error(error)
        }
        switch error as? Connection.Ending {
        case .closed: return .error(.badRequest("the body ended before its time", code: "BODY_ABORTED"))
        case .timeout: return .error(HTTPError(408, "REQUEST_TIMEOUT", "the request's body took too long"))
        case .shutdown: return .error(.unavailable("SHUTDOWN", "the server is stopping"))
        case nil: break
        }
        if error is CancellationError {
            return .error(
                isStopping
                    ? .unavailable("SHUTDOWN", "the server is stopping")
                    : .unavailable("PEER_LEFT", "the connection was closed before the answer"))
        }
        onFailure?(error)
        return .error(HTTPError(500, "INTERNAL", "something went wrong here"))
    }
}
