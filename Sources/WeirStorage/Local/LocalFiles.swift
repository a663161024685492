internal import CWeirStorage
internal import Glibc
internal import WeirLoop

/// The files of a local store. All of it waits for the disk: it is called on the pool.
struct LocalFiles: Sendable {
    /// The store's directory, without a slash at the end.
    let root: String

    /// Seconds after which a temporary file that nobody has locked is nobody's any more. (Locked a moment after it is made.)
    static let abandonedAge = 60
    /// What temporary names begin with; no object's does.
    static let temporaryPrefix = ".put-"

    private func folder(_ path: LocalPath) -> String { ([root] + path.folders).joined(separator: "/") }

    private func path(_ key: ObjectKey) -> String {
        let path = LocalPath(key)
        return "\(folder(path))/\(path.name)"
    }

    // MARK: Reading

    /// An object's file, open, and what is known of it; the descriptor is the caller's to close.
    func open(_ key: ObjectKey) throws(ObjectError) -> (descriptor: Int32, info: ObjectInfo) {
        let descriptor = Glibc.open(path(key), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else {
            // A part of the way may be a file, or too long to be there.
            if [ENOENT, ENOTDIR, ENAMETOOLONG].contains(errno) {
                throw ObjectError(.notFound, "there is no such object")
            }
            throw ObjectError(file: CoreError(errno: errno), "the file cannot be opened")
        }
        do throws(ObjectError) {
            var facts = stat()
            guard fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
                throw ObjectError(.notFound, "there is no such object, but something else in its place")
            }
            let mark = try LocalMark.of(descriptor, facts)
            let info = ObjectInfo(
                key: key, length: mark.length, etag: mark.digest, type: mark.type, modified: Int64(facts.st_mtim.tv_sec)
            )
            return (descriptor, info)
        } catch {
            close(descriptor)
            throw error
        }
    }

    func head(_ key: ObjectKey) throws(ObjectError) -> ObjectInfo {
        let (descriptor, info) = try open(key)
        close(descriptor)
        return info
    }

