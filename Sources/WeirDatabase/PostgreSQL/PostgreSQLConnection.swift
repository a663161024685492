#if PostgreSQL
    internal import CPostgreSQL
    internal import WeirLoop

    /// A connection, without blocking: libpq in pipeline mode on the loop. It serves one request at a time.
    @LoopActor
    final class PostgreSQLConnection {
        private nonisolated(unsafe) let handle: OpaquePointer
        private var poll: Poll?
        private var prepared: Set<String> = []
        private let shown: String
        private var isFinished = false
        private var isAborted = false
        /// Requests served.
        private(set) var uses = 0
        /// When it was last used, on the pool's clock.
        var idleSince: UInt64 = 0
        /// Called when it breaks, or a notification comes, while nobody uses it.
        var whenIdle: (@LoopActor (IdleEvent) -> Void)?

        enum IdleEvent {
            case broken
            case notified(channel: String, payload: String)
        }

        private init(_ handle: OpaquePointer, shown: String) {
            self.handle = handle
            self.shown = shown
        }

        deinit { if !isFinished { PQfinish(handle) } }

        nonisolated static var version: String {
            let number = PQlibVersion()
            return "\(number / 10000).\(number % 10000)"
        }

        // MARK: Connecting

        /// Connects within `seconds`. Throws `.unavailable`, `.denied` or `.timeout`.
        static func connect(
            _ parameters: PostgreSQLParameters, within seconds: Double
        ) async throws(DatabaseError) -> PostgreSQLConnection {
            let alarm = Alarm(after: seconds)
            defer { alarm.stop() }
            let parameters = try await parameters.resolved()
            guard let handle = parameters.begin() else { throw DatabaseError(.unavailable, "out of memory") }
            let connection = PostgreSQLConnection(handle, shown: parameters.shown)
            do throws(DatabaseError) {
                // libpq writes notices to the standard error otherwise.
                _ = PQsetNoticeReceiver(handle, { _, _ in }, nil)
                try await connection.establish(alarm, seconds)
            } catch {
                connection.finish()
                throw error
            }
            return connection
        }

        private func establish(_ alarm: Alarm, _ seconds: Double) async throws(DatabaseError) {
            var status = PQstatus(handle) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING
            while status != PGRES_POLLING_OK {
                if status == PGRES_POLLING_FAILED { throw connectError }
                if alarm.hasRung { throw late(seconds) }
                // The socket may be another after each step.
                let poll = try makePoll()
                alarm.poll = poll
                let events = await poll.wait(for: status == PGRES_POLLING_READING ? .readable : .writable)
                poll.close()
                alarm.poll = nil
                if events.isEmpty { throw late(seconds) }
                status = PQconnectPoll(handle)
            }
            guard PQsetnonblocking(handle, 1) == 0, PQenterPipelineMode(handle) == 1 else { throw connectError }
            poll = try makePoll()
            watch()
        }

        private func late(_ seconds: Double) -> DatabaseError {
            DatabaseError(.timeout, "\(shown): no connection within \(seconds) s")
        }

        private var connectError: DatabaseError {
            let isDenied = PQconnectionNeedsPassword(handle) != 0 || PQconnectionUsedPassword(handle) != 0
            return DatabaseError(
                isDenied ? .denied : .unavailable, "\(shown): \(DatabaseError.line(PQerrorMessage(handle)))")
        }

        private func makePoll() throws(DatabaseError) -> Poll {
            do {
                return try Poll(descriptor: PQsocket(handle))
            } catch {
                throw DatabaseError(.unavailable, "\(shown): \(error)")
            }
        }

        // MARK: Requests

        /// Runs `commands` in one flight and one transaction, within `seconds`. The rows of each.
        ///
        /// After `.unavailable` and `.timeout` of the client's the connection is broken: see `isBroken`.
        func run(_ commands: [PostgreSQLCommand], within seconds: Double) async throws(DatabaseError)
            -> [[PostgreSQLRow]]
        {
            guard !isBroken, let poll else { throw DatabaseError(.unavailable, "\(shown): the connection is closed") }
            uses += 1
            poll.stop()
            let alarm = Alarm(after: seconds)
            alarm.poll = poll
            defer { alarm.stop() }
            let kinds = try send(commands)
            let rows = try await receive(kinds, poll, alarm)
            if !isBroken { watch() }
            return try rows.get()
        }

        private enum Sent {
            case prepare(String)
            case execute
        }

        private func send(_ commands: [PostgreSQLCommand]) throws(DatabaseError) -> [Sent] {
            var sent: [Sent] = []
            var asked = prepared
            for command in commands {
                let query = command.query
                if asked.insert(query.name).inserted {
                    guard PQsendPrepare(handle, query.name, query.text, 0, nil) == 1 else { throw broken() }
                    sent.append(.prepare(query.name))
                }
                let count = Int32(command.values.count)
                let status = CStrings.with(command.values) { values in
                    PQsendQueryPrepared(handle, query.name, count, values, nil, nil, 0)
                }
                guard status == 1 else { throw broken() }
                sent.append(.execute)
            }
            guard PQpipelineSync(handle) == 1 else { throw broken() }
            return sent
        }

        /// Until the pipeline's sync: results of each, or the first error.
        private func receive(
            _ sent: [Sent], _ poll: Poll, _ alarm: Alarm
        ) async throws(DatabaseError) -> Result<[[PostgreSQLRow]], DatabaseError> {
            var rows: [[PostgreSQLRow]] = []
            var failure: DatabaseError?
            var index = 0
            while true {
                let unsent = PQflush(handle)
                if unsent < 0 { throw broken(sent: true) }
                while PQisBusy(handle) == 0 {
                    guard let result = PQgetResult(handle) else {
                        // Between two commands; but not when nothing is expected any more.
                        if PQstatus(handle) == CONNECTION_BAD { throw broken(sent: true) }
                        continue
                    }
                    defer { PQclear(result) }
                    switch PQresultStatus(result) {
                    case PGRES_PIPELINE_SYNC:
                        return failure.map { .failure($0) } ?? .success(rows)
                    case PGRES_COMMAND_OK, PGRES_TUPLES_OK:
                        if index < sent.count, case .prepare(let name) = sent[index] {
                            prepared.insert(name)
                        } else {
                            rows.append((0..<PQntuples(result)).map { PostgreSQLRow(result, $0) })
                        }
                    case PGRES_PIPELINE_ABORTED: break
                    default:
                        if failure == nil { failure = DatabaseError(result: result) }
                        if PQstatus(handle) == CONNECTION_BAD { throw broken(failure, sent: true) }
                    }
                    index += 1
                }
                _ = await poll.wait(for: unsent > 0 ? [.readable, .writable] : .readable)
                if isAborted { throw broken(DatabaseError(.closed, "the database is closed"), sent: true) }
                if alarm.hasRung { throw broken(DatabaseError(.timeout, "\(shown): no answer in time"), sent: true) }
                if PQconsumeInput(handle) == 0 { throw broken(failure, sent: true) }
            }
        }

        private(set) var isBroken = false

        /// Marks it, and says why: what the server said, or libpq.
        private func broken(_ reason: DatabaseError? = nil, sent: Bool = false) -> DatabaseError {
            isBroken = true
            let message = DatabaseError.line(PQerrorMessage(handle))
            let text = reason?.message ?? "\(shown): \(message.isEmpty ? "the connection broke" : message)"
            return DatabaseError(reason?.kind ?? .unavailable, code: reason?.code, outcomeIsUnknown: sent, text)
        }

        // MARK: Idle

        /// While nobody uses it: a server that goes away is noticed, and notifications are heard.
        private func watch() {
            poll?.start(.readable) { [weak self] _ in self?.readable() }
        }

        private func readable() {
            if PQconsumeInput(handle) == 0 || PQstatus(handle) == CONNECTION_BAD {
                isBroken = true
                poll?.stop()
                whenIdle?(.broken)
                return
            }
            notify()
        }

        /// Tells of notifications that have come, also of those that came among a request's answers.
        func notify() {
            while !isFinished, let notification = PQnotifies(handle) {
                let channel = String(cString: notification.pointee.relname)
                let payload = notification.pointee.extra.map { String(cString: $0) } ?? ""
                PQfreemem(notification)
                whenIdle?(.notified(channel: channel, payload: payload))
            }
        }

        /// Ends the request that runs, if one does.
        func abort() {
            isAborted = true
            isBroken = true
            poll?.interrupt()
        }

        /// Closes it. No request may run. Twice is harmless.
        func finish() {
            whenIdle = nil
            isBroken = true
            if isFinished { return }
            isFinished = true
            poll?.close()
            poll = nil
            PQfinish(handle)
        }
    }

    /// Interrupts a wait when its time is over.
    @LoopActor
    private final class Alarm {
        private let timer = LoopTimer()
        private(set) var hasRung = false
        var poll: Poll?

        init(after seconds: Double) {
            timer.schedule(at: timer.clock.deadline(after: seconds)) { [weak self] in self?.ring() }
        }

        private func ring() {
            hasRung = true
            poll?.interrupt()
        }

        func stop() {
            timer.close()
            poll = nil
        }
    }
#endif
