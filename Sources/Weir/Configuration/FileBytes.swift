internal import CLibuv
internal import Glibc

/// Whole files, of a bounded size.
enum FileBytes {
    /// Bytes of one read(2).
    private static let chunk = 65536

    /// The bytes of a file; what is wrong when they cannot be had, or are more than `limit`. A pipe is waited for, unless
    /// it is read `again`: then its bytes are gone, or nobody may ever write any, and it is refused.
    static func read(_ path: String, limit: Int, again: Bool = false) throws(ConfigurationFault) -> [UInt8] {
        // Without it, to open a pipe that nobody writes to takes for ever.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (again ? O_NONBLOCK : 0))
        guard descriptor >= 0 else { throw fault() }
        defer { close(descriptor) }
        if again {
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw fault() }
            if ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT) {
                throw ConfigurationFault(wrong: "cannot be read again; expected a regular file")
            }
        }
        var bytes: [UInt8] = []
        while bytes.count <= limit {
            var result = 0
            let part = [UInt8](unsafeUninitializedCapacity: chunk) { buffer, count in
                repeat { result = Glibc.read(descriptor, buffer.baseAddress, chunk) } while result < 0 && errno == EINTR
                count = max(0, result)
            }
            if result < 0 { throw fault() }
            if result == 0 { return bytes }
            bytes += part
        }
        throw ConfigurationFault(wrong: "is larger than \(Units.write(bytes: limit))")
    }

    private static func fault() -> ConfigurationFault {
        ConfigurationFault(wrong: "cannot be read: \(String(cString: strerror(errno)))")
    }
}
