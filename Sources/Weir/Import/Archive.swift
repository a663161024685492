internal import CDeflate
internal import Glibc
internal import WeirLoop

/// Reads ZIP archives (PKWARE APPNOTE 6.3.10): stored and deflated files, also with Zip64. What an archive says of itself
/// is believed in bounds only. Reads wait for the disk; any thread.
final class Archive: Sendable {
    /// Files in one, and bytes of its directory.
    static let entriesMax = 100_000
    static let directoryMax = 64 << 20

    /// Why it cannot be read.
    struct Failure: Error, CustomStringConvertible {
        let description: String

        init(_ description: String) { self.description = description }
    }

    struct Entry: Sendable {
        /// A path with slashes, which stays inside.
        var name: String
        var method: UInt16
        var crc32: UInt32
        var compressed: UInt64
        /// Bytes, uncompressed.
        var size: UInt64
        /// Of its local header.
        var offset: UInt64
    }

    /// Files, in the archive's order; directories are left out.
    let entries: [Entry]
    private let descriptor: Int32
    private let length: UInt64

    init(path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw CoreError(errno: errno) }
        do {
            var facts = stat()
            guard fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
                throw Failure("not a regular file")
            }
            length = UInt64(facts.st_size)
            entries = try ArchiveDirectory.read(descriptor, length)
        } catch {
            close(descriptor)
            throw error
        }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// The bytes of a file of at most `limit`, checked with its CRC-32.
    func read(_ entry: Entry, limit: Int) throws -> [UInt8] {
        guard entry.size <= UInt64(limit) else {
            throw Failure("it has \(entry.size) bytes; expected at most \(limit)")
        }
        // Deflate makes 1032 bytes of one at most: more is said to waste memory.
        guard entry.method == 8 || entry.compressed == entry.size,
            entry.size <= (entry.compressed &+ 64) &* 1032
        else { throw Failure("its sizes do not agree") }
        let header = try ArchiveBytes(descriptor, from: entry.offset, count: 30, of: length)
        guard header.long(0) == 0x0403_4b50 else { throw Failure("its header is not where the directory says") }
        let start = entry.offset + 30 + UInt64(header.short(26)) + UInt64(header.short(28))
        let packed = try ArchiveBytes(descriptor, from: start, count: entry.compressed, of: length).bytes
        let bytes: [UInt8]
        switch entry.method {
        case 0: bytes = packed
        case 8: bytes = try Archive.inflate(packed, to: Int(entry.size))
        default: throw Failure("it is packed by method \(entry.method); expected 0 (stored) or 8 (deflated)")
        }
        guard libdeflate_crc32(0, bytes, bytes.count) == entry.crc32 else { throw Failure("its CRC-32 is wrong") }
        return bytes
    }

    private static func inflate(_ packed: [UInt8], to size: Int) throws -> [UInt8] {
        guard let inflater = libdeflate_alloc_decompressor() else { throw CoreError(errno: ENOMEM) }
        defer { libdeflate_free_decompressor(inflater) }
        var status = LIBDEFLATE_SUCCESS
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { bytes, count in
            // Without a place to put the length, another than `size` is an error.
            status = libdeflate_deflate_decompress(
                inflater, packed, packed.count, bytes.baseAddress ?? UnsafeMutablePointer(bitPattern: 1), size, nil)
            count = status == LIBDEFLATE_SUCCESS ? size : 0
        }
        guard status == LIBDEFLATE_SUCCESS else { throw Failure("it is damaged, or longer than it says") }
        return bytes
    }
}

/// Bytes of a file, read as little-endian numbers. Offsets are the caller's to check, but outside is zero.
struct ArchiveBytes {
    let bytes: [UInt8]

    /// Throws when the file ends before them.
    init(_ descriptor: Int32, from: UInt64, count: UInt64, of length: UInt64) throws {
        guard from <= length, count <= length - from, count <= UInt64(Int32.max) else {
            throw Archive.Failure("the archive ends too early")
        }
        var bytes = [UInt8](repeating: 0, count: Int(count))
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress! + done, $0.count - done, off_t(from) + off_t(done))
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw CoreError(errno: count < 0 ? errno : EIO) }
            done += count
        }
        self.bytes = bytes
    }

    private func number(_ offset: Int, _ width: Int) -> UInt64 {
        guard offset >= 0, offset <= bytes.count - width else { return 0 }
        return (0..<width).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
    }

    func short(_ offset: Int) -> UInt16 { UInt16(truncatingIfNeeded: number(offset, 2)) }
    func long(_ offset: Int) -> UInt32 { UInt32(truncatingIfNeeded: number(offset, 4)) }
    func wide(_ offset: Int) -> UInt64 { number(offset, 8) }
}
