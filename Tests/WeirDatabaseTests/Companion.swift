import Glibc
import Testing

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

    /// Gives it a line to read.
    func say(_ line: String) throws {
        let bytes = Array((line + "\n").utf8)
        let sent = send(input, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        try #require(sent == bytes.count)
    }

    /// Kills it at once.
    func kill() {
        Glibc.kill(pid, SIGKILL)
        end()
    }

    /// Ends its input, and waits for it.
    func end() {
        close(input)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        fclose(output)
    }
}
