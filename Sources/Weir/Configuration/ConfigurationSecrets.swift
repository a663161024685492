internal import CLibuv
internal import CWeir
internal import Glibc
internal import WeirHTTP
internal import WeirLive
internal import WeirMedia

/// A station's password, to be read once it is known which origin counts.
struct StationPassword: Sendable {
    let station: String
    let key: String
    let text: Secret?
    let file: String?
}

extension ConfigurationReader {
    /// What is checked once all origins have been read: secrets, who may reach the server, and what stations refer to.
    mutating func finish(_ configuration: inout Configuration) {
        let token = secret("auth.admin_token", configuration.auth.adminToken, configuration.auth.adminTokenFile)
        configuration.auth.adminToken = token
        configuration.auth.linkKey = secret("auth.link_key", configuration.auth.linkKey, configuration.auth.linkKeyFile)
        configuration.storage.secretAccessKey = secret(
            "storage.secret_access_key", configuration.storage.secretAccessKey,
            configuration.storage.secretAccessKeyFile)
        configuration.auth.formerLinkKey = secret(
            "auth.former_link_key", configuration.auth.formerLinkKey, configuration.auth.formerLinkKeyFile)
        for password in passwords {
            let isOwn = configuration.stations.contains { station in
                if case .push = station.source { return station.name == password.station }
                return false
            }
            let text = secret(password.key, password.text, password.file, isOwn: isOwn)?.text
            for index in configuration.stations.indices where configuration.stations[index].name == password.station {
                switch configuration.stations[index].source {
                case .push(var access):
                    access.password = text
                    configuration.stations[index].source = .push(access)
                case .http(var origin):
                    origin.credentials?.password = text ?? ""
                    configuration.stations[index].source = .http(origin)
                default: break
                }
            }
        }
        for index in configuration.telegram.bots.indices {
            let bot = configuration.telegram.bots[index]
            configuration.telegram.bots[index].token = secret(
                "telegram.bots[\(index)].token", bot.token, bot.tokenFile, isOwn: false)
        }
        checkPriorities(configuration.prewarm.priority)
        checkExposure(configuration, hasToken: token != nil)
        checkTLS(configuration.server)
        checkRelays(configuration)
        checkStorage(configuration.storage)
        checkSurroundings(configuration)
        checkBudget(configuration)
    }

    // MARK: Secrets

    /// Largest file that a secret is read from, in bytes.
    private static var secretFileLimit: Int { 4096 }
    /// Shorter secrets can be guessed by trying.
    private static var secretLeast: Int { 16 }

    /// The secret that counts: of `key` and `key_file`, the one that overrides the other. How long another server's is
    /// (`isOwn: false`) is not for this one to say.
    private mutating func secret(_ key: String, _ text: Secret?, _ file: String?, isOwn: Bool = true) -> Secret? {
        let fileKey = key + "_file"
        guard isSound(key, fileKey) else { return nil }
        let inline = given[key]
        let fromFile = given[fileKey]
        if let inline, let fromFile, inline.rank == fromFile.rank {
            report("given beside \(key) (\(inline.reference)); expected one of the two", at: fileKey, fromFile)
            return nil
        }
        let isFromFile = (fromFile?.rank ?? -1) > (inline?.rank ?? -1)
        let secret = isFromFile ? file.flatMap { read(secret: $0, at: fileKey) } : text
        if isOwn, let secret, secret.text.utf8.count < Self.secretLeast {
            let used = isFromFile ? fileKey : key
            report(
                "is only \(secret.text.utf8.count) bytes long; \(Self.secretLeast) or more are hard to guess", at: used,
                origin(of: used), severity: .warning)
        }
        return secret
    }

    private mutating func read(secret file: String, at key: String) -> Secret? {
        let place = origin(of: key)
        do throws(ConfigurationFault) {
            let bytes = try FileBytes.read(file, limit: Self.secretFileLimit, again: again)
            let trimmed = String(decoding: bytes, as: UTF8.self).trimmed
            if let wrong = ConfigurationType<Secret>.wrong(trimmed) {
                throw ConfigurationFault(wrong: "\(wrong); expected \(ConfigurationType<Secret>.secret.expected)")
            }
            checkPrivacy(of: file, at: key)
            return Secret(trimmed)
        } catch {
            report("the file \(quoted(file)) \(error.wrong)", at: key, place)
            return nil
        }
    }

