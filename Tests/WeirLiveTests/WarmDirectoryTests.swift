import Glibc
import Testing
import WeirLoop

@testable import WeirLive

@Suite struct WarmDirectoryTests {
    /// A directory as a process leaves it that dies: nobody holds its lock.
    private func leave(_ name: String, in parent: String, files: [String]) throws -> String {
        let path = "\(parent)/\(name)"
        try LoopFile.makeDirectoryNow(path)
        for file in files { try LoopFile.writeNow("\(path)/\(file)", [1, 2, 3]) }
        return path
    }

    private func remove(_ path: String) {
        for name in entries(path) { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    @Test func `it is made where it is wanted, for this user alone, and goes with what is in it`() throws {
        try withDirectory { parent in
            let directory = try WarmDirectory.create(for: "tv", in: "\(parent)/cache/warm")
            let names = entries("\(parent)/cache/warm")
            #expect(names.count == 1)
            #expect(names[0].hasPrefix("weir-warm-tv-\(getpid())-"))
            var status = stat()
            #expect(stat(directory.path, &status) == 0 && status.st_mode & 0o777 == 0o700)
            try LoopFile.writeNow("\(directory.path)/0000000000001000", [1])
            directory.remove()
            #expect(entries("\(parent)/cache/warm").isEmpty)
            rmdir("\(parent)/cache/warm")
            rmdir("\(parent)/cache")
        }
    }

    @Test func `two of the same name are two`() throws {
        try withDirectory { parent in
            let one = try WarmDirectory.create(for: "tv", in: parent)
            let other = try WarmDirectory.create(for: "tv", in: parent)
            #expect(one.path != other.path)
            one.remove()
            #expect(entries(parent).count == 1)
            other.remove()
        }
    }

    @Test func `what the dead left is removed, what the living use is not`() throws {
        try withDirectory { parent in
            _ = try leave(
                "weir-warm-tv-1-a", in: parent, files: ["0000000000000000", "00000000000bc000", "ffffffffffffff00"])
            _ = try leave("weir-warm-radio-2-b", in: parent, files: [])
            let neighbour = try WarmDirectory.create(for: "tv", in: parent)
            try LoopFile.writeNow("\(neighbour.path)/0000000000000000", [1])
            #expect(WarmDirectory.removeLeftovers(in: parent) == 2)
            #expect(entries(parent).map { "\(parent)/\($0)" } == [neighbour.path])
            #expect(entries(neighbour.path) == ["0000000000000000"])
            // Its lock is held by every descriptor of it together.
            let copy = try neighbour.duplicate()
            close(neighbour.descriptor)
            #expect(WarmDirectory.removeLeftovers(in: parent) == 0)
            close(copy)
            #expect(WarmDirectory.removeLeftovers(in: parent) == 1)
            #expect(entries(parent).isEmpty)
        }
    }

    @Test func `files of other names, other directories and links are not touched`() throws {
        try withDirectory { parent in
            let foreign = try leave("weir-warm-tv-1-a", in: parent, files: ["0000000000000000", "letter.txt"])
            let other = try leave("photos", in: parent, files: ["0000000000000000"])
            #expect(symlink(other, "\(parent)/weir-warm-link") == 0)
            #expect(WarmDirectory.removeLeftovers(in: parent) == 0)
            #expect(entries(foreign) == ["letter.txt"])
            #expect(entries(other) == ["0000000000000000"])
            #expect(entries(parent).count == 3)
            remove(foreign)
            remove(other)
        }
    }

    @Test func `where there is nothing there is nothing to remove`() {
        #expect(WarmDirectory.removeLeftovers(in: "/nonexistent") == 0)
    }

    @Test func `a place that cannot be had is an error`() throws {
        try withDirectory { parent in
            try LoopFile.writeNow("\(parent)/file", [])
            #expect(throws: CoreError(errno: ENOTDIR)) { _ = try WarmDirectory.create(for: "tv", in: "\(parent)/file") }
        }
    }

    /// Makers and cleaners at the same time: nobody's directory is taken for a dead one's.
    @Test func `a directory is never taken for a dead one's while it is made`() throws {
        try withDirectory { parent in
            let isOver = Flag()
            let cleaner = Worker {
                while !isOver.isSet { _ = WarmDirectory.removeLeftovers(in: parent) }
            }
            var lost = 0
            for _ in 0..<200 * scale {
                let directory = try WarmDirectory.create(for: "tv", in: parent)
                var status = stat()
                if stat(directory.path, &status) != 0 { lost += 1 }
                directory.remove()
            }
            isOver.isSet = true
            cleaner.join()
            #expect(lost == 0)
            #expect(entries(parent).isEmpty)
        }
    }
}
