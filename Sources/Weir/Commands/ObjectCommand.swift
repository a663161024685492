internal import Glibc
internal import WeirHTTP
internal import WeirLoop
internal import WeirStorage

/// `weir object`: the object store from the shell.
enum ObjectCommand {
    static let options: [Command.Option] = [
        .init(name: "config", value: "FILE", about: "The daemon's configuration, YAML or JSON (WEIR_CONFIG)"),
        .init(name: "data", value: "DIR", about: "The daemon's directory (./weir-data)"),
        .init(name: "type", value: "TYPE", about: "put: the object's type, such as image/jpeg"),
    ]

    static let command = Command(
        name: "object", about: "Puts, gets, lists and deletes objects",
        arguments: [.init(name: "put|get|head|ls|rm", about: "What to do, and with what; below")],
        options: options + Serve.logOptions,
        notes: [
            """
              weir object put FILE|- KEY      "-" is standard input, until its end
              weir object get KEY [FILE|-]    the file is named like the key's last part
              weir object head KEY
              weir object ls [PREFIX]         length, time and key, one object a line
              weir object rm KEY
            """,
            """
            The store is the one that is configured (storage), beside a running daemon
            too: files below DATA/objects, or a bucket of R2 or any S3. Files above
            64 MiB are uploaded in parts. How far it is stands on standard error.
            """,
        ], passesOn: true)

    /// What can be done, each with what it takes.
    static let verbs: [Command] = [
        Command(
            name: "object put", about: "",
            arguments: [.init(name: "FILE", about: ""), .init(name: "KEY", about: "")],
            options: options + Serve.logOptions),
        Command(
            name: "object get", about: "",
            arguments: [.init(name: "KEY", about: ""), .init(name: "FILE", about: "", isOptional: true)],
            options: options + Serve.logOptions),
        Command(
            name: "object head", about: "", arguments: [.init(name: "KEY", about: "")],
            options: options + Serve.logOptions),
        Command(
            name: "object ls", about: "", arguments: [.init(name: "PREFIX", about: "", isOptional: true)],
            options: options + Serve.logOptions),
        Command(
            name: "object rm", about: "", arguments: [.init(name: "KEY", about: "")],
            options: options + Serve.logOptions),
    ]

    /// - Parameter inTurn: for tests, which share a process: waits for other loops of it.
    static func run(
        _ words: [String], environment: [String: String], _ console: Console,
        isTerminal: Bool = isatty(STDERR_FILENO) != 0, inTurn: Bool = false
    ) throws(UsageError) -> Int32 {
        let names = verbs.map { String($0.name.split(separator: " ")[1]) }
        guard let name = words.first else { throw UsageError(message: "missing \(alternatives(names))") }
        guard let index = names.firstIndex(of: name) else {
            throw UsageError(message: "\(quoted(name)) is unknown\(Suggestion.phrase(for: name, among: names))")
        }
        let invocation = try verbs[index].parse(words.dropFirst())
        guard
            let configuration = Program.load(
                Serve.source(invocation, environment: environment), for: "object", console)
        else { return Program.failed }
        do {
            let body: @LoopActor () async throws -> Void = {
                let store = try configuration.openStore(environment: environment)
                do {
                    try await perform(name, invocation, store, console, isTerminal: isTerminal)
                } catch {
                    await store.close()
                    throw error
                }
                await store.close()
            }
            if inTurn { try LoopActor.runInTurn(body) } else { try LoopActor.run(body) }
            return Program.done
        } catch {
            console.error("weir object: \(error)")
            return Program.failed
        }
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String

        init(_ description: String) { self.description = description }

        /// The last error of the system's.
        static func system(_ what: String) -> Failure { Failure("\(what): \(CoreError(errno: errno))") }
    }

    @LoopActor
    private static func perform(
        _ name: String, _ invocation: Invocation, _ store: any ObjectStore, _ console: Console, isTerminal: Bool
    ) async throws {
        let arguments = invocation.arguments
        switch name {
        case "put":
            try await put(
                arguments[0], ObjectKey(arguments[1]), invocation.value("type"), store, console, isTerminal: isTerminal)
        case "get":
            let key = try ObjectKey(arguments[0])
            let last = key.text.split(separator: "/").last.map { String($0) } ?? ""
            let file = arguments.count > 1 ? arguments[1] : last
            guard !file.isEmpty, file != ".", file != ".." else {
                throw Failure("\(quoted(key.text)) names no file; expected one behind it")
            }
            if file == "-" {
                try await write(key, store)
            } else {
                try await get(key, file, store, console, isTerminal: isTerminal)
            }
        case "head":
            let info = try await store.head(ObjectKey(arguments[0]))
            console.line("key: \(printable(info.key.text))\nlength: \(info.length)\netag: \(printable(info.etag))")
            if let type = info.type { console.line("type: \(printable(type))") }
            if let modified = info.modified { console.line("modified: \(time(modified))") }
        case "ls":
            var after: String?
            repeat {
                let list = try await store.list(
                    prefix: arguments.first ?? "", after: after, limit: ObjectList.limit)
                for info in list.objects {
                    let length = "\(info.length)"
                    let pad = String(repeating: " ", count: max(0, 14 - length.utf8.count))
                    console.line("\(pad)\(length)  \(info.modified.map(time) ?? "-")  \(printable(info.key.text))")
                }
                after = list.next
            } while after != nil
        default:
            try await store.delete(ObjectKey(arguments[0]))
        }
    }

