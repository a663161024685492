#if Redis
    internal import CHiredis
    internal import Glibc
    internal import WeirLoop

    /// A connection to Redis on the loop: hiredis writes and reads the protocol, the socket is watched here. (Its own adapter
    /// for libuv swallows errors of the poll, and its writes raise SIGPIPE.) Requests are answered in their order, many may
    /// be under way.
    @LoopActor
    final class RedisConnection {
        /// Requests under way; the next is refused.
        static let requestsMax = 1000
        /// Bytes that wait to be sent, and those of a reply that is not whole yet.
        static let outputMax = 16 << 20
        static let replyMax = 64 << 20

        private final class Request {
            var missing: Int
            var replies: [RedisReply] = []
            let deadline: UInt64
            let continuation: UnsafeContinuation<Result<[RedisReply], DatabaseError>, Never>

            init(
                missing: Int, deadline: UInt64,
                _ continuation: UnsafeContinuation<Result<[RedisReply], DatabaseError>, Never>
            ) {
                self.missing = missing
                self.deadline = deadline
                self.continuation = continuation
            }
        }

        private let url: RedisURL
        private let reader: UnsafeMutablePointer<redisReader>
        private let descriptor: Int32
        private let poll: Poll
        private let timer = LoopTimer()
        private var output: [UInt8] = []
        private var sent = 0
        private var requests: [Request] = []
        /// What it broke of.
        private(set) var failure: DatabaseError?
        /// Called once when it breaks, also by `close`.
        var whenBroken: (@LoopActor (DatabaseError) -> Void)?
        /// What comes without a request: the messages of a channel.
        var whenMessage: (@LoopActor (RedisReply) -> Void)?

        private init(_ url: RedisURL, _ descriptor: Int32, _ poll: Poll) throws(DatabaseError) {
            guard let reader = redisReaderCreate() else { throw DatabaseError(.unavailable, "out of memory") }
            self.url = url
            self.reader = reader
            self.descriptor = descriptor
            self.poll = poll
        }

        isolated deinit {
            close()
            redisReaderFree(reader)
            Glibc.close(descriptor)
        }

        /// Of the headers: the library does not say.
        nonisolated static var version: String { "\(HIREDIS_MAJOR).\(HIREDIS_MINOR).\(HIREDIS_PATCH)" }

        // MARK: Connecting

        /// Connects, names itself, and chooses the database, within `seconds`.
        static func connect(
            _ url: RedisURL, within seconds: Double
        ) async throws(DatabaseError) -> RedisConnection {
            let deadline = LoopClock.monotonic.deadline(after: seconds)
            var last = DatabaseError(.unavailable, "\(url): no such host")
            for address in try await RedisSocket.addresses(of: url) {
                do throws(DatabaseError) {
                    let connection = try await open(url, address, deadline)
                    do throws(DatabaseError) {
                        try await connection.introduce(seconds)
                    } catch {
                        connection.close()
                        throw error
                    }
                    return connection
                } catch {
                    last = error
                }
            }
            throw last
        }

        private static func open(
            _ url: RedisURL, _ address: RedisSocket.Address, _ deadline: UInt64
        ) async throws(DatabaseError) -> RedisConnection {
            let descriptor: Int32
            do throws(CoreError) { descriptor = try RedisSocket.begin(address) } catch {
                throw DatabaseError(.unavailable, "\(url): \(error)")
            }
            let poll: Poll
            do throws(CoreError) { poll = try Poll(descriptor: descriptor) } catch {
                Glibc.close(descriptor)
                throw DatabaseError(.unavailable, "\(url): \(error)")
            }
            let timer = LoopTimer()
            timer.schedule(at: deadline) { poll.interrupt() }
            let events = await poll.wait(for: .writable)
            timer.close()
            let trouble = events.isEmpty ? CoreError(errno: ETIMEDOUT) : RedisSocket.error(of: descriptor)
            if let trouble {
                poll.close()
                Glibc.close(descriptor)
                throw DatabaseError(events.isEmpty ? .timeout : .unavailable, "\(url): \(trouble)")
            }
            let connection: RedisConnection
            do throws(DatabaseError) { connection = try RedisConnection(url, descriptor, poll) } catch {
                poll.close()
                Glibc.close(descriptor)
                throw error
            }
            connection.watch()
            return connection
        }

        private func introduce(_ seconds: Double) async throws(DatabaseError) {
            var commands: [[String]] = []
            if let password = url.password {
                commands.append(["AUTH"] + (url.user.map { [$0] } ?? []) + [password])
            }
            if url.database != 0 { commands.append(["SELECT", String(url.database)]) }
            commands.append(["PING"])
            _ = try await run(commands, within: seconds)
        }

        // MARK: Requests

        /// Sends commands in one go, and returns the reply to each. An error among them is thrown. When time is over the
        /// connection is broken, for all: what comes later could be taken for another's reply.
        @discardableResult
        func run(_ commands: [[String]], within seconds: Double) async throws(DatabaseError) -> [RedisReply] {
            if let failure { throw failure }
            guard requests.count < RedisConnection.requestsMax, output.count - sent < RedisConnection.outputMax else {
                throw DatabaseError(.overloaded, "\(requests.count) requests wait for Redis")
            }
            for command in commands { append(command) }
            let deadline = timer.clock.deadline(after: seconds)
            let result = await withUnsafeContinuation { continuation in
                requests.append(Request(missing: commands.count, deadline: deadline, continuation))
                if requests.count == 1 { scheduleTimer() }
                flush()
                watch()
            }
            let replies = try result.get()
            for case .error(let text) in replies { throw DatabaseError(redis: text) }
            return replies
        }

        /// Sends a command whose replies are messages.
        func send(_ command: [String]) {
            append(command)
            flush()
            watch()
        }

        /// RESP: an array of bulk strings.
        private func append(_ command: [String]) {
            output += Array("*\(command.count)\r\n".utf8)
            for word in command {
                output += Array("$\(word.utf8.count)\r\n".utf8)
                output += Array(word.utf8)
                output += [13, 10]
            }
        }

        private func scheduleTimer() {
            guard let first = requests.first else { return timer.stop() }
            timer.schedule(at: first.deadline) { [weak self] in
                guard let self else { return }
                end(DatabaseError(.timeout, outcomeIsUnknown: true, "\(url): no answer in time"))
            }
        }

        // MARK: The socket

        private func watch() {
            if failure != nil { return }
            poll.start(sent < output.count ? [.readable, .writable] : .readable) { [weak self] _ in
                guard let self else { return }
                flush()
                receive()
                watch()
            }
        }

        private func flush() {
            while failure == nil, sent < output.count {
                let count = output.withUnsafeBytes {
                    Glibc.send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
                }
                if count < 0, errno == EINTR { continue }
                if count < 0, errno == EAGAIN { return }
                guard count >= 0 else { return end(broken(CoreError(errno: errno))) }
                sent += count
            }
            output = []
            sent = 0
        }

        /// One read for each time that the loop says so: others have their turn between.
        private func receive() {
            if failure != nil { return }
            let room = 64 << 10
            let status = withUnsafeTemporaryAllocation(byteCount: room, alignment: 16) { bytes -> DatabaseError? in
                let count = recv(descriptor, bytes.baseAddress, room, 0)
                if count < 0 { return errno == EAGAIN || errno == EINTR ? nil : broken(CoreError(errno: errno)) }
                if count == 0 { return broken(nil) }
                guard redisReaderFeed(reader, bytes.baseAddress, count) == REDIS_OK,
                    reader.pointee.len <= RedisConnection.replyMax
                else { return malformed }
                return nil
            }
            if let status { return end(status) }
            while failure == nil {
                var reply: UnsafeMutableRawPointer?
                guard redisReaderGetReply(reader, &reply) == REDIS_OK else { return end(malformed) }
                guard let reply else { return }
                let value = RedisReply(UnsafePointer(reply.assumingMemoryBound(to: redisReply.self)))
                freeReplyObject(reply)
                take(value)
            }
        }

        private func take(_ reply: RedisReply) {
            guard let request = requests.first else {
                whenMessage?(reply)
                return
            }
            request.replies.append(reply)
            request.missing -= 1
            if request.missing > 0 { return }
            requests.removeFirst()
            scheduleTimer()
            request.continuation.resume(returning: .success(request.replies))
        }

        private func broken(_ error: CoreError?) -> DatabaseError {
            DatabaseError(
                .unavailable, outcomeIsUnknown: !requests.isEmpty,
                "\(url): \(error.map { "\($0)" } ?? "it closed the connection")")
        }

        private var malformed: DatabaseError {
            DatabaseError(.damaged, outcomeIsUnknown: true, "\(url): what answers does not speak as Redis does")
        }

        /// Ends what runs. Twice is harmless.
        func close() { end(DatabaseError(.closed, "the index is closed")) }

        private func end(_ error: DatabaseError) {
            if failure != nil { return }
            failure = error
            poll.close()
            timer.close()
            output = []
            sent = 0
            let waiting = requests
            requests = []
            for request in waiting { request.continuation.resume(returning: .failure(error)) }
            let whenBroken = whenBroken
            self.whenBroken = nil
            whenMessage = nil
            whenBroken?(error)
        }
    }
#endif
