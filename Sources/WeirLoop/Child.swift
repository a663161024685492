internal import CWeir
import Glibc

/// A child process in a group of its own, always reaped: `weir_child_t`.
@LoopActor
public final class Child {
    /// How it ended.
    public enum Exit: Sendable, Equatable, CustomStringConvertible {
        case status(Int32)
        case signal(Int32)
        /// The host has reaped it, or ignores SIGCHLD.
        case unknown

        public var description: String {
            switch self {
            case .status(let status): "exit status \(status)"
            case .signal(let signal): "signal \(signal)"
            case .unknown: "an unknown status"
            }
        }
    }

    /// A line of standard error, and how many before it were kept but not handed over.
    public var onLine: ((_ line: String, _ suppressed: Int) -> Void)?
    /// It has been reaped. Once.
    public var onExit: ((Exit) -> Void)?
    /// The read end of its standard output: non-blocking, the caller's to close.
    public private(set) var output: Int32 = -1
    public private(set) var exit: Exit?

    private var memory: OpaquePointer?
    private var whenClosed: (@LoopActor () -> Void)?

    /// Starts a program with an argument list; nothing passes through a shell. `environment` is added to the process's
    /// own. Throws `ENOENT`, `EACCES`, ... when it cannot be executed.
    public init(
        _ arguments: [String], directory: String? = nil, environment: [String: String] = [:],
        stopGrace: Double = 2, onExit: @escaping (Exit) -> Void
    ) throws(CoreError) {
        guard !arguments.isEmpty else { throw .option }
        self.onExit = onExit
        var options = weir_child_options_t()
        options.size = MemoryLayout<weir_child_options_t>.size
        options.stop_grace = UInt32(clamping: Int(min(max(0.001, stopGrace), 86400) * 1000))
        options.on_line = childLine
        options.on_exit = childExited
        let me = Unmanaged.passRetained(self)
        options.data = me.toOpaque()
        let vector = CStrings(arguments)
        let variables = environment.isEmpty ? nil : CStrings(Child.merged(environment))
        options.arguments = vector.pointer
        options.environment = variables?.pointer
        let place = directory.map { strdup($0) } ?? nil
        options.directory = place.map { UnsafePointer($0) }
        let status = withExtendedLifetime((vector, variables)) {
            weir_child_spawn(LoopActor.loop, &memory, &output, &options)
        }
        free(place)
        if status < 0 {
            memory = nil
            me.release()
            throw CoreError(rawValue: status)
        }
    }

    public var pid: Int32? { memory.map { weir_child_pid($0) } }

    /// Asks the group to end: SIGINT, SIGTERM, SIGKILL by `stopGrace`. `onExit` follows.
    public func stop() {
        if let memory { weir_child_stop(memory) }
    }

    /// SIGKILL to the group; `onExit` follows.
    public func kill() {
        if let memory { weir_child_kill(memory) }
    }

    /// The last bytes of standard error, oldest first.
    public var standardError: [UInt8] {
        guard let memory else { return [] }
        return [UInt8](unsafeUninitializedCapacity: Int(WEIR_CHILD_STDERR_KEPT)) { buffer, count in
            count = buffer.withMemoryRebound(to: CChar.self) {
                weir_child_stderr(memory, $0.baseAddress, $0.count)
            }
        }
    }

    /// Kills it if it still runs, without `onExit`; `done` is called when it has been reaped.
    public func close(_ done: (@LoopActor () -> Void)? = nil) {
        guard let memory else {
            done?()
            return
        }
        self.memory = nil
        onExit = nil
        onLine = nil
        whenClosed = done
        weir_child_close(memory, childClosed)
    }

    /// Kills it if it still runs, without `onExit`; returns when it has been reaped.
    public func close() async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            close { continuation.resume() }
        }
    }

    fileprivate func line(_ line: String, _ suppressed: Int) { onLine?(line, suppressed) }

    fileprivate func exited(_ how: weir_child_exit_t) {
        let exit: Exit = how.signal != 0 ? .signal(how.signal) : how.status < 0 ? .unknown : .status(how.status)
        self.exit = exit
        let handler = onExit
        onExit = nil
        handler?(exit)
    }

    fileprivate func closed() {
        let done = whenClosed
        whenClosed = nil
        done?()
    }

    private static func merged(_ additions: [String: String]) -> [String] {
        var list = additions.map { "\($0.key)=\($0.value)" }
        var variable = environ
        while let text = variable.pointee {
            let entry = String(cString: text)
            let name = entry.prefix { $0 != "=" }
            if additions[String(name)] == nil { list.append(entry) }
            variable += 1
        }
        return list
    }
}

/// A NULL-terminated array of C strings.
private final class CStrings {
    private let array: UnsafeMutablePointer<UnsafePointer<CChar>?>
    private let count: Int

    init(_ strings: [String]) {
        count = strings.count
        array = .allocate(capacity: count + 1)
        for (index, string) in strings.enumerated() {
            (array + index).initialize(to: strdup(string).map { UnsafePointer($0) })
        }
        (array + count).initialize(to: nil)
    }

    var pointer: UnsafePointer<UnsafePointer<CChar>?> { UnsafePointer(array) }

    deinit {
        for index in 0..<count { free(UnsafeMutablePointer(mutating: array[index])) }
        array.deallocate()
    }
}

// MARK: - From the core

@LoopActor
private func face(_ core: OpaquePointer?) -> Child {
    Unmanaged<Child>.fromOpaque(weir_child_data(core)).takeUnretainedValue()
}

private let childLine: @convention(c) (OpaquePointer?, UnsafePointer<CChar>?, Int, UInt32) -> Void = {
    core, line, length, suppressed in
    nonisolated(unsafe) let core = core
    let text = String(decoding: UnsafeRawBufferPointer(start: line, count: length), as: UTF8.self)
    LoopActor.enter { face(core).line(text, Int(suppressed)) }
}

private let childExited: @convention(c) (OpaquePointer?, UnsafePointer<weir_child_exit_t>?) -> Void = { core, how in
    nonisolated(unsafe) let core = core
    let how = how!.pointee
    LoopActor.enter { face(core).exited(how) }
}

private let childClosed: @convention(c) (UnsafeMutableRawPointer?) -> Void = { data in
    nonisolated(unsafe) let data = data!
    LoopActor.enter { Unmanaged<Child>.fromOpaque(data).takeRetainedValue().closed() }
}
