internal import Glibc
internal import WeirLoop

/// The name by which a node's artefacts are known to the others: made once, kept in the data directory.
enum NodeIdentity {
    /// The file's name in the data directory.
    static let fileName = "node.id"
    /// Bytes of randomness; twice as many hexadecimal digits.
    private static let size = 16

    @LoopActor
    static func find(in directory: String) async throws(DatabaseError) -> String {
        do {
            return try await onPool { try read(in: directory) }
        } catch {
            throw error as? DatabaseError ?? DatabaseError(.file, "\(directory): \(error)")
        }
    }

    /// Reads it, or makes it. Waits for the disk.
    private static func read(in directory: String) throws(DatabaseError) -> String {
        let path = "\(directory)/\(fileName)"
        while true {
            if let found = try existing(path) { return found }
            let made = (0..<size).map { _ in hexadecimal(UInt8.random(in: 0 ... .max)) }.joined()
            if try keep(made, path) { return made }
            // Another process was faster.
        }
    }

    private static func hexadecimal(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16)
        return byte < 16 ? "0" + digits : digits
    }

    /// Nil when there is no such file.
    private static func existing(_ path: String) throws(DatabaseError) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw error(path, errno)
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4 * size)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw error(path, errno) }
        let text = String(decoding: bytes[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        let isIdentity =
            text.utf8.count == 2 * size
            && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        guard isIdentity else {
            throw DatabaseError(
                .file, "\(path): not a node's name", expected: "\(2 * size) hexadecimal digits in lower case")
        }
        return text
    }

    /// Whole or not at all, and durable. False when there is one by now.
    private static func keep(_ identity: String, _ path: String) throws(DatabaseError) -> Bool {
        let partial = "\(path).\(getpid()).\(UInt32.random(in: 0 ... .max))"
        let descriptor = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw error(partial, errno) }
        defer { unlink(partial) }
        let bytes = Array((identity + "\n").utf8)
        let isWritten = write(descriptor, bytes, bytes.count) == bytes.count && fsync(descriptor) == 0
        let number = errno
        close(descriptor)
        guard isWritten else { throw error(partial, number) }
        if link(partial, path) == 0 { return true }
        guard errno == EEXIST else { throw error(path, errno) }
        return false
    }

    private static func error(_ path: String, _ number: Int32) -> DatabaseError {
        DatabaseError(number == ENOSPC ? .diskFull : .file, "\(path): \(CoreError(errno: number))")
    }
}
