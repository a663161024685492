internal import WeirHTTP
internal import WeirLive
internal import WeirLoop

extension Engine {
    /// Applies what differs in another configuration, and returns what that was. Stations that do not differ keep their
    /// source and their listeners. Throws before anything has changed.
    func reload(_ next: Configuration) async throws -> ConfigurationChange {
        let change = ConfigurationChange(from: configuration, to: next)
        let result = change.result
        if isExposed && result.auth.adminToken == nil { throw Engine.exposed }
        let secrets = try await onPool { try Secrets.load(result) }
        if isStopping { throw CancellationError() }
        // The files, too, may have changed under the same names.
        let identity = try server.identity(of: result.server)
        let plan = change.stations
        let made = try await stations.make(plan.new, caches: caches)
        for station in made { watch(station) }
        log.set(result.log)
        server.update(result.server, adminToken: secrets.adminToken, identity: identity)
        if let identity { report(identity.validity) }
        access.linkKeys = secrets.linkKeys
        health.setMemoryLimit(result.limits.memory ?? ProcessLimits.memoryShare)
        caches.budget = UInt64(result.cache.budget)
        configuration = result
        stations.apply(plan, made: made, patience: result.shutdownGrace * Engine.patience)
        return change
    }

    /// What new connections are shown from now on; those that are there keep what they have.
    private func report(_ validity: ClosedRange<Int64>) {
        let until = WallClock.text(validity.upperBound &* 1_000_000_000)
        log.info("certificate loaded", [("valid_until", .string(until))])
        if let wrong = ConfigurationReader.wrong(validity, now: WallClock.now / 1_000_000_000) {
            log.warning("certificate", [("problem", .string(wrong))])
        }
    }

    /// `2 stations on 127.0.0.1:8080`.
    var summary: String {
        let count = stations.all.count
        let places = server.addresses.map(\.description).joined(separator: ", ")
        return "\(count) \(count == 1 ? "station" : "stations") on \(places)"
    }

    static var exposed: ServeError {
        ServeError(
            description: "an address that other machines reach is listened on, and no admin token is configured;"
                + " expected auth.admin_token_file (or WEIR_AUTH_ADMIN_TOKEN)")
    }

    /// Other machines reach an address that is listened on.
    var isExposed: Bool {
        server.addresses.contains {
            guard case .internet(let address) = $0 else { return false }
            return !ServerOptions.Address.internet(host: address.host, port: address.port).isLocal
        }
    }
}
