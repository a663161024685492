internal import CLibuv
internal import CWeir
internal import Glibc
internal import WeirHTTP

extension ServerOptions.Address {
    /// As the configuration writes it.
    var written: String {
        switch self {
        case .internet(let host, let port, let scheme):
            "\(scheme.map { "\($0)://" } ?? "")\(host.contains(":") ? "[\(host)]" : host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }

    /// Whether only this machine can reach it. A name other than `localhost` may be any address, so it is not.
    var isLocal: Bool {
        switch self {
        case .unix: true
        case .internet(let host, _, _):
            if let bytes = InternetAddress.bytes(host) {
                bytes.count == 4
                    ? bytes[0] == 127
                    : bytes == InternetAddress.loopback6 || bytes.starts(with: InternetAddress.mappedLoopback)
            } else {
                host.lowercased() == "localhost" || host.lowercased().hasSuffix(".localhost")
            }
        }
    }

    /// The longest path of a socket: `sun_path` with its NUL.
    static var pathLimit: Int { MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1 }

    init(written text: String) throws(ConfigurationFault) {
        if let path = text.dropping(prefix: "unix:") {
            if path.isEmpty { throw ConfigurationFault(wrong: "\(quoted(text)) has no path") }
            if path.utf8.count > Self.pathLimit {
                throw ConfigurationFault(
                    wrong: "the socket's path is \(path.utf8.count) bytes long", expected: "at most \(Self.pathLimit)")
            }
            self = .unix(path: path)
            return
        }
        for scheme in [ServerOptions.Scheme.http, .https] {
            guard let rest = text.dropping(prefix: "\(scheme)://") else { continue }
            let (host, port) = try Self.parts(rest.hasSuffix("/") ? String(rest.dropLast()) : rest)
            self = .internet(host: host, port: port, scheme: scheme)
            return
        }
        let (host, port) = try Self.parts(text)
        self = .internet(host: host, port: port)
    }

    /// `127.0.0.1:8080`, `[::1]:8080`.
    private static func parts(_ text: String) throws(ConfigurationFault) -> (host: String, port: UInt16) {
        guard let colon = text.lastIndex(of: ":"), text[..<colon].last != ":" || text.hasPrefix("[") else {
            throw ConfigurationFault(
                wrong: "\(quoted(text)) \(text.contains(":") ? "is not an address" : "has no port")")
        }
        var host = String(text[..<colon])
        let digits = text[text.index(after: colon)...]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            guard InternetAddress.bytes(host)?.count == 16 else {
                throw ConfigurationFault(wrong: "\(quoted(host)) is not an IPv6 address")
            }
        } else if host.contains(":") {
            guard InternetAddress.bytes(host)?.count == 16 else {
                throw ConfigurationFault(wrong: "\(quoted(text)) is not an address")
            }
            throw ConfigurationFault(
                wrong: "\(quoted(text)) has an IPv6 address without brackets",
                hint: "; did you mean `[\(host)]:\(digits)`?")
        }
        if host.isEmpty || host == "*" {
            throw ConfigurationFault(
                wrong: "\(quoted(text)) does not say which address",
                hint: "; 0.0.0.0 is every IPv4 address, [::] every one")
        }
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits) else {
            throw ConfigurationFault(wrong: "\(quoted(String(digits))) is not a port", expected: "0 to 65535")
        }
        guard InternetAddress.bytes(host) != nil || HostName.isName(host) else {
            throw ConfigurationFault(wrong: "\(quoted(host)) is neither an address nor a name")
        }
        return (host, port)
    }
}

/// Numeric addresses, without the resolver.
enum InternetAddress {
    static let loopback6: [UInt8] = Array(repeating: 0, count: 15) + [1]
    /// ::ffff:127.0.0.0/104 (RFC 4291 §2.5.5.2).
    static let mappedLoopback: [UInt8] = Array(repeating: 0, count: 10) + [0xFF, 0xFF, 127]

    /// 4 or 16 bytes; a zone (`%eth0`) is allowed and left off. Nil for anything else.
    static func bytes(_ text: String) -> [UInt8]? {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return withUnsafeBytes(of: &four) { Array($0) } }
        let zone = text.firstIndex(of: "%")
        if let zone, text.index(after: zone) == text.endIndex { return nil }
        var sixteen = in6_addr()
        guard inet_pton(AF_INET6, String(text[..<(zone ?? text.endIndex)]), &sixteen) == 1 else { return nil }
        return withUnsafeBytes(of: &sixteen) { Array($0) }
    }
}

/// Names of hosts: letters, digits and dashes between dots (RFC 1123 §2.1), and the underscores that are found in practice.
enum HostName {
    static func isName(_ text: String) -> Bool {
        guard (1...253).contains(text.utf8.count) else { return false }
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        // A last label of digits alone is a mistyped IPv4 address.
        guard let last = labels.last, !last.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return false }
        return labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                && label.utf8.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                        true
                    default: false
                    }
                }
        }
    }
}

extension String {
    /// The text after a prefix; nil when it does not begin with it.
    func dropping(prefix: String) -> String? {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
    }
}

extension ConfigurationType where Value == [ServerOptions.Address] {
    static var addresses: Self {
        let expected = "an address such as 127.0.0.1:8080, [::1]:8080, localhost:0 or unix:/run/weir.sock"
        let address = ConfigurationType<ServerOptions.Address>(
            noun: "address", expected: expected, kinds: [.text, .number], write: { $0.written },
            convert: { text throws(ConfigurationFault) in try ServerOptions.Address(written: text) })
        return .list(of: address, noun: "address, or a list", expected: "\(expected), or a list of them", alone: true)
    }
}

extension ConfigurationType where Value == [String] {
    static var networks: Self {
        let network = ConfigurationType<String>.text(
            expected: "an address, a network such as 10.0.0.0/8, or unix",
            check: { TrustedProxies.firstInvalid([$0]).map { "\(quoted($0)) is no network" } })
        return .list(
            of: network, noun: "list of addresses and networks",
            expected: "a list of addresses and networks such as [10.0.0.0/8]", alone: true)
    }

    static var hosts: Self {
        let host = ConfigurationType<String>.text(
            expected: "a host's name without scheme or port, or `*`",
            check: { text in
                text == "*" || HostName.isName(text) || InternetAddress.bytes(text) != nil
                    ? nil : "\(quoted(text)) is not a host's name"
            })
        return .list(
            of: host, noun: "list of names, or `*`", expected: "a list of names such as [radio.example.org]",
            alone: true)
    }

    /// A program and its arguments.
    static var command: Self {
        .list(
            of: .argument, noun: "list of arguments",
            expected:
                "a program and its arguments as a list such as [ffmpeg, -re, -i, music.flac] (no shell splits it)",
            alone: false)
    }
}

extension ConfigurationType where Value == String {
    /// `Access-Control-Allow-Origin`: empty when none is sent.
    static var origin: Self {
        Self(
            noun: "`*`, an origin, or `none`", expected: "`*`, an origin such as https://radio.example.org, or none",
            kinds: [.text], write: { $0.isEmpty ? "none" : $0 },
            convert: { text throws(ConfigurationFault) in
                if text == "*" { return text }
                if text.isEmpty || text == "none" { return "" }
                guard let rest = text.dropping(prefix: "https://") ?? text.dropping(prefix: "http://"), !rest.isEmpty,
                    rest.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "/") })
                else { throw ConfigurationFault(wrong: "\(quoted(text)) is not an origin") }
                return text
            })
    }
}
