internal import WeirHTTP
internal import WeirLive
internal import WeirLoop

/// What the engine compares requests with.
struct Secrets: Sendable {
    var adminToken: String?
    /// Of signed links; nil while nothing asks for them.
    var linkKey: String?
    /// The one that it has followed: links that it signed are valid until they expire.
    var formerLinkKey: String?

    var linkKeys: [String] { [linkKey, formerLinkKey].compactMap { $0 } }

    /// What the configuration gives, or else what lies in the data directory, made when it is needed first. Blocks.
    static func load(_ configuration: Configuration) throws(ServeError) -> Secrets {
        do {
            try LoopFile.makeDirectoryNow(configuration.data)
        } catch {
            throw ServeError(description: "\(configuration.data): \(error)")
        }
        var secrets = Secrets()
        secrets.adminToken = configuration.auth.adminToken?.text
        if secrets.adminToken == nil { secrets.adminToken = try make(tokenPath(configuration)) }
        secrets.linkKey = configuration.auth.linkKey?.text
        if secrets.linkKey == nil, configuration.asksForLinks {
            secrets.linkKey = try make(linkKeyPath(configuration))
        }
        secrets.formerLinkKey = configuration.auth.formerLinkKey?.text
        return secrets
    }

    private static func make(_ path: String) throws(ServeError) -> String {
        do {
            return try SecretFile.readOrCreate(path)
        } catch {
            throw ServeError(description: "\(path): \(error)")
        }
    }

    static func tokenPath(_ configuration: Configuration) -> String { configuration.inData("admin.token") }
    static func linkKeyPath(_ configuration: Configuration) -> String { configuration.inData("link-key") }
}

extension Configuration {
    /// A station or the downloads are for those with a signed link.
    var asksForLinks: Bool { downloads.access == .signed || stations.contains { $0.access == .signed } }
}
