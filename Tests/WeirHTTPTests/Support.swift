import Glibc
import Synchronization
import Testing
import WeirHTTP
import WeirLoop

/// Runs a server on a loop of its own on `127.0.0.1:0`, and `body` beside it on the loop.
func withServer(
    _ change: (inout ServerOptions) -> Void = { _ in }, clock: LoopClock = .monotonic, adminToken: String? = nil,
    routes: @escaping @LoopActor (Router) -> Void, _ body: @escaping @LoopActor (Server, UInt16) async throws -> Void
) throws {
    var options = ServerOptions()
    options.addresses = [.internet(host: "127.0.0.1", port: 0)]
    change(&options)
    try LoopActor.runInTurn { [options] in
        let router = Router()
        routes(router)
        let server = Server(options: options, router: router, adminToken: adminToken, clock: clock)
        try server.start()
        do {
            try await body(server, server.addresses[0].port)
        } catch {
            await stop(server, clock)
            throw error
        }
        await stop(server, clock)
        #expect(server.counters.active == 0)
    }
}

/// Stops at once, whatever clock the server has.
@LoopActor
private func stop(_ server: Server, _ clock: LoopClock) async {
    let stopping = spawn { await server.stop(grace: 0.01) }
    if clock.isManual { await clock.advance(seconds: 1) }
    await stopping.value
}

/// Runs blocking code on a thread of its own and waits for it without blocking the loop.
@LoopActor
func elsewhere<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withUnsafeContinuation { (continuation: UnsafeContinuation<Value, Never>) in
        // Resumed on the loop: a continuation that is resumed before its task was suspended looks like a race to
        // ThreadSanitizer.
        let work = Box {
            let value = body()
            spawn { continuation.resume(returning: value) }
        }
        let box = Unmanaged.passRetained(work).toOpaque()
        var thread = pthread_t()
        let status = pthread_create(&thread, nil, runBox, box)
        precondition(status == 0)
        pthread_detach(thread)
    }
}

private final class Box: @unchecked Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

private let runBox: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { box in
    Unmanaged<Box>.fromOpaque(box!).takeRetainedValue().body()
    return nil
}

/// Something that threads set and look at.
final class Flag: Sendable {
    private let value = Atomic<Bool>(false)

    var isSet: Bool {
        get { value.load(ordering: .acquiring) }
        set { value.store(newValue, ordering: .releasing) }
    }

    final class Count: Sendable {
        private let number = Atomic<Int>(0)

        var value: Int { number.load(ordering: .acquiring) }

        func add(_ amount: Int) { number.add(amount, ordering: .acquiringAndReleasing) }

        /// One more; returns how many there are with it.
        func next() -> Int { number.add(1, ordering: .acquiringAndReleasing).newValue }
    }
}

/// Waits until something outside has made `condition` true; two minutes at most.
@LoopActor
func eventually(_ what: Comment, _ condition: @LoopActor () -> Bool, location: SourceLocation = #_sourceLocation)
    async throws
{
    let end = LoopClock.monotonic.deadline(after: 120)
    while !condition() {
        guard LoopClock.monotonic.now < end else {
            Issue.record(what, sourceLocation: location)
            return
        }
        try await LoopClock.monotonic.sleep(for: 0.001)
    }
}

/// Sends everything, however long that takes; false when the other side has gone.
func sendAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var done = 0
    while done < bytes.count {
        let count = bytes.withUnsafeBytes {
            Glibc.send(descriptor, $0.baseAddress! + done, $0.count - done, Int32(MSG_NOSIGNAL))
        }
        if count <= 0 { return false }
        done += count
    }
    return true
}

/// A client that blocks, on one connection.
final class Client: @unchecked Sendable {
    let descriptor: Int32
    private var buffer: [UInt8] = []

    struct Answer: Sendable, Equatable {
        var status = 0
        var head = ""
        var body: [UInt8] = []
        /// The connection was closed behind it.
        var isLast = false
        /// It ended before its time: reset, or shorter than announced.
        var isCut = false

        var text: String { String(decoding: body, as: UTF8.self) }

