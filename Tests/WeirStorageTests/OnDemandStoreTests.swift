import Glibc
import Testing
import WeirLoop

@testable import WeirStorage

@Suite("A store on demand")
struct OnDemandStoreTests {
    private static let key = ObjectKey(known: "k")

    @LoopActor
    private final class Openings {
        var count = 0
    }

    @Test("it is opened by its first use, once")
    func once() throws {
        let folder = Folder()
        try LoopActor.runInTurn {
            let openings = Openings()
            let store = OnDemandStore { () throws(ObjectError) in
                openings.count += 1
                return try LocalStore(directory: folder.path + "/objects")
            }
            #expect(openings.count == 0)
            _ = try await store.put(Self.key, .bytes([1, 2]))
            #expect(try await store.read(Self.key, limit: 2) == [1, 2])
            #expect(try await store.list(prefix: "", after: nil, limit: 9).objects.map(\.key) == [Self.key])
            #expect(openings.count == 1)
            #expect(store.trouble == nil)
            await store.close()
            let closed = try #require(
                await objectError { () throws(ObjectError) in try await store.head(Self.key) })
            #expect(closed.kind == .cancelled)
        }
    }

    @Test("what cannot be opened is trouble, is tried again, and lets go of what it was given")
    func opening() throws {
        let folder = Folder()
        try LoopActor.runInTurn {
            let openings = Openings()
            let store = OnDemandStore { () throws(ObjectError) in
                openings.count += 1
                if openings.count == 1 { throw ObjectError(argument: "no credentials") }
                return try LocalStore(directory: folder.path)
            }
            var ends: [Int32] = [-1, -1]
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
            defer { close(ends[0]) }
            let refused = try #require(
                await objectError { () throws(ObjectError) in
                    try await store.put(Self.key, .pipe(ends[1], length: 1))
                })
            #expect(refused.kind == .argument)
            var byte: UInt8 = 0
            #expect(recv(ends[0], &byte, 1, 0) == 0, "the other end is closed")
            let trouble = try #require(store.trouble)
            #expect(trouble.error.message == "no credentials")
            _ = try await store.put(Self.key, .bytes([1]))
            #expect(openings.count == 2)
            #expect(store.trouble == nil)
            await store.close()
        }
    }

    @Test("a link is one of the store's")
    func links() throws {
        try LoopActor.runInTurn {
            let store = OnDemandStore { () throws(ObjectError) in
                var options = R2Options(
                    endpoint: "https://r2.example.com", bucket: "media",
                    credentials: SigningCredentials(accessKeyID: "a", secretAccessKey: "b"))
                options.publicBaseURL = "https://media.example.com"
                return try R2Store(options)
            }
            #expect(store.url(Self.key, expires: 60) == "https://media.example.com/k")
            await store.close()
        }
    }

    @Test("the store's failures are trouble until what failed works again, or is no news any more")
    func trouble() throws {
        // What a test says fails; the rest works.
        let failing = Guarded("")
        let server = RecordingServer { request, _ in
            request.method == failing.withLock { $0 } ? .answer(403, [], []) : .answer(200, ["ETag: \"e\""], [])
        }
        defer { server.close() }
        let clock = LoopClock.manual()
        try LoopActor.runInTurn {
            let store = OnDemandStore(clock: clock) { () throws(ObjectError) in
                try R2Store(server.options(), clock: clock)
            }
            func put() async { _ = try? await store.put(Self.key, .bytes([1])) }
            func head() async { _ = try? await store.head(Self.key) }
            failing.withLock { $0 = "PUT" }
            await put()
            await head()
            let trouble = try #require(store.trouble)
            #expect(trouble.error.kind == .denied)
            #expect(trouble.error.operation == "put")
            // Reading says nothing of writing.
            await head()
            #expect(store.trouble == trouble)
            await clock.advance(seconds: OnDemandStore.troubleAge - 1)
            #expect(store.trouble == trouble)
            await clock.advance(seconds: 1)
            #expect(store.trouble == nil)
            await put()
            #expect(store.trouble != nil)
            failing.withLock { $0 = "" }
            await put()
            #expect(store.trouble == nil)
            // What an object is not is no trouble of the store's.
            let file = Scratch([1])
            let short = try #require(
                await objectError { () throws(ObjectError) in
                    try await store.put(Self.key, .file(file.descriptor, length: 2))
                })
            #expect(short.kind == .length)
            #expect(store.trouble == nil)
            await store.close()
        }
    }
}
