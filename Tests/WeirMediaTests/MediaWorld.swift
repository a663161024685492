import Glibc
import TelegramStandIn
import Testing
import WeirDatabase
import WeirHTTP
import WeirLoop
import WeirStorage

@testable import WeirMedia

/// Everything that warms and sends media, on one loop: SQLite and objects in a directory of their own, and a stand-in for
/// Telegram, whose clock a test may move.
@LoopActor
final class MediaWorld {
    let folder: Folder
    let standIn: TelegramStandIn
    /// The stand-in's: latencies go by it.
    let telegramClock: LoopClock
    let databaseClock: DatabaseClockOffset
    let database: any Database
    let store: LocalStore
    /// The same, as those see it who send and warm.
    let objects: CountingStore
    let cache: DownloadCache
    let worker: PrewarmWorker
    let library: MediaLibrary
    let sender: MediaSender
    private let pool: ClientPool
    private let bot: Bot

    /// What a test changes.
    struct Setting: Sendable {
        var prewarm = PrewarmOptions()
        var standIn = StandInOptions()
        var warmupChats: [TelegramChat] = [.number(1), .number(2), .number(3)]
        var token = botToken
        /// The stand-in's clock stands still.
        var isManual = false
        var limit = 1_000_000
        /// As with an object store that is far away.
        var caches = false
        /// Seconds that Telegram's answer is waited for.
        var headTimeout = TelegramClient.poolOptions.headTimeout
    }

    nonisolated static func run(
        _ change: @Sendable (inout Setting) -> Void = { _ in },
        _ body: @escaping @LoopActor (MediaWorld) async throws -> Void
    ) throws {
        var setting = Setting()
        setting.standIn.rates = nil
        // Retries come at once, or as soon as a test says.
        setting.prewarm.retry.first = 0.001
        setting.prewarm.intervalMilliseconds = 100
        // No test takes so long that a lease would end, or be renewed, by itself.
        setting.prewarm.lease = 36_000
        change(&setting)
        let folder = Folder()
        try LoopActor.runInTurn { [setting] in
            let world = try await MediaWorld(setting, folder)
            do {
                try await body(world)
            } catch {
                await world.close()
                throw error
            }
            await world.close()
        }
    }

    private init(_ setting: Setting, _ folder: Folder) async throws {
        self.folder = folder
        telegramClock = setting.isManual ? .manual() : .monotonic
        standIn = try TelegramStandIn(setting.standIn, clock: telegramClock)
        databaseClock = DatabaseClockOffset()
        var options = DatabaseOptions()
        options.backlog = setting.prewarm.backlog
        options.clockOffset = databaseClock
        database = try await openDatabase(.sqlite, directory: folder.path, options: options)
        store = try LocalStore(directory: folder.path + "/objects")
        objects = CountingStore(store)
        var caching = DownloadCache.Options()
        caching.ttl = 36_000
        cache = DownloadCache(directory: folder.path + "/cache", options: caching)
        try await cache.open()
        var pooling = TelegramClient.poolOptions
        pooling.headTimeout = setting.headTimeout
        pool = ClientPool(name: "telegram", options: pooling)
        var rates = LimiterRates()
        (rates.chat, rates.group, rates.bot) = (10_000, 600_000, 10_000)
        bot = Bot(
            slug: "shop", client: try TelegramClient(token: setting.token, api: standIn.api, pool: pool),
            limiter: TelegramLimiter(rates: rates, warmupChats: setting.warmupChats) { 0 }, byURL: .auto,
            isWarmed: !setting.warmupChats.isEmpty)
        let clock = databaseClock
        worker = try PrewarmWorker(
            database: database, upload: MediaUpload(store: objects, cache: setting.caches ? cache : nil), bots: [bot],
            options: setting.prewarm, name: "test", wall: { MediaWorld.now + clock.milliseconds })
        library = MediaLibrary(
            database: database, store: objects, spool: cache, keepsBytes: setting.caches, worker: worker,
            limit: setting.limit)
        sender = MediaSender(database: database, worker: worker, library: library)
    }

    private nonisolated static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    func close() async {
        // What is under way at the stand-in ends, or is given back.
        await worker.stop(grace: 0)
        bot.limiter.close()
        await pool.close()
        await standIn.close()
        await cache.close()
        await database.close()
        await store.close()
    }

    // MARK: What tests do

    /// Takes bytes in, in two pieces.
    @discardableResult
    func add(_ bytes: [UInt8], _ kind: MediaKind = .document, name: String = "file") async throws -> Addition {
        var pieces = [Array(bytes.prefix(bytes.count / 2)), Array(bytes.dropFirst(bytes.count / 2))].filter {
            !$0.isEmpty
        }
        let received = try await library.receive { pieces.isEmpty ? nil : pieces.removeFirst() }
        return try await library.add(received, bot: "shop", kind: kind, name: name, mime: "application/x-test")
    }

    func entry(_ addition: Addition) async throws -> MediaEntry {
        try #require(try await database.entry(addition.entry.medium.key))
    }

    /// Waits until a medium's job is where it is expected.
    func wait(
        _ addition: Addition, is status: MediaEntry.Status, location: SourceLocation = #_sourceLocation
    ) async throws -> MediaEntry {
        let end = LoopClock.monotonic.deadline(after: 240)
        while true {
            let entry = try await entry(addition)
            if entry.status == status { return entry }
            guard LoopClock.monotonic.now < end else {
                Issue.record("it is \(entry.status), \(entry.lastError ?? "")", sourceLocation: location)
                return entry
            }
            try await LoopClock.monotonic.sleep(for: 0.002)
        }
    }

    /// Calls that were answered, by their method and file's digest.
    var uploads: [String] { standIn.calls().filter { $0.way == .upload }.compactMap { $0.sha256 } }

    func send(_ addition: Addition, wait: Double = 0, chat: Int64 = 77) async throws -> MediaSend.Outcome {
        var send = MediaSend(bot: "shop", chat: .number(chat), sha256: addition.entry.medium.key.sha256)
        send.wait = wait
        send.kind = addition.entry.medium.key.kind
        return try await sender.send(send)
    }
}