    // MARK: Transfers

    @LoopActor
    private static func put(
        _ path: String, _ key: ObjectKey, _ type: String?, _ store: any ObjectStore, _ console: Console,
        isTerminal: Bool
    ) async throws {
        let isInput = path == "-"
        let descriptor =
            isInput
            ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Failure.system(path) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else { throw Failure.system(path) }
        if isInput, [S_IFIFO, S_IFSOCK].contains(facts.st_mode & S_IFMT) {
            let progress = Progress("put \(printable(key.text))", console, isTerminal: isTerminal)
            // The store's, and closed by it.
            let info = try await store.put(key, .pipe(descriptor), ObjectFacts(type: type))
            return progress.end(info.length)
        }
        defer { close(descriptor) }
        guard facts.st_mode & S_IFMT == S_IFREG else {
            throw Failure(isInput ? "standard input: not a file, a pipe or a socket" : "\(path): not a regular file")
        }
        let length = UInt64(facts.st_size)
        let progress = Progress("put \(printable(key.text))", console, isTerminal: isTerminal)
        do {
            _ = try await store.put(
                key, .file(descriptor, length: length) { moved, length in progress.tell(moved, of: length) },
                ObjectFacts(type: type))
        } catch {
            progress.clear()
            throw error
        }
        progress.end(length)
    }

    /// The file appears when it is whole.
    @LoopActor
    private static func get(
        _ key: ObjectKey, _ path: String, _ store: any ObjectStore, _ console: Console, isTerminal: Bool
    ) async throws {
        var facts = stat()
        if stat(path, &facts) == 0, facts.st_mode & S_IFMT != S_IFREG { throw Failure("\(path): not a regular file") }
        let temporary = "\(path).\(getpid()).part"
        let descriptor = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw Failure.system(temporary) }
        let progress = Progress("get \(printable(key.text))", console, isTerminal: isTerminal)
        do {
            let info = try await store.save(key, to: descriptor) { progress.tell($0, of: $1) }
            guard close(descriptor) == 0, rename(temporary, path) == 0 else { throw Failure.system(path) }
            progress.end(info.length)
        } catch {
            progress.clear()
            unlink(temporary)
            throw error
        }
    }

    /// To standard output.
    @LoopActor
    private static func write(_ key: ObjectKey, _ store: any ObjectStore) async throws {
        let stream = try await store.get(key)
        let descriptor = stream.takeDescriptor()
        let (isFile, offset, length) = (stream.isFile, stream.offset, UInt64(stream.range.count))
        let moved = try await onPool { try copy(descriptor, isFile: isFile, offset: offset) }
        try await stream.ended()
        guard moved == length else { throw Failure("\(moved) of \(length) bytes came") }
    }

    /// All of it, on a thread that may wait; the descriptor is closed.
    private static func copy(_ descriptor: Int32, isFile: Bool, offset: UInt64) throws -> UInt64 {
        defer { close(descriptor) }
        if isFile { lseek(descriptor, off_t(offset), SEEK_SET) }
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
        var block = [UInt8](repeating: 0, count: 256 << 10)
        var moved: UInt64 = 0
        while true {
            let count = read(descriptor, &block, block.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw Failure.system("the object") }
            if count == 0 { return moved }
            var done = 0
            while done < count {
                let put = block.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress! + done, count - done) }
                if put < 0 && errno == EINTR { continue }
                guard put >= 0 else { throw Failure.system("standard output") }
                done += put
            }
            moved += UInt64(count)
        }
    }

    // MARK: Text

    private static func time(_ seconds: Int64) -> String {
        let text = SigningDate(seconds: seconds).text
        func part(_ range: Range<Int>) -> Substring { text.dropFirst(range.lowerBound).prefix(range.count) }
        return "\(part(0..<4))-\(part(4..<6))-\(part(6..<8))T\(part(9..<11)):\(part(11..<13)):\(part(13..<15))Z"
    }

    /// A key may have what a terminal obeys.
    private static func printable(_ text: String) -> String { ScanText.printable(text) }
}
