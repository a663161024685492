internal import CLibuv
internal import CWeir
internal import Glibc

/// The memory that this process has in RAM.
enum ResidentMemory {
    /// Opened at the first reading and kept: when descriptors run out, memory can still be watched.
    private static let statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)

    /// Bytes now; nil when the kernel does not say.
    static func now() -> UInt64? {
        guard statm >= 0 else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: 128, alignment: 1) { memory in
            // The kernel writes it anew for each read from the beginning.
            let count = pread(statm, memory.baseAddress, memory.count, 0)
            return bytes(UnsafeRawBufferPointer(rebasing: memory[..<max(0, count)]))
        }
    }

    /// The second number of `/proc/PID/statm`, in pages (proc(5)); nil when there is none.
    static func bytes(_ statm: UnsafeRawBufferPointer) -> UInt64? {
        let fields = statm.split(separator: UInt8(ascii: " "))
        guard fields.count > 1 else { return nil }
        var pages: UInt64 = 0
        for byte in fields[1] {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte), pages < 1 << 50 else { return nil }
            pages = pages * 10 + UInt64(byte - UInt8(ascii: "0"))
        }
        return pages * UInt64(sysconf(Int32(_SC_PAGESIZE)))
    }
}
