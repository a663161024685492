import Glibc
import Synchronization
import Testing
import WeirLoop

@Suite("Files and the pool")
struct FileTests {
    @Test("what was written is read back, with the mode that was asked for, and no temporary file stays")
    func roundTrip() throws {
        try withDirectory { directory in
            let path = directory + "/token"
            let old = umask(0o077)
            defer { umask(old) }
            try LoopActor.runInTurn {
                try await LoopFile.write(path, Array("one".utf8), mode: 0o644)
                try await LoopFile.write(path, Array("two".utf8), mode: 0o600)
                #expect(try await LoopFile.read(path) == Array("two".utf8))
            }
            var info = stat()
            #expect(stat(path, &info) == 0)
            #expect(info.st_mode & 0o777 == 0o600)
            #expect(entries(of: directory) == ["token"])
        }
    }

    @Test("create leaves an existing file alone")
    func create() throws {
        try withDirectory { directory in
            let path = directory + "/token"
            try LoopFile.createNow(path, [1], mode: 0o600)
            #expect(throws: CoreError.exists) { try LoopFile.createNow(path, [2], mode: 0o600) }
            #expect(try LoopFile.readNow(path) == [1])
            #expect(entries(of: directory) == ["token"])
        }
    }

    @Test("missing files, missing directories and too large ones say so")
    func refused() throws {
        try withDirectory { directory in
            #expect(throws: CoreError.noEntry) { try LoopFile.readNow(directory + "/none") }
            #expect(throws: CoreError.noEntry) { try LoopFile.writeNow(directory + "/none/file", [1]) }
            try LoopFile.writeNow(directory + "/big", [UInt8](repeating: 7, count: 100_000))
            #expect(throws: CoreError.tooLarge) { try LoopFile.readNow(directory + "/big", limit: 99_999) }
            #expect(try LoopFile.readNow(directory + "/big", limit: 100_000).count == 100_000)
        }
    }

    @Test("blocking work never takes more than two of the pool's threads")
    func gate() throws {
        final class Count: Sendable {
            let inside = Atomic<Int>(0)
            let most = Atomic<Int>(0)
        }
        let count = Count()
        try LoopActor.runInTurn {
            let mine = UInt(pthread_self())
            try await withThrowingTaskGroup(of: UInt.self) { group in
                for _ in 0..<16 {
                    group.addTask {
                        try await onPool {
                            let now = count.inside.add(1, ordering: .relaxed).newValue
                            count.most.max(now, ordering: .relaxed)
                            usleep(2000)
                            count.inside.subtract(1, ordering: .relaxed)
                            return UInt(pthread_self())
                        }
                    }
                }
                for try await thread in group { #expect(thread != mine) }
            }
        }
        #expect(count.most.load(ordering: .relaxed) == 2)
    }

    private func entries(of directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
