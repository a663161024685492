#if Redis
    internal import WeirLoop

    /// Hears what other nodes say on a channel, on a connection of its own. When that breaks it makes another, 0.5 s doubling
    /// to 30 s later; what was missed meanwhile is made up for by one nil.
    @LoopActor
    final class RedisListener {
        static let backoffFirst: Double = 0.5
        static let backoffMax: Double = 30

        private let url: RedisURL
        private let options: RedisOptions
        private let clock = LoopClock.monotonic
        private let pulse = LoopTimer()
        private var connection: RedisConnection?
        private var task: Task<Void, Never>?
        private var broken: UnsafeContinuation<Void, Never>?
        /// Nothing was heard since the last question whether it is still there.
        private var isAsked = false
        private var isClosed = false
        /// Nil: from now on all is heard.
        var whenHeard: (@LoopActor (String?) -> Void)?

        init(_ url: RedisURL, _ options: RedisOptions) {
            self.url = url
            self.options = options
        }

        func start() {
            task = spawn { [weak self] in
                var backoff = RedisListener.backoffFirst
                while let self, !isClosed {
                    if await follow() { backoff = RedisListener.backoffFirst }
                    if isClosed { return }
                    do { try await clock.sleep(for: backoff) } catch { return }
                    backoff = min(backoff * 2, RedisListener.backoffMax)
                }
            }
        }

        func close() async {
            isClosed = true
            whenHeard = nil
            task?.cancel()
            connection?.close()
            pulse.close()
            await task?.value
            task = nil
        }

        /// Until the connection breaks. False when there was none.
        private func follow() async -> Bool {
            guard let connection = try? await RedisConnection.connect(url, within: options.connect) else {
                return false
            }
            defer {
                connection.close()
                self.connection = nil
                pulse.stop()
            }
            if isClosed { return false }
            self.connection = connection
            connection.whenMessage = { [weak self] in self?.take($0) }
            connection.whenBroken = { [weak self] _ in
                self?.broken?.resume()
                self?.broken = nil
            }
            connection.send(["SUBSCRIBE", RedisScripts.channel])
            isAsked = false
            let interval = UInt64(options.pulse * 1e9)
            pulse.schedule(every: interval, from: clock.now + interval) { [weak self] _ in self?.beat() }
            await withUnsafeContinuation { continuation in
                if connection.failure == nil { broken = continuation } else { continuation.resume() }
            }
            return true
        }

        /// A server that went away without a word is noticed.
        private func beat() {
            if isAsked {
                connection?.close()
            } else {
                isAsked = true
                connection?.send(["PING"])
            }
        }

        private func take(_ reply: RedisReply) {
            isAsked = false
            let parts = reply.list
            switch parts.first?.text {
            case "subscribe": whenHeard?(nil)
            case "message" where parts.count == 3: if let word = parts[2].text { whenHeard?(word) }
            default: break
            }
        }
    }
#endif
