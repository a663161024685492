internal import CWeir
internal import Glibc
internal import Synchronization
internal import WeirHTTP
internal import WeirLoop

/// `weir scan`: what an MPEG transport stream holds. Reads files and pipes of any length in bounded memory.
enum Scan {
    static let command = Command(
        name: "scan", about: "Looks into an MPEG transport stream",
        arguments: [.init(name: "FILE", about: "The stream; - reads standard input")],
        options: [.init(name: "json", value: nil, about: "Prints JSON, which lists the access points")],
        notes: [
            """
            Packets of 188, 192 (M2TS) and 204 bytes are found, whatever lies before,
            between and after them. What standard input or a FIFO has given until
            Ctrl-C is reported too.
            Exit code 0: reported, errors of the stream included. 1: it could not be
            read to its end, or is no transport stream.
            """
        ])

    /// Bytes of one `read`.
    static let readBytes = 256 << 10

    static func run(_ invocation: Invocation, _ console: Console) -> Int32 {
        let path = invocation.arguments[0]
        let name = path == "-" ? "standard input" : path
        do throws(ScanFailure) {
            let outcome = try read(path)
            let report = outcome.report
            console.output(
                invocation.flags.contains("json")
                    ? "\(report.json(file: path).description)\n" : ScanText.text(report, file: name))
            guard let failure = outcome.failure else { return Program.done }
            throw ScanFailure(description: "not read to its end: \(failure)")
        } catch {
            console.error("weir scan: \(ScanText.printable(name)): \(error)")
            return Program.failed
        }
    }

    /// The report, and what ended the reading before its end.
    static func read(_ path: String) throws(ScanFailure) -> (report: ScanReport, failure: CoreError?) {
        let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ScanFailure(CoreError(errno: errno)) }
        defer { if descriptor != STDIN_FILENO { close(descriptor) } }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw ScanFailure(CoreError(errno: errno)) }
        if status.st_mode & S_IFMT == S_IFDIR {
            throw ScanFailure(description: "a directory; expected a file, or - for standard input")
        }
        // Nobody knows when a live stream ends: whoever has seen enough says so.
        if status.st_mode & S_IFMT != S_IFREG { Interruption.expect() }
        _ = posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL)
        return try read(descriptor)
    }

    private static func read(_ descriptor: Int32) throws(ScanFailure) -> (report: ScanReport, failure: CoreError?) {
        var core: OpaquePointer?
        var options = weir_ts_report_options_t()
        options.size = MemoryLayout<weir_ts_report_options_t>.size
        let status = weir_ts_report_create(&core, &options)
        guard status == 0, let core else { throw ScanFailure(CoreError(rawValue: status)) }
        defer { weir_ts_report_destroy(core) }
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: readBytes, alignment: 64)
        defer { buffer.deallocate() }

        var failure: CoreError?
        var isForeign = false
        while !isForeign && !Interruption.came {
            let count = Glibc.read(descriptor, buffer, readBytes)
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                failure = CoreError(errno: errno)
                break
            }
            isForeign = weir_ts_report_push(core, buffer, count) != 0
        }
        if !isForeign { isForeign = weir_ts_report_end(core) != 0 }
        let report = ScanReport(core)
        if let failure, report.counters.packets == 0 { throw ScanFailure(failure) }
        if report.counters.bytes == 0 {
            throw ScanFailure(description: "empty; expected an MPEG transport stream")
        }
        if isForeign { throw ScanFailure(foreign: report) }
        return (report, failure)
    }

    /// SIGINT, once: the next one ends the process as ever.
    private enum Interruption {
        private static let flag = Atomic(false)

        static var came: Bool { flag.load(ordering: .relaxed) }

        static func expect() {
            // Made before a handler can come for it.
            flag.store(false, ordering: .relaxed)
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { _ in Interruption.flag.store(true, ordering: .relaxed) }
            action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND))
            sigaction(SIGINT, &action, nil)
        }
    }
}

/// Why there is no report, or not of everything.
struct ScanFailure: Error, CustomStringConvertible {
    let description: String

    init(description: String) { self.description = description }
    init(_ error: CoreError) { description = error.description }

    /// No transport stream: what it looks like instead, or what was missing.
    init(foreign report: ScanReport) {
        let bytes = Units.round(bytes: Int(clamping: report.counters.bytes))
        description =
            report.foreign.map { "not a transport stream: looks like \($0)" }
            ?? "not a transport stream: no run of \(WEIR_TS_LOCK_PACKETS) packets in \(bytes)"
    }
}
