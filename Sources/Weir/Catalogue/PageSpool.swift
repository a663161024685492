internal import Glibc
internal import WeirHTTP
internal import WeirLoop
internal import WeirStorage

/// A file without a name that an upload is written to; it is gone when it is closed, whatever happens.
@LoopActor
final class PageSpool {
    nonisolated let descriptor: Int32
    private(set) var length: UInt64 = 0

    init(in directory: String) async throws {
        do {
            descriptor = try await onPool {
                let path = "\(directory)/.page-\(getpid())-\(UInt64.random(in: 0 ... .max))"
                let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
                guard descriptor >= 0 else { throw CoreError(errno: errno) }
                unlink(path)
                return descriptor
            }
        } catch {
            throw PageSpool.failure(error)
        }
    }

    isolated deinit {
        let descriptor = descriptor
        // Freeing what a file takes is the disk's time.
        spawn { _ = try? await onPool { close(descriptor) } }
    }

    /// Appends to it, and to a digest, which is returned.
    func write(_ bytes: [UInt8], _ digest: RunningDigest) async throws -> RunningDigest {
        let (descriptor, offset) = (descriptor, length)
        let result: RunningDigest
        do {
            result = try await onPool {
                var digest = digest
                digest.add(bytes)
                var done = 0
                while done < bytes.count {
                    let count = bytes.withUnsafeBytes {
                        pwrite(descriptor, $0.baseAddress! + done, $0.count - done, off_t(offset) + off_t(done))
                    }
                    if count < 0 && errno == EINTR { continue }
                    guard count > 0 else { throw CoreError(errno: count < 0 ? errno : ENOSPC) }
                    done += count
                }
                return digest
            }
        } catch {
            throw PageSpool.failure(error)
        }
        length += UInt64(bytes.count)
        return result
    }

    private static func failure(_ error: any Error) -> HTTPError {
        .unavailable("DISK_FAILED", "the page cannot be written: \(error)")
    }
}
