public import CWeir
import Glibc

/// The actor on which the engine lives: everything isolated to it runs on the thread of one libuv loop.
///
/// One engine in a process. After it was closed, another can be made on another loop.
@globalActor
public actor LoopActor {
    public static let shared = LoopActor()
    public static let executor = LoopExecutor()

    public nonisolated var unownedExecutor: UnownedSerialExecutor { LoopActor.executor.asUnownedSerialExecutor() }

    /// How often C code entered Swift, and how many jobs ran, since the process began. What a fan-out does must not show
    /// here: Swift decides, C moves bytes.
    @LoopActor
    public static var entries: UInt64 { executor.entries }

    /// The loop that is attached. For code that makes handles of its own.
    @LoopActor
    public static var loop: UnsafeMutablePointer<uv_loop_t> { executor.loop }

    /// Whether a loop is attached. Any thread.
    public static var isAttached: Bool { executor.isAttached }

    /// Every C callback comes into Swift through here: it is counted, and it is on the actor.
    ///
    /// Traps when called on another thread than the loop's.
    @inline(__always)
    package static func enter<Value: Sendable>(_ operation: @LoopActor () throws -> Value) rethrows -> Value {
        executor.checkIsolated()
        executor.countEntry()
        return try unchecked(operation)
    }

    /// The same for what is entered often: a function of one argument, made once, so that nothing is allocated.
    struct Entry<Argument>: @unchecked Sendable {
        private let function: (Argument) -> Void

        init(_ function: @escaping @LoopActor (Argument) -> Void) {
            self.function = unsafeBitCast(function, to: ((Argument) -> Void).self)
        }

        @inline(__always)
        func callAsFunction(_ argument: Argument) {
            executor.checkIsolated()
            executor.countEntry()
            function(argument)
        }
    }

    /// Runs synchronously what is isolated to the actor, from code that is on the loop's thread but cannot say so in its
    /// type. Traps when called on another thread.
    public static func assumeIsolated<Value: Sendable>(_ operation: @LoopActor () throws -> Value) rethrows -> Value {
        executor.checkIsolated()
        return try unchecked(operation)
    }

    /// As `MainActor.assumeIsolated` does it: the standard library has that for its own actor only.
    @inline(__always)
    private static func unchecked<Value: Sendable>(_ operation: @LoopActor () throws -> Value) rethrows -> Value {
        try withoutActuallyEscaping(operation) { operation in
            try unsafeBitCast(operation, to: (() throws -> Value).self)()
        }
    }

    /// Waits until every task that could run has run, or for 256 turns: after it, only things from outside make progress.
    /// Two tasks must not do it at once. For tests.
    @LoopActor
    public static func settle() async {
        for _ in 0..<256 {
            await Task.yield()
            if executor.waiting == 0 { return }
        }
    }
}

// MARK: - Tasks

/// Starts a task on the actor. The only way to start one: a bare `Task {}` would resume over a thread of the pool.
@discardableResult
public func spawn<Value: Sendable>(_ operation: @escaping @LoopActor () async -> Value) -> Task<Value, Never> {
    Task(executorPreference: LoopActor.executor, operation: operation)
}

/// Starts a task that can fail on the actor.
@discardableResult
public func spawn<Value: Sendable>(
    _ operation: @escaping @LoopActor () async throws -> Value
) -> Task<Value, any Error> {
    Task(executorPreference: LoopActor.executor, operation: operation)
}

// MARK: - Running

extension LoopActor {
    /// Takes a host's loop into use; on the thread that runs it. `CoreError.busy` when there is a loop already.
    public static func attach(to loop: UnsafeMutablePointer<uv_loop_t>) throws(CoreError) {
        try executor.attach(to: loop)
    }

    /// Lets the loop go; on its thread. `done` is called from the loop when none of the actor's own handles is left.
    /// Tasks that are ready but have not run by then wait for the next loop, if one comes.
    public static func detach(_ done: @escaping () -> Void) {
        executor.detach(done)
    }

    /// Runs `body` on a loop of its own on the calling thread, until it has returned and nothing keeps the loop alive.
    ///
    /// - Throws: `CoreError.busy` when there is a loop already; `HandlesLeft` when `body` and what it started left handles
    ///   open; what `body` throws.
    public static func run<Value: Sendable>(_ body: @escaping @LoopActor () async throws -> Value) throws -> Value {
        let loop = UnsafeMutablePointer<uv_loop_t>.allocate(capacity: 1)
        let status = uv_loop_init(loop)
        guard status == 0 else {
            loop.deallocate()
            throw CoreError(rawValue: status)
        }
        do {
            try attach(to: loop)
        } catch {
            uv_loop_close(loop)
            loop.deallocate()
            throw error
        }
        let outcome = Outcome<Value>()
        executor.hold()
        spawn {
            do { outcome.result = .success(try await body()) } catch { outcome.result = .failure(error) }
            executor.release()
        }
        uv_run(loop, UV_RUN_DEFAULT)
        detach {}
        uv_run(loop, UV_RUN_DEFAULT)
        guard uv_loop_close(loop) == 0 else {
            // The loop's memory stays: those handles point to it.
            throw HandlesLeft(types: openHandles(of: loop))
        }
        loop.deallocate()
        guard let result = outcome.result else { preconditionFailure("the loop ended before its main task") }
        return try result.get()
    }

    /// As `run`, but waits while another thread of the process runs a loop. For tests, which share a process.
    package static func runInTurn<Value: Sendable>(
        _ body: @escaping @LoopActor () async throws -> Value
    ) throws -> Value {
        try inTurn { try run(body) }
    }

    /// Calls `body` while no other thread does: for tests that attach a loop of their own.
    package static func inTurn<Value>(_ body: () throws -> Value) rethrows -> Value {
        try turn.with(body)
    }

    private static let turn = ThreadLock()

    /// libuv's names of the types of the handles that a loop has, sorted.
    public static func openHandles(of loop: UnsafeMutablePointer<uv_loop_t>) -> [String] {
        final class Names { var names: [String] = [] }
        let names = Names()
        let collect: uv_walk_cb = { handle, context in
            guard let handle, let context else { return }
            let type = uv_handle_type_name(uv_handle_get_type(handle)).map { String(cString: $0) } ?? "unknown"
            Unmanaged<Names>.fromOpaque(context).takeUnretainedValue().names.append(type)
        }
        uv_walk(loop, collect, Unmanaged.passUnretained(names).toOpaque())
        return names.names.sorted()
    }

    /// Written on the loop's thread, read after it ended.
    private final class Outcome<Value: Sendable>: @unchecked Sendable {
        var result: Result<Value, any Error>?
    }
}
