/// Who may do what: the admin token, the names that `Host` may have, and pages of other origins. Loopback is not trust:
/// any page in any browser of the machine can reach it (DNS rebinding, cross-site requests).
struct Access: Sendable {
    let adminToken: String?
    private let hosts: Set<String>
    private let allowsAnyHost: Bool

    init(options: ServerOptions, adminToken: String?, listening: [RemoteAddress]) {
        self.adminToken = adminToken
        allowsAnyHost = options.allowedHosts.contains("*")
        var hosts: Set<String> = ["localhost", "127.0.0.1", "::1"]
        for name in options.allowedHosts { hosts.insert(Access.host(of: name)) }
        for case .internet(let host, _, _) in options.addresses { hosts.insert(Access.host(of: host)) }
        for address in listening { hosts.insert(address.host) }
        // A wildcard is not a name; what it stands for is asked of each connection.
        hosts.subtract(["0.0.0.0", "::"])
        self.hosts = hosts
    }

    /// `EXAMPLE.org:80` is `example.org`, `[::1]:80` is `::1`.
    static func host(of authority: String) -> String {
        var host = authority.lowercased()[...]
        if host.hasPrefix("["), let end = host.firstIndex(of: "]") {
            host = host[host.index(after: host.startIndex)..<end]
        } else if host.utf8.count(where: { $0 == UInt8(ascii: ":") }) == 1, let colon = host.firstIndex(of: ":") {
            host = host[..<colon]
        }
        if host.hasSuffix(".") { host = host.dropLast() }
        return String(host)
    }

    /// `local` is the address that the connection came in on: its literal is a name for this server too, and no name of a
    /// stranger's can be bound to a literal.
    func allows(host: String, local: () -> RemoteAddress?) -> Bool {
        if allowsAnyHost || hosts.contains(host) { return true }
        return local()?.host == host
    }

    /// No `Origin`, or the one the request is for. `null` is foreign.
    static func isSameOrigin(_ origin: String?, authority: String?) -> Bool {
        guard let origin else { return true }
        guard let authority else { return false }
        for scheme in ["http://", "https://"] where origin.hasPrefix(scheme) {
            return Fields.equal(String(origin.dropFirst(scheme.count)), authority)
        }
        return false
    }

    /// Whether `Authorization` carries the admin token. The time it takes does not depend on where they differ.
    func isAdmin(_ authorization: String?) -> Bool {
        guard let adminToken, let authorization else { return false }
        let parts = authorization.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, Fields.equal(String(parts[0]), "Bearer") else { return false }
        return Access.equal(Array(parts[1].trimmed.utf8), Array(adminToken.utf8))
    }

    static func equal(_ given: [UInt8], _ secret: [UInt8]) -> Bool {
        var difference = given.count ^ secret.count
        for (index, byte) in secret.enumerated() {
            difference |= Int(byte ^ (index < given.count ? given[index] : ~byte))
        }
        return difference == 0 && !secret.isEmpty
    }
}
