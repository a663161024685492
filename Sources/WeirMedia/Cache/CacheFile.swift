internal import Glibc
public import WeirLoop
internal import WeirStorage

/// A file of the download cache: open as long as somebody has this, also when the cache has dropped it.
@LoopActor
public final class CacheFile {
    /// A regular file, to be read with `pread`; closed with this object.
    public nonisolated let descriptor: Int32
    /// Nil once the name is gone.
    private(set) var path: String?
    /// Bytes, once it is filled.
    public internal(set) var length: Int64 = 0

    private init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    isolated deinit {
        let descriptor = descriptor
        let path = path
        // Freeing what a file takes is the disk's time.
        spawn {
            try? await onPool {
                if let path { unlink(path) }
                Glibc.close(descriptor)
            }
        }
    }

    /// What names of such files begin with.
    private nonisolated static let prefix = "media-"
    /// Names that are tried before giving up.
    private nonisolated static let tries = 100

    /// A new, empty file. Its lock lives as long as the process has it open: without one, a file is nobody's.
    static func make(in directory: String) async throws -> CacheFile {
        let (descriptor, path) = try await onPool {
            for _ in 0..<tries {
                let path = "\(directory)/\(prefix)\(getpid())-\(UInt64.random(in: 0 ... .max))"
                let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
                guard descriptor >= 0 else {
                    if errno == EEXIST || errno == EINTR { continue }
                    throw CoreError(errno: errno)
                }
                var facts = stat()
                // A sweeper may have found it before it was locked.
                if flock(descriptor, LOCK_EX | LOCK_NB) == 0, fstat(descriptor, &facts) == 0, facts.st_nlink > 0 {
                    return (descriptor, path)
                }
                close(descriptor)
            }
            throw CoreError.exists
        }
        return CacheFile(descriptor: descriptor, path: path)
    }

    /// Removes the files of processes that are no more; how many there were. It waits for the disk.
    nonisolated static func sweep(_ directory: String) throws(CoreError) -> Int {
        guard let stream = opendir(directory) else { throw CoreError(errno: errno) }
        defer { closedir(stream) }
        var count = 0
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard name.hasPrefix(prefix) else { continue }
            let descriptor = open("\(directory)/\(name)", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
            guard descriptor >= 0 else { continue }
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0, unlink("\(directory)/\(name)") == 0 { count += 1 }
            close(descriptor)
        }
        return count
    }

    /// Its bytes stay for those who have it; its name goes.
    func unlinkLater() {
        guard let path else { return }
        self.path = nil
        spawn { _ = try? await onPool { unlink(path) } }
    }

    /// Appends to it, and to a digest, which is returned.
    func write(_ bytes: [UInt8], _ digest: RunningDigest = RunningDigest()) async throws -> RunningDigest {
        let descriptor = descriptor
        let offset = length
        let digest = try await onPool {
            var digest = digest
            digest.add(bytes)
            var done = 0
            while done < bytes.count {
                let count = bytes.withUnsafeBytes {
                    pwrite(descriptor, $0.baseAddress! + done, $0.count - done, off_t(offset) + off_t(done))
                }
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { throw CoreError(errno: count < 0 ? errno : ENOSPC) }
                done += count
            }
            return digest
        }
        length += Int64(bytes.count)
        return digest
    }

    /// How long the file is.
    func measure() async throws -> Int64 {
        let descriptor = descriptor
        return try await onPool {
            var facts = stat()
            guard fstat(descriptor, &facts) == 0 else { throw CoreError(errno: errno) }
            return Int64(facts.st_size)
        }
    }
}
