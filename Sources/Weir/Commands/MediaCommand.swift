internal import Glibc
internal import WeirHTTP
internal import WeirLoop
internal import WeirMedia

/// `weir media`: the registry of a running daemon.
enum MediaCommand {
    /// Files that are sent at once.
    static let parallel = 4
    /// Seconds between two looks of `--wait`.
    static let lookInterval = 0.25

    static let options: [Command.Option] = [
        .init(name: "config", value: "FILE", about: "The daemon's configuration, YAML or JSON (WEIR_CONFIG)"),
        .init(name: "data", value: "DIR", about: "The daemon's directory (./weir-data)"),
        .init(name: "server", value: "URL", about: "Where it listens (the first address of listen)"),
        .init(name: "bot", value: "SLUG", about: "Whose media; not needed when there is one bot"),
        .init(
            name: "kind", value: "KIND", about: "photo, video, audio, document, animation"),
    ]

    static let command = Command(
        name: "media", about: "Adds, lists, warms, sends and deletes media of a running daemon",
        arguments: [.init(name: "add|ls|warm|send|rm", about: "What to do, and with what; below")],
        options: options,
        notes: [
            """
              weir media add FILE...          [--wait] until they are ready
              weir media ls                   [--status warming|ready|failed]
              weir media warm SHA256...       upload them again, or sooner
              weir media send SHA256 CHAT     [--caption TEXT] [--wait SECONDS]
              weir media rm SHA256...
            """,
            """
            Address and admin token are those of the configuration, or of DATA.
            """,
        ], passesOn: true)

    /// What each of them takes.
    static let verbs: [Command] = [
        Command(
            name: "media add", about: "", arguments: [.init(name: "FILE", about: "", repeats: true)],
            options: options + [.init(name: "wait", value: nil, about: "Until all are ready")]),
        Command(
            name: "media ls", about: "",
            options: options + [.init(name: "status", value: "STATUS", about: "warming, ready or failed")]),
        Command(
            name: "media warm", about: "", arguments: [.init(name: "SHA256", about: "", repeats: true)],
            options: options),
        Command(
            name: "media send", about: "",
            arguments: [.init(name: "SHA256", about: ""), .init(name: "CHAT", about: "")],
            options: options + [
                .init(name: "caption", value: "TEXT", about: ""), .init(name: "wait", value: "SECONDS", about: ""),
            ]),
        Command(
            name: "media rm", about: "", arguments: [.init(name: "SHA256", about: "", repeats: true)],
            options: options),
    ]

    static func run(
        _ words: [String], environment: [String: String], _ console: Console,
        isTerminal: Bool = isatty(STDERR_FILENO) != 0
    ) throws(UsageError) -> Int32 {
        let names = verbs.map { String($0.name.split(separator: " ")[1]) }
        guard let name = words.first else { throw UsageError(message: "missing \(alternatives(names))") }
        guard let index = names.firstIndex(of: name) else {
            throw UsageError(message: "\(quoted(name)) is unknown\(Suggestion.phrase(for: name, among: names))")
        }
        let invocation = try verbs[index].parse(words.dropFirst())
        guard
            let configuration = Program.load(
                Serve.source(invocation, environment: environment), for: "media", console)
        else { return Program.failed }
        do {
            let failures = try LoopActor.run {
                let client = try DaemonClient(
                    configuration, server: invocation.value("server"), connections: parallel)
                do {
                    let failures = try await perform(name, invocation, client, console, isTerminal: isTerminal)
                    await client.close()
                    return failures
                } catch {
                    await client.close()
                    throw error
                }
            }
            return failures == 0 ? Program.done : Program.failed
        } catch {
            console.error("weir media: \(error)")
            return Program.failed
        }
    }

    /// How many of what was asked failed.
    @LoopActor
    private static func perform(
        _ name: String, _ invocation: Invocation, _ client: DaemonClient, _ console: Console, isTerminal: Bool
    ) async throws -> Int {
        switch name {
        case "add":
            let adding = MediaAdding(client, console, query: query(invocation), isTerminal: isTerminal)
            return try await adding.run(invocation.arguments, waits: invocation.flags.contains("wait"))
        case "ls":
            try await list(invocation, client, console)
            return 0
        case "send":
            try await send(invocation, client, console)
            return 0
        default:
            var failures = 0
            for digest in invocation.arguments {
                let target = "/media/\(DaemonClient.escape(digest))"
                do {
                    if name == "rm" {
                        try await client.ask(.delete, target + query(invocation))
                    } else {
                        try await client.ask(.post, target + "/warm" + query(invocation))
                    }
                } catch let error as DaemonClient.Failure where error.status != nil {
                    failures += 1
                    console.error("weir media: \(ScanText.printable(digest)): \(error)")
                }
            }
            return failures
        }
    }

    /// `?bot=shop&kind=photo`, as far as it is given.
    private static func query(_ invocation: Invocation) -> String {
        let parts = ["bot", "kind", "status"].compactMap { name in
            invocation.value(name).map { "\(name)=\(DaemonClient.escape($0))" }
        }
        return parts.isEmpty ? "" : "?" + parts.joined(separator: "&")
    }

    @LoopActor
    private static func list(_ invocation: Invocation, _ client: DaemonClient, _ console: Console) async throws {
        let query = query(invocation)
        var next: String?
        repeat {
            let page = (query.isEmpty ? "?" : query + "&") + "limit=1000" + (next.map { "&after=\($0)" } ?? "")
            let answer = try await client.ask(.get, "/media" + page)
            for medium in answer["media"]?.items ?? [] where invocation.matches(medium) {
                console.line(line(medium))
            }
            next = answer["next"]?.text.map { DaemonClient.escape($0) }
        } while next != nil
    }

    /// Digest, status, kind, bytes, bot and name.
    static func line(_ medium: JSON) -> String {
        func pad(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.utf8.count))
        }
        let bytes = String(medium["bytes"]?.whole ?? 0)
        return [
            medium["sha256"]?.text ?? "", pad(medium["status"]?.text ?? "", 7), pad(medium["kind"]?.text ?? "", 9),
            String(repeating: " ", count: max(0, 10 - bytes.utf8.count)) + bytes, medium["bot"]?.text ?? "",
            ScanText.printable(medium["name"]?.text ?? ""),
        ].joined(separator: "  ")
    }

    @LoopActor
    private static func send(_ invocation: Invocation, _ client: DaemonClient, _ console: Console) async throws {
        var members: [(String, JSON)] = [
            ("media", .string(invocation.arguments[0])), ("chat", .string(invocation.arguments[1])),
        ]
        for name in ["bot", "kind", "caption"] {
            if let value = invocation.value(name) { members.append((name, .string(value))) }
        }
        if let wait = invocation.value("wait") {
            guard let seconds = Double(wait), seconds.isFinite else {
                throw DaemonClient.Failure("--wait \(quoted(wait)) is not a number of seconds")
            }
            members.append(("wait", .number(seconds)))
        }
        let answer = try await client.ask(
            .post, "/send", type: "application/json", body: .bytes(JSON.object(members).bytes))
        console.line(answer.description)
    }
}

extension Invocation {
    /// The list's kinds are not the daemon's to choose.
    fileprivate func matches(_ medium: JSON) -> Bool {
        value("kind").map { $0 == medium["kind"]?.text } ?? true
    }
}
