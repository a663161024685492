import Glibc
import Testing
import WeirHTTP
import WeirLoop

/// Runs `body` with a pool, which is closed afterwards, whatever happens.
@LoopActor
func withPool<Value: Sendable>(
    _ change: (inout ClientPoolOptions) -> Void = { _ in }, clock: LoopClock = .monotonic,
    _ body: @LoopActor (ClientPool) async throws -> Value
) async throws -> Value {
    var options = ClientPoolOptions()
    change(&options)
    let pool = ClientPool(name: "test", options: options, clock: clock)
    do {
        let value = try await body(pool)
        await pool.close()
        #expect(pool.metrics.open == 0)
        #expect(pool.metrics.running == 0)
        return value
    } catch {
        await pool.close()
        throw error
    }
}

/// A pool on a loop of its own, without a server.
func withPoolAlone(
    _ change: @escaping @Sendable (inout ClientPoolOptions) -> Void = { _ in }, clock: LoopClock = .monotonic,
    _ body: @escaping @LoopActor (ClientPool) async throws -> Void
) throws {
    try LoopActor.runInTurn { try await withPool(change, clock: clock, body) }
}

/// The error that something ends with.
@LoopActor
func clientError<Value: Sendable>(
    _ body: @LoopActor () async throws(ClientError) -> Value, location: SourceLocation = #_sourceLocation
) async -> ClientError.Kind? {
    do {
        _ = try await body()
        Issue.record("no error", sourceLocation: location)
        return nil
    } catch {
        return error.kind
    }
}

extension ClientPool {
    func get(_ url: String) async throws(ClientError) -> ClientResponse { try await send(ClientRequest(.get, url)) }

    /// The whole body as text.
    func text(_ url: String) async throws(ClientError) -> String {
        String(decoding: try await get(url).collect(limit: 1 << 20), as: UTF8.self)
    }
}

/// A server on threads that says, byte by byte, what a script tells it to; connections are counted.
final class RawServer: @unchecked Sendable {
    let port: UInt16
    /// Connections accepted.
    let accepted = Flag.Count()
    /// Connections whose script has ended.
    let ended = Flag.Count()
    private let descriptor: Int32

    /// `script` runs on a thread for each connection, which is closed when it returns.
    init(_ script: @escaping @Sendable (RawConnection) -> Void) {
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
        let (accepted, ended) = (accepted, ended)
        onThread {
            while true {
                let peer = accept(descriptor, nil, nil)
                if peer < 0 { break }
                // Children of other tests would keep it open, and its peer would not see its end.
                _ = fcntl(peer, F_SETFD, FD_CLOEXEC)
                accepted.add(1)
                onThread {
                    script(RawConnection(peer))
                    Glibc.close(peer)
                    ended.add(1)
                }
            }
            Glibc.close(descriptor)
        }
    }

    /// Accepts nothing more.
    func close() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    func url(_ path: String = "/") -> String { "http://127.0.0.1:\(port)\(path)" }
}

/// Starts a thread that nobody waits for.
func onThread(_ body: @escaping @Sendable () -> Void) {
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

/// The server's end of a connection; blocking.
struct RawConnection: Sendable {
    let descriptor: Int32

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        var timeout = timeval(tv_sec: 240, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    /// A request's head up to its empty line; nil when the connection ends before.
    func head() -> String? {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while !bytes.suffix(4).elementsEqual([13, 10, 13, 10]) {
            guard recv(descriptor, &byte, 1, 0) == 1 else { return nil }
            bytes.append(byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// So many bytes, or those before the end.
    func read(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress! + done, count - done, 0) }
            if got <= 0 { break }
            done += got
        }
        return Array(bytes.prefix(done))
    }

    /// Waits until the peer closes, or resets.
    func waitForEnd() {
        var block = [UInt8](repeating: 0, count: 65536)
        while recv(descriptor, &block, block.count, 0) > 0 {}
    }

    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool { sendAll(bytes, to: descriptor) }

    @discardableResult
    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    /// So many blocks of 1 MiB.
    @discardableResult
    func sendBlocks(_ count: Int) -> Bool { (0..<count).allSatisfy { _ in send(Blocks.one) } }
}

/// Descriptors that this process has open.
func openDescriptors() -> Int {
    (0..<4096).count { fcntl($0, F_GETFD) >= 0 }
}

/// Bytes of this process in memory.
func residentBytes() -> Int {
    guard let text = try? LoopFile.readNow("/proc/self/statm") else { return 0 }
    let pages = String(decoding: text, as: UTF8.self).split(separator: " ")[1]
    return (Int(pages) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
}

/// `WEIR_SCALE`.
let scale = max(1, getenv("WEIR_SCALE").flatMap { Int(String(cString: $0)) } ?? 1)

/// Bytes that are different at every position, near enough; at most 1 MiB.
func pattern(_ count: Int) -> [UInt8] { Array(Blocks.one.prefix(count)) }

/// Megabytes that are quickly made and compared: the same block of 1 MiB again and again.
enum Blocks {
    static let one: [UInt8] = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) }
}

/// Compares a stream of blocks, in whatever pieces it comes.
struct BlockCheck {
    private(set) var count = 0
    private(set) var isRight = true

    mutating func add(_ piece: [UInt8]) {
        var rest = piece[...]
        while !rest.isEmpty {
            let offset = count & (Blocks.one.count - 1)
            let part = rest.prefix(Blocks.one.count - offset)
            let isSame = part.withUnsafeBytes { part in
                Blocks.one.withUnsafeBytes { memcmp(part.baseAddress!, $0.baseAddress! + offset, part.count) == 0 }
            }
            isRight = isRight && isSame
            count += part.count
            rest = rest.dropFirst(part.count)
        }
    }
}
