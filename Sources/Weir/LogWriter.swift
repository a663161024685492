internal import CLibuv
internal import CWeir
internal import Glibc
internal import WeirHTTP
internal import WeirLive

/// Writes the log to a descriptor, from a thread of its own: the loop never waits for a pipe that nobody reads, a
/// terminal that is stopped, or a slow disk.
///
/// `O_NONBLOCK` is not the way: it would belong to everyone who shares the descriptor, the user's shell included. Between
/// the loop and the thread lies a buffer of fixed size; lines that find it full are dropped, counted, and reported as
/// soon as there is room.
///
/// Safe on any thread: everything mutable is guarded by the mutex.
final class LogWriter: @unchecked Sendable {
    /// Bytes of lines that wait to be written.
    static let bufferLimit = 256 << 10
    /// Bytes of the thread's stack.
    static let stackBytes = 128 << 10

    private let descriptor: Int32
    private let limit: Int

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    // Guarded by the mutex.
    private var options: LogOptions
    private var buffer: [UInt8] = []
    private var isWriting = false
    private var isEnding = false
    private var hasThread = false
    private var unreported: UInt64 = 0
    private var dropped: UInt64 = 0

    init(_ options: LogOptions = LogOptions(), descriptor: Int32 = STDERR_FILENO, limit: Int = LogWriter.bufferLimit) {
        self.options = options
        self.descriptor = descriptor
        self.limit = limit
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(changed, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        // The thread holds a reference: it has ended.
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    /// Lines that were dropped since the program began.
    var droppedLines: UInt64 { locked { dropped } }

    func debug(_ message: String, _ fields: [LogLine.Field] = []) { write(.debug, message, fields) }
    func info(_ message: String, _ fields: [LogLine.Field] = []) { write(.info, message, fields) }
    func warning(_ message: String, _ fields: [LogLine.Field] = []) { write(.warning, message, fields) }
    func error(_ message: String, _ fields: [LogLine.Field] = []) { write(.error, message, fields) }

    func write(_ level: LogOptions.Level, _ message: String, _ fields: [LogLine.Field]) {
        let options = locked { self.options }
        guard level >= options.level else { return }
        add(LogLine(level: level, message: message, fields: fields, time: WallClock.now).bytes(options.format))
    }

    /// Lines from now on are as these say.
    func set(_ options: LogOptions) { locked { self.options = options } }

    private func add(_ line: [UInt8]) {
        locked {
            guard !isEnding, buffer.count + line.count <= limit else {
                unreported += 1
                dropped += 1
                return
            }
            reportDropped()
            buffer.append(contentsOf: line)
            startThread()
            pthread_cond_broadcast(changed)
        }
    }

    /// Under the mutex.
    private func reportDropped() {
        guard unreported > 0 else { return }
        let line = LogLine(
            level: .warning, message: "log lines dropped", fields: [("lines", .unsigned(unreported))],
            time: WallClock.now)
        buffer.append(contentsOf: line.bytes(options.format))
        unreported = 0
    }

    /// Writes what waits, and nothing that comes later; gives up after so many seconds. Blocks.
    func close(within seconds: Double) {
        locked {
            reportDropped()
            isEnding = true
            pthread_cond_broadcast(changed)
            var deadline = timespec()
            clock_gettime(CLOCK_MONOTONIC, &deadline)
            let nanoseconds = Int(seconds * 1e9) + deadline.tv_nsec
            deadline.tv_sec += nanoseconds / 1_000_000_000
            deadline.tv_nsec = nanoseconds % 1_000_000_000
            while hasThread && (isWriting || !buffer.isEmpty) {
                if pthread_cond_timedwait(changed, mutex, &deadline) != 0 { return }
            }
        }
    }

    // MARK: The thread

    /// With the first line: a program that logs nothing has none. Under the mutex.
    private func startThread() {
        if hasThread { return }
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, LogWriter.stackBytes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        defer { pthread_attr_destroy(&attributes) }
        // Signals are for the loop's thread.
        var every = sigset_t()
        var former = sigset_t()
        sigfillset(&every)
        pthread_sigmask(SIG_SETMASK, &every, &former)
        defer { pthread_sigmask(SIG_SETMASK, &former, nil) }
        let me = Unmanaged.passRetained(self)
        var thread = pthread_t()
        let status = pthread_create(
            &thread, &attributes,
            { context in
                Unmanaged<LogWriter>.fromOpaque(context!).takeRetainedValue().run()
                return nil
            }, me.toOpaque())
        hasThread = status == 0
        if status != 0 { me.release() }
    }

    private func run() {
        var taken: [UInt8] = []
        while true {
            let goesOn = locked { () -> Bool in
                isWriting = false
                pthread_cond_broadcast(changed)
                while buffer.isEmpty && !isEnding { pthread_cond_wait(changed, mutex) }
                swap(&buffer, &taken)
                isWriting = !taken.isEmpty
                return isWriting
            }
            guard goesOn else { return }
            if !writeAll(taken) { taken.removeAll() }
            taken.removeAll(keepingCapacity: taken.capacity <= 4096)
        }
    }

    /// False when nobody can read it any more: the log is nothing to die of.
    private func writeAll(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count > 0 {
                    rest = rest.dropFirst(count)
                } else if count < 0, errno == EAGAIN {
                    // Somebody else who shares it made it non-blocking.
                    var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    poll(&ready, 1, 1000)
                } else if count < 0, errno != EINTR {
                    return false
                }
            }
            return true
        }
    }

    private func locked<Value>(_ body: () -> Value) -> Value {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }
}