        func field(_ name: String) -> String? {
            for line in head.split(separator: "\r\n").dropFirst() {
                let parts = line.split(separator: ":", maxSplits: 1)
                if parts[0].lowercased() == name.lowercased() { return parts[1].drop { $0 == " " }.description }
            }
            return nil
        }
    }

    init(port: UInt16, receiveBuffer: Int32? = nil) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var timeout = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        if var receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        precondition(status == 0 || errno == ECONNREFUSED)
    }

    init(unix path: String) {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    deinit { Glibc.close(descriptor) }

    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool { sendAll(bytes, to: descriptor) }

    @discardableResult
    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    /// Ends the connection with a reset.
    func reset() {
        var nowhere = sockaddr()
        nowhere.sa_family = sa_family_t(AF_UNSPEC)
        connect(descriptor, &nowhere, socklen_t(MemoryLayout<sockaddr>.size))
    }

    func shutdownWriting() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// More bytes in the buffer; false at the end.
    private func fill() -> Bool {
        var block = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor, &block, block.count, 0)
        if count <= 0 {
            lastError = count < 0 ? errno : 0
            return false
        }
        buffer += block[..<count]
        return true
    }

    /// errno of the last receive that gave nothing; 0 for an orderly end.
    private(set) var lastError: Int32 = 0

    /// Everything up to the end of the connection.
    func rest() -> [UInt8] {
        while fill() {}
        defer { buffer = [] }
        return buffer
    }

    /// One response; `isHead` when it has no body whatever its head says.
    func answer(isHead: Bool = false) -> Answer {
        var answer = Answer()
        let end = Array("\r\n\r\n".utf8)
        var found = find(end)
        while found == nil {
            guard fill() else {
                answer.isLast = true
                answer.isCut = !buffer.isEmpty || lastError != 0
                return answer
            }
            found = find(end)
        }
        answer.head = String(decoding: buffer[..<found!], as: UTF8.self)
        buffer.removeFirst(found! + 4)
        answer.status = Int(answer.head.split(separator: " ")[1]) ?? 0
        if isHead || answer.status < 200 || answer.status == 204 || answer.status == 304 { return answer }
        if let length = answer.field("Content-Length").flatMap({ Int($0) }) {
            while buffer.count < length {
                guard fill() else {
                    answer.isCut = true
                    break
                }
            }
            answer.body = Array(buffer.prefix(length))
            buffer.removeFirst(answer.body.count)
        } else if answer.field("Transfer-Encoding") == "chunked" {
            readChunks(&answer)
        } else {
            answer.body = rest()
            answer.isLast = true
            answer.isCut = lastError != 0
        }
        return answer
    }

    private func readChunks(_ answer: inout Answer) {
        while true {
            while find([13, 10]) == nil { if !fill() { return answer.isCut = true } }
            let line = find([13, 10])!
            let size = Int(String(decoding: buffer[..<line], as: UTF8.self), radix: 16)!
            while buffer.count < line + 2 + size + 2 { if !fill() { return answer.isCut = true } }
            answer.body += buffer[(line + 2)..<(line + 2 + size)]
            buffer.removeFirst(line + 2 + size + 2)
            if size == 0 { return }
        }
    }

    private func find(_ pattern: [UInt8]) -> Int? {
        guard buffer.count >= pattern.count else { return nil }
        return (0...(buffer.count - pattern.count)).first { buffer[$0..<($0 + pattern.count)].elementsEqual(pattern) }
    }

    /// Whether the peer has closed: orderly, or not.
    func isClosed() -> Bool { !fill() && lastError != EAGAIN }
}

/// One request on one connection.
@LoopActor
func ask(_ port: UInt16, _ request: String, isHead: Bool = false) async -> Client.Answer {
    await elsewhere {
        let client = Client(port: port)
        client.send(request)
        return client.answer(isHead: isHead)
    }
}

func get(_ path: String, _ fields: String...) -> String {
    "GET \(path) HTTP/1.1\r\nHost: localhost\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n"
}

func post(_ path: String, _ fields: String..., body: String = "") -> String {
    "POST \(path) HTTP/1.1\r\nHost: localhost\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n" + body
}
