import Glibc
import Testing
import WeirHTTP
import WeirLoop

@testable import WeirStorage

/// A directory for one test; it goes with what is in it.
final class Folder: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/weir-storage.XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil)
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit { system("rm -rf '\(path)'") }

    /// Names of the files in it and below, sorted.
    var files: [String] {
        guard let pipe = popen("cd '\(path)' && find . -type f | sort", "r") else { return [] }
        defer { pclose(pipe) }
        var text: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 4096)
        while case let count = fread(&block, 1, block.count, pipe), count > 0 { text += block[..<count] }
        return String(decoding: text, as: UTF8.self).split(separator: "\n").map { String($0.dropFirst(2)) }
    }
}

/// A file for one test, open.
final class Scratch: Sendable {
    let descriptor: Int32

    init() {
        var template = Array("/tmp/weir-storage.XXXXXX".utf8CString)
        descriptor = mkstemp(&template)
        precondition(descriptor >= 0)
        unlink(template)
    }

    convenience init(_ bytes: [UInt8]) {
        self.init()
        precondition(pwrite(descriptor, bytes, bytes.count, 0) == bytes.count)
    }

    /// `length` bytes that are different in each MiB.
    convenience init(length: Int) {
        self.init()
        var at = 0
        while at < length {
            let count = min(1 << 20, length - at)
            let block = Scratch.block(at)
            precondition(pwrite(descriptor, block, count, off_t(at)) == count)
            at += count
        }
    }

    deinit { close(descriptor) }

    var length: Int {
        var facts = stat()
        return fstat(descriptor, &facts) == 0 ? Int(facts.st_size) : -1
    }

    var bytes: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: length)
        var at = 0
        while at < bytes.count {
            let count = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress! + at, $0.count - at, off_t(at))
            }
            if count <= 0 { break }
            at += count
        }
        return bytes
    }

    /// Whether it is what `init(length:)` wrote.
    func holds(length: Int) -> Bool {
        guard self.length == length else { return false }
        var block = [UInt8](repeating: 0, count: 1 << 20)
        var at = 0
        while at < length {
            let count = min(1 << 20, length - at)
            let expected = Scratch.block(at)
            guard pread(descriptor, &block, count, off_t(at)) == count, memcmp(block, expected, count) == 0 else {
                return false
            }
            at += count
        }
        return true
    }

    private static let pattern: [UInt8] = (0..<(2 << 20)).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) }

    private static func block(_ at: Int) -> [UInt8] {
        let start = (at >> 20) &* 4099 & ((1 << 20) - 1)
        return Array(pattern[start..<(start + (1 << 20))])
    }
}

/// A program that runs as long as this process does, or until `end()`.
final class Companion: @unchecked Sendable {
    let pid: pid_t
    private let input: Int32
    private let output: UnsafeMutablePointer<FILE>

    init(_ command: [String]) throws {
        var toChild: [Int32] = [-1, -1]
        var fromChild: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        try #require(socketpair(AF_UNIX, kind, 0, &toChild) == 0)
        try #require(socketpair(AF_UNIX, kind, 0, &fromChild) == 0)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, toChild[0], 0)
        posix_spawn_file_actions_adddup2(&actions, fromChild[1], 1)
        var words: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var pid: pid_t = 0
        let status = posix_spawnp(&pid, command[0], &actions, nil, &words, environ)
        posix_spawn_file_actions_destroy(&actions)
        close(toChild[0])
        close(fromChild[1])
        input = toChild[1]
        output = fdopen(fromChild[0], "r")
        self.pid = pid
        try #require(status == 0)
    }

    /// The next line that it prints; nil at the end.
    func line() -> String? {
        var line: UnsafeMutablePointer<CChar>?
        var room = 0
        defer { free(line) }
        let count = getline(&line, &room, output)
        guard count > 0, let line else { return nil }
        return String(cString: line).split(separator: "\n").first.map { String($0) } ?? ""
    }

    /// Ends its input, and waits for it.
    func end() {
        close(input)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        fclose(output)
    }
}

/// The S3 server of `Tests/Storage`, one for all tests of this process.
struct S3Server: Sendable {
    let endpoint: String
    static let access = "0123456789abcdef0123456789abcdef"
    static let secret = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

    /// Whether it can be started; or must be, with `WEIR_ALLOW_SKIP=0`.
    static let isThere =
        Glibc.access("/usr/lib/python3/dist-packages/swift/common/middleware/s3api/s3api.py", R_OK) == 0
        || getenv("WEIR_ALLOW_SKIP").map { String(cString: $0) } == "0"

    private static let started = Result {
        let folder = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(
            separator: "/")
        let data = Folder()
        let companion = try Companion(["/usr/bin/python3", "\(folder)/Storage/s3_server.py", data.path])
        let line = companion.line() ?? ""
        try #require(line.hasPrefix("ready "))
        kept = (data, companion)
        // Its input ends with this process; the directory goes here.
        atexit { S3Server.end() }
        return S3Server(endpoint: String(line.dropFirst(6)))
    }
    nonisolated(unsafe) private static var kept: (Folder, Companion)?

    private static func end() {
        kept?.1.end()
        if let path = kept?.0.path { system("rm -rf '\(path)'") }
    }

    static func shared() throws -> S3Server { try started.get() }

    func options(_ change: (inout R2Options) -> Void = { _ in }) -> R2Options {
        var options = R2Options(
            endpoint: endpoint, bucket: "media",
            credentials: SigningCredentials(accessKeyID: S3Server.access, secretAccessKey: S3Server.secret))
        change(&options)
        return options
    }
}

/// Runs `body` with a store on a loop of its own, and closes it afterwards.
func withR2(
    _ options: R2Options, clock: LoopClock = .monotonic, random: @escaping @LoopActor () -> Double = { 0.5 },
    _ body: @escaping @LoopActor (R2Store) async throws -> Void
) throws {
    try LoopActor.runInTurn {
        let store = try R2Store(options, clock: clock, random: random)
        do {
            try await body(store)
        } catch {
            await store.close()
            throw error
        }
        await store.close()
        #expect(store.metrics.open == 0)
    }
}

/// The error that something ends with.
@LoopActor
func objectError<Value: Sendable>(
    _ body: @LoopActor () async throws(ObjectError) -> Value, location: SourceLocation = #_sourceLocation
) async -> ObjectError? {
    do {
        _ = try await body()
        Issue.record("no error", sourceLocation: location)
        return nil
    } catch {
        return error
    }
}

/// The two kinds of store, for what is the same with both.
enum StoreKind: String, CaseIterable, CustomTestStringConvertible {
    case local, r2
    static let available = allCases.filter { $0 == .local || S3Server.isThere }

    var testDescription: String { rawValue }

    func with(_ body: @escaping @LoopActor (any ObjectStore) async throws -> Void) throws {
        switch self {
        case .local:
            let folder = Folder()
            try LoopActor.runInTurn {
                let store = try LocalStore(directory: folder.path + "/objects")
                try await body(store)
                await store.close()
            }
        case .r2:
            let options = try S3Server.shared().options {
                $0.multipartAbove = 8 << 20
                $0.spooledPartSize = 5 << 20
            }
            try withR2(options) { try await body($0) }
        }
    }
}
