import CWeir
import Glibc
import Synchronization
import WeirLoop

/// Something that a closure sets and a test looks at.
final class Flag: Sendable {
    private let value = Atomic<Bool>(false)

    var isSet: Bool {
        get { value.load(ordering: .acquiring) }
        set { value.store(newValue, ordering: .releasing) }
    }
}

/// Runs `body` on a thread of its own.
func onThread(_ body: @escaping @Sendable () -> Void) {
    final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let box = Unmanaged.passRetained(Box(body)).toOpaque()
    let status = pthread_create(
        &thread, nil,
        {
            Unmanaged<Box>.fromOpaque($0!).takeRetainedValue().body(); return nil
        }, box)
    precondition(status == 0)
    pthread_detach(thread)
}

/// A directory that is gone afterwards.
func withDirectory<Value>(_ body: (String) throws -> Value) throws -> Value {
    var template = Array("/tmp/weir-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw CoreError(errno: errno) }
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { _ = runProgram(["rm", "-rf", path]) }
    return try body(path)
}

/// Runs a program and returns its exit status and what it printed.
func runProgram(_ arguments: [String], environment: [String] = [], input: String = "") -> (
    status: Int32, output: String
) {
    var output: [Int32] = [0, 0]
    var feed: [Int32] = [0, 0]
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    precondition(socketpair(AF_UNIX, kind, 0, &output) == 0 && socketpair(AF_UNIX, kind, 0, &feed) == 0)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_adddup2(&actions, feed[0], 0)
    posix_spawn_file_actions_adddup2(&actions, output[1], 1)
    posix_spawn_file_actions_adddup2(&actions, output[1], 2)
    var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) }
    var variable = environ
    while let text = variable.pointee {
        variables.append(strdup(text))
        variable += 1
    }
    variables.append(nil)
    defer { for word in words + variables { free(word) } }
    var pid: pid_t = 0
    let spawned = posix_spawnp(&pid, arguments[0], &actions, nil, &words, &variables)
    posix_spawn_file_actions_destroy(&actions)
    close(output[1])
    close(feed[0])
    _ = input.utf8.withContiguousStorageIfAvailable { send(feed[1], $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    close(feed[1])
    var text: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = read(output[0], &block, block.count)
        if count <= 0 { break }
        text.append(contentsOf: block[..<count])
    }
    close(output[0])
    guard spawned == 0 else { return (-1, "cannot start \(arguments[0])") }
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    let exit = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
    return (exit, String(decoding: text, as: UTF8.self))
}
