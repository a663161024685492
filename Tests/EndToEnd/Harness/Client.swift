import Glibc

/// An HTTP client on a plain socket, so that anything can be sent and every byte that comes back is seen. Each call has a
/// deadline.
final class Client {
    enum Ending: Equatable {
        /// The server closed in order: FIN.
        case end
        /// The server's end was abrupt: RST.
        case reset
    }

    private(set) var descriptor: Int32
    /// Received and not taken yet.
    private var pending: ArraySlice<UInt8> = []
    private(set) var ending: Ending?

    /// `receiveBuffer` in bytes makes the kernel take little for a client that does not read.
    init(port: UInt16, receiveBuffer: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure.system("socket") }
        if var size = receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else {
            Glibc.close(descriptor)
            descriptor = -1
            throw Failure.system("connect")
        }
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    }

    deinit { close() }

    func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    /// Ends the connection with RST.
    func reset() {
        var how = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &how, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    /// Says that nothing more will be sent.
    func halfClose() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Bytes that the server sent and this client has not read from the kernel.
    var unread: Int {
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        return max(0, recv(descriptor, &chunk, chunk.count, Int32(MSG_PEEK)))
    }

    // MARK: Sending

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8], within seconds: Double = Pace.patience) throws {
        let deadline = Deadline(seconds: seconds)
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + done, $0.count - done, Int32(MSG_NOSIGNAL))
            }
            if count >= 0 {
                done += count
            } else if errno == EAGAIN {
                var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                if poll(&ready, 1, deadline.milliseconds) == 0 { throw Failure("the server reads nothing") }
            } else if errno != EINTR {
                throw Failure.system("send")
            }
        }
    }

    // MARK: Receiving

    /// Takes what there is, at most `limit` bytes, without waiting. Nothing: there is none now, or never again.
    func take(_ limit: Int = 65536) -> [UInt8] {
        if !pending.isEmpty {
            let bytes = Array(pending.prefix(limit))
            pending = pending.dropFirst(limit)
            return bytes
        }
        guard ending == nil else { return [] }
        return Array(
            unsafeUninitializedCapacity: limit,
            initializingWith: { buffer, count in
                let received = recv(descriptor, buffer.baseAddress, limit, 0)
                count = max(0, received)
                if received == 0 { ending = .end }
                if received < 0 && errno != EAGAIN && errno != EINTR { ending = .reset }
            })
    }

    /// Waits for something to take; false at the end.
    private func wait(_ deadline: Deadline) throws -> Bool {
        if !pending.isEmpty { return true }
        if ending != nil { return false }
        var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while true {
            let count = poll(&ready, 1, deadline.milliseconds)
            if count > 0 { return true }
            if count == 0 { throw Failure("the server sent nothing more in time") }
        }
    }

    /// So many bytes, or fewer at the end of the connection.
    func receive(_ count: Int, within seconds: Double = Pace.patience) throws -> [UInt8] {
        let deadline = Deadline(seconds: seconds)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count, try wait(deadline) { bytes.append(contentsOf: take(count - bytes.count)) }
        return bytes
    }

    /// Everything up to the end of the connection; how it ended is in `ending` then.
    func receiveAll(within seconds: Double = Pace.patience) throws -> [UInt8] {
        let deadline = Deadline(seconds: seconds)
        var bytes: [UInt8] = []
        while try wait(deadline) { bytes.append(contentsOf: take()) }
        return bytes
    }

    /// A response's head; throws when the connection ends before it.
    func head(within seconds: Double = Pace.patience) throws -> ResponseHead {
        let deadline = Deadline(seconds: seconds)
        var bytes: [UInt8] = []
        while try wait(deadline) {
            bytes.append(contentsOf: take())
            if let end = ResponseHead.end(of: bytes) {
                pending = bytes[end...] + pending
                return try ResponseHead(bytes[..<end])
            }
        }
        throw Failure("the connection ended (\(ending.map { "\($0)" } ?? "")) before a head: \(bytes.count) bytes")
    }

    /// A response with its body. `bodiless`: it answers a HEAD.
    func reply(bodiless: Bool = false, within seconds: Double = Pace.patience) throws -> Reply {
        let head = try head(within: seconds)
        var body: [UInt8] = []
        if bodiless || head.status < 200 || head.status == 204 || head.status == 304 {
            // No body.
        } else if let length = head["Content-Length"].flatMap({ Int($0) }) {
            body = try receive(length, within: seconds)
            guard body.count == length else { throw Failure("\(body.count) bytes of a body of \(length)") }
        } else {
            body = try receiveAll(within: seconds)
        }
        return Reply(head: head, body: body)
    }

    /// True when the server has closed, after whatever else it sent.
    func isClosed(within seconds: Double = Pace.patience) throws -> Bool {
        _ = try receiveAll(within: seconds)
        return ending != nil
    }
}

/// What a server says before a body.
struct ResponseHead {
    let status: Int
    let fields: [(name: String, value: String)]

    /// Where the body begins.
    static func end(of bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        for index in 0...(bytes.count - 4) where bytes[index] == 13 && bytes[index + 1] == 10 {
            if bytes[index + 2] == 13 && bytes[index + 3] == 10 { return index + 4 }
        }
        return nil
    }

    init(_ bytes: ArraySlice<UInt8>) throws {
        let text = String(decoding: bytes, as: UTF8.self)
        let lines = text.split(separator: "\r\n")
        let parts = (lines.first ?? "").split(separator: " ", maxSplits: 2)
        guard parts.count >= 2, parts[0] == "HTTP/1.1", let status = Int(parts[1]) else {
            throw Failure("not a response: \(text.prefix(200))")
        }
        self.status = status
        fields = try lines.dropFirst().map { line in
            guard let colon = line.firstIndex(of: ":") else { throw Failure("not a field: \(line)") }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            return (String(line[..<colon]), String(value))
        }
    }

    subscript(name: String) -> String? { fields.first { $0.name.lowercased() == name.lowercased() }?.value }
}

struct Reply {
    let head: ResponseHead
    let body: [UInt8]

    var status: Int { head.status }
    var text: String { String(decoding: body, as: UTF8.self) }
    var json: JSON? { JSON(text) }
    /// `error.code` of a refusal.
    var code: String? { json?["error"]?["code"]?.text }
    subscript(name: String) -> String? { head[name] }
}
