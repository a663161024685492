// libuv and libcurl both bring the socket constants of the C library along, and the compiler takes those of either.
internal import CCurl
internal import CLibuv
internal import CWeir
import Glibc
internal import WeirLoop

/// A listening socket.
@LoopActor
final class Listener {
    /// Connections that wait in the kernel until they are accepted.
    static let backlog: Int32 = 1024
    /// Connections accepted before the loop turns.
    static let burst = 32

    /// Where it listens, with the port that was picked.
    let address: BoundAddress
    /// Its connections speak TLS.
    private(set) var isSecure: Bool
    private(set) var descriptor: Int32
    private var poll: Poll?
    private var accept: (@LoopActor (Listener) -> Void)?

    private init(descriptor: Int32, address: BoundAddress, isSecure: Bool) {
        self.descriptor = descriptor
        self.address = address
        self.isSecure = isSecure
    }

    /// Binds and listens, but for what others listen on already; whether those speak TLS is said for them, too. A name is
    /// resolved, which blocks: addresses are better.
    static func open(
        _ address: ServerOptions.Address, isSecure: Bool = false, beside others: [Listener] = []
    ) throws(ListenError) -> [Listener] {
        switch address {
        case .unix(let path):
            others.contains { $0.covers(path) } ? [] : [try openUnix(path)]
        case .internet(let host, let port, _): try openInternet(host, port, isSecure, beside: others)
        }
    }

