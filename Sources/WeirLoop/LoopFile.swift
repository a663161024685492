import Glibc

/// Small whole files. Each operation exists twice: suspended on the loop's pool, and `...Now`, which blocks, for the time
/// before there is a loop.
public enum LoopFile {
    /// Bytes that `read` accepts by default: 16 MiB.
    public static let readLimit = 16 << 20

    /// The contents of a file; `CoreError.tooLarge` when there is more than `limit`.
    @LoopActor
    public static func read(_ path: String, limit: Int = readLimit) async throws -> [UInt8] {
        try await onPool { try readNow(path, limit: limit) }
    }

    /// Replaces a file as a whole: whoever reads it sees the old contents or the new, after a crash too. Temporary file
    /// in the same directory, `fsync`, `rename`, `fsync` of the directory.
    @LoopActor
    public static func write(_ path: String, _ bytes: [UInt8], mode: UInt32 = 0o644) async throws {
        try await onPool { try writeNow(path, bytes, mode: mode) }
    }

    /// The same, but `CoreError.exists` when there is such a file already, whoever came first.
    @LoopActor
    public static func create(_ path: String, _ bytes: [UInt8], mode: UInt32 = 0o644) async throws {
        try await onPool { try createNow(path, bytes, mode: mode) }
    }

    // MARK: Blocking

    public static func readNow(_ path: String, limit: Int = readLimit) throws(CoreError) -> [UInt8] {
        let descriptor = try retry { open(path, O_RDONLY | O_CLOEXEC) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(descriptor, &block, block.count)
            if count == 0 { return bytes }
            if count < 0 {
                if errno == EINTR { continue }
                throw CoreError(errno: errno)
            }
            if bytes.count + count > limit { throw .tooLarge }
            bytes.append(contentsOf: block[..<count])
        }
    }

    public static func writeNow(_ path: String, _ bytes: [UInt8], mode: UInt32 = 0o644) throws(CoreError) {
        try place(path, bytes, mode: mode) { temporary in rename(temporary, path) }
    }

    public static func createNow(_ path: String, _ bytes: [UInt8], mode: UInt32 = 0o644) throws(CoreError) {
        // link() refuses an existing name, which rename() would replace.
        try place(path, bytes, mode: mode) { temporary in
            let status = link(temporary, path)
            let reason = errno
            unlink(temporary)
            errno = reason
            return status
        }
    }

    /// Makes a directory and those above it, for this user alone. One that is there already is left as it is.
    public static func makeDirectoryNow(_ path: String) throws(CoreError) {
        var made = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            made += (made.isEmpty || made.hasSuffix("/") ? "" : "/") + part
            if mkdir(made, 0o700) != 0, errno != EEXIST { throw CoreError(errno: errno) }
        }
        close(try retry { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) })
    }

    private static func place(
        _ path: String, _ bytes: [UInt8], mode: UInt32, _ publish: (String) -> Int32
    ) throws(CoreError) {
        let (temporary, descriptor) = try openTemporary(beside: path, mode: mode)
        do throws(CoreError) {
            defer { close(descriptor) }
            // The mode is exactly what was asked for, whatever the umask.
            _ = try retry { fchmod(descriptor, mode) }
            try writeAll(descriptor, bytes)
            _ = try retry { fsync(descriptor) }
        } catch {
            unlink(temporary)
            throw error
        }
        do throws(CoreError) {
            _ = try retry { publish(temporary) }
        } catch {
            unlink(temporary)
            throw error
        }
        try syncDirectory(of: path)
    }

    private static func openTemporary(beside path: String, mode: UInt32) throws(CoreError) -> (String, Int32) {
        for _ in 0..<100 {
            let name = "\(path).\(getpid()).\(UInt32.random(in: 0 ... .max)).tmp"
            let descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0o600)
            if descriptor >= 0 { return (name, descriptor) }
            if errno != EEXIST && errno != EINTR { throw CoreError(errno: errno) }
        }
        throw .exists
    }

    private static func writeAll(_ descriptor: Int32, _ bytes: [UInt8]) throws(CoreError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + done, $0.count - done) }
            if count < 0 {
                if errno == EINTR { continue }
                throw CoreError(errno: errno)
            }
            done += count
        }
    }

    private static func syncDirectory(of path: String) throws(CoreError) {
        var directory = "."
        if let slash = path.lastIndex(of: "/") {
            directory = slash == path.startIndex ? "/" : String(path[..<slash])
        }
        let descriptor = try retry { open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        defer { close(descriptor) }
        _ = try retry { fsync(descriptor) }
    }

    /// Again while a signal interrupts it.
    private static func retry(_ call: () -> Int32) throws(CoreError) -> Int32 {
        while true {
            let result = call()
            if result >= 0 { return result }
            if errno != EINTR { throw CoreError(errno: errno) }
        }
    }
}
