internal import Glibc
internal import WeirHTTP
internal import WeirLoop
internal import WeirStorage

/// `weir chapter add`: pictures on their way to a daemon, some at a time, and then the chapter that they make.
@LoopActor
final class ChapterImport {
    /// Pictures that are sent at once; each is in memory meanwhile.
    static let parallel = 4

    private let client: DaemonClient
    private let console: Console
    private let progress: Progress
    private var pictures: [ChapterSource.Picture] = []
    private var keys: [(key: String, bytes: UInt64?)?] = []
    private var next = 0
    private var moved: UInt64 = 0
    private var total: UInt64 = 0
    private var failures = 0

    init(_ client: DaemonClient, _ console: Console, isTerminal: Bool) {
        self.client = client
        self.console = console
        progress = Progress("chapter add", console, isTerminal: isTerminal)
    }

    /// The daemon's answer; nil when a page failed, and nothing was added.
    func run(_ id: String, title: String?, _ arguments: [String]) async throws -> JSON? {
        for argument in arguments {
            do {
                let found = try await onPool { try ChapterSource.find(argument) }
                pictures += found.pictures
                tell(found.skipped, of: argument)
            } catch {
                throw DaemonClient.Failure("\(ScanText.printable(argument)): \(error)")
            }
        }
        guard !pictures.isEmpty else { throw DaemonClient.Failure("there is no picture in what was given") }
        keys = Array(repeating: nil, count: pictures.count)
        total = pictures.reduce(0) { $0 &+ $1.length }
        let workers = (0..<min(ChapterImport.parallel, pictures.count)).map { _ in
            spawn {
                while self.failures == 0, self.next < self.pictures.count {
                    self.next += 1
                    await self.send(self.next - 1)
                }
            }
        }
        for worker in workers { await worker.value }
        progress.clear()
        if failures > 0 { return nil }
        if total > 0 { progress.end(moved) }
        var members: [(String, JSON)] = [
            (
                "pages",
                .array(
                    zip(pictures, keys).map { picture, stored in
                        var page: [(String, JSON)] = [
                            ("key", .string(stored?.key ?? "")), ("name", .string(picture.name)),
                        ]
                        if let bytes = stored?.bytes { page.append(("bytes", .unsigned(bytes))) }
                        return .object(page)
                    })
            )
        ]
        if let title { members.append(("title", .string(title))) }
        return try await client.ask(
            .put, "/catalog/chapters/\(DaemonClient.escape(id))", type: "application/json",
            body: .bytes(JSON.object(members).bytes))
    }

    private func tell(_ skipped: [String], of argument: String) {
        if skipped.isEmpty { return }
        let names = skipped.prefix(5).map { ScanText.printable($0) }.joined(separator: ", ")
        console.error(
            "weir chapter: \(ScanText.printable(argument)): \(skipped.count) "
                + "\(skipped.count == 1 ? "file is" : "files are") no picture and left out: \(names)"
                + (skipped.count > 5 ? ", ..." : ""))
    }

    private func send(_ index: Int) async {
        let picture = pictures[index]
        do {
            keys[index] = try await store(picture)
            moved &+= picture.length
            progress.tell(moved, of: total)
        } catch {
            failures += 1
            progress.clear()
            console.error("weir chapter: page \(index + 1), \(ScanText.printable(picture.name)): \(error)")
        }
    }

    /// What it is called in the store, where it is when this returns.
    private func store(_ picture: ChapterSource.Picture) async throws -> (key: String, bytes: UInt64?) {
        if case .object(let key) = picture.bytes { return (key, nil) }
        let (bytes, digest) = try await onPool {
            let bytes = try ChapterImport.read(picture)
            var digest = RunningDigest()
            digest.add(bytes)
            return (bytes, digest.hex)
        }
        guard !bytes.isEmpty else { throw DaemonClient.Failure("it is empty") }
        let target = "/catalog/pages/\(digest)"
        var answer: JSON
        do {
            answer = try await client.ask(.get, target)
        } catch let error as DaemonClient.Failure where error.status == 404 {
            answer = try await client.ask(.put, target, type: picture.type, body: .bytes(bytes))
        }
        guard let key = answer["key"]?.text else { throw DaemonClient.Failure("the daemon did not say where it is") }
        return (key, UInt64(bytes.count))
    }

    private nonisolated static func read(_ picture: ChapterSource.Picture) throws -> [UInt8] {
        switch picture.bytes {
        case .object: return []
        case .archived(let archive, let entry): return try archive.read(entry, limit: CataloguePages.limit)
        case .file(let path):
            guard picture.length <= UInt64(CataloguePages.limit) else {
                throw Archive.Failure("it has \(picture.length) bytes; expected at most \(CataloguePages.limit)")
            }
            let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
            guard descriptor >= 0 else { throw CoreError(errno: errno) }
            defer { close(descriptor) }
            return try ArchiveBytes(descriptor, from: 0, count: picture.length, of: picture.length).bytes
        }
    }
}
