internal import WeirDatabase
internal import WeirMedia

extension ConfigurationTable where Target == Configuration {
    /// The keys of `prewarm`, `telegram` and `media`.
    static let mediaKeys: [ConfigurationKey<Configuration>] = {
        let standard = Configuration()
        func key<Value: Equatable>(
            _ path: String, _ type: ConfigurationType<Value>,
            _ field: any WritableKeyPath<Configuration, Value> & Sendable, default: String? = nil, _ about: String
        ) -> ConfigurationKey<Configuration> {
            ConfigurationKey(path, type, field, in: standard, default: `default`, about)
        }
        let points = ConfigurationType<Int>.integer(-255...255)
        return [
            key(
                "media.max_bytes", .bytes(1...(2 << 30)), \.mediaLimit,
                "Largest file that `POST /media` takes. Telegram takes 50 MB, and 10 MB as a photo; a Bot API server of"
                    + " one's own 2 GB"),
            key("prewarm.concurrency", .integer(1...1000), \.prewarm.concurrency, "Jobs under way at once"),
            key(
                "prewarm.interval_ms", .integer(100...3_600_000), \.prewarm.intervalMilliseconds,
                "Milliseconds between two looks for retries and expired leases; new work does not wait for it"),
            key(
                "prewarm.queue", .integer(1...100_000), \.prewarm.queue,
                "Jobs that wait in memory for a slot; the others wait in the database"),
            key(
                "prewarm.backlog", .integer(1...100_000_000), \.prewarm.backlog,
                "Jobs that may wait in all; one more is refused"),
            key(
                "prewarm.retries", .integer(1...100), \.prewarm.retry.attempts,
                "Attempts of a job in all, the first included"),
            key(
                "prewarm.lease", .seconds(5...30), \.prewarm.lease,
                "How long the jobs of a worker that has died wait for another"),
            key(
                "prewarm.retry_weak_id", .integer(0...10), \.prewarm.weakRetries,
                "Further uploads when the answer's id is weak; 0 takes it as it is"),
            key(
                "prewarm.aging_cap", .seconds(1...86400), \.prewarm.agingCap,
                "How long a job waits behind better ones, at most"),
            key(
                "prewarm.small_bytes", .bytes(0...(1 << 30)), \.prewarm.smallBytes,
                "Media with fewer bytes are small: of two slots and more, one is kept for them"),
            key("prewarm.priority.base", .integer(0...255), \.prewarm.priority.base, "What every job has"),
            ConfigurationKey(
                "prewarm.priority.sizes", noun: "list of sizes", expected: sizes, standard: "as in the example",
                "Points for size; the first that holds counts",
                isSame: { $0.prewarm.priority.sizes == $1.prewarm.priority.sizes }
            ) { node, path, reader, configuration in
                let type = ConfigurationType<[PriorityTable.Size]>.list(
                    of: .sizePoints, noun: "list of sizes", expected: sizes, alone: false)
                if let sizes = reader.value(of: node, type, at: path) { configuration.prewarm.priority.sizes = sizes }
            },
            key("prewarm.priority.photo", points, \.prewarm.priority.photo, "Points of a photo"),
            key("prewarm.priority.video", points, \.prewarm.priority.video, "Points of a video"),
            key("prewarm.priority.audio", points, \.prewarm.priority.audio, "Points of an audio file"),
            key("prewarm.priority.document", points, \.prewarm.priority.document, "Points of a document"),
            key("prewarm.priority.animation", points, \.prewarm.priority.animation, "Points of an animation"),
            key(
                "prewarm.priority.fresh", .seconds(0...86400), \.prewarm.priority.age.below,
                "How long a job is fresh"),
            key(
                "prewarm.priority.fresh_points", .integer(0...255), \.prewarm.priority.age.points,
                "Points of a fresh job"),
            key(
                "prewarm.download_cache.ttl", .seconds(0...86400), \.prewarm.downloadCache.ttl,
                "How long the bytes of media are kept in files below `cache.dir`"),
            key(
                "prewarm.download_cache.entries", .integer(0...10_000), \.prewarm.downloadCache.entries,
                "Most files that are kept; of a full cache the oldest fifth goes"),
            key(
                "prewarm.download_cache.bytes", .bytes(0...(1 << 40)), \.prewarm.downloadCache.size,
                "Most bytes that are kept"),
            key(
                "telegram.api", .url, \.telegram.api, "Where the Bot API is: Telegram's, or a server of one's own"),
            key(
                "telegram.limits.chat", .integer(1...10_000), \.telegram.chatLimit,
                "Messages a second to one private chat"),
            key(
                "telegram.limits.group", .integer(1...1_000_000), \.telegram.groupLimit,
                "Messages a minute to one group or channel"),
            key(
                "telegram.limits.bot", .integer(1...100_000), \.telegram.botLimit, "Messages a second of one bot"),
            ConfigurationKey(
                "telegram.bots", noun: "list of bots",
                expected: "a list of bots such as [{ slug: shop, token_file: /etc/weir/shop.token }]",
                standard: "none", "The bots that media are warmed for. The keys of one are below",
                isSame: { $0.telegram.bots == $1.telegram.bots }
            ) { node, path, reader, configuration in
                if let bots = reader.bots(node, at: path) { configuration.telegram.bots = bots }
            },
        ]
    }()

