internal import WeirHTTP
internal import WeirLive

extension ConfigurationType where Value == DatagramAddress {
    /// Where datagrams are sent to: a numeric address and a port.
    static var datagrams: Self {
        Self(
            noun: "address and port", expected: "a numeric address and a port such as 239.1.1.1:5004 or [ff15::1]:5004",
            kinds: [.text, .number],
            write: { ServerOptions.Address.internet(host: $0.host, port: $0.port).written },
            convert: { text throws(ConfigurationFault) in
                guard case .internet(let host, let port, nil) = try ServerOptions.Address(written: text),
                    InternetAddress.bytes(host) != nil
                else { throw ConfigurationFault(wrong: "\(quoted(text)) is not a numeric address") }
                if port == 0 { throw ConfigurationFault(wrong: "\(quoted("0")) is not a port", expected: "1 to 65535") }
                return DatagramAddress(host: host, port: port)
            })
    }
}

extension ConfigurationType where Value == String {
    /// The longest name of an interface (`IFNAMSIZ` with its NUL is 16).
    static var interfaceLimit: Int { 15 }

    static var interface: Self {
        text(
            noun: "name", expected: "an interface's name such as eth0",
            check: { text in
                let isName =
                    text.utf8.count <= interfaceLimit
                    && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "/") }
                return isName ? nil : "\(quoted(text)) cannot be an interface's name"
            })
    }

    static var host: Self {
        text(
            noun: "address", expected: "a numeric address such as 192.0.2.1",
            check: { InternetAddress.bytes($0) == nil ? "\(quoted($0)) is not a numeric address" : nil })
    }
}

extension ConfigurationReader {
    /// What concerns transport streams: datagrams, and what is kept for joiners.
    mutating func checkTransport(_ draft: StationDraft, at path: String, _ mark: Mark) {
        func key(_ name: String) -> String { "\(path).\(name)" }
        if draft.format != .ts, isSound(key("format")) {
            if let place = given[key("warm")] {
                report("has no meaning for format `\(draft.format.rawValue)`; remove it", at: key("warm"), place)
            }
            if draft.kind == .udp {
                report(
                    "kind `udp` carries a transport stream; expected `ts`", at: key("format"),
                    origin(of: key("format"), or: mark))
            }
            return
        }
        guard draft.format == .ts else { return }
        if draft.kind == .tone, isSound(key("source.kind")) {
            report("a tone is PCM; expected `pcm`", at: key("format"), origin(of: key("format"), or: mark))
        }
        checkSender(draft, at: key("source.from"))
        let warm = draft.options.warm
        if warm.max == nil, warm.min > warm.ceiling, isSound(key("warm.min"), key("warm.ceiling")) {
            let name = given[key("warm.min")] == nil ? "warm.ceiling" : "warm.min"
            report(
                "the least, \(Units.write(bytes: warm.min)), is above the ceiling of \(Units.write(bytes: warm.ceiling));"
                    + " expected it below", at: key(name), origin(of: key(name)))
        }
        if let join = draft.join, warm.seconds > 0, join > warm.seconds, isSound(key("join"), key("warm.seconds")) {
            report(
                "\(Units.write(seconds: join)) is further back than `warm.seconds` keeps for sure,"
                    + " \(Units.write(seconds: warm.seconds))", at: key("join"), origin(of: key("join")),
                severity: .warning)
        }
    }

    private mutating func checkSender(_ draft: StationDraft, at key: String) {
        guard let address = draft.address, let sender = draft.sender, let place = given[key] else { return }
        if InternetAddress.bytes(address.host)?.count != InternetAddress.bytes(sender)?.count {
            report(
                "\(sender) cannot send to \(address.host); expected an address of the same family", at: key, place)
        }
    }

    /// Whether the least of every warm cache fits into the budget.
    mutating func checkBudget(_ configuration: Configuration) {
        let caches = configuration.stations.filter(\.keepsFiles).count
        let least = caches * Int(WarmBudget.disk(WarmBudget.least))
        guard least > configuration.cache.budget, isSound("cache.budget") else { return }
        report(
            "\(caches) warm caches take \(Units.round(bytes: least)) at least; expected that or more",
            at: "cache.budget", origin(of: "cache.budget"), severity: .warning)
    }
}

extension StationOptions {
    /// Bytes of disk that its warm cache takes at most.
    var disk: Int {
        keepsFiles ? Int(WarmBudget.disk(UInt64(warm.max ?? max(warm.min, warm.ceiling)))) : 0
    }
}
