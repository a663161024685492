internal import Glibc
public import WeirDatabase
public import WeirLoop
public import WeirStorage

/// Gets a medium's bytes from the object store to Telegram: through the download cache, or by a URL that Telegram fetches.
@LoopActor
public final class MediaUpload {
    /// Seconds for which a presigned URL holds: as long as a call may take, and some.
    static let urlSeconds = 900

    /// Where a medium goes.
    public enum Destination: Sendable {
        /// The next of the bot's warm-up chats.
        case warmup
        /// A chat where somebody waits for it, until a time of the limiter's clock.
        case chat(TelegramChat, caption: String?, by: UInt64)
    }

    /// Why a medium did not get there.
    public struct Failure: Error, Sendable, Equatable {
        public let failure: RetrySchedule.Failure
        /// For people: what went wrong, where.
        public let reason: String
        /// Telegram's own word for it; nil when it is somebody else's.
        public let telegram: TelegramError?

        init(_ failure: RetrySchedule.Failure, _ reason: String, _ telegram: TelegramError? = nil) {
            self.failure = failure
            self.reason = reason
            self.telegram = telegram
        }
    }

    let store: any ObjectStore
    /// Nil for a local store: its files are as near.
    let cache: DownloadCache?
    private let clock: LoopClock
    public internal(set) var uploads: UInt64 = 0
    public internal(set) var byURL: UInt64 = 0
    public internal(set) var uploadedBytes: UInt64 = 0

    public init(store: any ObjectStore, cache: DownloadCache?, clock: LoopClock = .monotonic) {
        self.store = store
        self.cache = cache
        self.clock = clock
    }

    /// Called when a request for a medium goes out, with the nanoseconds for which the bot's limits held it back: to get its
    /// bytes, unless they are here, and to send it.
    public typealias Began = @LoopActor (_ held: UInt64) -> Void

    /// Sends it once.
    public func send(
        _ medium: Medium, by bot: Bot, to destination: Destination, began: @escaping Began = { _ in }
    ) async throws(Failure) -> TelegramSent {
        guard let kind = TelegramKind(rawValue: medium.key.kind.rawValue) else {
            throw Failure(.permanent, "Telegram knows no \(medium.key.kind.rawValue)")
        }
        let size = UInt64(max(0, medium.bytes))
        if bot.byURL == .auto, bot.client.sizes.allowsURL(kind, bytes: size, type: medium.mime),
            let key = try? ObjectKey(medium.objectKey), let url = store.url(key, expires: MediaUpload.urlSeconds)
        {
            do throws(Failure) {
                let sent = try await call(kind, .url(url), bot, destination, began)
                byURL += 1
                return sent
            } catch {
                guard error.telegram?.kind == .cannotFetch else { throw error }
            }
        }
        let limit = bot.client.sizes.uploaded(kind)
        guard size <= limit else {
            throw Failure(
                .permanent, "the file has \(size) bytes; Telegram takes at most \(limit) as \(kind.rawValue)")
        }
        let source = try await open(medium, began)
        let sent = try await call(kind, .upload(source.upload(medium)), bot, destination, began)
        withExtendedLifetime(source.owner) {}
        uploads += 1
        uploadedBytes += size
        return sent
    }

    // MARK: Bytes

    /// A medium's bytes, as long as this is held.
    private struct Source {
        /// A regular file; or a socket, which the upload closes.
        let isFile: Bool
        let descriptor: Int32
        let offset: UInt64
        /// What keeps the bytes coming.
        let owner: AnyObject

        func upload(_ medium: Medium) -> TelegramUpload {
            let length = UInt64(max(0, medium.bytes))
            let type = medium.mime.isEmpty ? nil : medium.mime
            guard isFile else { return .pipe(descriptor, length: length, name: medium.name, type: type) }
            return .file(descriptor, offset: offset, length: length, name: medium.name, type: type)
        }
    }

    /// Closes a descriptor with the last who has it.
    private final class Held: Sendable {
        let descriptor: Int32
        init(_ descriptor: Int32) { self.descriptor = descriptor }
        deinit { close(descriptor) }
    }

