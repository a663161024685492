import CSQLite
import Glibc
import Synchronization

/// A disk that is full: SQLite's writes come through its own hook for tests.
enum Room {
    /// What no file may grow past; 0: there is room for everything.
    static let left = Atomic<Int64>(0)
    /// What is said then.
    static let number = Atomic<Int32>(ENOSPC)

    static func install(saying number: Int32) {
        Room.number.store(number, ordering: .sequentiallyConsistent)
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
        errno = Room.number.load(ordering: .sequentiallyConsistent)
        return -1
    }
    return pwrite(descriptor, bytes, count, offset)
}
