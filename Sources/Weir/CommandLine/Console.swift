internal import Glibc

/// Where a command writes: standard output and standard error, or a test.
struct Console: Sendable {
    var output: @Sendable (String) -> Void
    var errors: @Sendable (String) -> Void

    static let standard = Console(
        output: { Console.write($0, to: STDOUT_FILENO) }, errors: { Console.write($0, to: STDERR_FILENO) })

    func line(_ text: String) { output(text + "\n") }
    func error(_ text: String) { errors(text + "\n") }

    /// Writes all of it; gives up when nobody reads any more.
    private static func write(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
