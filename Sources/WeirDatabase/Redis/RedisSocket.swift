#if Redis
    internal import Glibc
    internal import WeirLoop

    /// Non-blocking sockets to a Redis.
    enum RedisSocket {
        /// Bytes of an address of any kind.
        struct Address: Sendable {
            let family: Int32
            let bytes: [UInt8]
        }

        /// Where it is, looked up on the pool.
        @LoopActor
        static func addresses(of url: RedisURL) async throws(DatabaseError) -> [Address] {
            switch url.place {
            case .socket(let path): return [unix(path)]
            case .host(let host, let port):
                let found = try? await onPool { lookUp(host, port) }
                guard let found, !found.isEmpty else { throw DatabaseError(.unavailable, "\(url): no such host") }
                return found
            }
        }

        private static func unix(_ path: String) -> Address {
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { field in
                for (index, byte) in path.utf8.prefix(field.count - 1).enumerated() { field[index] = byte }
            }
            return Address(family: AF_UNIX, bytes: withUnsafeBytes(of: &address) { Array($0) })
        }

        /// Blocks.
        private static func lookUp(_ host: String, _ port: UInt16) -> [Address] {
            var hints = addrinfo()
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
            var list: UnsafeMutablePointer<addrinfo>?
            guard getaddrinfo(host, String(port), &hints, &list) == 0 else { return [] }
            defer { freeaddrinfo(list) }
            var found: [Address] = []
            var next = list
            while let entry = next {
                let info = entry.pointee
                let bytes = Array(UnsafeRawBufferPointer(start: info.ai_addr, count: Int(info.ai_addrlen)))
                found.append(Address(family: info.ai_family, bytes: bytes))
                next = info.ai_next
            }
            return found
        }

        /// Begins to connect: the socket becomes writable when it is done, one way or another. Throws errno.
        static func begin(_ address: Address) throws(CoreError) -> Int32 {
            let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
            let descriptor = socket(address.family, kind, 0)
            guard descriptor >= 0 else { throw CoreError(errno: errno) }
            if address.family != AF_UNIX {
                var on: Int32 = 1
                let size = socklen_t(MemoryLayout<Int32>.size)
                setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, size)
                setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, size)
            }
            let status = address.bytes.withUnsafeBytes { bytes in
                connect(
                    descriptor, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
            }
            // (EAGAIN: a file system's socket whose queue is full.)
            guard status == 0 || errno == EINPROGRESS else {
                let error = CoreError(errno: errno)
                close(descriptor)
                throw error
            }
            return descriptor
        }

        /// What became of it: nil is good.
        static func error(of descriptor: Int32) -> CoreError? {
            var number: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &number, &size) == 0 else {
                return CoreError(errno: errno)
            }
            return number == 0 ? nil : CoreError(errno: number)
        }
    }
#endif
