import CLibuv
import CWeir
import Glibc
import WeirHTTP
import WeirLoop

/// One run of a station's source, from its opening to its end: what is particular to each kind. It does not start again
/// by itself; that is decided by `Supervision`.
@LoopActor
final class SourceRun {
    enum Report {
        /// The process of a child that was started.
        case started(process: Int32)
        /// A line that a child wrote to standard error.
        case line(String, suppressed: Int)
        /// An origin has answered with a stream that can be played.
        case connected(OriginAnswer)
        /// The text of a title that stood between the bytes of a stream, as it was.
        case title([UInt8])
        /// The first byte of this run is in the log, or the first after `yield()`.
        case first
        /// The first byte after `yield()` is about to be.
        case returning
        /// The writer of a named pipe left, or there is no client that sends yet; the run waits for the next one.
        case writerLeft
        /// The client that sent has left, or was dropped; the run waits for the next one.
        case senderLeft(SenderEnding)
        /// It is over by itself: nothing is left of it. Last.
        case ended(Supervision.Ending)
    }

    /// Seconds that a child may take to end after it closed its output, and that its output is read on after it ended.
    static let drainTime = 1.0
    /// Bytes of a child's last line that an error repeats.
    static let lineLimit = 200

    let options: StationOptions
    private var log: Log
    private var fanout: Fanout
    private let track: Track?
    /// What the log carries.
    private var format: StationOptions.Format
    private let clock: LoopClock
    private let pool: (HTTPOrigin) -> ClientPool
    private let report: (Report) -> Void
    private let onFormat: (PCMFormat) -> Problem?

    private var source: Source?
    /// Bytes of the sources before `source`: a named pipe has one for each writer.
    private var formerBytes: UInt64 = 0
    private var formerDatagrams = Datagrams()
    private var child: Child?
    private var pull: HTTPPull?
    private let drain: LoopTimer
    private var output = Output.open
    private var lastLine = ""
    /// Another writes the log until this run has a byte.
    private var isAway = false
    /// Why the source's format was not accepted.
    private var refusal: Problem?
    private var isOver = false
    private var whenClosed: (@LoopActor () -> Void)?

    /// What has become of a child's output.
    private enum Output {
        case open
        case ended(CoreError?)
    }

    /// `pool` gives the station's own pool, through which an origin is asked. `onFormat` decides on the header of a WAV
    /// stream that differs from `format`: nil accepts it.
    init(
        options: StationOptions, format: StationOptions.Format, log: Log, fanout: Fanout, track: Track?,
        clock: LoopClock, pool: @escaping (HTTPOrigin) -> ClientPool,
        onFormat: @escaping (PCMFormat) -> Problem?, report: @escaping (Report) -> Void
    ) {
        self.options = options
        self.format = format
        self.log = log
        self.fanout = fanout
        self.track = track
        self.clock = clock
        self.pool = pool
        self.onFormat = onFormat
        self.report = report
        drain = LoopTimer(clock: clock)
    }

    /// Bytes put into the log by this run. Never falls, even where the log drops a unit that was begun.
    var bytes: UInt64 { formerBytes + (source?.bytes ?? 0) }
    /// What became of the datagrams of this run.
    var datagrams: Datagrams { source.map { formerDatagrams + $0.datagrams } ?? formerDatagrams }
    /// The clock's nanoseconds at the last bytes; nil before the source is open.
    var last: UInt64? { source?.last }

    /// Writes what is due, with a manual clock.
    func turn() { source?.turn() }

    /// Another writes the log until this run has a byte, again or for the first time.
    func yield() {
        isAway = true
        source?.yield()
    }

    /// Only from within `onFormat`.
    func move(to log: Log, _ fanout: Fanout, _ format: StationOptions.Format) {
        self.log = log
        self.fanout = fanout
        self.format = format
        source?.setLog(log, fanout: fanout)
    }

    // MARK: Opening

