import Glibc
import Testing

@testable import WeirDatabase

/// A Redis of `Tests/Database/redis`, for one test.
final class RedisServer: Sendable {
    /// Whether it can be started; or must be, with `WEIR_ALLOW_SKIP=0`.
    static let isThere: Bool = {
        if getenv("WEIR_ALLOW_SKIP").map({ String(cString: $0) }) == "0" { return true }
        return system("command -v redis-server >/dev/null") == 0
    }()

    let url: RedisURL
    private let companion: Companion
    private let folder: Folder

    init(options: [String] = []) throws {
        folder = Folder()
        let tests = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
        companion = try Companion([tests.joined(separator: "/") + "/Database/redis", folder("redis")] + options)
        let line = companion.line() ?? ""
        try #require(line.hasPrefix("unix://"), "no Redis: \(line)")
        url = try RedisURL(parsing: line)
    }

    /// Kills the server, as a crash does.
    func stop() throws { try command("stop") }

    func start() throws { try command("start") }

    /// It answers nothing, and its connections stay.
    func hold() throws { try command("hold") }

    func go() throws { try command("go") }

    private func command(_ word: String) throws {
        try companion.say(word)
        let answer = try #require(companion.line())
        #expect(answer == "ok")
    }

    func end() { companion.end() }
}
