import Glibc

/// A program that a test started, in a process group of its own, with what it printed.
///
/// Whatever becomes of the test, it does not outlive it: `Sentry` ends what is left when this process ends.
final class Process: Sendable {
    enum Exit: Equatable { case code(Int32), signal(Int32) }

    enum Input {
        /// `/dev/null`
        case nothing
        /// What `write` gives.
        case pipe
    }

    struct Printed {
        var output: [UInt8] = []
        /// Whole lines of standard error.
        var lines: [String] = []
        fileprivate var partial: [UInt8] = []
        fileprivate var open = 2
        fileprivate var exit: Exit?

        /// Ended, and all that it printed is here.
        var isOver: Bool { exit != nil && open == 0 }
        var text: String { String(decoding: output, as: UTF8.self) }
    }

    let pid: pid_t
    let name: String
    private let printed = Monitor(Printed())
    private let input: Monitor<Int32>

    /// `sockets` become its descriptors from 3 on.
    init(
        _ command: [String], input: Input = .nothing, environment: [String: String] = [:], sockets: [Int32] = []
    ) throws {
        _ = Sentry.shared
        name = String(command[0].split(separator: "/").last ?? "")
        let started = try Process.spawning.with { _ in try Process.start(command, input, environment, sockets) }
        let streams = started.streams
        pid = started.pid
        Sentry.shared.watch(pid)
        close(streams.input.reading)
        close(streams.output.writing)
        close(streams.errors.writing)
        if case .nothing = input { close(streams.input.writing) }
        if case .pipe = input { _ = fcntl(streams.input.writing, F_SETFL, O_NONBLOCK) }
        self.input = Monitor({ if case .pipe = input { streams.input.writing } else { -1 } }())
        onThread { [pid, printed] in Process.await(pid, printed) }
        onThread { [printed] in Process.read(streams.output.reading, printed) { $0.output.append(contentsOf: $1) } }
        onThread { [printed] in Process.read(streams.errors.reading, printed) { $0.split($1) } }
    }

    deinit { end() }

    // MARK: Starting

    /// One at a time: a pipe without close-on-exec would go to a child that somebody else starts at that moment, and
    /// never end.
    private static let spawning = Monitor(())

    private static func start(
        _ command: [String], _ input: Input, _ environment: [String: String], _ sockets: [Int32]
    ) throws -> (pid: pid_t, streams: (input: Pipe, output: Pipe, errors: Pipe)) {
        let streams = try (input: Pipe(), output: Pipe(), errors: Pipe())
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        switch input {
        case .nothing: posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        case .pipe: posix_spawn_file_actions_adddup2(&actions, streams.input.reading, 0)
        }
        posix_spawn_file_actions_adddup2(&actions, streams.output.writing, 1)
        posix_spawn_file_actions_adddup2(&actions, streams.errors.writing, 2)
        // Behind them all, so that none is overwritten before it was copied.
        let copies = sockets.map { fcntl($0, F_DUPFD_CLOEXEC, 100) }
        defer { for copy in copies { close(copy) } }
        for (index, copy) in copies.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, copy, 3 + Int32(index))
        }
        return (try spawn(command, &actions, environment), streams)
    }

    private struct Pipe {
        let reading: Int32
        let writing: Int32

        init() throws {
            var ends: [Int32] = [-1, -1]
            guard pipe(&ends) == 0 else { throw Failure.system("pipe") }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            (reading, writing) = (ends[0], ends[1])
        }
    }

    fileprivate static func spawn(
        _ command: [String], _ actions: inout posix_spawn_file_actions_t, _ environment: [String: String]
    ) throws -> pid_t {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var every = sigset_t()
        var none = sigset_t()
        sigfillset(&every)
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &every)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
        let variables = inherited().merging(environment) { $1 }.map { "\($0)=\($1)" }
        var arguments = command.map { strdup($0) } + [nil]
        var words = variables.map { strdup($0) } + [nil]
        defer { for word in arguments + words { free(word) } }
        var pid: pid_t = 0
        let status = posix_spawnp(&pid, command[0], &actions, &attributes, &arguments, &words)
        guard status == 0 else { throw Failure("\(command[0]): \(String(cString: strerror(status)))") }
        return pid
    }

    /// Nothing of this process's own settings, such as `WEIR_SCALE`, reaches a program that reads variables.
    private static func inherited() -> [String: String] {
        var variables: [String: String] = [:]
        for name in ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"] {
            variables[name] = Pace.variable(name)
        }
        variables["SWIFT_BACKTRACE"] = "enable=no"
        return variables
    }

    // MARK: Following

    private static func await(_ pid: pid_t, _ printed: Monitor<Printed>) {
        var info = siginfo_t()
        // Not reaped yet: as long as `exit` is nil the number is this process's.
        while waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR {}
        printed.with { printed in
            var status: Int32 = 0
            waitpid(pid, &status, 0)
            printed.exit = status & 0x7F == 0 ? .code((status >> 8) & 0xFF) : .signal(status & 0x7F)
        }
        Sentry.shared.forget(pid)
    }

    private static func read(
        _ descriptor: Int32, _ printed: Monitor<Printed>, _ take: (inout Printed, ArraySlice<UInt8>) -> Void
    ) {
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { break }
            printed.with { take(&$0, chunk[..<count]) }
        }
        close(descriptor)
        printed.with { $0.open -= 1 }
    }

    /// What it has printed so far.
    var state: Printed { printed.with { $0 } }
    var exit: Exit? { printed.with { $0.exit } }

    /// Waits until what it printed gives a value; nil when it has ended before, or the time is over.
    func wait<Value>(_ seconds: Double = Pace.patience, for body: (Printed) throws -> Value?) rethrows -> Value? {
        let found = try printed.wait(Deadline(seconds: seconds)) { printed -> Value?? in
            if let value = try body(printed) { return .some(value) }
            return printed.isOver ? .some(nil) : nil
        }
        return found ?? nil
    }

    /// How it ended, when everything that it printed is here too.
    func waitForExit(_ seconds: Double = Pace.patience) throws -> Exit {
        guard let exit = printed.wait(Deadline(seconds: seconds), { $0.isOver ? $0.exit : nil }) else {
            throw Failure("\(name) still runs after \(seconds) s")
        }
        return exit
    }

    // MARK: Doing

    /// False when it has ended.
    @discardableResult
    func signal(_ number: Int32) -> Bool {
        printed.with { $0.exit == nil && kill(pid, number) == 0 }
    }

    /// Gives bytes to its standard input.
    func write(_ bytes: [UInt8], within seconds: Double = Pace.patience) throws {
        try Stream.write(bytes, to: input.with { $0 }, Deadline(seconds: seconds))
    }

    func closeInput() {
        input.with { descriptor in
            if descriptor >= 0 { close(descriptor) }
            descriptor = -1
        }
    }

    /// Ends it and all of its process group, at once.
    func end() {
        closeInput()
        printed.with { if $0.exit == nil { kill(-pid, SIGKILL) } }
    }
}

