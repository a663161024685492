import Glibc
import Testing
import WeirLoop

@testable import WeirLive

/// Stations that receive datagrams, on loopback.
@Suite struct DatagramTests {
    /// A socket that sends to an address, and the address itself.
    private struct Sender {
        let descriptor: Int32

        init(_ host: String, _ port: UInt16, from own: String? = nil) throws {
            let endpoint = try #require(DatagramSocket.Endpoint(host, port))
            descriptor = socket(endpoint.family, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            if endpoint.isMulticast {
                var loopback = in_addr(s_addr: UInt32(0x7F00_0001).bigEndian)
                let size = socklen_t(MemoryLayout<in_addr>.size)
                try #require(setsockopt(descriptor, Int32(IPPROTO_IP), IP_MULTICAST_IF, &loopback, size) == 0)
            }
            if let own {
                var own = try #require(DatagramSocket.Endpoint(own, 0))
                let length = own.length
                let bound = withUnsafeMutablePointer(to: &own.storage) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
                }
                try #require(bound == 0)
            }
            var address = endpoint.storage
            let status = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, endpoint.length) }
            }
            try #require(status == 0)
        }

        /// Seven packets in each.
        func send(_ bytes: [UInt8]) {
            for start in stride(from: 0, to: bytes.count, by: 7 * 188) {
                let datagram = Array(bytes[start..<min(start + 7 * 188, bytes.count)])
                _ = Glibc.send(descriptor, datagram, datagram.count, 0)
            }
        }

        func close() { Glibc.close(descriptor) }
    }

    /// A port that was free.
    private func port() throws -> UInt16 {
        let descriptor = try DatagramSocket.open(DatagramAddress(host: "127.0.0.1", port: 0))
        defer { close(descriptor) }
        var name = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        try #require(status == 0)
        return UInt16(bigEndian: name.sin_port)
    }

    private func options(_ address: DatagramAddress) -> StationOptions {
        var options = StationOptions(name: "tv")
        options.format = .ts
        options.source = .udp(address)
        return options
    }

    @Test func `an address of this machine is one station's, a group is everybody's`() throws {
        let port = try port()
        let own = DatagramAddress(host: "127.0.0.1", port: port)
        let first = try DatagramSocket.open(own)
        #expect(throws: (any Error).self) { close(try DatagramSocket.open(own)) }
        close(first)
        close(try DatagramSocket.open(own))
        let group = DatagramAddress(host: "239.255.77.1", port: port, interface: "lo")
        let members = try (0..<2).map { _ in try DatagramSocket.open(group) }
        for member in members { close(member) }
    }

    @Test(arguments: ["127.0.0.1", "239.255.77.1"])
    func `a stream in datagrams is the stream`(host: String) throws {
        let port = try port()
        let address = DatagramAddress(host: host, port: port, interface: host == "127.0.0.1" ? nil : "lo")
        try withStation(options(address)) { station, journal, _ in
            station.begin()
            let sender = try Sender(host, port)
            var muxer = Muxer()
            let bytes = muxer.group(packets: 700)
            sender.send(bytes)
            try await eventually("it is live") { station.state == .live }
            try await eventually("everything has come") { station.report.position == UInt64(bytes.count) }
            #expect(station.datagrams.received == 100 && !station.datagrams.isRTP)
            #expect(station.report.transport?.packets == 700 && station.report.transport?.continuityErrors == 0)
            let isSame = try station.log.bytes(from: 0, limit: bytes.count) == bytes
            #expect(isSame)
            // The counts of a run that is over stay.
            station.stop()
            try await eventually("it is stopped") { station.state == .stopped && station.receivedBytes > 0 }
            #expect(station.datagrams.received == 100)
            sender.close()
        }
    }

    @Test func `of a group, what another sender sends is not heard`() throws {
        let port = try port()
        let address = DatagramAddress(host: "239.255.77.2", port: port, interface: "lo", sender: "127.0.0.9")
        try withStation(options(address)) { station, _, _ in
            station.begin()
            let sender = try Sender("239.255.77.2", port)
            var muxer = Muxer()
            sender.send(muxer.group(packets: 700))
            try await LoopClock.monotonic.sleep(for: 0.05)
            #expect(station.datagrams.received == 0 && station.state == .starting)
            sender.close()
        }
    }

    @Test func `of one sender to this machine, what another sends is dropped and counted`() throws {
        let port = try port()
        let address = DatagramAddress(host: "127.0.0.1", port: port, sender: "127.0.0.9")
        try withStation(options(address)) { station, _, _ in
            station.begin()
            let stranger = try Sender("127.0.0.1", port)
            let sender = try Sender("127.0.0.1", port, from: "127.0.0.9")
            var muxer = Muxer()
            let bytes = muxer.group(packets: 700)
            stranger.send(bytes)
            try await eventually("the stranger's have come") { station.datagrams.strangers == 100 }
            #expect(station.report.position == 0 && station.state == .starting)
            sender.send(bytes)
            try await eventually("the sender's have come") { station.report.position == UInt64(bytes.count) }
            #expect(station.datagrams.received == 200 && station.datagrams.strangers == 100)
            #expect(station.report.transport?.continuityErrors == 0)
            let isSame = try station.log.bytes(from: 0, limit: bytes.count) == bytes
            #expect(isSame)
            stranger.close()
            sender.close()
        }
    }

    @Test func `two stations may hear the same group`() throws {
        let port = try port()
        let address = DatagramAddress(host: "239.255.77.3", port: port, interface: "lo")
        let one = try DatagramSocket.open(address)
        let other = try DatagramSocket.open(address)
        close(one)
        close(other)
    }

    @Test func `an address of another machine, or an interface that is not there, fails with the reason`() throws {
        let cases: [(DatagramAddress, String)] = [
            (DatagramAddress(host: "203.0.113.7", port: 5004), "binding to 203.0.113.7:5004: address not available"),
            (
                DatagramAddress(host: "239.1.1.1", port: 5004, interface: "none0"),
                "there is no interface none0"
            ),
            (DatagramAddress(host: "localhost", port: 5004), "localhost is not a numeric address"),
            (
                DatagramAddress(host: "239.1.1.1", port: 5004, interface: "lo", sender: "::1"),
                "::1 is not an address of 239.1.1.1's family"
            ),
            (
                DatagramAddress(host: "127.0.0.1", port: 5004, sender: "::1"),
                "::1 is not an address of 127.0.0.1's family"
            ),
        ]
        for (address, reason) in cases {
            try withStation(options(address)) { station, _, _ in
                station.begin()
                try await eventually("it has failed") { station.state == .failed }
                #expect(station.supervision.lastError == reason)
            }
        }
    }

    @Test func `what is multicast`() {
        func isMulticast(_ host: String) -> Bool? { DatagramSocket.Endpoint(host, 0)?.isMulticast }
        for host in ["224.0.0.1", "239.255.255.255", "ff15::1"] { #expect(isMulticast(host) == true) }
        for host in ["127.0.0.1", "223.255.255.255", "240.0.0.1", "::1"] { #expect(isMulticast(host) == false) }
        for host in ["localhost", ""] { #expect(isMulticast(host) == nil) }
    }

    @Test func `the kernel keeps what comes while nobody takes it`() throws {
        for host in ["127.0.0.1", "::1"] {
            // Not every machine has IPv6.
            guard let descriptor = try? DatagramSocket.open(DatagramAddress(host: host, port: 0)) else { continue }
            defer { close(descriptor) }
            var size: Int32 = 0
            var length = socklen_t(MemoryLayout<Int32>.size)
            #expect(getsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, &length) == 0)
            #expect(size > 212_992)
        }
    }
}
