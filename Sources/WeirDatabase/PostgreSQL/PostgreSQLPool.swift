#if PostgreSQL
    internal import WeirLoop

    /// Connections, made when they are needed, up to a number. Who finds none free waits in line.
    ///
    /// After a failed connection none is tried for a while, 0.1 s doubling to 5 s; calls fail at once meanwhile, with the
    /// reason. A connection that breaks while nobody uses it is dropped when that happens, so that a server's restart
    /// costs only the requests that were running.
    @LoopActor
    final class PostgreSQLPool {
        static let backoffFirst: Double = 0.1
        static let backoffMax: Double = 5

        private let parameters: PostgreSQLParameters
        private let options: DatabasePoolOptions
        private let waitingMax: Int
        private let clock = LoopClock.monotonic
        private let idleTimer = LoopTimer()

        /// The one that was used last is at the end, and is used next.
        private var idle: [PostgreSQLConnection] = []
        private var busy: [ObjectIdentifier: PostgreSQLConnection] = [:]
        private var connecting = 0
        private var waiters: [Waiter] = []
        private var isClosing = false
        private var whenEmpty: UnsafeContinuation<Void, Never>?
        private var lastFailure: DatabaseError?
        private var backoff: Double = 0
        private var retryAt: UInt64 = 0

        init(_ parameters: PostgreSQLParameters, _ options: DatabasePoolOptions, waiting: Int) {
            self.parameters = parameters
            self.options = options
            waitingMax = waiting
        }

        private var count: Int { idle.count + busy.count + connecting }

        // MARK: Requests

        /// Runs `commands` in one transaction, and returns the rows of each. What was read only, or was undone because
        /// others wrote the same, is tried again.
        func run(
            _ commands: [PostgreSQLCommand], isRead: Bool = false
        ) async throws(DatabaseError) -> [[PostgreSQLRow]] {
            let deadline = clock.deadline(after: options.query)
            var tries = 3
            while true {
                tries -= 1
                do throws(DatabaseError) {
                    return try await attempt(commands, deadline)
                } catch {
                    // (A serialization failure or a deadlock: the transaction did nothing.)
                    let mayRepeat =
                        error.kind == .busy || (isRead && error.kind == .unavailable && error.outcomeIsUnknown)
                    if tries == 0 || !mayRepeat || isClosing { throw error }
                }
            }
        }

        private func attempt(
            _ commands: [PostgreSQLCommand], _ deadline: UInt64
        ) async throws(DatabaseError) -> [[PostgreSQLRow]] {
            let connection = try await take(deadline)
            defer { giveBack(connection) }
            let now = clock.now
            guard now < deadline else { throw late }
            return try await connection.run(commands, within: Double(deadline - now) / 1e9)
        }

        private var late: DatabaseError {
            DatabaseError(.timeout, "\(parameters.shown): no answer within \(options.query) s")
        }

        // MARK: Taking and giving back

        private func take(_ deadline: UInt64) async throws(DatabaseError) -> PostgreSQLConnection {
            while true {
                if isClosing { throw DatabaseError(.closed, "the database is closed") }
                if let connection = idle.popLast() {
                    busy[ObjectIdentifier(connection)] = connection
                    return connection
                }
                if count < options.connections { return try await connect(deadline) }
                guard waiters.count < waitingMax else {
                    throw DatabaseError(.overloaded, "\(waitingMax) requests wait for PostgreSQL")
                }
                let waiter = Waiter()
                waiters.append(waiter)
                let grant = await waiter.wait(until: deadline)
                waiters.removeAll { $0 === waiter }
                switch grant {
                case .connection(let connection): return connection
                case .look: continue
                case .late: throw late
                }
            }
        }

        private func connect(_ deadline: UInt64) async throws(DatabaseError) -> PostgreSQLConnection {
            let now = clock.now
            if let lastFailure, now < retryAt { throw lastFailure }
            guard now < deadline else { throw late }
            connecting += 1
            do throws(DatabaseError) {
                let seconds = min(options.connect, Double(deadline - now) / 1e9)
                let connection = try await PostgreSQLConnection.connect(parameters, within: seconds)
                connecting -= 1
                lastFailure = nil
                backoff = 0
                if isClosing {
                    connection.finish()
                    throw DatabaseError(.closed, "the database is closed")
                }
                connection.whenIdle = { [weak self, weak connection] event in
                    if case .broken = event, let connection { self?.drop(connection) }
                }
                busy[ObjectIdentifier(connection)] = connection
                return connection
            } catch {
                if error.kind != .closed {
                    connecting -= 1
                    backoff = min(max(backoff * 2, PostgreSQLPool.backoffFirst), PostgreSQLPool.backoffMax)
                    retryAt = clock.deadline(after: backoff)
                    lastFailure = error
                }
                // Whoever waits in line tries for itself, and hears the reason.
                for waiter in waiters { waiter.grant(.look) }
                finishClosing()
                throw error
            }
        }

        private func giveBack(_ connection: PostgreSQLConnection) {
            let next = waiters.first { $0.isWaiting }
            if connection.isBroken || connection.uses >= options.uses || isClosing {
                busy[ObjectIdentifier(connection)] = nil
                connection.finish()
                // There is room for a new one now.
                next?.grant(.look)
                finishClosing()
            } else if let next {
                next.grant(.connection(connection))
            } else {
                busy[ObjectIdentifier(connection)] = nil
                connection.idleSince = clock.now
                idle.append(connection)
                scheduleIdle()
            }
        }

        private func drop(_ connection: PostgreSQLConnection) {
            idle.removeAll { $0 === connection }
            connection.finish()
        }

        // MARK: Idle connections

        private func scheduleIdle() {
            guard let oldest = idle.first else { return idleTimer.stop() }
            let due = oldest.idleSince &+ UInt64(options.idle * 1e9)
            idleTimer.schedule(at: due) { [weak self] in self?.closeIdle() }
        }

        private func closeIdle() {
            let limit = UInt64(options.idle * 1e9)
            let now = clock.now
            while let oldest = idle.first, now &- oldest.idleSince >= limit { drop(oldest) }
            scheduleIdle()
        }

        // MARK: Closing

        /// Ends what runs with `.closed`, and returns when no connection is left.
        func close() async {
            isClosing = true
            idleTimer.close()
            for connection in idle { connection.finish() }
            idle = []
            for connection in busy.values { connection.abort() }
            for waiter in waiters { waiter.grant(.look) }
            if count > 0 {
                await withUnsafeContinuation { whenEmpty = $0 }
            }
        }

        private func finishClosing() {
            guard isClosing, count == 0, let whenEmpty else { return }
            self.whenEmpty = nil
            whenEmpty.resume()
        }
    }

    /// A place in line.
    @LoopActor
    private final class Waiter {
        enum Grant {
            /// It is the waiter's.
            case connection(PostgreSQLConnection)
            /// Something changed.
            case look
            /// The time is over.
            case late
        }

        private let timer = LoopTimer()
        private var continuation: UnsafeContinuation<Grant, Never>?

        var isWaiting: Bool { continuation != nil }

        func wait(until deadline: UInt64) async -> Grant {
            timer.schedule(at: deadline) { [weak self] in self?.grant(.late) }
            return await withUnsafeContinuation { continuation = $0 }
        }

        func grant(_ grant: Grant) {
            guard let continuation else { return }
            self.continuation = nil
            timer.close()
            continuation.resume(returning: grant)
        }
    }
#endif
