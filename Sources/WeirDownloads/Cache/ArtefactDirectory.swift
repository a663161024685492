internal import CWeirDownloads
internal import Glibc
internal import WeirLoop

/// The files of cached artefacts, each named by its key. All of it waits for the disk: it is called on the pool.
struct ArtefactDirectory: Sendable {
    /// Without a slash at the end.
    let path: String

    /// A file that an artefact is written into; its lock lives as long as somebody has it open.
    struct Temporary: Sendable {
        let descriptor: Int32
        let path: String
    }

    /// Temporary files are `.KEY.PID.NUMBER.tmp`.
    static let suffix = ".tmp"
    /// Names that are tried before giving up.
    static let tries = 100

    /// Whether a name is an artefact's: 64 small hexadecimal digits.
    static func isKey(_ name: String) -> Bool {
        name.utf8.count == 64 && name.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }

    func file(_ key: String) -> String { "\(path)/\(key)" }

    // MARK: Writing

    /// A new file for `length` bytes, for which there is room: `ENOSPC` when there is not.
    func begin(_ key: String, length: UInt64) throws(CoreError) -> Temporary {
        for _ in 0..<ArtefactDirectory.tries {
            let name = "\(path)/.\(key).\(getpid()).\(UInt32.random(in: 0 ... .max))\(ArtefactDirectory.suffix)"
            let descriptor = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else {
                if errno == EEXIST || errno == EINTR { continue }
                throw CoreError(errno: errno)
            }
            var facts = stat()
            // A sweeper may have found it before it was locked.
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, fstat(descriptor, &facts) == 0, facts.st_nlink > 0 else {
                close(descriptor)
                continue
            }
            let status = weir_spool_reserve(descriptor, length)
            guard status == 0 else {
                unlink(name)
                close(descriptor)
                throw CoreError(rawValue: status)
            }
            return Temporary(descriptor: descriptor, path: name)
        }
        throw .exists
    }

    /// Puts a whole file in its place, for good: its bytes are on the disk before its name is, and its name when this
    /// returns. The descriptor stays the caller's.
    func publish(_ temporary: Temporary, descriptor: Int32, as key: String, length: UInt64) throws(CoreError) {
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else { throw CoreError(errno: errno) }
        guard UInt64(facts.st_size) == length else { throw CoreError(errno: EIO) }
        guard fdatasync(descriptor) == 0 else { throw CoreError(errno: errno) }
        guard rename(temporary.path, file(key)) == 0 else { throw CoreError(errno: errno) }
        try sync()
    }

    private func sync() throws(CoreError) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CoreError(errno: errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw CoreError(errno: errno) }
    }

    // MARK: Reading

    /// A cached file and its length; the descriptor is the caller's to close. `noEntry` when there is none.
    func open(_ key: String) throws(CoreError) -> (descriptor: Int32, length: UInt64) {
        guard ArtefactDirectory.isKey(key) else { throw .noEntry }
        let descriptor = Glibc.open(file(key), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { throw CoreError(errno: errno) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw .noEntry
        }
        return (descriptor, UInt64(max(0, facts.st_size)))
    }

    private func open(_ path: String, _ flags: Int32, _ mode: mode_t = 0) -> Int32 { Glibc.open(path, flags, mode) }

    /// The CRC of a file's bytes with more of them; nil when they cannot be read, or are not there.
    static func crc32(_ descriptor: Int32, from: UInt64, count: UInt64, of before: UInt32) -> UInt32? {
        var found: UInt32 = 0
        guard weir_file_crc32(descriptor, from, count, &found) == 0 else { return nil }
        return weir_crc32_combine(before, found, count)
    }

    // MARK: What goes

    /// False when there was none, and for what is no key: others may say anything.
    @discardableResult
    func remove(_ key: String) -> Bool { ArtefactDirectory.isKey(key) && unlink(file(key)) == 0 }

    /// Makes the directory, and removes the temporary files of processes that are no more; how many, and the keys whose files
    /// are there with their lengths.
    func sweep() throws(CoreError) -> (temporary: Int, files: [String: UInt64]) {
        try LoopFile.makeDirectoryNow(path)
        guard let stream = opendir(path) else { throw CoreError(errno: errno) }
        defer { closedir(stream) }
        var count = 0
        var files: [String: UInt64] = [:]
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix("."), name.hasSuffix(ArtefactDirectory.suffix) {
                let descriptor = open("\(path)/\(name)", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
                guard descriptor >= 0 else { continue }
                if flock(descriptor, LOCK_EX | LOCK_NB) == 0, unlink("\(path)/\(name)") == 0 { count += 1 }
                close(descriptor)
            } else if ArtefactDirectory.isKey(name) {
                var facts = stat()
                if lstat("\(path)/\(name)", &facts) == 0, facts.st_mode & S_IFMT == S_IFREG {
                    files[name] = UInt64(max(0, facts.st_size))
                }
            }
        }
        return (count, files)
    }
}
