internal import CWeirStorage
internal import Glibc
internal import WeirHTTP
internal import WeirLoop

/// A pipe cut into parts, each of which lies in a file while it is sent, so that it has a length and can be sent again.
/// There are as many files as parts under way, each of one part at most: that bounds the disk.
@LoopActor
final class R2Spool {
    let partSize: UInt64
    /// Bytes that have come.
    private(set) var length: UInt64 = 0
    /// Parts that have come.
    private(set) var count = 0

    private let lane: PumpLane
    private let directory: String
    private var pipe: Int32
    private let most: UInt64
    private var hasEnded = false
    private var isBusy = false
    private var waiting: [UnsafeContinuation<Void, Never>] = []
    private var files: [Int32] = []

    /// The pipe is the spool's, until `close()`. No more than `most` bytes are taken from it.
    init(_ pipe: Int32, _ lane: PumpLane, directory: String, partSize: UInt64, most: UInt64) {
        self.pipe = pipe
        self.lane = lane
        self.directory = directory
        self.partSize = partSize
        self.most = most
    }

    /// When nothing reads or writes any more.
    func close() async {
        Glibc.close(pipe)
        pipe = -1
        let files = files
        self.files = []
        // What lay in them goes with them, which takes the disk a while.
        try? await onPool { for file in files { Glibc.close(file) } }
    }

    /// A file without a name, which goes with the spool, or the process.
    func file() async throws(ObjectError) -> Int32 {
        do {
            let file = try await onPool { [directory] in try R2Spool.open(directory) }
            files.append(file)
            return file
        } catch {
            throw ObjectError(
                file: error as? CoreError ?? .invalid, "a part of the object cannot be kept in \(directory)")
        }
    }

    private nonisolated static func open(_ directory: String) throws(CoreError) -> Int32 {
        try LoopFile.makeDirectoryNow(directory)
        let file = weir_file_unnamed(directory)
        if file < 0 { throw CoreError(rawValue: file) }
        return file
    }

    /// The next part is in the file: its number, from 1 on, and its bytes; nil at the end of the pipe. One after the other
    /// has it, in the order in which they asked.
    func next(into file: Int32) async throws(ObjectError) -> (number: Int, length: UInt64)? {
        if isBusy { await withUnsafeContinuation { waiting.append($0) } }
        isBusy = true
        defer { if waiting.isEmpty { isBusy = false } else { waiting.removeFirst().resume() } }
        if Task.isCancelled { throw ObjectError(.cancelled, "cancelled") }
        let room = min(partSize, most - length)
        guard !hasEnded, room > 0 else { return nil }
        let moved = try await fill(file, room)
        guard moved > 0 else { return nil }
        guard count < MultipartPlan.mostParts else {
            throw ObjectError(
                .tooLarge, "a pipe of which the length was not known; expected at most \(length) bytes from it")
        }
        count += 1
        length += moved
        return (count, moved)
    }

    private func fill(_ file: Int32, _ room: UInt64) async throws(ObjectError) -> UInt64 {
        let socket = fcntl(pipe, F_DUPFD_CLOEXEC, 3)
        guard socket >= 0 else { throw ObjectError(file: CoreError(errno: errno), "the source cannot be read") }
        let pump: FilePump
        do throws(CoreError) {
            pump = try FilePump(lane, file: file, length: room, socket: socket)
        } catch {
            throw ObjectError(file: error, "the source cannot be read")
        }
        let status = await pump.ended()
        let moved = pump.moved
        await pump.close()
        if Task.isCancelled { throw ObjectError(.cancelled, "cancelled") }
        guard status == 0 || status == UV.endOfFile else {
            throw ObjectError(
                file: CoreError(rawValue: status), "a part of the object cannot be kept in \(directory)")
        }
        hasEnded = status == UV.endOfFile
        return moved
    }
}

// Objects from pipes that one request cannot take: nobody knows their length, or it is more than 5 GiB.
extension R2Store {
    func putSpooled(
        _ key: ObjectKey, _ pipe: Int32, length: UInt64?, _ facts: ObjectFacts
    ) async throws(ObjectError) -> ObjectInfo {
        let partSize: UInt64
        do throws(ObjectError) {
            partSize =
                try length.map { length throws(ObjectError) in try plan(key, length).partSize }
                ?? min(max(options.spooledPartSize, MultipartPlan.leastPart), MultipartPlan.mostPart)
        } catch {
            Glibc.close(pipe)
            throw error
        }
        let spool = R2Spool(
            pipe, lane, directory: options.spool, partSize: partSize, most: length ?? MultipartPlan.mostObject)
        do throws(ObjectError) {
            let info = try await put(key, spool, length, facts)
            await spool.close()
            return info
        } catch {
            await spool.close()
            throw error.during("put", key)
        }
    }

    private func put(
        _ key: ObjectKey, _ spool: R2Spool, _ length: UInt64?, _ facts: ObjectFacts
    ) async throws(ObjectError) -> ObjectInfo {
        let first = try await spool.file()
        let part = try await spool.next(into: first)
        guard let part, part.length == spool.partSize else {
            try R2Store.check(spool, length)
            return try await put(key, .file(first, length: part?.length ?? 0), facts, inParts: false)
        }
        var files = [first]
        while files.count < parallelParts { files.append(try await spool.file()) }
        let tags = PartTags()
        return try await inParts(key, facts, operation: "put") { [files] upload throws(ObjectError) in
            try await self.together(files.count) { worker throws(ObjectError) in
                let file = files[worker]
                var next = worker == 0 ? part : try await spool.next(into: file)
                while let part = next {
                    let call = Call(.put, key, [("partNumber", "\(part.number)"), ("uploadId", upload)])
                    let operation = "put part \(part.number)"
                    let tag = try await self.putFile(call, file, 0..<part.length, operation: operation) { _ in }
                    tags[part.number] = try R2Store.partTag(tag, operation, key)
                    next = try await spool.next(into: file)
                }
            }
            try R2Store.check(spool, length)
            return (tags.all, spool.length)
        }
    }

    private static func check(_ spool: R2Spool, _ length: UInt64?) throws(ObjectError) {
        guard let length, spool.length < length else { return }
        throw ObjectError(.length, "the source ended after \(spool.length) of \(length) bytes")
    }
}

/// The ETags of an object's parts, which come in any order.
@LoopActor
final class PartTags {
    private var tags: [Int: String] = [:]

    var all: [String] { tags.sorted { $0.key < $1.key }.map(\.value) }

    subscript(number: Int) -> String {
        get { tags[number] ?? "" }
        set { tags[number] = newValue }
    }
}