    func read(_ key: ObjectKey, _ range: ObjectRange?, limit: Int) throws(ObjectError) -> [UInt8] {
        let (descriptor, info) = try open(key)
        defer { close(descriptor) }
        let range = try LocalFiles.resolve(range, info)
        guard range.count <= limit else {
            throw ObjectError(.tooLarge, "\(range.count) bytes; expected at most \(limit)")
        }
        var bytes = [UInt8](repeating: 0, count: range.count)
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress! + done, $0.count - done, off_t(range.lowerBound) + done)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                if count < 0 { throw ObjectError(file: CoreError(errno: errno), "the file cannot be read") }
                throw ObjectError(.damaged, "the file has become shorter")
            }
            done += count
        }
        return bytes
    }

    /// `.range` when there is nothing in it.
    static func resolve(_ range: ObjectRange?, _ info: ObjectInfo) throws(ObjectError) -> Range<UInt64> {
        guard let range else { return 0..<info.length }
        guard let resolved = range.resolve(info.length) else {
            throw ObjectError(.range, "the object has \(info.length) bytes, none of them in \(range.field)")
        }
        return resolved
    }

    /// Ends the copy of an object: it is as long as it should be, and its bytes are those that were stored.
    func saved(_ info: ObjectInfo, in descriptor: Int32, digest: String) throws(ObjectError) {
        guard ftruncate(descriptor, off_t(info.length)) == 0 else {
            throw ObjectError(file: CoreError(errno: errno), "the copy failed")
        }
        guard digest == info.etag else { throw ObjectError(.damaged, "the bytes are not those stored") }
    }

    /// Bytes that are copied in one piece of work: others have their turn on the pool in between.
    static let pieceSize: UInt64 = 4 << 20

    /// Copies the next piece of `length` bytes, from where `copied` ends.
    func copy(
        _ file: Int32, offset: UInt64, length: UInt64, to descriptor: Int32, _ copied: Copied
    ) throws(ObjectError) -> Copied {
        var copied = copied
        let count = min(LocalFiles.pieceSize, length - copied.count)
        let status = copied.digest.copy(
            from: file, offset: offset + copied.count, length: count, to: descriptor, at: copied.count)
        if status == UV.endOfFile {
            throw ObjectError(.length, "the source ended before its \(length) bytes")
        }
        guard status == 0 else { throw ObjectError(file: CoreError(rawValue: status), "the copy failed") }
        copied.count += count
        return copied
    }

    /// How far a copy is.
    struct Copied: Sendable {
        var count: UInt64 = 0
        var digest = RunningDigest()
    }

    // MARK: Writing

    /// A new file for an object's bytes, and its path. `finish` makes an object of it, `discard` nothing.
    func begin() throws(ObjectError) -> (descriptor: Int32, path: String) {
        for _ in 0..<100 {
            let name = "\(root)/\(LocalFiles.temporaryPrefix)\(getpid())-\(UInt64.random(in: 0 ... .max))"
            let descriptor = Glibc.open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            if descriptor >= 0 {
                // The system drops the lock with the process: one that can be locked is a dead one's.
                while flock(descriptor, LOCK_EX) < 0 && errno == EINTR {}
                return (descriptor, name)
            }
            guard errno == EEXIST || errno == EINTR else { break }
        }
        throw ObjectError(file: CoreError(errno: errno), "no file can be made in \(root)")
    }

    /// Fills a new file; the SHA-256 of what it holds.
    func fill(_ descriptor: Int32, _ bytes: [UInt8]) throws(ObjectError) -> String {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress! + done, $0.count - done) }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw ObjectError(file: CoreError(errno: errno), "the file cannot be written") }
            done += count
        }
        return SHA256.hex(of: bytes)
    }

    /// Puts a filled file where its object lies, for good: its bytes are on the disk first, and the directory's entry is
    /// before this returns.
    func finish(
        _ key: ObjectKey, _ descriptor: Int32, _ temporary: String, digest: String, length: UInt64, type: String?
    ) throws(ObjectError) -> ObjectInfo {
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else { throw ObjectError(file: CoreError(errno: errno), "fstat") }
        guard UInt64(facts.st_size) == length else {
            throw ObjectError(.length, "\(facts.st_size) bytes were written, expected \(length)")
        }
        // A line break has no place in a header.
        let type = type.flatMap { $0.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F } ? $0 : nil }
        LocalMark(digest: digest, length: length, modified: facts.modified, type: type).write(descriptor)
        guard fsync(descriptor) == 0 else {
            throw ObjectError(file: CoreError(errno: errno), "the file cannot be written")
        }
        let path = LocalPath(key)
        let folder = folder(path)
        // Whoever deletes the last object of a directory takes the directory with it.
        for attempt in 0... {
            try makeFolders(path)
            if rename(temporary, "\(folder)/\(path.name)") == 0 { break }
            guard errno == ENOENT && attempt < 10 else {
                throw ObjectError(file: CoreError(errno: errno), "the file cannot be put into its place")
            }
        }
        try sync(folder)
        return ObjectInfo(
            key: key, length: length, etag: digest, type: type, modified: Int64(facts.st_mtim.tv_sec))
    }

    func discard(_ descriptor: Int32, _ temporary: String) {
        close(descriptor)
        unlink(temporary)
    }

    private func makeFolders(_ path: LocalPath) throws(ObjectError) {
        if access(folder(path), F_OK) == 0 { return }
        var made = root
        for name in path.folders {
            let above = made
            made += "/\(name)"
            if mkdir(made, 0o700) == 0 {
                try sync(above)
            } else if errno != EEXIST && errno != ENOENT {
                throw ObjectError(file: CoreError(errno: errno), "the directory \(made) cannot be made")
            }
        }
    }

    private func sync(_ folder: String) throws(ObjectError) {
        let descriptor = Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return }
            throw ObjectError(file: CoreError(errno: errno), "the directory \(folder) cannot be opened")
        }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else {
            throw ObjectError(file: CoreError(errno: errno), "the directory \(folder) cannot be written")
        }
    }

    func delete(_ key: ObjectKey) throws(ObjectError) {
        let path = LocalPath(key)
        guard unlink("\(folder(path))/\(path.name)") == 0 else {
            if [ENOENT, ENOTDIR, ENAMETOOLONG].contains(errno) { return }
            throw ObjectError(file: CoreError(errno: errno), "the file cannot be deleted")
        }
        try sync(folder(path))
        var folders = path.folders
        while !folders.isEmpty, rmdir(([root] + folders).joined(separator: "/")) == 0 { folders.removeLast() }
    }

    /// Makes the directory, and takes away what a crash has left in it.
    func prepare() throws(ObjectError) {
        do throws(CoreError) {
            try LoopFile.makeDirectoryNow(root)
        } catch {
            throw ObjectError(file: error, "the directory \(root) cannot be made")
        }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        for name in (try? LocalFiles.names(root)) ?? [] {
            let path = root + "/" + String(decoding: name, as: UTF8.self)
            var facts = stat()
            guard name.starts(with: LocalFiles.temporaryPrefix.utf8), lstat(path, &facts) == 0,
                facts.st_mode & S_IFMT == S_IFREG, now.tv_sec - facts.st_mtim.tv_sec > LocalFiles.abandonedAge
            else { continue }
            let descriptor = Glibc.open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
            guard descriptor >= 0 else { continue }
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { unlink(path) }
            close(descriptor)
        }
    }

    /// What is in a directory.
    static func names(_ folder: String) throws(ObjectError) -> [[UInt8]] {
        guard let stream = opendir(folder) else {
            if errno == ENOENT || errno == ENOTDIR { return [] }
            throw ObjectError(file: CoreError(errno: errno), "the directory \(folder) cannot be read")
        }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: UInt8.self, capacity: 256) { name in
                    var count = 0
                    while count < 255, name[count] != 0 { count += 1 }
                    return Array(UnsafeBufferPointer(start: name, count: count))
                }
            }
            if name != [0x2E] && name != [0x2E, 0x2E] { names.append(name) }
        }
        return names
    }
}
