import CLibuv
import CWeir
import Glibc
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
        /// The first byte of this run is in the log.
        case first
        /// The writer of a named pipe left; the run waits for the next one.
        case writerLeft
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
    /// What the log carries.
    private var format: StationOptions.Format
    private let clock: LoopClock
    private let report: (Report) -> Void
    private let onFormat: (PCMFormat) -> Problem?

    private var source: Source?
    /// Bytes of the sources before `source`: a named pipe has one for each writer.
    private var formerBytes: UInt64 = 0
    private var child: Child?
    private let drain: LoopTimer
    private var output = Output.open
    private var lastLine = ""
    /// Why the source's format was not accepted.
    private var refusal: Problem?
    private var isOver = false
    private var whenClosed: (@LoopActor () -> Void)?

    /// What has become of a child's output.
    private enum Output {
        case open
        case ended(CoreError?)
    }

    /// `onFormat` decides on the header of a WAV stream that differs from `format`: nil accepts it.
    init(
        options: StationOptions, format: StationOptions.Format, log: Log, fanout: Fanout, clock: LoopClock,
        onFormat: @escaping (PCMFormat) -> Problem?, report: @escaping (Report) -> Void
    ) {
        self.options = options
        self.format = format
        self.log = log
        self.fanout = fanout
        self.clock = clock
        self.onFormat = onFormat
        self.report = report
        drain = LoopTimer(clock: clock)
    }

    /// Bytes put into the log by this run. Never falls, even where the log drops a unit that was begun.
    var bytes: UInt64 { formerBytes + (source?.bytes ?? 0) }
    /// The clock's nanoseconds at the last bytes; nil before the source is open.
    var last: UInt64? { source?.last }

    /// Writes what is due, with a manual clock.
    func turn() { source?.turn() }

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
            }
        } catch {
            end(.failed("\(error)"))
        }
    }

    private func read(_ kind: Source.Kind, onEnd: @escaping (CoreError?) -> Void) throws(CoreError) {
        var pcm: PCMFormat?
        if case .pcm(let carried) = format { pcm = carried }
        let source = try Source(
            kind, log: log, fanout: fanout, format: pcm, detectWAV: kind.mayBeWAV, clock: clock, onEnd: onEnd)
        source.onFormat = { [weak self] in self?.found($0) }
        source.onFirst = { [weak self] in self?.report(.first) }
        self.source = source
    }

    private func found(_ format: PCMFormat) -> CoreError? {
        refusal = onFormat(format)
        return refusal == nil ? nil : .format
    }

    /// What an error of the source says: why a format was refused, rather than that it was.
    private func text(_ error: CoreError) -> String {
        if error == .format, let refusal { return refusal.description }
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
                guard case .pcm = format else {
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
            await source?.close()
            await child?.close()
            ended(ending)
        }
    }

    private func ended(_ ending: Supervision.Ending) {
        source = nil
        child = nil
        if let whenClosed {
            self.whenClosed = nil
            whenClosed()
        } else {
            report(.ended(ending))
        }
    }

    /// Takes it down in an orderly way; `done` is called when nothing is left of it, and nothing is reported any more.
    func close(_ done: @escaping @LoopActor () -> Void) {
        if isOver && source == nil && child == nil { return done() }
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

    init(_ description: String) { self.description = description }
}

extension Source.Kind {
    /// Whether a header may stand at the start.
    var mayBeWAV: Bool {
        if case .tone = self { false } else { true }
    }
}
