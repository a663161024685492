internal import CLibuv
internal import CWeir
internal import Glibc

/// The memory that this process has in RAM.
enum ResidentMemory {
    /// Bytes now; 0 when the kernel does not say.
    static func now() -> UInt64 {
        let descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return 0 }
        defer { close(descriptor) }
        return withUnsafeTemporaryAllocation(byteCount: 128, alignment: 1) { memory in
            let count = read(descriptor, memory.baseAddress, memory.count)
            return bytes(UnsafeRawBufferPointer(rebasing: memory[..<max(0, count)]))
        }
    }

    /// The second number of `/proc/PID/statm`, in pages (proc(5)).
    static func bytes(_ statm: UnsafeRawBufferPointer) -> UInt64 {
        let fields = statm.split(separator: UInt8(ascii: " "))
        guard fields.count > 1 else { return 0 }
        var pages: UInt64 = 0
        for byte in fields[1] {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte), pages < 1 << 50 else { return 0 }
            pages = pages * 10 + UInt64(byte - UInt8(ascii: "0"))
        }
        return pages * UInt64(sysconf(Int32(_SC_PAGESIZE)))
    }
}
