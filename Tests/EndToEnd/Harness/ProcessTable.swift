import Glibc

/// What the kernel says of processes that a test did not start itself.
enum ProcessTable {
    /// The children of a process, of all its threads, with their state letters.
    static func children(of pid: pid_t) -> [(pid: pid_t, state: Character)] {
        let threads = Disk.names("/proc/\(pid)/task")
        let children = threads.flatMap { thread in
            ((try? Disk.text("/proc/\(pid)/task/\(thread)/children")) ?? "").split(separator: " ").compactMap {
                pid_t($0)
            }
        }
        return children.compactMap { child in state(of: child).map { (child, $0) } }
    }

    /// Those of its children too.
    static func descendants(of pid: pid_t) -> [pid_t] {
        children(of: pid).flatMap { [$0.pid] + descendants(of: $0.pid) }
    }

    /// `R`, `S`, `Z`...; nil when there is no such process.
    static func state(of pid: pid_t) -> Character? {
        // The name, in parentheses, may have anything in it.
        guard let text = try? Disk.text("/proc/\(pid)/stat"), let end = text.lastIndex(of: ")") else { return nil }
        return text[end...].dropFirst(2).first
    }

    /// Gone, or dead and waiting for whoever has to reap it.
    static func hasEnded(_ pid: pid_t) -> Bool { [nil, "Z", "X"].contains(state(of: pid)) }

    /// Seconds of processor time that it has used.
    static func processorTime(of pid: pid_t) throws -> Double {
        let text = try Disk.text("/proc/\(pid)/stat")
        let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].dropFirst(2).split(separator: " ")
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
            throw Failure("no times in \(text)")
        }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Bytes of memory that belong to it alone and are resident: its heap, its stacks.
    static func anonymousMemory(of pid: pid_t) throws -> Int {
        let lines = try Disk.text("/proc/\(pid)/status").split(separator: "\n")
        let words = lines.first { $0.hasPrefix("RssAnon:") }?.split { $0 == " " || $0 == "\t" }
        guard let words, words.count > 1, let kibibytes = Int(words[1]) else { throw Failure("no RssAnon") }
        return kibibytes << 10
    }

    /// How many descriptors it has open.
    static func descriptors(of pid: pid_t) -> Int { Disk.names("/proc/\(pid)/fd").count }
}
