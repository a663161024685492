import Glibc
import Testing
import WeirLoop

@testable import WeirStorage

@Suite("A local store's files")
struct LocalStoreTests {
    private static let key = ObjectKey(known: "k")

    private func withStore(
        _ folder: Folder, _ body: @escaping @LoopActor (LocalStore) async throws -> Void
    ) throws {
        try LoopActor.runInTurn {
            let store = try LocalStore(directory: folder.path)
            try await body(store)
            await store.close()
        }
    }

    /// A file that was changed so many seconds ago.
    private func make(_ path: String, age: Int) -> Int32 {
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        now.tv_sec -= age
        let times = [now, now]
        futimens(descriptor, times)
        return descriptor
    }

    @Test("what a process left behind that died goes; what one is at work on stays, and so does what is just begun")
    func leftovers() throws {
        let folder = Folder()
        close(make(folder.path + "/.put-1-dead", age: 61))
        let held = make(folder.path + "/.put-1-held", age: 100_000)
        defer { close(held) }
        #expect(flock(held, LOCK_EX | LOCK_NB) == 0)
        let fresh = make(folder.path + "/.put-1-fresh", age: 0)
        defer { close(fresh) }
        close(make(folder.path + "/other", age: 100_000))
        try withStore(folder) { store in
            _ = try await store.put(Self.key, .bytes([1]))
            #expect(folder.files == [".put-1-fresh", ".put-1-held", "k", "other"])
        }
    }

    @Test("large files leave others their turn on the pool")
    func turns() throws {
        let folder = Folder()
        let source = Scratch(length: 40 << 20)
        let copy = Scratch()
        try withStore(folder) { store in
            _ = try await store.put(ObjectKey(known: "small"), .bytes([1]))
            var ended: [String] = []
            // One each for what the pool takes at once.
            let puts = ["a", "b"].map { name in
                spawn {
                    let bytes = ObjectSource.file(source.descriptor, length: 40 << 20)
                    let info = try await store.put(ObjectKey(known: name), bytes)
                    #expect(info.length == 40 << 20)
                    ended.append(name)
                }
            }
            await LoopActor.settle()
            _ = try await store.head(ObjectKey(known: "small"))
            ended.append("small")
            for put in puts { try await put.value }
            #expect(ended.first ?? "" == "small")
            // All pieces are there, and in their places.
            let info = try await store.save(ObjectKey(known: "b"), to: copy.descriptor, nil)
            #expect(info.length == 40 << 20)
            #expect(copy.holds(length: 40 << 20))
        }
    }

    @Test("a file that is being written is locked, so that no other process takes it away")
    func locks() throws {
        let folder = Folder()
        try withStore(folder) { store in
            var ends: [Int32] = [-1, -1]
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
            let (pipe, writer) = (ends[0], ends[1])
            let putting = spawn { try await store.put(Self.key, .pipe(pipe)) }
            let end = LoopClock.monotonic.now + 120_000_000_000
            while folder.files.isEmpty {
                try #require(LoopClock.monotonic.now < end)
                try await LoopClock.monotonic.sleep(for: 0.002)
            }
            let name = try #require(folder.files.first)
            let other = open(folder.path + "/" + name, O_RDWR | O_CLOEXEC)
            #expect(other >= 0)
            // It is made a moment before it is locked.
            while flock(other, LOCK_EX | LOCK_NB) == 0 {
                #expect(flock(other, LOCK_UN) == 0)
                try #require(LoopClock.monotonic.now < end)
                try await LoopClock.monotonic.sleep(for: 0.002)
            }
            close(other)
            close(writer)
            #expect(try await putting.value.length == 0)
            #expect(folder.files == ["k"])
        }
    }

    @Test("a link in an object's place is not followed, and is replaced by an object")
    func links() throws {
        let folder = Folder()
        let outside = Folder()
        let secret = outside.path + "/secret"
        close(make(secret, age: 0))
        #expect(symlink(secret, folder.path + "/k") == 0)
        try withStore(folder) { store in
            let read = await objectError { () throws(ObjectError) in try await store.read(Self.key, limit: 10) }
            #expect(try #require(read).description.contains("cannot be opened"))
            #expect(try await store.put(Self.key, .bytes([1, 2])).length == 2)
            #expect(try await store.read(Self.key, limit: 10) == [1, 2])
            var facts = stat()
            #expect(stat(secret, &facts) == 0 && facts.st_size == 0, "what it led to is as it was")
            try await store.delete(Self.key)
            #expect(access(secret, F_OK) == 0)
        }
    }

    @Test("no key leads out of the directory")
    func within() throws {
        let folder = Folder()
        let inner = folder.path + "/a/b/objects"
        try LoopActor.runInTurn {
            let store = try LocalStore(directory: inner)
            for text in ["..", "../..", "../../x", "/etc/passwd", "a/../../../x", "./../x", "..\u{0301}/x"] {
                let key = try ObjectKey(text)
                _ = try await store.put(key, .bytes([1]))
                #expect(try await store.read(key, limit: 1) == [1])
            }
            await store.close()
        }
        #expect(folder.files.count == 7)
        #expect(folder.files.allSatisfy { $0.hasPrefix("a/b/objects/") }, "\(folder.files)")
    }

    @Test("an object may be called as others begin")
    func collisions() throws {
        let folder = Folder()
        try withStore(folder) { store in
            let texts = ["a", "a/", "a/b", "a/b/c", "a+", "a+/b", "a%+"]
            for (index, text) in texts.enumerated() {
                _ = try await store.put(try ObjectKey(text), .bytes([UInt8(index)]))
            }
            for (index, text) in texts.enumerated() {
                #expect(try await store.read(try ObjectKey(text), limit: 1) == [UInt8(index)])
            }
            // Deleting one leaves the others.
            try await store.delete(try ObjectKey("a/b"))
            let left = try await store.list(prefix: "", after: nil, limit: 100).objects.map(\.key.text)
            #expect(left == ["a", "a%+", "a+", "a+/b", "a/", "a/b/c"])
        }
    }
}