    private static func openInternet(
        _ host: String, _ port: UInt16, _ isSecure: Bool, beside others: [Listener]
    ) throws(ListenError) -> [Listener] {
        let name = "\(host.contains(":") ? "[\(host)]" : host):\(port)"
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE
        var first: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host.isEmpty ? nil : host, String(port), &hints, &first)
        guard status == 0 else { throw ListenError(address: name, reason: String(cString: gai_strerror(status))) }
        defer { freeaddrinfo(first) }
        var listeners: [Listener] = []
        var failure: CoreError?
        var next = first
        while let info = next {
            next = info.pointee.ai_next
            if let other = others.first(where: { $0.covers(info.pointee) }) {
                other.isSecure = isSecure
                continue
            }
            do throws(CoreError) {
                listeners.append(try openSocket(info.pointee, isSecure))
                // Another address would be given another port.
                if port == 0 { break }
            } catch {
                failure = error
            }
        }
        if let failure, listeners.isEmpty { throw ListenError(address: name, error: failure) }
        return listeners
    }

    private static func openSocket(_ info: addrinfo, _ isSecure: Bool) throws(CoreError) -> Listener {
        let descriptor = try Listener.socket(info.ai_family)
        do throws(CoreError) {
            var on: Int32 = 1
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
            if info.ai_family == AF_INET6 {
                setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &on, socklen_t(MemoryLayout<Int32>.size))
            }
            guard bind(descriptor, info.ai_addr, info.ai_addrlen) == 0, listen(descriptor, backlog) == 0 else {
                throw CoreError(errno: errno)
            }
        } catch {
            Glibc.close(descriptor)
            throw error
        }
        let address = localAddress(of: descriptor) ?? .unix
        return Listener(descriptor: descriptor, address: .internet(address), isSecure: isSecure)
    }

    private func covers(_ path: String) -> Bool {
        if case .unix(path, _) = address { true } else { false }
    }

    /// Whether it listens where an address of the resolver would have to.
    private func covers(_ info: addrinfo) -> Bool {
        var storage = sockaddr_storage()
        memcpy(&storage, info.ai_addr, Int(info.ai_addrlen))
        guard case .internet(let own) = address else { return false }
        let wanted = RemoteAddress(storage)
        if own.port != wanted.port || wanted.port == 0 { return false }
        if own.host == wanted.host { return true }
        switch own.host {
        case "0.0.0.0": return wanted.isIPv4
        case "::":
            var only: Int32 = 0
            var length = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &only, &length)
            return !wanted.isIPv4 || only == 0
        default: return false
        }
    }

    private static func openUnix(_ path: String) throws(ListenError) -> Listener {
        do throws(CoreError) {
            return try bindUnix(path, replacing: true)
        } catch {
            throw ListenError(address: "unix:\(path)", error: error)
        }
    }

    /// A socket that somebody else opened, and that listens. Somebody else's is the name of a Unix socket, too, and that
    /// one is plain.
    static func adopt(_ descriptor: Int32, isSecure: Bool = false) throws(ListenError) -> Listener {
        func option(_ name: Int32) -> Int32? {
            var value: Int32 = 0
            var length = socklen_t(MemoryLayout<Int32>.size)
            return getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
        }
        let name = "descriptor \(descriptor)"
        guard option(SO_TYPE) == Int32(SOCK_STREAM.rawValue), option(SO_ACCEPTCONN) == 1 else {
            throw ListenError(address: name, reason: "it is no stream socket that listens (ListenStream=, Accept=no)")
        }
        let flags = fcntl(descriptor, F_GETFL)
        guard flags >= 0, fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0,
            fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0
        else { throw ListenError(address: name, error: CoreError(errno: errno)) }
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard status == 0 else { throw ListenError(address: name, error: CoreError(errno: errno)) }
        switch Int32(storage.ss_family) {
        case AF_INET, AF_INET6:
            return Listener(
                descriptor: descriptor, address: .internet(RemoteAddress(storage)), isSecure: isSecure)
        case AF_UNIX:
            let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!
            let path = withUnsafeBytes(of: storage) { bytes in
                String(decoding: bytes[offset..<max(offset, Int(length))].prefix { $0 != 0 }, as: UTF8.self)
            }
            // No file has the number 0: nothing is unlinked.
            return Listener(descriptor: descriptor, address: .unix(path: path, inode: 0), isSecure: false)
        default: throw ListenError(address: name, reason: "it is neither an internet nor a Unix socket")
        }
    }

    private static func bindUnix(_ path: String, replacing: Bool) throws(CoreError) -> Listener {
        guard var address = unixAddress(path) else { throw CoreError(errno: ENAMETOOLONG) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let descriptor = try Listener.socket(AF_UNIX)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
        }
        if status != 0 {
            let reason = errno
            Glibc.close(descriptor)
            // What a process that crashed left behind: a socket to which nobody listens.
            if reason == EADDRINUSE, replacing, isStale(path) {
                unlink(path)
                return try bindUnix(path, replacing: false)
            }
            throw CoreError(errno: reason)
        }
        guard listen(descriptor, backlog) == 0 else {
            let reason = errno
            Glibc.close(descriptor)
            throw CoreError(errno: reason)
        }
        var info = stat()
        stat(path, &info)
        return Listener(
            descriptor: descriptor, address: .unix(path: path, inode: UInt64(info.st_ino)), isSecure: false)
    }

    private static func isStale(_ path: String) -> Bool {
        var info = stat()
        guard lstat(path, &info) == 0, info.st_mode & S_IFMT == S_IFSOCK, var address = unixAddress(path),
            let probe = try? Listener.socket(AF_UNIX)
        else { return false }
        defer { Glibc.close(probe) }
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(probe, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        return status != 0 && errno == ECONNREFUSED
    }

    private static func unixAddress(_ path: String) -> sockaddr_un? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard !bytes.isEmpty, bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return address
    }

    private static func socket(_ family: Int32) throws(CoreError) -> Int32 {
        let type = SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
        let descriptor = Glibc.socket(family, Int32(type), 0)
        guard descriptor >= 0 else { throw CoreError(errno: errno) }
        return descriptor
    }

    /// The address that a socket is bound to.
    static func localAddress(of descriptor: Int32) -> RemoteAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return status == 0 ? RemoteAddress(storage) : nil
    }

    // MARK: Accepting

    /// Calls `accept` whenever there are connections to be taken.
    func start(_ accept: @escaping @LoopActor (Listener) -> Void) throws(CoreError) {
        self.accept = accept
        let poll = try Poll(descriptor: descriptor)
        self.poll = poll
        resume()
    }

    func pause() { poll?.stop() }

    func resume() {
        poll?.start(.readable) { [unowned self] _ in accept?(self) }
    }

    /// One connection, non-blocking; `CoreError` when there is none (`EAGAIN`) or it cannot be taken.
    func take() throws(CoreError) -> (Int32, RemoteAddress) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let connection = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                accept4(descriptor, $0, &length, Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue))
            }
        }
        guard connection >= 0 else { throw CoreError(errno: errno) }
        return (connection, RemoteAddress(storage))
    }

    func close() {
        poll?.close()
        poll = nil
        accept = nil
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
        if case .unix(let path, let inode) = address {
            // Only what it made: another server may listen there by now.
            var info = stat()
            if lstat(path, &info) == 0, UInt64(info.st_ino) == inode { unlink(path) }
        }
    }
}

/// Where a server listens.
public enum BoundAddress: Sendable, Equatable, CustomStringConvertible {
    case internet(RemoteAddress)
    case unix(path: String, inode: UInt64)

    /// `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/weir.sock`.
    public var description: String {
        switch self {
        case .internet(let address): address.description
        case .unix(let path, _): "unix:\(path)"
        }
    }

    /// 0 for a Unix socket.
    public var port: UInt16 {
        if case .internet(let address) = self { return address.port }
        return 0
    }
}

/// An address on which nothing can be served, and why.
public struct ListenError: Error, Equatable, Sendable, CustomStringConvertible {
    public let address: String
    public let reason: String

    init(address: String, reason: String) {
        self.address = address
        self.reason = reason
    }

    init(address: String, error: CoreError) {
        self.init(address: address, reason: error.description)
    }

    public var description: String { "cannot listen on \(address): \(reason)" }
}