    /// What goes wrong is reported as the end, from here or later.
    func open() {
        do {
            switch options.source {
            case .exec(let command, let directory, let environment):
                try startChild(command, directory, environment)
            case .tone:
                guard case .pcm = format else { throw Problem("a tone needs format: pcm") }
                try read(.tone) { [weak self] in self?.end(.failed($0?.description ?? "the tone ended")) }
            case .file(let path, let loop): openFile(path, loop)
            case .stdin: try openStandardInput()
            case .fifo(let path): try openPipe(path)
            case .udp(let address): try openSocket(address)
            case .http(let origin): openOrigin(origin)
            case .push: report(.writerLeft)
            }
        } catch {
            end(.failed("\(error)"))
        }
    }

    private func read(
        _ kind: Source.Kind, mayBeWAV: Bool? = nil, coding: Source.Coding = Source.Coding(),
        onEnd: @escaping (CoreError?) -> Void
    ) throws(CoreError) {
        var pcm: PCMFormat?
        if case .pcm(let carried) = format { pcm = carried }
        let source = try Source(
            kind, log: log, fanout: fanout, format: pcm, track: track, detectWAV: mayBeWAV ?? kind.mayBeWAV,
            coding: coding, clock: clock, onEnd: onEnd)
        source.onFormat = { [weak self] in self?.found($0) }
        source.onFirst = { [weak self] in self?.report(.first) }
        source.onTitle = { [weak self] in self?.report(.title($0)) }
        source.onReturn = { [weak self] in
            self?.isAway = false
            self?.report(.returning)
        }
        if isAway { source.yield() }
        self.source = source
    }

    private func found(_ format: PCMFormat) -> CoreError? {
        refusal = onFormat(format)
        return refusal == nil ? nil : .format
    }

    /// What an error of the source says: why a format was refused, rather than that it was.
    private func text(_ error: CoreError) -> String {
        if error == .format, let refusal { return refusal.description }
        if error == .notTransport, let track { return "\(error), but \(track.looksLike)" }
        return error.description
    }

    private func openFile(_ path: String, _ loop: Bool) {
        spawn { [self] in
            do {
                let descriptor = try await onPool { try SourceRun.openRegular(path) }
                if isOver || whenClosed != nil {
                    Glibc.close(descriptor)
                    return
                }
                if case .raw = format {
                    Glibc.close(descriptor)
                    throw Problem("a file of format raw has no rate at which to play it")
                }
                try keep(descriptor) { () throws(CoreError) in
                    try read(.file(descriptor: descriptor, loop: loop)) { [weak self] error in
                        guard let self else { return }
                        end(error.map { .failed("\(path): \(self.text($0))") } ?? .finished)
                    }
                }
            } catch let error as CoreError {
                end(.failed("\(path): \(error)"))
            } catch {
                end(.failed("\(path): \(error)"))
            }
        }
    }

