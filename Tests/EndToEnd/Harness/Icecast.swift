import Glibc

/// `icecast2` on a port of loopback, with a directory of its own. Debian's; it refuses to run as root.
final class Icecast {
    static let password = "hackme"

    let port: UInt16
    let process: Process

    /// `more` goes into its configuration: a relay.
    static func run(_ more: String = "", _ body: (Icecast) throws -> Void) throws {
        let scratch = try Scratch()
        // Icecast cannot be asked which port it found.
        let port = try freePort()
        try Disk.write(scratch.path + "/icecast.xml", text(port, scratch.path, more).utf8)
        if geteuid() == 0 {
            chmod(scratch.path, 0o755)
            chmod(scratch.path + "/icecast.xml", 0o644)
            try Peer.demand("chown", "-R", "icecast2:icecast", scratch.path)
        }
        let process = try Process(["icecast2", "-c", scratch.path + "/icecast.xml"])
        defer { process.end() }
        let icecast = Icecast(port, process)
        do {
            try eventually("icecast2 listens") {
                guard process.exit == nil else { throw Failure("icecast2 ended") }
                return try? Client(port: port)
            }
            try body(icecast)
        } catch {
            let log = (try? Disk.text(scratch.path + "/error.log")) ?? ""
            throw Failure("\(error)\nIcecast's last lines:\n\(log.suffix(3000))\n\(process.state.lines)")
        }
    }

    private init(_ port: UInt16, _ process: Process) {
        self.port = port
        self.process = process
    }

    /// A client that sends to a mount; the stream is what is sent next.
    func source(_ mount: String, type: String) throws -> Client {
        let client = try Client(port: port)
        try client.send(
            "SOURCE \(mount) HTTP/1.0\r\nAuthorization: Basic c291cmNlOmhhY2ttZQ==\r\nContent-Type: \(type)\r\n\r\n")
        var head = ""
        while !head.hasSuffix("\r\n\r\n") {
            let byte = try client.receive(1)
            if byte.isEmpty { throw Failure("icecast2 refused the source: \(head)") }
            head += String(decoding: byte, as: UTF8.self)
        }
        guard head.hasPrefix("HTTP/1.0 200") else { throw Failure("icecast2 refused the source: \(head)") }
        return client
    }

    func url(_ mount: String) -> String { "http://127.0.0.1:\(port)\(mount)" }

    private static func freePort() throws -> UInt16 {
        let probe = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(probe) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(probe, $0, length) == 0 ? getsockname(probe, $0, &length) : -1
            }
        }
        guard status == 0 else { throw Failure.system("bind") }
        return UInt16(bigEndian: address.sin_port)
    }

    private static func text(_ port: UInt16, _ directory: String, _ more: String) -> String {
        let owner = geteuid() == 0 ? "<changeowner><user>icecast2</user><group>icecast</group></changeowner>" : ""
        return """
            <icecast>
              <limits>
                <clients>20</clients><sources>4</sources><queue-size>4194304</queue-size>
                <source-timeout>60</source-timeout><burst-on-connect>0</burst-on-connect><burst-size>0</burst-size>
              </limits>
              <authentication>
                <source-password>\(password)</source-password><relay-password>\(password)</relay-password>
                <admin-user>admin</admin-user><admin-password>\(password)</admin-password>
              </authentication>
              <hostname>localhost</hostname>
              <listen-socket><port>\(port)</port><bind-address>127.0.0.1</bind-address></listen-socket>
              <fileserve>0</fileserve>
              \(more)
              <paths>
                <basedir>/usr/share/icecast2</basedir><logdir>\(directory)</logdir>
                <webroot>/usr/share/icecast2/web</webroot><adminroot>/usr/share/icecast2/admin</adminroot>
              </paths>
              <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog><loglevel>3</loglevel></logging>
              <security><chroot>0</chroot>\(owner)</security>
            </icecast>

            """
    }
}
