import CLibuv
import CWeir
import Glibc
import WeirLoop

/// A directory for the files of one warm cache: `weir-warm-NAME-PID-RANDOM`.
///
/// Its descriptor is locked (`flock`) for as long as it is in use, and the system lets go of the lock when the process
/// dies, however it dies. A directory whose lock can be had is a dead process's, and is removed.
///
/// Everything here blocks: for the pool.
struct WarmDirectory: Sendable {
    static let prefix = "weir-warm-"
    /// Names that are tried, in case another process is just looking at the directory that was made.
    static let attempts = 100

    let path: String
    /// Holds the lock.
    let descriptor: Int32

    /// Makes one, and the directories above it.
    static func create(for name: String, in parent: String) throws(CoreError) -> WarmDirectory {
        try LoopFile.makeDirectoryNow(parent)
        for _ in 0..<attempts {
            let random = String(UInt64.random(in: 0 ... .max), radix: 16)
            let path = "\(parent)/\(prefix)\(name)-\(getpid())-\(random)"
            if mkdir(path, 0o700) != 0 {
                if errno == EEXIST { continue }
                throw CoreError(errno: errno)
            }
            let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
            if descriptor < 0 {
                let reason = errno
                // Somebody found it unlocked and removed it.
                if reason == ENOENT { continue }
                rmdir(path)
                throw CoreError(errno: reason)
            }
            let isLocked = lock(descriptor)
            let reason = errno
            if isLocked, isSame(descriptor, path) { return WarmDirectory(path: path, descriptor: descriptor) }
            close(descriptor)
            // A file system that knows no locks; else somebody took it for a dead process's, and removes it.
            if !isLocked && reason != EWOULDBLOCK {
                rmdir(path)
                throw CoreError(errno: reason)
            }
        }
        throw .exists
    }

    /// Another descriptor of it. The lock is theirs together.
    func duplicate() throws(CoreError) -> Int32 {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        if copy < 0 { throw CoreError(errno: errno) }
        return copy
    }

    /// Whether its path still leads to it: nothing can be made in a directory that somebody removed.
    var isThere: Bool { WarmDirectory.isSame(descriptor, path) }

    /// Removes it, with the segments that may be left, and lets go of the lock.
    func remove() {
        WarmDirectory.remove(descriptor, path)
        close(descriptor)
    }

    /// Removes what processes left behind that died; returns how many directories that were. Those of living ones are not
    /// touched, nor are files of other names.
    static func removeLeftovers(in parent: String) -> Int {
        guard let directory = opendir(parent) else { return 0 }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = text(entry)
            if name.hasPrefix(prefix) { names.append(name) }
        }
        closedir(directory)
        var removed = 0
        for name in names {
            let path = "\(parent)/\(name)"
            let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
            if descriptor < 0 { continue }
            if lock(descriptor), remove(descriptor, path) { removed += 1 }
            close(descriptor)
        }
        return removed
    }

    private static func lock(_ descriptor: Int32) -> Bool {
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            if errno != EINTR { return false }
        }
        return true
    }

    /// Whether a path still leads to what is open.
    private static func isSame(_ descriptor: Int32, _ path: String) -> Bool {
        var open = stat()
        var named = stat()
        return fstat(descriptor, &open) == 0 && lstat(path, &named) == 0 && open.st_ino == named.st_ino
            && open.st_dev == named.st_dev
    }

    /// Segments are named by sixteen hexadecimal digits; anything else is not ours.
    @discardableResult
    private static func remove(_ descriptor: Int32, _ path: String) -> Bool {
        if rmdir(path) == 0 { return true }
        // The stream closes its descriptor, and reads from a place of its own.
        let copy = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard copy >= 0 else { return false }
        guard let directory = fdopendir(copy) else {
            close(copy)
            return false
        }
        while let entry = readdir(directory) {
            let name = text(entry)
            if name.utf8.count == 16, UInt64(name, radix: 16) != nil { unlinkat(descriptor, name, 0) }
        }
        closedir(directory)
        return rmdir(path) == 0
    }

    private static func text(_ entry: UnsafeMutablePointer<dirent>) -> String {
        withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
