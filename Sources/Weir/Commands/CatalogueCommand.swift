internal import Glibc
internal import WeirHTTP
internal import WeirLoop

/// `weir chapter` and `weir book`: the catalogue of a running daemon.
struct CatalogueCommand {
    static let options: [Command.Option] = [
        .init(name: "config", value: "FILE", about: "The daemon's configuration, YAML or JSON (WEIR_CONFIG)"),
        .init(name: "data", value: "DIR", about: "The daemon's directory (./weir-data)"),
        .init(name: "server", value: "URL", about: "Where it listens (the first address of listen)"),
        .init(name: "title", value: "TEXT", about: "add: what it is called (its id)"),
    ]

    private static let address = "Address and admin token are those of the configuration, or of DATA."

    static let chapter = CatalogueCommand(
        command: Command(
            name: "chapter", about: "Adds, lists, shows and deletes chapters of a running daemon",
            arguments: [.init(name: "add|ls|show|rm", about: "What to do, and with what; below")], options: options,
            notes: [
                """
                  weir chapter add ID [--title TEXT] DIR|FILE.cbz|FILE.zip|PICTURE|KEY...
                  weir chapter ls
                  weir chapter show ID
                  weir chapter rm ID...
                """,
                """
                The pictures of a directory or an archive are brought to the object store
                under their SHA-256 and are the pages, in the order of their names: 2.jpg
                comes before 10.jpg. A KEY is an object that is there already.
                """,
                address,
            ], passesOn: true), list: "chapters", counted: "pages", item: "DIR|FILE|KEY")

    static let book = CatalogueCommand(
        command: Command(
            name: "book", about: "Adds, lists, shows and deletes books of a running daemon",
            arguments: [.init(name: "add|ls|show|rm", about: "What to do, and with what; below")], options: options,
            notes: [
                """
                  weir book add ID [--title TEXT] CHAPTER...
                  weir book ls
                  weir book show ID
                  weir book rm ID...
                """,
                address,
            ], passesOn: true), list: "books", counted: "chapters", item: "CHAPTER")

    let command: Command
    /// What there is in a list, and what is counted of each.
    let list: String
    let counted: String
    /// What one is made of.
    let item: String

    /// What each verb takes.
    private var verbs: [Command] {
        let id = Command.Argument(name: "ID", about: "")
        return [
            Command(
                name: "add", about: "", arguments: [id, .init(name: item, about: "", repeats: true)],
                options: CatalogueCommand.options),
            Command(name: "ls", about: "", options: CatalogueCommand.options),
            Command(name: "show", about: "", arguments: [id], options: CatalogueCommand.options),
            Command(
                name: "rm", about: "", arguments: [.init(name: "ID", about: "", repeats: true)],
                options: CatalogueCommand.options),
        ]
    }

    func run(
        _ words: [String], environment: [String: String], _ console: Console,
        isTerminal: Bool = isatty(STDERR_FILENO) != 0
    ) throws(UsageError) -> Int32 {
        let verbs = verbs
        let names = verbs.map(\.name)
        guard let name = words.first else { throw UsageError(message: "missing \(alternatives(names))") }
        guard let verb = verbs.first(where: { $0.name == name }) else {
            throw UsageError(message: "\(quoted(name)) is unknown\(Suggestion.phrase(for: name, among: names))")
        }
        let invocation = try verb.parse(words.dropFirst())
        guard
            let configuration = Program.load(
                Serve.source(invocation, environment: environment), for: command.name, console)
        else { return Program.failed }
        do {
            let failures = try LoopActor.run {
                let client = try DaemonClient(configuration, server: invocation.value("server"))
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
            console.error("weir \(command.name): \(error)")
            return Program.failed
        }
    }

    /// How many of what was asked failed.
    @LoopActor
    private func perform(
        _ name: String, _ invocation: Invocation, _ client: DaemonClient, _ console: Console, isTerminal: Bool
    ) async throws -> Int {
        let arguments = invocation.arguments
        switch name {
        case "add":
            let title = invocation.value("title")
            let answer =
                list == "chapters"
                ? try await ChapterImport(client, console, isTerminal: isTerminal)
                    .run(arguments[0], title: title, Array(arguments.dropFirst()))
                : try await addBook(arguments[0], title: title, Array(arguments.dropFirst()), client)
            guard let answer else { return 1 }
            console.line(line(answer))
            return 0
        case "ls":
            var next: String?
            repeat {
                let page = "?limit=1000" + (next.map { "&after=\(DaemonClient.escape($0))" } ?? "")
                let answer = try await client.ask(.get, "/catalog/\(list)" + page)
                for item in answer[list]?.items ?? [] { console.line(line(item)) }
                next = answer["next"]?.text
            } while next != nil
            return 0
        case "show":
            let answer = try await client.ask(.get, target(arguments[0]))
            console.line("\(ScanText.printable(answer["id"]?.text ?? "")): \(title(answer))")
            for item in answer[counted]?.items ?? [] { console.line(CatalogueCommand.part(item)) }
            return 0
        default:
            var failures = 0
            for id in arguments {
                do {
                    try await client.ask(.delete, target(id))
                } catch let error as DaemonClient.Failure where error.status != nil {
                    failures += 1
                    console.error("weir \(command.name): \(ScanText.printable(id)): \(error)")
                }
            }
            return failures
        }
    }

    private func target(_ id: String) -> String { "/catalog/\(list)/\(DaemonClient.escape(id))" }

    @LoopActor
    private func addBook(
        _ id: String, title: String?, _ chapters: [String], _ client: DaemonClient
    ) async throws -> JSON {
        var members: [(String, JSON)] = [("chapters", .array(chapters.map { .string($0) }))]
        if let title { members.append(("title", .string(title))) }
        return try await client.ask(
            .put, target(id), type: "application/json", body: .bytes(JSON.object(members).bytes))
    }

    private func title(_ item: JSON) -> String { ScanText.printable(item["title"]?.text ?? "") }

    /// Count, id and title.
    private func line(_ item: JSON) -> String {
        let count = String(item[counted]?.whole ?? 0)
        return String(repeating: " ", count: max(0, 6 - count.utf8.count)) + count + "  "
            + ScanText.printable(item["id"]?.text ?? "") + "  " + title(item)
    }

    /// A chapter's id; of a page bytes, type, pixels, key and name, as far as they are known.
    private static func part(_ item: JSON) -> String {
        if let id = item.text { return ScanText.printable(id) }
        let bytes = item["bytes"]?.whole.map { String($0) } ?? "-"
        let pixels =
            if let width = item["width"]?.whole, let height = item["height"]?.whole { "\(width)x\(height)" } else {
                "-"
            }
        return [
            String(repeating: " ", count: max(0, 10 - bytes.utf8.count)) + bytes, item["type"]?.text ?? "-", pixels,
            ScanText.printable(item["key"]?.text ?? ""), ScanText.printable(item["name"]?.text ?? ""),
        ].joined(separator: "  ")
    }
}
