internal import Glibc
internal import WeirDatabase
internal import WeirHTTP
internal import WeirLive
internal import WeirLoop
internal import WeirMedia
internal import WeirStorage

/// What sends and warms media: there when a bot is configured.
@LoopActor
final class MediaService {
    /// Seconds between two times at which what the limiters have learnt is kept.
    static let stateInterval: Double = 30

    let database: any Database
    let cache: DownloadCache
    let upload: MediaUpload
    let worker: PrewarmWorker
    let library: MediaLibrary
    let sender: MediaSender
    let bots: [Bot]
    private let caps: [ConfigurationCaps.Bot]

    private let log: LogWriter
    private let timer: LoopTimer

    /// Opens the download cache, beside a database. Throws what is wrong with it, or with a bot.
    static func open(
        _ configuration: Configuration, database: any Database, store: OnDemandStore, clients: ClientPools,
        log: LogWriter, clock: LoopClock
    ) async throws -> MediaService {
        var bots: [Bot] = []
        for options in configuration.telegram.bots {
            bots.append(
                try await bot(
                    options, configuration.telegram, database, clients, uploads: configuration.prewarm.concurrency,
                    clock))
        }
        return try await MediaService(configuration, database, bots, store, log, clock)
    }

    private init(
        _ configuration: Configuration, _ database: any Database, _ bots: [Bot], _ store: OnDemandStore,
        _ log: LogWriter, _ clock: LoopClock
    ) async throws {
        self.database = database
        self.bots = bots
        self.log = log
        caps = ConfigurationCaps(of: configuration).bots
        cache = DownloadCache(
            directory: "\(configuration.cacheDirectory)/media", options: configuration.prewarm.downloadCache,
            clock: clock)
        let leftovers = try await cache.open()
        if leftovers > 0 {
            log.info("media of dead processes removed", [("count", .integer(Int64(leftovers)))])
        }
        // A local store's files are as near as the cache's.
        let isLocal = configuration.storage.kind == .local
        upload = MediaUpload(store: store, cache: isLocal ? nil : cache)
        worker = try PrewarmWorker(
            database: database, upload: upload, bots: bots, options: configuration.prewarm,
            name: "\(getpid())@\(MediaService.host)", clock: clock, wall: { WallClock.now / 1_000_000 })
        library = MediaLibrary(
            database: database, store: store, spool: cache, keepsBytes: !isLocal, worker: worker,
            limit: configuration.mediaLimit)
        sender = MediaSender(database: database, worker: worker, library: library)
        timer = LoopTimer(clock: clock)
        worker.onEvent = { PrewarmLog.write($0, to: log) }
        cache.onHit = { PrewarmLog.write(.cacheHit(object: $0, hits: $1), to: log) }
        for bot in bots {
            let slug = bot.slug
            bot.limiter.onLimited = { [weak self] in
                guard let self else { return }
                spawn { await self.keepState(of: slug) }
            }
        }
        let interval = UInt64(MediaService.stateInterval * 1e9)
        timer.schedule(every: interval, from: clock.now + interval) { [weak self] _ in
            guard let self else { return }
            spawn { await self.keepStates() }
        }
    }

    private static func bot(
        _ options: TelegramOptions.Bot, _ telegram: TelegramOptions, _ database: any Database, _ clients: ClientPools,
        uploads: Int, _ clock: LoopClock
    ) async throws -> Bot {
        let client = try TelegramClient(
            token: options.token?.text ?? "", api: telegram.api,
            pool: clients.pool("telegram", TelegramClient.poolOptions(uploads: uploads)),
            sizes: telegram.api == TelegramClient.defaultAPI ? TelegramSizes() : .local)
        let state = try await database.limiterState(bot: options.slug)
        let limiter = TelegramLimiter(
            rates: telegram.rates, warmupChats: options.chats, state: state.flatMap { LimiterState($0) }, clock: clock,
            wall: { Double(WallClock.now) / 1e9 })
        return Bot(
            slug: options.slug, client: client, limiter: limiter, byURL: options.byURL == .auto ? .auto : .never,
            isWarmed: !options.chats.isEmpty)
    }

    private static var host: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    func start() {
        for bot in caps {
            log.info(
                "bot",
                [
                    ("bot", .string(bot.slug)), ("media_per_minute", bot.mediaPerMinute.rounded(to: 1)),
                    ("warmup_chats", .integer(Int64(bot.chats))),
                ])
        }
        worker.start()
    }

    /// Closes everything but the database; the worker has stopped.
    func close() async {
        await worker.stop(grace: 0)
        timer.close()
        await keepStates()
        for bot in bots { bot.limiter.close() }
        await cache.close()
    }

    var health: HealthSample.Media {
        var trouble: String?
        if case .failing(let error) = database.state { trouble = error.description }
        return HealthSample.Media(
            databaseTrouble: trouble, queued: worker.queued, oldest: worker.oldest,
            backlog: worker.options.backlog, isPaused: worker.state == .paused || worker.state == .draining)
    }

    private func keepStates() async {
        for bot in bots { await keepState(of: bot.slug) }
    }

    private func keepState(of slug: String) async {
        guard let bot = bots.first(where: { $0.slug == slug }) else { return }
        do throws(DatabaseError) {
            try await database.saveLimiterState(bot.limiter.state.bytes, bot: slug)
        } catch {
            log.warning("limits not kept", [("bot", .string(slug)), ("error", .string("\(error)"))])
        }
    }
}

extension TelegramOptions {
    var rates: LimiterRates {
        var rates = LimiterRates()
        rates.chat = Double(chatLimit)
        rates.group = Double(groupLimit)
        rates.bot = Double(botLimit)
        return rates
    }
}

extension TelegramOptions.Bot {
    var chats: [TelegramChat] { warmupChats.map { .number($0) } }
}
