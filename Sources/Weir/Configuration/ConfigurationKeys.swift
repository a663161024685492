internal import WeirHTTP

extension ConfigurationTable where Target == Configuration {
    /// Every key outside a station.
    static let configuration: ConfigurationTable<Configuration> = {
        let standard = Configuration()
        func key<Value: Equatable>(
            _ path: String, _ type: ConfigurationType<Value>,
            _ field: any WritableKeyPath<Configuration, Value> & Sendable, default: String? = nil, _ about: String
        ) -> ConfigurationKey<Configuration> {
            ConfigurationKey(path, type, field, in: standard, default: `default`, about)
        }
        return ConfigurationTable(
            keys: [
                key(
                    "listen", .addresses, \.server.addresses,
                    "Where to listen. Port 0 picks one and prints it; `https://HOST:PORT` and `http://HOST:PORT` say what is"
                        + " spoken, whatever `tls` is. Other than loopback needs an admin token"),
                key("data", .path, \.data, "The directory of everything that Weir keeps, `admin.token` among it"),
                key(
                    "shutdown.grace", .seconds(0...3600), \.shutdownGrace,
                    "How long a shutdown may take to end responses cleanly"),
                key("log.level", .word(), \.log.level, "The least important level that is written"),
                key("log.format", .word(), \.log.format, "Lines for people, or an object a line"),
                key(
                    "auth.admin_token", .optional(.secret), \.auth.adminToken,
                    "What `Authorization: Bearer` must carry to change anything. Not given, one is generated into"
                        + " `DATA/admin.token` at the first start"),
                key(
                    "auth.admin_token_file", .optional(.path), \.auth.adminTokenFile,
                    "A file with the admin token instead; space around it is left off"),
                key(
                    "auth.link_key", .optional(.secret), \.auth.linkKey,
                    "The key that signs links. Not given, and something has `access: signed`, one is generated into"
                        + " `DATA/link-key` at the start"),
                key(
                    "auth.link_key_file", .optional(.path), \.auth.linkKeyFile,
                    "A file with the link key instead; space around it is left off"),
                key(
                    "auth.former_link_key", .optional(.secret), \.auth.formerLinkKey,
                    "The link key that was used before: the links that it signed are valid until they expire, and it"
                        + " signs no more. Put it away after the longest of them"),
                key(
                    "auth.former_link_key_file", .optional(.path), \.auth.formerLinkKeyFile,
                    "A file with the former link key instead; space around it is left off"),
                key(
                    "http.max_connections", .auto(.integer(1...1_000_000)), \.server.maxConnections,
                    "Most connections at once. `auto` is the limit of descriptors less 256"),
                key(
                    "http.connections_per_address", .integer(1...1_000_000), \.server.connectionsPerAddress,
                    "Most connections from one address"),
                key(
                    "http.head_timeout", .seconds(0.1...3600), \.server.headTimeout,
                    "How long a request's head may take to arrive"),
                key(
                    "http.idle_timeout", .seconds(0.1...86400), \.server.idleTimeout,
                    "How long a kept-alive connection may be silent between requests"),
                key(
                    "http.send_timeout", .seconds(0.1...86400), \.server.sendTimeout,
                    "How long a client may take no byte of a response, or send none of a body"),
                key(
                    "http.body_limit", .bytes(1024...(1 << 30)), \.server.bodyLimit,
                    "Largest body of a request, where the route has no limit of its own"),
                key(
                    "http.trusted_proxies", .networks, \.server.trustedProxies,
                    "Addresses and networks whose `X-Forwarded-For` is believed; `unix` is whoever uses a Unix socket"),
                key(
                    "http.allowed_hosts", .hosts, \.server.allowedHosts,
                    "Names that `Host` may have beside `localhost` and the addresses listened on; `*` turns the check off"
                ),
                key(
                    "http.cors", .origin, \.server.cors,
                    "`Access-Control-Allow-Origin` of streams; `none` sends none"),
                key(
                    "tls.certificate", .optional(.path), \.server.tls.certificate,
                    "The certificate, PEM, with those between it and an authority behind it. With it every address is"
                        + " HTTPS, except `http://HOST:PORT` and Unix sockets"),
                key(
                    "tls.key", .optional(.path), \.server.tls.key,
                    "Its private key, PEM, without a password. Both files are read again at SIGHUP"),
                key(
                    "limits.listeners", .integer(1...1_000_000), \.limits.listeners,
                    "Most listeners of all stations together"),
                key(
                    "limits.memory", .auto(.bytes((16 << 20)...(1 << 44))), \.limits.memory,
                    "Resident memory that health measures against. `auto` is a quarter of what the process may use"),
                key(
                    "cache.dir", .optional(.path), \.cache.directory, default: "DATA/cache",
                    "The directory of what is kept in files and can be lost: the warm caches"),
                key(
                    "cache.budget", .bytes((1 << 20)...(1 << 50)), \.cache.budget,
                    "Disk for the warm caches of all stations; when it is short, those without listeners shrink first"),
                ConfigurationKey(
                    "live.stations", noun: "list of stations",
                    expected: "a list of stations such as [{ name: demo, source: { kind: tone } }]",
                    standard: "one, `demo`: a tone, 1000 listeners",
                    "The stations; the first is also at `/stream`. The keys of one are below"
                ) { node, path, reader, configuration in
                    if let stations = reader.stations(node, at: path) { configuration.stations = stations }
                },
            ] + storageKeys + databaseKeys + downloadKeys + mediaKeys,
            later: [])
    }()
}