extension Process.Printed {
    fileprivate mutating func split(_ bytes: ArraySlice<UInt8>) {
        partial.append(contentsOf: bytes)
        while let end = partial.firstIndex(of: UInt8(ascii: "\n")) {
            lines.append(String(decoding: partial[..<end], as: UTF8.self))
            partial.removeSubrange(...end)
        }
    }
}

/// Writing to pipes that may be full.
enum Stream {
    static func write(_ bytes: [UInt8], to descriptor: Int32, _ deadline: Deadline) throws {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + done, $0.count - done) }
            if count >= 0 {
                done += count
            } else if errno == EAGAIN {
                var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                if poll(&ready, 1, deadline.milliseconds) == 0 { throw Failure("nobody reads the pipe") }
            } else if errno != EINTR {
                throw Failure.system("write to a pipe")
            }
        }
    }
}

/// A process that ends the others when this one is gone, however that happened.
final class Sentry: Sendable {
    static let shared = Sentry()
    private static let script = """
        kept=
        while read -r sign pid; do
            case $sign in
            +) kept="$kept $pid" ;;
            -) rest=
                for one in $kept; do [ "$one" = "$pid" ] || rest="$rest $one"; done
                kept=$rest ;;
            esac
        done
        for one in $kept; do kill -KILL "-$one"; done
        """

    private let input: Int32

    private init() {
        // A reader who leaves is an error of that write, not the end of the tests.
        signal(SIGPIPE, SIG_IGN)
        var limit = rlimit()
        let which = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        if getrlimit(which, &limit) == 0 {
            limit.rlim_cur = limit.rlim_max
            setrlimit(which, &limit)
        }
        var ends: [Int32] = [-1, -1]
        precondition(pipe(&ends) == 0)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        let pid = try? Process.spawn(["sh", "-c", Sentry.script], &actions, [:])
        posix_spawn_file_actions_destroy(&actions)
        precondition(pid != nil, "no shell")
        close(ends[0])
        input = ends[1]
    }

    func watch(_ pid: pid_t) { tell("+ \(pid)\n") }
    func forget(_ pid: pid_t) { tell("- \(pid)\n") }

    /// Shorter than PIPE_BUF: lines of several threads do not mix.
    private func tell(_ line: String) {
        _ = Array(line.utf8).withUnsafeBytes { write(input, $0.baseAddress, $0.count) }
    }
}
