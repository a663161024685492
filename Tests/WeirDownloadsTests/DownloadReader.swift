import CWeir
import Glibc
import CWeirHTTP
import WeirLoop

@testable import WeirDownloads
@testable import WeirHTTP

/// Reads a download as a response does, in the pieces that a test wants.
@LoopActor
final class Reader {
    let download: Download
    private let range: Range<UInt64>
    private(set) var position: UInt64
    private var waiter: UnsafeContinuation<Void, Never>?

    /// Begins when it is first read.
    init(_ download: Download, _ range: Range<UInt64>? = nil) {
        self.download = download
        self.range = range ?? 0..<download.length
        position = self.range.lowerBound
    }

    private var hasBegun = false

    func begin() async throws {
        if hasBegun { return }
        hasBegun = true
        try await download.begin(range)
    }

    /// At most so many bytes, at least one; none at the end. Waits for them.
    func next(_ limit: Int = 65536) async throws -> [UInt8] {
        try await begin()
        while position < range.upperBound {
            guard let source = download.source else { throw DownloadError(.closed, "no source") }
            let core = source.core
            var pieces = (iovec(), iovec())
            let wanted = min(limit, Int(clamping: range.upperBound - position))
            let count = withUnsafeMutablePointer(to: &pieces) {
                $0.withMemoryRebound(to: iovec.self, capacity: 2) {
                    core.pointee.calls.pointee.peek(core, position, wanted, $0)
                }
            }
            if count > 0 {
                var bytes: [UInt8] = []
                for piece in [pieces.0, pieces.1] where piece.iov_len > 0 {
                    bytes += UnsafeRawBufferPointer(start: piece.iov_base, count: piece.iov_len)
                }
                guard bytes.count == Int(count) else { throw DownloadError(.closed, "pieces do not add up") }
                position += UInt64(count)
                return bytes
            }
            if count == 0 {
                await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                    waiter = continuation
                    core.pointee.data = Unmanaged.passUnretained(self).toOpaque()
                    core.pointee.wake = { data in
                        nonisolated(unsafe) let data = data!
                        LoopActor.assumeIsolated { Unmanaged<Reader>.fromOpaque(data).takeUnretainedValue().wake() }
                    }
                }
                core.pointee.wake = nil
                continue
            }
            try await download.goOn(from: position, Int32(count))
        }
        return []
    }

    private func wake() {
        let waiter = waiter
        self.waiter = nil
        waiter?.resume()
    }

    /// So many bytes, or those that there are.
    func take(_ count: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try await next(count - bytes.count)
            if more.isEmpty { break }
            bytes += more
        }
        return bytes
    }

    /// All that is left; then it closes.
    func rest(_ piece: Int = 262_144) async throws -> [UInt8] {
        defer { download.close() }
        var bytes: [UInt8] = []
        while true {
            let more = try await next(piece)
            if more.isEmpty { return bytes }
            bytes += more
        }
    }
}
