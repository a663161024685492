import Glibc
import Testing

/// Runs a test in a process of its own, for what would disturb the others: the same program again, told to run this test
/// only. `name` is the filter that finds it.
func alone(_ name: String, _ body: () throws -> Void) throws {
    if getenv("WEIR_ALONE") != nil { return try body() }
    let (status, output) = try runAlone(name, environment: ["WEIR_ALONE=1"])
    #expect(status == 0, "\(output)")
    #expect(output.contains("Test run with 1 test"), "\(output)")
}

private func runAlone(_ name: String, environment additions: [String]) throws -> (Int32, String) {
    var ends: [Int32] = [0, 0]
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    try #require(socketpair(AF_UNIX, kind, 0, &ends) == 0)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
    let arguments = [CommandLine.arguments[0], "--testing-library", "swift-testing", "--filter", name]
    var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    var variables: [UnsafeMutablePointer<CChar>?] = additions.map { strdup($0) }
    var variable = environ
    while let text = variable.pointee {
        variables.append(strdup(text))
        variable += 1
    }
    variables.append(nil)
    defer { for word in words + variables { free(word) } }
    var pid: pid_t = 0
    let spawned = posix_spawn(&pid, "/proc/self/exe", &actions, nil, &words, &variables)
    posix_spawn_file_actions_destroy(&actions)
    close(ends[1])
    defer { close(ends[0]) }
    try #require(spawned == 0)
    var output: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = read(ends[0], &block, block.count)
        if count <= 0 { break }
        output += block[..<count]
    }
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    return (status, String(decoding: output, as: UTF8.self))
}
