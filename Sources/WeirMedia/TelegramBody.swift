internal import Glibc
internal import WeirHTTP
public import WeirLoop

/// An upload's bytes on their way, at the pace of the connection.
@LoopActor
public final class TelegramBody {
    /// Bytes that are read at once, and in memory for a call: 128 KiB.
    public nonisolated static let pieceSize = 128 << 10

    /// Bytes of the file that have been handed over.
    public private(set) var written: UInt64 = 0
    public let length: UInt64

    private let upload: ClientUpload

    init(_ upload: ClientUpload, length: UInt64) {
        self.upload = upload
        self.length = length
    }

    /// Returns when the bytes are on their way. Throws when the call is over, and when there are more than were announced.
    // Inside the loops that call it, it crashes the optimiser of Swift 6.3.1.
    @inline(never)
    public func write(_ bytes: [UInt8]) async throws {
        let total = written + UInt64(bytes.count)
        guard total <= length else { throw TelegramSourceError("it has more than the \(length) bytes that it should") }
        try await upload.write(bytes)
        written = total
    }

    func send(_ bytes: TelegramUpload.Bytes) async throws {
        switch bytes {
        case .memory(let bytes): try await write(bytes)
        case .file(let descriptor, let offset): try await sendFile(descriptor, offset)
        case .pipe(let descriptor): try await sendPipe(descriptor)
        case .written(let write): try await write(self)
        }
        guard written == length else {
            throw TelegramSourceError("it ended after \(written) of \(length) bytes")
        }
    }

    private func sendFile(_ descriptor: Int32, _ offset: UInt64) async throws {
        while written < length {
            let count = Int(min(UInt64(TelegramBody.pieceSize), length - written))
            guard let place = off_t(exactly: offset + written) else {
                throw TelegramSourceError("its offset is out of range")
            }
            let piece = try await onPool { try FilePiece.read(descriptor, place, count) }
            if piece.isEmpty { return }
            try await write(piece)
        }
    }

    private func sendPipe(_ descriptor: Int32) async throws {
        let pipe = try UploadPipe(descriptor)
        defer { pipe.close() }
        while written < length {
            let piece = try await pipe.read(Int(min(UInt64(TelegramBody.pieceSize), length - written)))
            if piece.isEmpty { return }
            try await write(piece)
        }
    }
}

/// The reading end of a pipe or a socket that does not block.
@LoopActor
private struct UploadPipe {
    private let descriptor: Int32
    private let poll: Poll

    init(_ descriptor: Int32) throws {
        self.descriptor = descriptor
        poll = try Poll(descriptor: descriptor)
    }

    func close() { poll.close() }

    /// So many bytes or fewer, as soon as there are any, none at the end.
    func read(_ count: Int) async throws -> [UInt8] {
        while true {
            if let piece = try present(count) { return piece }
            if await !isReady() { throw CancellationError() }
        }
    }

    /// What can be read at once; nil when nothing is there yet.
    private func present(_ count: Int) throws(CoreError) -> [UInt8]? {
        while true {
            var status = 0
            let piece = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                status = Glibc.read(descriptor, buffer.baseAddress, count)
                filled = max(0, status)
            }
            if status >= 0 { return piece }
            switch errno {
            case EINTR: continue
            case EAGAIN: return nil
            case let other: throw CoreError(errno: other)
            }
        }
    }

    /// Waits until there is something to read; false when the task was cancelled.
    private func isReady() async -> Bool {
        let poll = poll
        return await withTaskCancellationHandler {
            await !poll.wait(for: .readable).isEmpty
        } onCancel: {
            spawn { poll.close() }
        }
    }
}

/// What is wrong with the bytes that were to be uploaded.
struct TelegramSourceError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// A part of a regular file.
private enum FilePiece {
    /// So many bytes or fewer, none at the file's end. Blocks.
    static func read(_ descriptor: Int32, _ offset: off_t, _ count: Int) throws(CoreError) -> [UInt8] {
        while true {
            var status = 0
            let piece = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                status = pread(descriptor, buffer.baseAddress, count, offset)
                filled = max(0, status)
            }
            if status >= 0 { return piece }
            if errno != EINTR { throw CoreError(errno: errno) }
        }
    }
}
