internal import CLibuv
internal import CWeir
internal import Glibc
internal import WeirLoop

/// The service manager that started the program, when there is one: systemd's protocol of datagrams (sd_notify(3)) and of
/// sockets that it opened (sd_listen_fds(3)). Without one, nothing is sent anywhere.
@LoopActor
final class ServiceManager {
    /// Variables that are for this process alone: children do not get them.
    nonisolated static let variables = [
        "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
    ]
    /// The first descriptor that is handed over.
    nonisolated static let firstSocket: Int32 = 3
    /// Most descriptors that are.
    nonisolated static let socketLimit = 64
    /// Messages that wait for a manager that takes none, and the seconds from one try to the next.
    nonisolated static let waitingLimit = 16
    nonisolated static let retryInterval = 0.05

    private let address: [UInt8]
    private let watchdogInterval: UInt64?
    private var watchdog: LoopTimer?
    private var waiting: [String] = []
    private let retry: LoopTimer
    private let clock: LoopClock

    init(environment: [String: String], process: Int32 = getpid(), clock: LoopClock = .monotonic) {
        address = ServiceManager.address(environment["NOTIFY_SOCKET"] ?? "")
        watchdogInterval = ServiceManager.watchdogInterval(environment, process: process)
        self.clock = clock
        retry = LoopTimer(clock: clock)
    }

    // MARK: Telling

    /// It serves; from now on the watchdog hears of every half of its interval that the loop turns.
    func ready(_ status: String) {
        send("READY=1\nSTATUS=\(status)")
        guard let interval = watchdogInterval, watchdog == nil, !address.isEmpty else { return }
        let timer = LoopTimer(clock: clock)
        // One that cannot be sent is worth nothing later.
        timer.schedule(every: interval, from: clock.now) { [weak self] _ in _ = self?.post("WATCHDOG=1") }
        watchdog = timer
    }

    /// The configuration is read again; `ready` follows, whatever comes of it.
    func reloading() {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let microseconds = UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000
        send("RELOADING=1\nMONOTONIC_USEC=\(microseconds)\nSTATUS=Reading the configuration again")
    }

    func stopping() { send("STOPPING=1\nSTATUS=Ending responses") }

    func close() {
        watchdog?.close()
        watchdog = nil
        retry.close()
    }

    /// In order. The loop does not wait for a manager that takes no message now.
    private func send(_ message: String) {
        if waiting.isEmpty && post(message) { return }
        if waiting.count < ServiceManager.waitingLimit { waiting.append(message) }
        tryAgain()
    }

    private func tryAgain() {
        while let message = waiting.first, post(message) { waiting.removeFirst() }
        if waiting.isEmpty { return }
        retry.schedule(at: clock.deadline(after: ServiceManager.retryInterval)) { [weak self] in self?.tryAgain() }
    }

    /// False when the manager's queue is full. Whatever else is wrong will not be better later.
    private func post(_ message: String) -> Bool {
        if address.isEmpty { return true }
        let type = SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        let descriptor = socket(AF_UNIX, Int32(type), 0)
        guard descriptor >= 0 else { return true }
        defer { Glibc.close(descriptor) }
        var target = sockaddr_un()
        target.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &target.sun_path) { $0.copyBytes(from: address) }
        let length = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)! + address.count
        let bytes = Array(message.utf8)
        let sent = withUnsafePointer(to: &target) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, socklen_t(length))
            }
        }
        return sent >= 0 || (errno != EAGAIN && errno != ENOBUFS)
    }

    // MARK: What it was told

    /// The name of a socket, as the kernel has it: an `@` stands for the zero byte of an abstract one. Empty for anything
    /// that cannot be one.
    nonisolated static func address(_ text: String) -> [UInt8] {
        var bytes = Array(text.utf8)
        guard bytes.count > 1, bytes.count < MemoryLayout.size(ofValue: sockaddr_un().sun_path),
            bytes[0] == UInt8(ascii: "/") || bytes[0] == UInt8(ascii: "@")
        else { return [] }
        if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
        return bytes
    }

    /// Nanoseconds from one sign of life to the next: half of what is allowed.
    nonisolated static func watchdogInterval(_ environment: [String: String], process: Int32) -> UInt64? {
        if let meant = environment["WATCHDOG_PID"], !meant.isEmpty, Int32(meant) != process { return nil }
        guard let text = environment["WATCHDOG_USEC"], let microseconds = UInt64(text), microseconds > 1,
            microseconds < UInt64.max / 1000
        else { return nil }
        return microseconds * 500
    }

    /// The descriptors that were handed over to this process; none when there is no such thing.
    nonisolated static func sockets(
        _ environment: [String: String], process: Int32 = getpid()
    ) throws(ServeError) -> [Int32] {
        guard let meant = environment["LISTEN_PID"], Int32(meant) == process, let text = environment["LISTEN_FDS"],
            text != "0"
        else { return [] }
        guard let count = Int(text), (1...socketLimit).contains(count) else {
            throw ServeError(description: "LISTEN_FDS is \(quoted(text)); expected at most \(socketLimit) sockets")
        }
        return (0..<Int32(count)).map { firstSocket + $0 }
    }
}
