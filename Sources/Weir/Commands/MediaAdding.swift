internal import Glibc
internal import WeirHTTP
internal import WeirLoop

/// `weir media add`: files on their way to a daemon, some at a time.
@LoopActor
final class MediaAdding {
    private let client: DaemonClient
    private let console: Console
    private let query: String
    private let progress: Progress
    private var files: ArraySlice<String> = []
    private var moved: UInt64 = 0
    private var total: UInt64 = 0
    private var failures = 0
    private var digests: Set<String> = []

    init(_ client: DaemonClient, _ console: Console, query: String, isTerminal: Bool) {
        self.client = client
        self.console = console
        self.query = query
        progress = Progress("media add", console, isTerminal: isTerminal)
    }

    /// How many files failed. Those that were taken stand on standard output, a line each.
    func run(_ paths: [String], waits: Bool) async throws -> Int {
        for path in paths {
            var facts = stat()
            if stat(path, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG { total += UInt64(facts.st_size) }
        }
        files = paths[...]
        let workers = (0..<MediaCommand.parallel).map { _ in
            spawn { while let path = self.files.popFirst() { await self.add(path) } }
        }
        for worker in workers { await worker.value }
        progress.end(moved)
        if waits { try await wait() }
        return failures
    }

    private func add(_ path: String) async {
        do {
            let answer = try await send(path)
            digests.insert(answer["sha256"]?.text ?? "")
            console.line(MediaCommand.line(answer))
        } catch {
            failures += 1
            progress.clear()
            console.error("weir media: \(ScanText.printable(path)): \(error)")
        }
    }

    private func send(_ path: String) async throws -> JSON {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw CoreError(errno: errno) }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
            throw DaemonClient.Failure("not a regular file")
        }
        let name = String(path[(path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex)...])
        let length = UInt64(facts.st_size)
        let target = "/media" + (query.isEmpty ? "?" : query + "&") + "name=\(DaemonClient.escape(name))"
        let body = DaemonClient.file(descriptor, length: length) { [weak self] count in
            guard let self else { return }
            moved += UInt64(count)
            progress.tell(moved, of: total)
        }
        return try await client.ask(.post, target, type: MediaAdding.type(of: name), body: body)
    }

    /// Until none of them is being warmed any more.
    private func wait() async throws {
        let progress = Progress("media ready", console, isTerminal: isatty(STDERR_FILENO) != 0)
        var left = digests
        let bot = query.dropFirst().split(separator: "&").first { $0.hasPrefix("bot=") }.map { "?\($0)" } ?? ""
        while !left.isEmpty {
            for digest in left {
                let media = try await client.ask(.get, "/media/\(digest)\(bot)")["media"]?.items ?? []
                if media.contains(where: { $0["status"]?.text == "warming" }) { break }
                left.remove(digest)
                for medium in media where medium["status"]?.text == "failed" {
                    failures += 1
                    console.error("weir media: \(digest): \(medium["last_error"]?.text ?? "failed")")
                }
            }
            progress.tell(UInt64(digests.count - left.count), of: UInt64(digests.count))
            if !left.isEmpty { try await LoopClock.monotonic.sleep(for: MediaCommand.lookInterval) }
        }
        progress.clear()
    }

    /// By the name's ending; as what a file is sent follows from it.
    nonisolated static func type(of name: String) -> String {
        let ending = name.split(separator: ".").last.map { $0.lowercased() } ?? ""
        return types[ending] ?? "application/octet-stream"
    }

    private nonisolated static let types = [
        "jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif",
        "mp4": "video/mp4", "mov": "video/quicktime", "mkv": "video/x-matroska", "webm": "video/webm",
        "mp3": "audio/mpeg", "m4a": "audio/mp4", "ogg": "audio/ogg", "flac": "audio/flac", "wav": "audio/wav",
        "pdf": "application/pdf", "zip": "application/zip", "cbz": "application/vnd.comicbook+zip",
        "txt": "text/plain", "json": "application/json",
    ]
}
