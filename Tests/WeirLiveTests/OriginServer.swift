import Glibc
import Synchronization

/// An HTTP server on threads that says, byte by byte, what a script tells it to; for each connection the script is called
/// with the number of it.
final class OriginServer: @unchecked Sendable {
    let port: UInt16
    private let descriptor: Int32
    private let count = Atomic<Int>(0)
    private let isDown = Flag()

    /// The server's end of a connection; blocking.
    struct Connection: Sendable {
        let descriptor: Int32
        /// From 0.
        let number: Int

        /// A request's head up to its empty line, with line ends of one character; empty when the connection ends before.
        func head() -> String {
            var bytes: [UInt8] = []
            var byte: UInt8 = 0
            while !bytes.suffix(4).elementsEqual([13, 10, 13, 10]) {
                guard recv(descriptor, &byte, 1, 0) == 1 else { return "" }
                bytes.append(byte)
            }
            return String(decoding: bytes.filter { $0 != 13 }, as: UTF8.self)
        }

        @discardableResult
        func send(_ bytes: [UInt8]) -> Bool {
            var done = 0
            while done < bytes.count {
                let sent = bytes.withUnsafeBytes {
                    Glibc.send(descriptor, $0.baseAddress! + done, $0.count - done, Int32(MSG_NOSIGNAL))
                }
                if sent <= 0 { return false }
                done += sent
            }
            return true
        }

        /// Lines are separated by one character here.
        @discardableResult
        func send(head: String) -> Bool {
            let lines = head.split(separator: "\n", omittingEmptySubsequences: false)
            return send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8))
        }

        /// Waits until the peer closes, or resets.
        func waitForEnd() {
            var block = [UInt8](repeating: 0, count: 65536)
            while recv(descriptor, &block, block.count, 0) > 0 {}
        }
    }

    init(_ script: @escaping @Sendable (Connection) -> Void) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        port = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                precondition(bind(descriptor, $0, length) == 0 && listen(descriptor, 64) == 0)
                getsockname(descriptor, $0, &length)
            }
            return UInt16(bigEndian: address.pointee.sin_port)
        }
        OriginServer.start { [self] in
            while true {
                let peer = accept(descriptor, nil, nil)
                if peer < 0 { break }
                // Children of other tests would keep it open.
                _ = fcntl(peer, F_SETFD, FD_CLOEXEC)
                let number = count.add(1, ordering: .relaxed).oldValue
                var timeout = timeval(tv_sec: 60, tv_usec: 0)
                setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
                OriginServer.start {
                    // While it is down it accepts, and is gone.
                    if !self.isDown.isSet { script(Connection(descriptor: peer, number: number)) }
                    Glibc.close(peer)
                }
            }
            Glibc.close(descriptor)
        }
    }

    /// Connections so far.
    var connections: Int { count.load(ordering: .relaxed) }

    /// Whether every new connection is closed at once.
    func setDown(_ down: Bool) { isDown.isSet = down }

    /// Accepts nothing more.
    func close() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    func url(_ path: String = "/live/x") -> String { "http://127.0.0.1:\(port)\(path)" }

    /// A thread that nobody waits for.
    private static func start(_ body: @escaping @Sendable () -> Void) {
        final class Work: Sendable {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { work in
                Unmanaged<Work>.fromOpaque(work!).takeRetainedValue().body()
                return nil
            }, Unmanaged.passRetained(Work(body)).toOpaque())
        precondition(status == 0)
        pthread_detach(thread)
    }
}

/// A value that one thread sets and another looks at. Behind a `pthread_mutex_t`: ThreadSanitizer does not see
/// `Synchronization.Mutex`.
final class Shared<Value: Sendable>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var content: Value

    init(_ value: Value) {
        content = value
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    var value: Value {
        get {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            return content
        }
        set {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            content = newValue
        }
    }
}
