internal import Glibc

/// The memory that this process may use: the machine's, or less where a control group says so.
public struct ProcessMemory: Sendable {
    /// A small file of the kernel's as a text; nil when there is none.
    public typealias Reader = @Sendable (_ path: String) -> String?

    private let read: Reader

    public init(read: @escaping Reader = ProcessMemory.file) { self.read = read }

    /// Bytes: of `/proc/meminfo`, and of the control groups of version 2 (cgroups(7)) or 1, whichever is least. Where nothing
    /// can be read it is 4 GiB.
    public var limit: UInt64 {
        var least = machine ?? 4 << 30
        for group in groups {
            for directory in group.directories {
                // Of an outer group it holds for the inner ones too. "max" is none; version 1 says it by a large number.
                if let text = read("\(directory)/\(group.name)"), let bytes = ProcessMemory.number(text) {
                    least = min(least, bytes)
                }
            }
        }
        return least
    }

    private var machine: UInt64? {
        for line in (read("/proc/meminfo") ?? "").split(separator: "\n") where line.hasPrefix("MemTotal:") {
            let digits = line.filter { $0.isASCII && $0.isNumber }
            return UInt64(digits).map { $0 &* 1024 }
        }
        return nil
    }

    private struct Group {
        var name: String
        var directories: [String]
    }

    private var groups: [Group] {
        (read("/proc/self/cgroup") ?? "").split(separator: "\n").compactMap { line in
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { return nil }
            let root: String
            let name: String
            if fields[1].isEmpty {
                (root, name) = ("/sys/fs/cgroup", "memory.max")
            } else if fields[1].split(separator: ",").contains("memory") {
                (root, name) = ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            } else {
                return nil
            }
            var parts = fields[2].split(separator: "/").map { String($0) }
            var directories: [String] = []
            while true {
                directories.append(([root] + parts).joined(separator: "/"))
                if parts.popLast() == nil { break }
            }
            return Group(name: name, directories: directories)
        }
    }

    private static func number(_ text: String) -> UInt64? {
        UInt64(text.prefix { !$0.isWhitespace })
    }

    /// Bytes that are read of a file of the kernel's.
    private static let fileLimit = 65536

    public static let file: Reader = { path in
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: fileLimit)
        var used = 0
        while used < bytes.count {
            let count = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress! + used, $0.count - used) }
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { break }
            used += count
        }
        return String(decoding: bytes[..<used], as: UTF8.self)
    }
}