    /// Opens without waiting for anything, whatever stands at the path.
    private nonisolated static func openRegular(_ path: String) throws -> Int32 {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw CoreError(errno: errno) }
        guard fileType(descriptor) == S_IFREG else {
            Glibc.close(descriptor)
            throw Problem("not a regular file; a named pipe is kind: fifo")
        }
        return descriptor
    }

    private func openStandardInput() throws {
        if SourceRun.fileType(STDIN_FILENO) == S_IFREG {
            end(.exhausted("standard input is a regular file, which plays as fast as it can be read; use kind: file"))
            return
        }
        // Its flags are shared with whoever else has it open: a terminal is opened anew, so that the shell's stays as it
        // is.
        var descriptor: Int32 = -1
        if isatty(STDIN_FILENO) == 1 {
            descriptor = Glibc.open("/proc/self/fd/0", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        }
        if descriptor < 0 { descriptor = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) }
        guard descriptor >= 0 else { throw CoreError(errno: errno) }
        try keep(descriptor) { () throws(CoreError) in
            try read(.descriptor(descriptor)) { [weak self] error in
                guard let self else { return }
                end(.exhausted(error.map(text) ?? "standard input has ended"))
            }
        }
    }

    private func openPipe(_ path: String) throws {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Problem("\(path): \(CoreError(errno: errno))") }
        guard SourceRun.fileType(descriptor) == S_IFIFO else {
            Glibc.close(descriptor)
            throw Problem("\(path): not a named pipe")
        }
        // Before the former reader goes: a writer that has come meanwhile must not find nobody.
        formerBytes += source?.bytes ?? 0
        source?.close()
        try keep(descriptor) { () throws(CoreError) in
            try read(.descriptor(descriptor)) { [weak self] error in self?.pipeEnded(path, error) }
        }
    }

    private func pipeEnded(_ path: String, _ error: CoreError?) {
        if let error { return end(.failed("\(path): \(text(error))")) }
        if whenClosed != nil || isOver { return }
        report(.writerLeft)
        do {
            try openPipe(path)
        } catch {
            end(.failed("\(error)"))
        }
    }

    private func openSocket(_ address: DatagramAddress) throws {
        guard case .ts = format else { throw Problem("datagrams need format: ts") }
        let descriptor = try DatagramSocket.open(address)
        try keep(descriptor) { () throws(CoreError) in
            try read(.datagrams(descriptor, sender: address.sender)) { [weak self] error in
                self?.end(.failed(error.map { self?.text($0) ?? "" } ?? "the socket ended"))
            }
        }
    }

    private func openOrigin(_ origin: HTTPOrigin) {
        let pull = HTTPPull(origin, pool(origin))
        self.pull = pull
        spawn { [self] in
            do {
                let (answer, descriptor) = try await pull.open(for: options.name, format)
                if isOver || whenClosed != nil {
                    Glibc.close(descriptor)
                    return
                }
                report(.connected(answer))
                try keep(descriptor) { () throws(CoreError) in
                    try read(.descriptor(descriptor), mayBeWAV: answer.mayBeWAV, coding: answer.coding) {
                        [weak self] error in
                        guard let self else { return }
                        if let error { return end(.failed("\(origin): \(text(error))")) }
                        // The socket has ended; the request knows why.
                        spawn { self.end(.failed(await pull.ending())) }
                    }
                }
            } catch {
                if let seconds = (error as? Problem)?.retryAfter { return end(.putOff("\(error)", seconds)) }
                end(.failed("\(error)"))
            }
        }
    }

    /// The descriptor is the caller's again when `body` throws.
    private func keep(_ descriptor: Int32, _ body: () throws(CoreError) -> Void) throws(CoreError) {
        do {
            try body()
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    private nonisolated static func fileType(_ descriptor: Int32) -> mode_t {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? status.st_mode & S_IFMT : 0
    }

    // MARK: A client that sends

    /// Takes what a client sends; its descriptor is still the caller's when this throws.
    func accept(_ body: Source.Body) throws(CoreError) {
        if isOver || whenClosed != nil || source != nil { throw .closed }
        refusal = nil
        // Clients that do not read the answer reset the connection when they leave. With TLS they have said so before: a
        // connection that merely ends may have been cut by anyone (RFC 9112 §9.8).
        let isSecure = body.tls != nil
        let endsAnyhow = body.framing == .close && !isSecure
        try read(.body(body)) { [weak self] error in
            let isCut = error == .connectionReset
            if isCut && isSecure {
                self?.drop(.lost(SourceRun.unannounced))
            } else if isCut && endsAnyhow {
                self?.drop(.reset)
            } else {
                self?.bodyEnded(error)
            }
        }
    }

    private static let unannounced = "the connection ended without TLS's close_notify"

    private func bodyEnded(_ error: CoreError?) {
        guard let error else { return drop(.finished) }
        switch error {
        case .format, .notTransport, .wavHeader, .wavFormat: drop(.refused(text(error)))
        case .http: drop(.malformed("the body's chunks are malformed"))
        default: drop(.lost(text(error)))
        }
    }

    /// The client goes; the next one may come.
    func drop(_ ending: SenderEnding) {
        guard !isOver, let source else { return }
        formerBytes += source.bytes
        source.close()
        self.source = nil
        report(.senderLeft(ending))
    }

    // MARK: A child

    private func startChild(_ command: [String], _ directory: String?, _ environment: [String: String]) throws {
        let name = command.first ?? ""
        let child: Child
        do {
            child = try Child(command, directory: directory, environment: environment) { [weak self] in
                self?.childEnded(name, $0)
            }
        } catch {
            throw Problem("\(name): \(error)")
        }
        self.child = child
        child.onLine = { [weak self] line, suppressed in
            let line = line.withoutUserinfo
            self?.lastLine = line
            self?.report(.line(line, suppressed: suppressed))
        }
        if let process = child.pid { report(.started(process: process)) }
        try keep(child.output) { () throws(CoreError) in
            try read(.descriptor(child.output)) { [weak self] in self?.outputEnded($0) }
        }
    }

    private func outputEnded(_ error: CoreError?) {
        output = .ended(error)
        guard let child else { return }
        if let exit = child.exit { return finish(exit) }
        if error != nil { return child.stop() }
        // It closes its output when it ends: what it says by its status is worth a moment.
        drain.schedule(at: clock.deadline(after: SourceRun.drainTime)) { [weak self] in self?.child?.stop() }
    }

    private func childEnded(_ name: String, _ exit: Child.Exit) {
        drain.stop()
        if case .ended = output { return finish(exit) }
        if whenClosed != nil { return finish(exit) }
        // A grandchild may hold the pipe; what is in it is read for a moment only.
        drain.schedule(at: clock.deadline(after: SourceRun.drainTime)) { [weak self] in self?.finish(exit) }
    }

    private func finish(_ exit: Child.Exit) {
        if case .ended(let error?) = output { return end(.failed(text(error))) }
        var why = "the child ended with \(exit)"
        if !lastLine.isEmpty { why += ": \(lastLine.prefix(SourceRun.lineLimit))" }
        end(.failed(why))
    }

    // MARK: Ending

    private func end(_ ending: Supervision.Ending) {
        if isOver { return }
        isOver = true
        drain.close()
        spawn { [self] in
            // A source that is closed has none.
            formerBytes += source?.bytes ?? 0
            formerDatagrams = datagrams
            await source?.close()
            await child?.close()
            pull?.close()
            ended(ending)
        }
    }

    private func ended(_ ending: Supervision.Ending) {
        source = nil
        child = nil
        pull = nil
        if let whenClosed {
            self.whenClosed = nil
            whenClosed()
        } else {
            report(.ended(ending))
        }
    }

    /// Takes it down in an orderly way; `done` is called when nothing is left of it, and nothing is reported any more.
    func close(_ done: @escaping @LoopActor () -> Void) {
        if isOver && source == nil && child == nil && pull == nil { return done() }
        whenClosed = done
        if isOver { return }
        if let child, child.exit == nil {
            // What it still writes is read, so that it can end by itself.
            child.stop()
        } else {
            end(.failed(""))
        }
    }

    /// Does not wait for a child to end by itself.
    func kill() { child?.kill() }

}

/// What is wrong with a source, for people.
struct Problem: Error, CustomStringConvertible {
    let description: String
    /// Seconds after which a peer wants to be asked again; nil: it has not said.
    let retryAfter: Double?

    init(_ description: String, retryAfter: Double? = nil) {
        self.description = description
        self.retryAfter = retryAfter
    }
}

extension Source.Kind {
    /// Whether a header may stand at the start.
    var mayBeWAV: Bool {
        switch self {
        case .tone, .datagrams: false
        case .descriptor, .file, .body: true
        }
    }
}