    private func open(_ medium: Medium, _ began: @escaping Began) async throws(Failure) -> Source {
        do {
            let key = try ObjectKey(medium.objectKey)
            guard let cache else { return try await stream(key, medium) }
            let store = store
            do {
                let file = try await cache.file(medium.objectKey, length: medium.bytes) { descriptor in
                    began(0)
                    let info = try await store.save(key, to: descriptor, nil)
                    try MediaUpload.check(info.length, medium)
                }
                return Source(isFile: true, descriptor: file.descriptor, offset: 0, owner: file)
            } catch let error where MediaUpload.isDisk(error) {
                // The cache's disk is full, or broken: the bytes go from socket to socket.
                began(0)
                return try await stream(key, medium)
            }
        } catch let error as Failure {
            throw error
        } catch let error as ObjectError {
            switch error.kind {
            case .notFound: throw Failure(.permanent, "the object is missing: \(error)")
            case .damaged, .key: throw Failure(.permanent, "\(error)")
            default: throw Failure(.transient, "\(error)")
            }
        } catch {
            throw Failure(.transient, "the object cannot be read: \(error)")
        }
    }

    private func stream(_ key: ObjectKey, _ medium: Medium) async throws -> Source {
        let stream = try await store.get(key)
        try MediaUpload.check(stream.info.length, medium)
        let descriptor = stream.takeDescriptor()
        guard stream.isFile else {
            return Source(isFile: false, descriptor: descriptor, offset: 0, owner: stream)
        }
        return Source(isFile: true, descriptor: descriptor, offset: stream.offset, owner: Held(descriptor))
    }

    /// An error of the cache's own files.
    private static func isDisk(_ error: any Error) -> Bool {
        if error is CoreError { return true }
        if case .file = (error as? ObjectError)?.kind { return true }
        return false
    }

    private static func check(_ length: UInt64, _ medium: Medium) throws(Failure) {
        guard length == UInt64(max(0, medium.bytes)) else {
            throw Failure(.permanent, "the object has \(length) bytes, \(medium.bytes) were recorded")
        }
    }

    // MARK: Calls

    /// Waits for its turn and makes one call; at a chat that refuses the bot, another in the next of the warm-up chats.
    private func call(
        _ kind: TelegramKind, _ file: TelegramFile, _ bot: Bot, _ destination: Destination,
        _ began: Began
    ) async throws(Failure) -> TelegramSent {
        while true {
            let turn: LimiterTurn
            var caption: String?
            let asked = clock.now
            do throws(LimiterError) {
                switch destination {
                case .warmup: turn = try await bot.limiter.warmupTurn()
                case .chat(let chat, let text, let deadline):
                    turn = try await bot.limiter.turn(to: chat, by: deadline)
                    caption = text
                }
            } catch {
                // The call would have closed what comes with it.
                if case .upload(let upload) = file { upload.discard() }
                throw MediaUpload.failure(error, bot)
            }
            began(clock.now - asked)
            var message = TelegramMessage(kind, to: turn.chat, file, caption: caption)
            if case .warmup = destination { message.isSilent = true }
            do throws(TelegramError) {
                let sent = try await bot.client.send(message)
                bot.limiter.ended(turn)
                return sent
            } catch {
                bot.limiter.ended(turn, error)
                // The limiter leaves such a chat out from now on.
                if case .warmup = destination, error.subject == .chat {
                    // A pipe has been read and closed: the next attempt opens another.
                    guard case .upload(let upload) = file, upload.isOnce else { continue }
                    throw Failure(.limited(retryAfter: 0), "\(error)", error)
                }
                throw MediaUpload.failure(error)
            }
        }
    }

    private static func failure(_ error: LimiterError, _ bot: Bot) -> Failure {
        switch error {
        case .noChat where !bot.isWarmed:
            // Nothing is wrong with the medium: the first send uploads it.
            Failure(.limited(retryAfter: TelegramLimiter.refusedPause), "the bot \(bot.slug) has no warm-up chat")
        case .noChat:
            Failure(
                .limited(retryAfter: TelegramLimiter.refusedPause / 10),
                "every warm-up chat of the bot \(bot.slug) refuses it")
        case .full: Failure(.limited(retryAfter: 10), "too many calls of the bot \(bot.slug) wait already")
        case .late(let seconds):
            Failure(.limited(retryAfter: seconds), "the chat lets nothing through for \(Int(seconds.rounded(.up))) s")
        case .cancelled, .closed: Failure(.transient, "cancelled")
        }
    }

    private static func failure(_ error: TelegramError) -> Failure {
        if let seconds = error.retryAfter { return Failure(.limited(retryAfter: seconds), "\(error)", error) }
        // Nothing is wrong with the job: it waits for another token.
        if error.subject == .bot { return Failure(.limited(retryAfter: tokenPause), "\(error)", error) }
        return Failure(error.isPermanent ? .permanent : .transient, "\(error)", error)
    }

    /// Seconds until a bot whose token is refused is tried again.
    static let tokenPause: Double = 60
}
