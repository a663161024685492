import Glibc

/// What a service manager is told: the socket of `NOTIFY_SOCKET`.
final class Notifications {
    /// For `NOTIFY_SOCKET`.
    let name: String
    private let descriptor: Int32

    /// A path, or with `@` an abstract name.
    init(_ name: String) throws {
        self.name = name
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(name.utf8)
        if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.offset(of: \.sun_path)! + bytes.count)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        guard status == 0 else { throw Failure.system("bind \(name)") }
    }

    deinit { close(descriptor) }

    /// The next message's variables; nil when none comes in time.
    func next(within seconds: Double = Pace.patience) -> [String: String]? {
        var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&ready, 1, Deadline(seconds: seconds).milliseconds) == 1 else { return nil }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        var variables: [String: String] = [:]
        for line in String(decoding: bytes[..<max(0, count)], as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1)
            if parts.count == 2 { variables[String(parts[0])] = String(parts[1]) }
        }
        return variables
    }

    /// Skips messages until one has a variable.
    func next(with variable: String) throws -> [String: String] {
        let deadline = Deadline()
        while !deadline.hasPassed {
            guard let message = next() else { break }
            if message[variable] != nil { return message }
        }
        throw Failure("no message with \(variable)")
    }
}
