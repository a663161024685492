import Glibc
public import WeirLoop

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
        for case .internet(let host, _) in options.addresses { hosts.insert(Access.host(of: host)) }
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

/// The admin token in its file.
public enum AdminToken {
    /// Random bytes in a generated token; twice as many hexadecimal digits.
    public static let bytes = 32
    /// The longest token file that is read.
    public static let fileLimit = 4096
    /// Characters that a token in a file must have: shorter ones can be guessed by trying.
    public static let least = 16

    /// Why a token file that is there is not used.
    public enum Unusable: Error, Equatable, CustomStringConvertible {
        /// Others than its owner may read or write it.
        case exposed(mode: UInt32)
        case short(characters: Int)

        public var description: String {
            switch self {
            case .exposed(let mode):
                "the admin token's file has mode 0\(String(mode, radix: 8)), so that others may read or write it;"
                    + " expected 0600 (chmod 600, and a new token if it may have been read)"
            case .short(let characters):
                "the admin token in the file has \(characters) characters; expected \(AdminToken.least) or more"
                    + " (without the file a new one is made)"
            }
        }
    }

    /// A new token: 64 hexadecimal digits from the kernel's random numbers.
    public static func generate() throws(CoreError) -> String {
        var random = [UInt8](repeating: 0, count: bytes)
        guard getentropy(&random, bytes) == 0 else { throw CoreError(errno: errno) }
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: random.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// The token in a file: its first line, without white space around it; nil when there is none in it.
    public static func read(_ path: String) throws(CoreError) -> String? {
        let text = String(decoding: try LoopFile.readNow(path, limit: fileLimit), as: UTF8.self)
        let line = text.prefix { $0 != "\n" && $0 != "\r\n" && $0 != "\r" }.trimmed
        return line.isEmpty ? nil : String(line)
    }

    /// The token in a file, which is made with a new one, readable by its owner only, when it is not there. Blocks: for
    /// the start of a program. Of two that come at once, both get the same token. Throws `CoreError` or `Unusable`.
    public static func readOrCreate(_ path: String) throws -> String {
        for _ in 0..<2 {
            if let token = try readExisting(path) { return token }
            let token = try generate()
            do throws(CoreError) {
                try LoopFile.createNow(path, Array((token + "\n").utf8), mode: 0o600)
                return token
            } catch {
                if error != .exists { throw error }
            }
        }
        throw CoreError.exists
    }

    /// The token in a file that nobody but its owner has access to; nil when there is no file.
    private static func readExisting(_ path: String) throws -> String? {
        let token: String
        do throws(CoreError) {
            token = try read(path) ?? ""
        } catch {
            if error == .noEntry { return nil }
            throw error
        }
        var status = stat()
        guard stat(path, &status) == 0 else { throw CoreError(errno: errno) }
        guard status.st_mode & (S_IRWXG | S_IRWXO) == 0 else {
            throw Unusable.exposed(mode: status.st_mode & 0o7777)
        }
        guard token.count >= least else { throw Unusable.short(characters: token.count) }
        return token
    }
}
