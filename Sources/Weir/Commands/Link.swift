internal import WeirHTTP
internal import WeirLive

/// `weir link`: signs a link with an expiry.
enum Link {
    static let command = Command(
        name: "link", about: "Signs a link to a station whose access is `signed`",
        arguments: [.init(name: "PATH", about: "Such as /live/vinyl.wav, or a URL; parameters may follow")],
        options: [
            .init(name: "expires", value: "TIME", about: "How long it is valid: seconds, or such as 90m, 24h"),
            .init(name: "config", value: "FILE", about: "The daemon's configuration, YAML or JSON (WEIR_CONFIG)"),
            .init(name: "data", value: "DIR", about: "The daemon's directory (./weir-data)"),
        ],
        notes: [
            """
            The key is auth.link_key_file's, or else the daemon's own, DIR/link-key.
            The link is valid for the path that was signed, with its ending, and
            whatever further parameters; listening that has begun goes on after it
            has expired.
            """
        ])

    /// Seconds since 1970 by which every link has expired: the year 9999.
    static let latest: UInt64 = 253_402_300_799

    static func run(
        _ invocation: Invocation, environment: [String: String], _ console: Console,
        now: UInt64 = UInt64(max(0, WallClock.now)) / 1_000_000_000
    ) throws(UsageError) -> Int32 {
        let expires = try expiry(invocation.value("expires"), now)
        // Before the key is looked for: this is how it is called.
        guard SignedLink.make(for: invocation.arguments[0], key: "-", expires: expires) != nil else {
            throw UsageError(
                message: "\(quoted(invocation.arguments[0])) is no path that can be signed; expected one such as"
                    + " /live/vinyl.wav, without exp and sig")
        }
        let source = Serve.source(invocation, environment: environment)
        guard let configuration = Program.load(source, for: "link", console) else { return Program.failed }
        do {
            let link = SignedLink.make(for: invocation.arguments[0], key: try key(configuration), expires: expires)
            console.line(link ?? "")
            return Program.done
        } catch {
            console.error("weir link: \(error.description)")
            return Program.failed
        }
    }

    private static func expiry(_ text: String?, _ now: UInt64) throws(UsageError) -> UInt64 {
        guard let text else { throw UsageError(message: "missing --expires TIME") }
        guard let seconds = try? ConfigurationType<Double>.duration(text), seconds >= 1,
            seconds <= Double(latest - min(now, latest))
        else { throw UsageError(message: "--expires \(quoted(text)) is not a time; expected seconds, or such as 24h") }
        return now + UInt64(seconds)
    }

    private static func key(_ configuration: Configuration) throws(ServeError) -> String {
        if let key = configuration.auth.linkKey { return key.text }
        let path = Secrets.linkKeyPath(configuration)
        do {
            if let key = try SecretFile.readExisting(path) { return key }
        } catch {
            throw ServeError(description: "\(path): \(error)")
        }
        throw ServeError(
            description: "\(path): there is no link key; expected auth.link_key_file, or the directory of a daemon that"
                + " has a station with access: signed")
    }
}