    private static var sizes: String { "a list such as [{ below: 100kB, points: 50 }, { above: 20MB, points: -20 }]" }
}

extension ConfigurationTable where Target == TelegramOptions.Bot {
    /// Every key of a bot.
    static let bot: ConfigurationTable<TelegramOptions.Bot> = {
        let standard = TelegramOptions.Bot()
        func key<Value: Equatable>(
            _ path: String, _ type: ConfigurationType<Value>,
            _ field: any WritableKeyPath<TelegramOptions.Bot, Value> & Sendable, required: Bool = false,
            _ about: String
        ) -> ConfigurationKey<TelegramOptions.Bot> {
            ConfigurationKey(path, type, field, in: standard, required: required, about)
        }
        return ConfigurationTable(
            keys: [
                key("slug", .stationName, \.slug, required: true, "What the bot is called in requests; unique"),
                key("token", .optional(.secret), \.token, "Its token; or else"),
                key(
                    "token_file", .optional(.path), \.tokenFile,
                    "A file with its token; space around it is left off"),
                key(
                    "warmup_chats",
                    .list(
                        of: .chat, noun: "list of chats", expected: "a list of chat ids such as [-1001, 4711]",
                        alone: true), \.warmupChats,
                    "Chats that media are sent to in order to warm them, in turn; groups and channels are negative"),
                key(
                    "by_url", .word(), \.byURL,
                    "Whether the Bot API fetches media by itself where it can, so that no byte passes through Weir"),
            ],
            later: [])
    }()
}

extension ConfigurationType where Value == Int64 {
    /// The id of a chat; Telegram's have 52 bits.
    static var chat: Self {
        Self(
            noun: "number", expected: "a chat id such as -1001", kinds: [.number], write: { String($0) },
            convert: { text throws(ConfigurationFault) in
                guard let number = Int64(text), number != 0, number.magnitude < 1 << 52 else {
                    throw ConfigurationFault(wrong: "`\(text.prefix(40))` is not a chat id")
                }
                return number
            })
    }
}

extension ConfigurationType where Value == PriorityTable.Size {
    /// `{ below: 100kB, points: 50 }`.
    static var sizePoints: Self {
        let expected = "a rule such as { below: 100kB, points: 50 } or { above: 20MB, points: -20 }"
        let bytes = ConfigurationType<Int>.bytes(1...(1 << 40))
        let points = ConfigurationType<Int>.integer(-255...255)
        return Self(
            noun: "size with points", expected: expected,
            read: { node, faults in
                guard case .map(let entries) = node.content, entries.count == 2,
                    let side = entries.first(where: { PriorityTable.Size.Side(rawValue: $0.key) != nil }),
                    let given = entries.first(where: { $0.key == "points" })
                else {
                    if case .refused = node.content { return nil }
                    faults.append(
                        ConfigurationFault(wrong: "is no such rule", expected: expected, mark: node.mark))
                    return nil
                }
                guard let size = bytes.read(side.value, &faults), let points = points.read(given.value, &faults),
                    let word = PriorityTable.Size.Side(rawValue: side.key)
                else { return nil }
                return PriorityTable.Size(word, size, points: points)
            },
            write: { "{ \($0.side.rawValue): \(Units.write(bytes: $0.bytes)), points: \($0.points) }" },
            parse: { Node(text: $0, at: nowhere) })
    }
}

