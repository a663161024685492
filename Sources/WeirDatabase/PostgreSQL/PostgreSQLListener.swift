#if PostgreSQL
    internal import WeirLoop

    /// Hears of new work and of invalidations from every node, on a connection of its own. When that breaks it makes
    /// another, 0.5 s doubling to 30 s later; what was missed meanwhile is made up for by one `.connected`.
    @LoopActor
    final class PostgreSQLListener {
        nonisolated static let channel = "weir_jobs"
        static let backoffFirst: Double = 0.5
        static let backoffMax: Double = 30

        private nonisolated static let listen = [channel, PostgreSQLArtefacts.channel].map {
            PostgreSQLQuery("listen_\($0)", "LISTEN \($0)")
        }

        enum Notification {
            /// From now on all are heard.
            case connected
            case message(String, String)
        }

        private let parameters: PostgreSQLParameters
        private let options: DatabasePoolOptions
        private let clock = LoopClock.monotonic
        private var connection: PostgreSQLConnection?
        private var task: Task<Void, Never>?
        private var broken: UnsafeContinuation<Void, Never>?
        var whenNotified: (@LoopActor (Notification) -> Void)?

        init(_ parameters: PostgreSQLParameters, _ options: DatabasePoolOptions) {
            self.parameters = parameters
            self.options = options
        }

        func start() {
            task = spawn { await self.listen() }
        }

        func close() async {
            whenNotified = nil
            task?.cancel()
            connection?.abort()
            end()
            await task?.value
            task = nil
        }

        private func listen() async {
            var backoff = PostgreSQLListener.backoffFirst
            while !Task.isCancelled {
                if await follow() { backoff = PostgreSQLListener.backoffFirst }
                if Task.isCancelled { return }
                do { try await clock.sleep(for: backoff) } catch { return }
                backoff = min(backoff * 2, PostgreSQLListener.backoffMax)
            }
        }

        /// Until the connection breaks. False when there was none.
        private func follow() async -> Bool {
            do throws(DatabaseError) {
                let connection = try await PostgreSQLConnection.connect(parameters, within: options.connect)
                defer {
                    self.connection = nil
                    connection.finish()
                }
                if Task.isCancelled { return false }
                self.connection = connection
                connection.whenIdle = { [weak self] event in
                    switch event {
                    case .notified(let channel, let payload): self?.whenNotified?(.message(channel, payload))
                    case .broken: self?.end()
                    }
                }
                _ = try await connection.run(PostgreSQLListener.listen.map { $0() }, within: options.query)
                whenNotified?(.connected)
                connection.notify()
                if Task.isCancelled { return false }
                await withUnsafeContinuation { broken = $0 }
                return true
            } catch {
                return false
            }
        }

        private func end() {
            guard let broken else { return }
            self.broken = nil
            broken.resume()
        }
    }
#endif
