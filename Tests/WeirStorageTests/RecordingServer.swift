import Glibc

@testable import WeirStorage

/// A store that says what a test tells it to, and keeps what it was asked.
final class RecordingServer: Sendable {
    struct Request: Sendable {
        let method: String
        /// Path and query, as they came.
        let target: String
        let head: String
        /// Bytes of the body, of which a cut request has fewer than it says.
        let length: Int
        let body: [UInt8]

        func field(_ name: String) -> String? {
            head.split(separator: "\r\n").first { $0.lowercased().hasPrefix(name.lowercased() + ":") }
                .map { String($0.drop { $0 != ":" }.dropFirst().drop { $0 == " " }) }
        }
    }

    enum Reply: Sendable {
        case answer(Int, [String], [UInt8])
        /// So many bytes of the body come, then the connection ends.
        case cut(Int, [String], [UInt8], after: Int)
        /// The connection ends without an answer.
        case close

        static func xml(_ status: Int, _ text: String, _ fields: [String] = []) -> Reply {
            .answer(status, fields, Array("<?xml version=\"1.0\"?>\(text)".utf8))
        }
    }

    let port: UInt16
    private let descriptor: Int32
    private let state = Guarded(State())

    private struct State {
        var requests: [Request] = []
        var connections = 0
        var under = 0
        var most = 0
    }

    /// - Parameter takes: bytes of a request's body that are read before the connection is cut; nil for all.
    /// - Parameter reply: called on the connection's thread, with the number of the request.
    init(
        takes: @escaping @Sendable (Request, Int) -> Int? = { _, _ in nil },
        _ reply: @escaping @Sendable (Request, Int) -> Reply
    ) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        port = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                precondition(bind(descriptor, $0, length) == 0 && listen(descriptor, 512) == 0)
                getsockname(descriptor, $0, &length)
            }
            return UInt16(bigEndian: address.pointee.sin_port)
        }
        startThread { [self] in
            while true {
                let peer = accept(descriptor, nil, nil)
                if peer < 0 { break }
                // Children of other tests would keep it open, and its peer would not see its end.
                _ = fcntl(peer, F_SETFD, FD_CLOEXEC)
                state.withLock { $0.connections += 1 }
                startThread { [self] in
                    while serve(peer, takes, reply) {}
                    Glibc.close(peer)
                }
            }
            Glibc.close(descriptor)
        }
    }

    func close() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    var requests: [Request] { state.withLock { $0.requests } }
    var connections: Int { state.withLock { $0.connections } }
    /// Requests that were answered at once, at most.
    var most: Int { state.withLock { $0.most } }
    var endpoint: String { "http://127.0.0.1:\(port)" }

    private func serve(
        _ peer: Int32, _ takes: (Request, Int) -> Int?, _ reply: (Request, Int) -> Reply
    ) -> Bool {
        var head: [UInt8] = []
        var byte: UInt8 = 0
        while !head.suffix(4).elementsEqual([13, 10, 13, 10]) {
            guard recv(peer, &byte, 1, 0) == 1 else { return false }
            head.append(byte)
        }
        let text = String(decoding: head, as: UTF8.self)
        let words = text.split(separator: " ", maxSplits: 2).map { String($0) }
        let empty = Request(method: words[0], target: words[1], head: text, length: 0, body: [])
        let length = empty.field("Content-Length").flatMap { Int($0) } ?? 0
        let number = state.withLock { state in
            state.requests.append(empty)
            state.under += 1
            state.most = max(state.most, state.under)
            return state.requests.count - 1
        }
        defer { state.withLock { $0.under -= 1 } }
        let asked = Request(method: words[0], target: words[1], head: text, length: length, body: [])
        let taken = takes(asked, number)
        var body = [UInt8](repeating: 0, count: min(length, taken ?? length))
        var done = 0
        while done < body.count {
            let count = body.withUnsafeMutableBytes { recv(peer, $0.baseAddress! + done, $0.count - done, 0) }
            guard count > 0 else { break }
            done += count
        }
        body.removeLast(body.count - done)
        let request = Request(method: words[0], target: words[1], head: text, length: length, body: body)
        state.withLock { $0.requests[number] = request }
        if taken != nil || done < length { return false }
        switch reply(request, number) {
        case .close: return false
        case .answer(let status, let fields, let body):
            return send(peer, status, fields, body, body.count, isHead: words[0] == "HEAD")
        case .cut(let status, let fields, let body, let after):
            _ = send(peer, status, fields, body, after, isHead: false)
            return false
        }
    }

    private func send(
        _ peer: Int32, _ status: Int, _ fields: [String], _ body: [UInt8], _ count: Int, isHead: Bool
    ) -> Bool {
        var head = "HTTP/1.1 \(status) Reason\r\n"
        if !fields.contains(where: { $0.lowercased().hasPrefix("content-length:") }) {
            head += "Content-Length: \(body.count)\r\n"
        }
        for field in fields { head += field + "\r\n" }
        let bytes = Array((head + "\r\n").utf8) + (isHead ? [] : Array(body.prefix(count)))
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(peer, $0.baseAddress! + done, $0.count - done, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    /// A store of its bucket `media`.
    func options(_ change: (inout R2Options) -> Void = { _ in }) -> R2Options {
        var options = R2Options(
            endpoint: endpoint, bucket: "media",
            credentials: SigningCredentials(accessKeyID: "id", secretAccessKey: "secret"))
        change(&options)
        return options
    }
}

/// A thread that nobody waits for.
func startThread(_ body: @escaping @Sendable () -> Void) {
    final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let work = Unmanaged.passRetained(Work(body)).toOpaque()
    let start: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { work in
        Unmanaged<Work>.fromOpaque(work!).takeRetainedValue().body()
        return nil
    }
    precondition(pthread_create(&thread, nil, start, work) == 0)
    pthread_detach(thread)
}
