import Glibc
import Testing
import WeirLoop

/// The faces of what keeps transport streams: the disk, the files of a log, the track.
@Suite("The faces of files and tracks")
struct TransportFaceTests {
    private func directory(_ path: String) throws -> Int32 {
        try LoopFile.makeDirectoryNow(path)
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        try #require(descriptor >= 0)
        return descriptor
    }

    /// Waits until `condition` holds; two minutes at most.
    @LoopActor
    private func until(_ condition: () -> Bool) async throws {
        let end = LoopClock.monotonic.deadline(after: 120)
        while !condition() {
            try #require(LoopClock.monotonic.now < end)
            try await LoopClock.monotonic.sleep(for: 0.001)
        }
    }

    private static func bytes(_ range: Range<Int>) -> [UInt8] {
        range.map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    }

    @Test("a log's files keep what the ring does not, and go with it")
    func files() throws {
        try withDirectory { path in
            try LoopActor.runInTurn {
                let disk = try Disk()
                let log = try Log(capacity: 65536)
                let handler = Log.FilesHandler()
                var asked: [(tail: UInt64, head: UInt64, max: UInt64)] = []
                handler.onFull = { tail, head, max in
                    asked.append((tail, head, max))
                    return head - 300_000
                }
                #expect(!log.hasFiles)
                try log.openFiles(on: disk, directory: directory(path + "/files"), max: 1 << 20, handler: handler)
                #expect(log.hasFiles && log.filesInfo.max == 1 << 20 && log.filesInfo.error == nil)
                let all = Self.bytes(0..<2_000_000)
                for start in stride(from: 0, to: all.count, by: 10_000) {
                    log.append(Array(all[start..<start + 10_000]))
                    try await until { log.filesInfo.head + 40_000 >= log.head }
                }
                #expect(asked.count >= 2 && asked.allSatisfy { $0.max == 1 << 20 && $0.tail < $0.head })
                let info = log.filesInfo
                #expect(info.rotations == UInt64(asked.count) && info.restarts == 0 && !info.isOff)
                #expect(info.tail == log.tail && info.bytes == info.head - info.tail)
                let slice = try await log.read(log.tail..<log.head)
                let isSame = slice == Array(all[Int(log.tail)...])
                #expect(isSame)
                #expect(try await log.read(log.head - 10..<log.head + 10).count == 10)
                await #expect(throws: CoreError.behind) { _ = try await log.read(0..<10) }
                let cut = log.head - 100_000
                log.cutFiles(at: cut)
                #expect(log.tail == cut)
                try log.setFilesMax(2 << 20)
                #expect(log.filesInfo.max == 2 << 20)
                #expect(throws: CoreError.option) { try log.setFilesMax(Log.leastFiles - 1) }
                log.clearFiles()
                #expect(log.tail == log.ringTail && log.filesInfo.bytes == 0)
                await log.closeFiles()
                #expect(!log.hasFiles)
                await log.closeFiles()
                log.close()
                await disk.close()
                await disk.close()
            }
            #expect(rmdir(path + "/files") == 0)
        }
    }

    @Test("what is read outlives the files and the log")
    func readingAndClosing() throws {
        try withDirectory { path in
            try LoopActor.runInTurn {
                let disk = try Disk()
                let log = try Log(capacity: 65536)
                let handler = Log.FilesHandler()
                try log.openFiles(on: disk, directory: directory(path + "/files"), max: 1 << 20, handler: handler)
                let all = Self.bytes(0..<500_000)
                for start in stride(from: 0, to: all.count, by: 10_000) {
                    log.append(Array(all[start..<start + 10_000]))
                    try await until { log.filesInfo.head + 40_000 >= log.head }
                }
                let reading = spawn { try await log.read(0..<500_000) }
                await Task.yield()
                await log.closeFiles()
                let isSame = try await reading.value == all
                #expect(isSame)
                log.close()
                await disk.close()
            }
            rmdir(path + "/files")
        }
    }

    @Test("files that cannot be opened leave the descriptor with the caller")
    func refused() throws {
        try LoopActor.runInTurn {
            let disk = try Disk()
            let log = try Log(capacity: 65536)
            #expect(throws: CoreError.option) {
                try log.openFiles(on: disk, directory: -1, max: 1 << 20, handler: Log.FilesHandler())
            }
            log.append([1, 2, 3])
            #expect(try await log.read(1..<3) == [2, 3])
            log.close()
            await disk.close()
        }
    }

    @LoopActor
    private func push(_ bytes: [UInt8], to track: Track) throws -> Int {
        try bytes.withUnsafeBytes { try track.push($0) }
    }

    @LoopActor
    private func trackOfBytes() throws {
        let log = try Log(capacity: 65536)
        defer { log.close() }
        _ = try Track(log: log)
    }

    @Test("a track takes packets only, knows no place to start before a table, and says what is none")
    func track() throws {
        try LoopActor.runInTurn {
            #expect(throws: CoreError.option) { try trackOfBytes() }
            let log = try Log(capacity: 188 * 1000, unit: Track.packet)
            let track = try Track(log: log)
            var changes = 0
            track.onChange = { changes += 1 }
            var bytes: [UInt8] = [1, 2, 3]
            for index in 0..<100 {
                bytes += [0x47, 0x01, 0x00, 0x10 | UInt8(index % 16)] + [UInt8](repeating: 0xFF, count: 184)
            }
            let pushed = try push(bytes, to: track)
            #expect(pushed == 18_800 && log.head == 18_800 && changes >= 1)
            let join = track.join(seconds: 5)
            #expect(join.position == 18_800 && join.seconds == 0 && !join.isAccess && join.preamble.isEmpty)
            #expect(track.before(18_800, floor: 0) == nil && track.bitrate == nil)
            let facts = track.facts
            #expect(facts.state == .locked && facts.stride == 188 && facts.packets == 100 && facts.skipped == 3)
            #expect(facts.programs.isEmpty && facts.bitrate == nil && facts.continuityErrors == 0)
            #expect(track.end() == 0)
            track.close()
            track.close()
            log.close()

            let page = try Log(capacity: 188 * 1000, unit: Track.packet)
            let none = try Track(log: page)
            let text = Array("<html>".utf8) + [UInt8](repeating: 0x20, count: 2 << 20)
            #expect(throws: CoreError.notTransport) { try push(text, to: none) }
            #expect(none.looksLike == "a web page")
            none.close()
            page.close()
        }
    }
}
