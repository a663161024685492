internal import CLibuv
internal import CWeir
internal import Glibc
internal import WeirHTTP

/// What the system lets this process use.
public enum ProcessLimits {
    /// Most open descriptors of a daemon: the hard limit, to which it raises its soft one at the start.
    public static var descriptors: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        return Int(clamping: limit.rlim_max)
    }

    /// `http.max_connections: auto`.
    public static var connections: Int { Server.connections(ofDescriptors: descriptors) }

    /// `limits.memory: auto`: a quarter of what the process may use.
    public static var memoryShare: Int { memory / 4 }

    /// Bytes of memory that the process may use: the machine's, its address space's and its control groups', whichever is
    /// least.
    public static var memory: Int {
        var least = max(1 << 20, Int(sysconf(Int32(_SC_PHYS_PAGES))) * Int(sysconf(Int32(_SC_PAGESIZE))))
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0, limit.rlim_cur != rlim_t.max {
            least = min(least, Int(clamping: limit.rlim_cur))
        }
        for path in controlGroupFiles(of: text("/proc/self/cgroup")) {
            if let bytes = Int(text(path)) { least = min(least, bytes) }
        }
        return least
    }

    /// The files that may hold a limit for the process whose `/proc/PID/cgroup` is given, innermost first: version 2's
    /// (cgroups(7)) and version 1's. A limit of an outer group holds for the inner ones too.
    static func controlGroupFiles(of groups: String) -> [String] {
        var files: [String] = []
        for line in groups.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let root: String
            let name: String
            if fields[1].isEmpty {
                (root, name) = ("/sys/fs/cgroup", "memory.max")
            } else if fields[1].split(separator: ",").contains("memory") {
                (root, name) = ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            } else {
                continue
            }
            var parts = fields[2].split(separator: "/")
            while true {
                files.append(([root] + parts.map(String.init) + [name]).joined(separator: "/"))
                if parts.popLast() == nil { break }
            }
        }
        return files
    }

    /// A small file of the kernel's, without the space around its text; empty when there is none.
    private static func text(_ path: String) -> String {
        guard let bytes = try? FileBytes.read(path, limit: 65536) else { return "" }
        return String(decoding: bytes, as: UTF8.self).trimmed
    }
}

extension String {
    /// Without white space at either end.
    var trimmed: String {
        let start = drop { $0.isWhitespace }
        return String(start.reversed().drop { $0.isWhitespace }.reversed())
    }
}