// As the table of keys sets them.
extension PriorityTable {
    fileprivate subscript(kind: MediaKind) -> Int {
        get { kinds[kind] ?? 0 }
        set { kinds[kind] = newValue == 0 ? nil : newValue }
    }
    fileprivate var photo: Int {
        get { self[.photo] }
        set { self[.photo] = newValue }
    }
    fileprivate var video: Int {
        get { self[.video] }
        set { self[.video] = newValue }
    }
    fileprivate var audio: Int {
        get { self[.audio] }
        set { self[.audio] = newValue }
    }
    fileprivate var document: Int {
        get { self[.document] }
        set { self[.document] = newValue }
    }
    fileprivate var animation: Int {
        get { self[.animation] }
        set { self[.animation] = newValue }
    }
}

extension DownloadCache.Options {
    fileprivate var size: Int {
        get { Int(bytes) }
        set { bytes = Int64(newValue) }
    }
}

extension ConfigurationReader {
    /// Reads `telegram.bots`; nil when something in it was refused.
    mutating func bots(_ node: Node, at path: String) -> [TelegramOptions.Bot]? {
        record(path, at: node.mark)
        guard case .list(let nodes) = node.content else {
            if case .refused = node.content { return nil }
            let expected = ConfigurationTable.configuration.key(path)?.expected ?? "a list"
            report("\(ConfigurationFault.of(node).wrong); expected \(expected)", at: path, origin(node.mark))
            return nil
        }
        guard nodes.count <= TelegramOptions.botsLimit else {
            report(
                "\(nodes.count) bots; expected at most \(TelegramOptions.botsLimit)", at: path, origin(node.mark))
            return nil
        }
        var bots: [TelegramOptions.Bot] = []
        var slugs: [String: Origin] = [:]
        for (index, node) in nodes.enumerated() {
            let path = "\(path)[\(index)]"
            var bot = TelegramOptions.Bot()
            read(node, .bot, at: path, into: &bot)
            guard case .map = node.content else { continue }
            let place = origin(of: "\(path).slug", or: node.mark)
            if given["\(path).slug"] == nil {
                report("missing; expected a name, for requests", at: "\(path).slug", origin(node.mark))
            } else if let first = slugs[bot.slug] {
                report(
                    "\(quoted(bot.slug)) is the name of another bot (\(first.reference)); expected a name of its own",
                    at: "\(path).slug", place)
            } else if !bot.slug.isEmpty {
                slugs[bot.slug] = place
            }
            if given["\(path).token"] == nil && given["\(path).token_file"] == nil {
                report("missing; expected the bot's token, or token_file", at: "\(path).token", origin(node.mark))
            }
            if given["\(path).warmup_chats"] == nil {
                report(
                    "missing: nothing is warmed for this bot, it only sends", at: "\(path).warmup_chats",
                    origin(node.mark), severity: .warning)
            }
            bots.append(bot)
        }
        return bots
    }

    /// Scores that leave the queue's range would be equal where they ought to differ.
    mutating func checkPriorities(_ table: PriorityTable) {
        let (least, most) = table.extremes
        guard !broken.contains(where: { $0.hasPrefix("prewarm.priority") }) else { return }
        guard least < PriorityTable.range.lowerBound || most > PriorityTable.range.upperBound else { return }
        let path = ["prewarm.priority.base", "prewarm.priority.sizes"].first { given[$0] != nil } ?? "prewarm.priority"
        report(
            "scores would be from \(least) to \(most); expected 0 to 255 at most", at: path, origin(of: path))
    }
}