    /// A file that every user can read is no secret.
    mutating func checkPrivacy(of file: String, at key: String) {
        var status = stat()
        guard stat(file, &status) == 0, status.st_mode & S_IROTH != 0 else { return }
        warn("\(quoted(file)) can be read by every user of the machine; expected mode 0600", at: key)
    }

    // MARK: Exposure

    /// An address that other machines reach needs a token that somebody chose.
    private mutating func checkExposure(_ configuration: Configuration, hasToken: Bool) {
        guard isSound("listen", "auth.admin_token", "auth.admin_token_file") else { return }
        var seen: Set<ServerOptions.Address> = []
        for address in configuration.server.addresses {
            var place = address
            if case .internet(let host, let port, _) = address {
                if port == 0 { continue }
                place = .internet(host: host, port: port)
            }
            if !seen.insert(place).inserted {
                report("\(address.written) stands twice; expected once", at: "listen", origin(of: "listen"))
            }
        }
        if configuration.server.addresses.isEmpty {
            report("is empty; expected at least one address", at: "listen", origin(of: "listen"))
        }
        guard !hasToken, let address = configuration.server.addresses.first(where: { !$0.isLocal }) else { return }
        report(
            "\(address.written) can be reached from other machines and no admin token is configured;"
                + " expected auth.admin_token_file (or WEIR_AUTH_ADMIN_TOKEN), or a loopback address such as 127.0.0.1",
            at: "listen", origin(of: "listen"))
    }

    // MARK: Surroundings

    /// Files and programs that are not there now; they may come before they are needed.
    private mutating func checkSurroundings(_ configuration: Configuration) {
        guard !hasErrors else { return }
        let rings = configuration.stations.reduce(0) { $0 + $1.ring }
        if let memory = configuration.limits.memory, rings > memory {
            warn("less than the rings of all stations, which take \(Units.round(bytes: rings))", at: "limits.memory")
        }
        for (index, station) in configuration.stations.enumerated() {
            let source = "live.stations[\(index)].source"
            switch station.source {
            case .exec(let command, let directory, let environment):
                if let directory, !isDirectory(directory) {
                    warn("\(quoted(directory)) is not a directory now", at: "\(source).directory")
                }
                if let program = command.first, !isProgram(program, in: directory, path: environment["PATH"]) {
                    warn("\(quoted(program)) is not a program that can be found now", at: "\(source).command")
                }
            case .file(let path, _), .fifo(let path):
                if access(path, R_OK) != 0 {
                    warn(
                        "\(quoted(path)) cannot be read now: \(String(cString: strerror(errno)))", at: "\(source).path")
                }
            case .udp(let address):
                if let name = address.interface, if_nametoindex(name) == 0 {
                    warn("there is no interface \(quoted(name)) now", at: "\(source).interface")
                }
            case .http(let origin):
                var status = stat()
                if let file = origin.caFile, stat(file, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
                    report(
                        "\(quoted(file)) is no file; expected certificates in PEM", at: "\(source).ca",
                        self.origin(of: "\(source).ca"))
                } else if let file = origin.caFile, access(file, R_OK) != 0 {
                    warn("\(quoted(file)) cannot be read now: \(String(cString: strerror(errno)))", at: "\(source).ca")
                }
            case .tone, .stdin, .push: break
            }
        }
    }

    mutating func warn(_ message: String, at path: String) {
        report(message, at: path, origin(of: path), severity: .warning)
    }

    private func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// As `execvp` looks for one.
    private func isProgram(_ name: String, in directory: String?, path: String?) -> Bool {
        if name.contains("/") {
            return access(name.hasPrefix("/") ? name : "\(directory ?? ".")/\(name)", X_OK) == 0
        }
        let path = path ?? getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
        return path.split(separator: ":").contains { access("\($0)/\(name)", X_OK) == 0 }
    }
}
