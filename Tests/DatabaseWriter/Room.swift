import CSQLite
import Glibc
import Synchronization

/// A disk that is full: SQLite's writes come through its own hook for tests.
enum Room {
    /// What no file may grow past; 0: there is room for everything.
    static let left = Atomic<Int64>(0)

    static func install() {
        let vfs = sqlite3_vfs_find(nil)
        for name in ["pwrite", "pwrite64"] {
            _ = vfs?.pointee.xSetSystemCall(vfs, name, unsafeBitCast(boundedWrite, to: sqlite3_syscall_ptr.self))
        }
    }
}

private let boundedWrite: @convention(c) (Int32, UnsafeRawPointer?, Int, off_t) -> Int = {
    descriptor, bytes, count, offset in
    let left = Room.left.load(ordering: .sequentiallyConsistent)
    if left > 0, Int64(offset) + Int64(count) > left {
        errno = ENOSPC
        return -1
    }
    return pwrite(descriptor, bytes, count, offset)
}
