import CLibuv
import CWeir
import Glibc
import WeirLoop

/// Where datagrams are received: `source: { kind: udp, … }`.
public struct DatagramAddress: Sendable, Equatable {
    /// Numeric; a multicast group, or an address of this machine.
    public var host: String
    public var port: UInt16
    /// The interface on which they come; nil: the one that the system's routes say.
    public var interface: String?
    /// Numeric: the only sender that is listened to, of a multicast group by RFC 4607; nil: all.
    public var sender: String?

    public init(host: String, port: UInt16, interface: String? = nil, sender: String? = nil) {
        self.host = host
        self.port = port
        self.interface = interface
        self.sender = sender
    }
}

/// A UDP socket that receives what an address is sent.
enum DatagramSocket {
    /// Bytes that the kernel keeps while nobody takes them: a second of 64 Mbit/s. It gives what it may.
    static let receiveBuffer: Int32 = 8 << 20

    /// A socket address of either family.
    struct Endpoint: Sendable {
        var storage = sockaddr_storage()

        /// Nil when `host` is not numeric.
        init?(_ host: String, _ port: UInt16) {
            let status = withUnsafeMutablePointer(to: &storage) { storage in
                let four = storage.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    uv_ip4_addr(host, Int32(port), $0)
                }
                if four == 0 { return four }
                return storage.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                    uv_ip6_addr(host, Int32(port), $0)
                }
            }
            if status != 0 { return nil }
        }

        var family: Int32 { Int32(storage.ss_family) }

        var length: socklen_t {
            socklen_t(family == AF_INET ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size)
        }

        /// RFC 5771, RFC 4291 §2.7.
        var isMulticast: Bool {
            withUnsafeBytes(of: storage) { bytes in
                // The address begins after family and port, in IPv6 after the flow label too.
                family == AF_INET ? bytes[4] & 0xF0 == 0xE0 : bytes[8] == 0xFF
            }
        }
    }

    /// Binds one, joined to the group when it is multicast. Closing it leaves the group.
    static func open(_ address: DatagramAddress) throws -> Int32 {
        guard var endpoint = Endpoint(address.host, address.port) else {
            throw Problem("\(address.host) is not a numeric address")
        }
        var index: UInt32 = 0
        if let interface = address.interface {
            index = if_nametoindex(interface)
            if index == 0 { throw Problem("there is no interface \(interface)") }
        }
        if let sender = address.sender {
            guard Endpoint(sender, 0)?.family == endpoint.family else {
                throw Problem("\(sender) is not an address of \(address.host)'s family")
            }
        }
        let kind = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(endpoint.family, kind, 0)
        if descriptor < 0 { throw CoreError(errno: errno) }
        do {
            try prepare(descriptor, endpoint)
            if !endpoint.isMulticast, let interface = address.interface {
                try require(
                    setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, interface, socklen_t(interface.utf8.count)),
                    "receiving on \(interface)")
            }
            let length = endpoint.length
            let bound = withUnsafeMutablePointer(to: &endpoint.storage) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
            }
            try require(bound, "binding to \(address.host):\(address.port)")
            if endpoint.isMulticast { try join(descriptor, endpoint, index, address) }
        } catch {
            close(descriptor)
            throw error
        }
        return descriptor
    }

    private static func prepare(_ descriptor: Int32, _ endpoint: Endpoint) throws {
        // Every member of a group gets a copy; of other datagrams the last socket would get all, and nobody would know.
        if endpoint.isMulticast { try set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) }
        // More than the system's limit for everyone, where that is allowed.
        if (try? set(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, receiveBuffer)) == nil {
            try set(descriptor, SOL_SOCKET, SO_RCVBUF, receiveBuffer)
        }
        // Only what this socket has joined, not what others on this machine have.
        if endpoint.family == AF_INET {
            try set(descriptor, Int32(IPPROTO_IP), IP_MULTICAST_ALL, 0)
        } else {
            try set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1)
            try set(descriptor, Int32(IPPROTO_IPV6), IPV6_MULTICAST_ALL, 0)
        }
    }

    /// Joins a group by RFC 3678 §5.1, which is the same for both families.
    private static func join(
        _ descriptor: Int32, _ group: Endpoint, _ interface: UInt32, _ address: DatagramAddress
    ) throws {
        let level = group.family == AF_INET ? Int32(IPPROTO_IP) : Int32(IPPROTO_IPV6)
        let status: Int32
        if let source = address.sender.flatMap({ Endpoint($0, 0) }) {
            var request = group_source_req()
            request.gsr_interface = interface
            request.gsr_group = group.storage
            request.gsr_source = source.storage
            status = setsockopt(
                descriptor, level, MCAST_JOIN_SOURCE_GROUP, &request, socklen_t(MemoryLayout.size(ofValue: request)))
        } else {
            var request = group_req()
            request.gr_interface = interface
            request.gr_group = group.storage
            status = setsockopt(
                descriptor, level, MCAST_JOIN_GROUP, &request, socklen_t(MemoryLayout.size(ofValue: request)))
        }
        try require(status, "joining \(address.host)" + (address.interface.map { " on \($0)" } ?? ""))
    }

    private static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) throws {
        var value = value
        let status = setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
        if status != 0 { throw CoreError(errno: errno) }
    }

    private static func require(_ status: Int32, _ what: String) throws {
        if status != 0 { throw Problem("\(what): \(CoreError(errno: errno))") }
    }
}
