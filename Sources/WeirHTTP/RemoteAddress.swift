internal import CWeir
import Glibc

/// Where a connection comes from: an internet address, or a Unix socket.
public struct RemoteAddress: Sendable, Hashable, CustomStringConvertible {
    /// An IPv6 address; IPv4 ones are mapped into it (RFC 4291 §2.5.5.2). Zero for a Unix socket.
    let high: UInt64
    let low: UInt64
    public let port: UInt16
    public let isUnix: Bool

    static let mappedPrefix: UInt64 = 0xffff_0000_0000

    public static let unix = RemoteAddress(high: 0, low: 0, port: 0, isUnix: true)

    private init(high: UInt64, low: UInt64, port: UInt16, isUnix: Bool) {
        self.high = high
        self.low = low
        self.port = port
        self.isUnix = isUnix
    }

    init(_ storage: sockaddr_storage) {
        self = withUnsafeBytes(of: storage) { bytes in
            switch Int32(storage.ss_family) {
            case AF_INET:
                let address = bytes.loadUnaligned(as: sockaddr_in.self)
                return RemoteAddress(
                    high: 0, low: Self.mappedPrefix | UInt64(UInt32(bigEndian: address.sin_addr.s_addr)),
                    port: UInt16(bigEndian: address.sin_port), isUnix: false)
            case AF_INET6:
                let offset = MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr)!
                return RemoteAddress(
                    high: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)),
                    low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)),
                    port: UInt16(bigEndian: bytes.loadUnaligned(as: sockaddr_in6.self).sin6_port), isUnix: false)
            default: return .unix
            }
        }
    }

    /// A literal: `10.0.0.1`, `::1`, `[::1]`, each with or without a port where that is unambiguous. nil for anything else.
    public init?(_ text: some StringProtocol) {
        var host = String(text)
        var port: UInt16 = 0
        if host.hasPrefix("[") {
            guard let end = host.lastIndex(of: "]") else { return nil }
            let after = host[host.index(after: end)...]
            if !after.isEmpty {
                guard after.first == ":", let number = UInt16(after.dropFirst()) else { return nil }
                port = number
            }
            host = String(host[host.index(after: host.startIndex)..<end])
        } else if host.utf8.count(where: { $0 == UInt8(ascii: ":") }) == 1, let colon = host.firstIndex(of: ":") {
            guard let number = UInt16(host[host.index(after: colon)...]) else { return nil }
            port = number
            host = String(host[..<colon])
        }
        var four = in_addr()
        var six = in6_addr()
        if inet_pton(AF_INET, host, &four) == 1 {
            self.init(
                high: 0, low: Self.mappedPrefix | UInt64(UInt32(bigEndian: four.s_addr)), port: port, isUnix: false)
        } else if inet_pton(AF_INET6, host, &six) == 1 {
            let (high, low) = withUnsafeBytes(of: six) {
                (
                    UInt64(bigEndian: $0.load(as: UInt64.self)),
                    UInt64(bigEndian: $0.load(fromByteOffset: 8, as: UInt64.self))
                )
            }
            self.init(high: high, low: low, port: port, isUnix: false)
        } else {
            return nil
        }
    }

    public var isIPv4: Bool { !isUnix && high == 0 && low >> 32 == 0xffff }

    /// Who is limited together: an IPv4 address, or the /64 network that one IPv6 site has.
    var limitKey: LimitKey { isIPv4 ? LimitKey(high: 0, low: low) : LimitKey(high: high, low: 0) }

    struct LimitKey: Hashable, Sendable {
        let high: UInt64
        let low: UInt64
    }

    /// The address without a port, as people write it.
    public var host: String {
        if isUnix { return "unix" }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        if isIPv4 {
            var four = in_addr(s_addr: UInt32(truncatingIfNeeded: low).bigEndian)
            inet_ntop(AF_INET, &four, &text, socklen_t(text.count))
        } else {
            var six = (high.bigEndian, low.bigEndian)
            inet_ntop(AF_INET6, &six, &text, socklen_t(text.count))
        }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// `192.0.2.1:4711`, `[2001:db8::1]:4711`, `unix`; without the port where there is none.
    public var description: String {
        if isUnix || port == 0 { return host }
        return isIPv4 ? "\(host):\(port)" : "[\(host)]:\(port)"
    }
}

/// Addresses whose `X-Forwarded-For` is believed.
public struct TrustedProxies: Sendable {
    private struct Network {
        let high: UInt64
        let low: UInt64
        let bits: Int

        func contains(_ address: RemoteAddress) -> Bool {
            let (highMask, lowMask) = (Network.mask(bits), Network.mask(bits - 64))
            return address.high & highMask == high & highMask && address.low & lowMask == low & lowMask
        }

        static func mask(_ bits: Int) -> UInt64 { bits <= 0 ? 0 : bits >= 64 ? .max : ~(.max >> UInt64(bits)) }
    }

    private var networks: [Network] = []
    private var trustsUnix = false

    /// Returns the first entry that is no address, network or `unix` (the peers of Unix sockets). A network of IPv4
    /// addresses is written as such: `10.0.0.0/8`, not `::ffff:10.0.0.0/104`.
    public static func firstInvalid(_ entries: [String]) -> String? {
        entries.first { $0 != "unix" && network($0) == nil }
    }

    init(_ entries: [String]) {
        for entry in entries {
            if entry == "unix" { trustsUnix = true }
            if let network = TrustedProxies.network(entry) { networks.append(network) }
        }
    }

    private static func network(_ entry: String) -> Network? {
        let parts = entry.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let address = RemoteAddress(parts[0]), address.port == 0 else {
            return nil
        }
        let width = address.isIPv4 ? 32 : 128
        var bits = width
        if parts.count == 2 {
            guard parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(parts[1]),
                (0...width).contains(number)
            else { return nil }
            bits = number
        }
        return Network(high: address.high, low: address.low, bits: bits + 128 - width)
    }

    func contains(_ address: RemoteAddress) -> Bool {
        address.isUnix ? trustsUnix : networks.contains { $0.contains(address) }
    }

    /// The client behind a chain of trusted proxies: from the last hop backwards, the first that is not trusted. What
    /// stands before a hop that cannot be read is not believed.
    func client(of peer: RemoteAddress, fields: Fields) -> RemoteAddress {
        guard contains(peer) else { return peer }
        var client = peer
        for hop in fields.values("X-Forwarded-For").joined(separator: ",").split(separator: ",").reversed() {
            guard let address = RemoteAddress(hop.trimmed) else { break }
            client = address
            if !contains(address) { break }
        }
        return client
    }
}
