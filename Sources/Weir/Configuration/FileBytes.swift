internal import Glibc

/// Whole files, of a bounded size.
enum FileBytes {
    /// Bytes of one read(2).
    private static let chunk = 65536

    /// The bytes of a file; what is wrong when they cannot be had, or are more than `limit`.
    static func read(_ path: String, limit: Int) throws(ConfigurationFault) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { throw fault() }
        defer { close(descriptor) }
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
