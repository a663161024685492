internal import WeirHTTP
internal import WeirLive

extension ConfigurationReader {
    /// Whether a station pulls its stream from itself: it would be answered 508 (`LOOP`) for ever. Only what the addresses
    /// say; a name that leads here is found out when it is asked.
    mutating func checkRelays(_ configuration: Configuration) {
        guard isSound("listen") else { return }
        for (index, station) in configuration.stations.enumerated() {
            let key = "live.stations[\(index)].source.url"
            guard case .http(let origin) = station.source, let place = given[key] else { continue }
            let own = configuration.server.addresses.contains { address in
                let bases = Self.bases(address, isSecure: configuration.server.isSecure(address))
                return bases.contains { base in
                    ["", ".wav", ".pcm", ".ts"].contains { origin.description == "\(base)/live/\(station.name)\($0)" }
                }
            }
            if own { report("leads to the station itself; expected the URL of another stream", at: key, place) }
        }
    }

    /// `http://127.0.0.1:8080` and what else that address is called.
    private static func bases(_ address: ServerOptions.Address, isSecure: Bool) -> [String] {
        guard case .internet(let host, let port, _) = address, port != 0 else { return [] }
        var names = [host]
        switch host {
        case "0.0.0.0", "127.0.0.1", "localhost": names += ["127.0.0.1", "localhost"]
        case "::", "::1": names += ["::1", "127.0.0.1", "localhost"]
        default: break
        }
        let scheme = isSecure ? "https" : "http"
        let usual = isSecure ? 443 : 80
        return names.flatMap { name in
            let name = name.contains(":") ? "[\(name)]" : name
            return ["\(scheme)://\(name):\(port)"] + (port == usual ? ["\(scheme)://\(name)"] : [])
        }
    }
}
