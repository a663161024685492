import Glibc

/// A named pipe that a test writes what a station plays into.
final class NamedPipe {
    let path: String
    private var descriptor: Int32 = -1

    init(_ path: String) throws {
        self.path = path
        guard mkfifo(path, 0o600) == 0 else { throw Failure.system("mkfifo \(path)") }
    }

    deinit { leave() }

    /// Waits until somebody reads it.
    func enter() throws {
        descriptor = try eventually("somebody reads \(path)") {
            let descriptor = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
            return descriptor >= 0 ? descriptor : nil
        }
    }

    func write(_ bytes: [UInt8], within seconds: Double = Pace.patience) throws {
        try Stream.write(bytes, to: descriptor, Deadline(seconds: seconds))
    }

    /// How many of the bytes it takes at once.
    func offer(_ bytes: ArraySlice<UInt8>) -> Int {
        max(0, bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) })
    }

    func leave() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }
}
