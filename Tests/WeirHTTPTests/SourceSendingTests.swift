import CLibuv
import Glibc
import Testing
import WeirHTTP
import WeirLoop

/// Bodies that come out of byte sources.
@Suite struct SourceSendingTests {
    /// Tells what became of the responses.
    @LoopActor
    final class Record {
        var events: [AccessEvent] = []
        var errors: [any Error] = []

        func watch(_ server: Server) {
            server.onAccess = { [self] in events.append($0) }
            server.onFailure = { [self] in errors.append($0) }
        }
    }

    /// `/file?from=&to=&rate=`.
    @LoopActor
    static func serve(_ file: SourceFile, on router: Router, length: Int? = nil) {
        let shelf = try? FileShelf()
        router.get("/file") { request in
            let query = request.query
            func number(_ name: String) -> UInt64? { query[name].flatMap { UInt64($0) } }
            let source = try file.source(try #require(shelf), length: length)
            let range = (number("from") ?? 0)..<(number("to") ?? UInt64(length ?? file.bytes.count))
            return Response(
                body: .stream(length: UInt64(range.count), framing: .chunked) { writer in
                    try await writer.write(source, range, rate: number("rate") ?? 0)
                })
        }
        router.get("/text") { _ in .text("here") }
    }

    /// The page cache answers at once or not, by the file system.
    static let directories = ["/tmp", "/dev/shm"].filter { (path: String) in access(path, W_OK) == 0 }

    @Test(arguments: directories) func aFileIsSentWholeAndInPartsOnOneConnection(_ directory: String) throws {
        let file = SourceFile(bytes: 3_000_001, in: directory)
        try withServer(routes: { Self.serve(file, on: $0) }) { server, port in
            await elsewhere {
                let client = Client(port: port)
                client.send(get("/file"))
                #expect(client.answer().body == file.bytes)
                for range in [0..<1, 3_000_000..<3_000_001, 262_143..<262_145, 5..<5, 100..<2_900_000] {
                    client.send(get("/file?from=\(range.lowerBound)&to=\(range.upperBound)"))
                    let answer = client.answer()
                    #expect(answer.body == Array(file.bytes[range]) && !answer.isCut, "\(range)")
                }
                // What came at once is answered behind it.
                client.send(get("/file?to=300000") + get("/text"))
                #expect(client.answer().body == Array(file.bytes[..<300_000]))
                #expect(client.answer().text == "here")
            }
            #expect(server.counters.bytesSent == UInt64(file.bytes.count + 1 + 1 + 2 + 2_899_900 + 300_000 + 4))
        }
    }

    @Test(arguments: directories) func aFileIsSentThroughTLS(_ directory: String) throws {
        let file = SourceFile(bytes: 3_000_001, in: directory)
        try withSecureServer(routes: { Self.serve(file, on: $0) }) { _, port, _ in
            await elsewhere {
                let client = SecureClient(port: port)
                #expect(client.connect())
                client.send(get("/file"))
                #expect(client.answer().body == file.bytes)
                client.send(get("/file?from=7&to=1000007"))
                #expect(client.answer().body == Array(file.bytes[7..<1_000_007]))
                client.send(get("/text"))
                #expect(client.answer().body == Array("here".utf8))
            }
        }
    }

    /// More readers than blocks, all of them slow at first.
    @Test(arguments: directories) func aCrowdSharesTheBlocks(_ directory: String) throws {
        let file = SourceFile(bytes: 2_000_003, in: directory)
        try withServer(routes: { Self.serve(file, on: $0) }) { _, port in
            await elsewhere {
                let clients = (0..<40).map { _ in Client(port: port, receiveBuffer: 16384) }
                for (index, client) in clients.enumerated() { client.send(get("/file?from=\(index * 1000)")) }
                for (index, client) in clients.enumerated() {
                    #expect(client.answer().body == Array(file.bytes[(index * 1000)...]), "client \(index)")
                }
            }
        }
    }

    @Test func aPeerThatTakesNothingIsLetGo() throws {
        let file = SourceFile(bytes: 20_000_000)
        let clock = LoopClock.manual()
        try withServer(clock: clock, routes: { Self.serve(file, on: $0) }) { server, port in
            let record = Record()
            record.watch(server)
            let client = Client(port: port, receiveBuffer: 16384)
            client.send(get("/file"))
            try await eventually("the response has begun") { server.counters.active == 1 }
            let end = LoopClock.monotonic.deadline(after: 240)
            while record.events.isEmpty, LoopClock.monotonic.now < end { await clock.advance(seconds: 10) }
            let event = try #require(record.events.first)
            #expect(event.reason == "timeout" && event.status == 200 && server.counters.sendTimeouts == 1)
            #expect(event.bytes < 20_000_000)
            let answer = await elsewhere { client.answer() }
            #expect(answer.isCut && answer.body.count <= Int(event.bytes))
            #expect(answer.body.elementsEqual(file.bytes.prefix(answer.body.count)))
        }
    }

    @Test func aPeerThatLeavesEndsIt() throws {
        let file = SourceFile(bytes: 20_000_000)
        try withServer(routes: { Self.serve(file, on: $0) }) { server, port in
            let record = Record()
            record.watch(server)
            await elsewhere {
                let client = Client(port: port, receiveBuffer: 16384)
                client.send(get("/file"))
                var byte: UInt8 = 0
                #expect(recv(client.descriptor, &byte, 1, 0) == 1)
                client.reset()
            }
            try await eventually("it is noticed") { !record.events.isEmpty }
            let event = try #require(record.events.first)
            #expect(event.reason == "closed" && event.bytes < 20_000_000 && record.errors.isEmpty)
        }
    }

    @Test func aServerThatStopsEndsItAfterItsGrace() throws {
        let file = SourceFile(bytes: 20_000_000)
        try withServer(routes: { Self.serve(file, on: $0) }) { server, port in
            let record = Record()
            record.watch(server)
            let client = Client(port: port, receiveBuffer: 16384)
            client.send(get("/file"))
            try await eventually("the response has begun") { server.counters.active == 1 }
            var byte: UInt8 = 0
            try await eventually("the first byte is there") {
                recv(client.descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) == 1
            }
            await server.stop(grace: 0.05)
            #expect(record.events.map(\.reason) == ["shutdown"])
            let answer = await elsewhere { client.answer() }
            #expect(answer.isCut)
        }
    }

    @Test func aFileThatIsShorterThanItWasIsCutAndNeverEndedAsIfComplete() throws {
        let file = SourceFile(bytes: 1_000_000)
        try withServer(routes: { Self.serve(file, on: $0, length: 1_500_000) }) { server, port in
            let record = Record()
            record.watch(server)
            let answer = await ask(port, get("/file"))
            #expect(answer.isCut && answer.field("Content-Length") == "1500000")
            #expect(answer.body.count <= 1_000_000 && answer.body.elementsEqual(file.bytes.prefix(answer.body.count)))
            try await eventually("it is told") { !record.events.isEmpty }
            #expect(record.events.map(\.reason) == ["error"] && record.events.map(\.bytes) == [1_000_000])
            #expect(record.errors.first as? ByteSourceError == ByteSourceError(rawValue: UV_EIO.rawValue))
        }
    }

    /// A bucket of 100 ms, which may be filled twice: what is left of 400 kB takes a fifth of a second at least.
    @Test func aRateIsKept() throws {
        let file = SourceFile(bytes: 400_000)
        try withServer(routes: { Self.serve(file, on: $0) }) { _, port in
            let begun = LoopClock.monotonic.now
            let answer = await ask(port, get("/file?rate=1000000"))
            let seconds = Double(LoopClock.monotonic.now - begun) / 1e9
            #expect(answer.body == file.bytes)
            #expect(seconds >= 0.19, "\(seconds)")
        }
    }

    /// However much is sent, Swift is entered for the request and its end.
    @Test func swiftIsNotEnteredForEachPiece() throws {
        let file = SourceFile(bytes: 64 << 20)
        // A clock that stands still has no sweeps.
        try withServer(clock: .manual(), routes: { Self.serve(file, on: $0) }) { _, port in
            let before = LoopActor.entries
            let answer = await ask(port, get("/file"))
            let entries = LoopActor.entries - before
            #expect(answer.body.count == 64 << 20 && !answer.isCut)
            #expect(entries < 60, "\(entries)")
        }
    }

    // MARK: Bytes that are still being made

    @LoopActor
    static func serve(_ growing: GrowingSource, length: UInt64?, on router: Router) {
        router.get("/growing") { _ in
            Response(
                body: .stream(length: length, framing: .chunked) { writer in
                    let source = growing.source()
                    if let length {
                        try await writer.write(source, 0..<length)
                    } else {
                        try await writer.write(source, from: 0)
                    }
                })
        }
    }

    @Test func bytesAreSentAsTheyCome() throws {
        let bytes = (0..<700_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
        let box = Growing(bytes)
        try withServer(routes: { Self.serve(box.source, length: 700_000, on: $0) }) { server, port in
            let growing = box.source
            let asking = spawn { await ask(port, get("/growing")) }
            var head = 0
            while head < bytes.count {
                let looks = growing.looks
                head = min(bytes.count, head + 99_991)
                growing.grow(to: head)
                try await eventually("it has looked") { growing.looks > looks }
            }
            let answer = await asking.value
            #expect(answer.body == bytes && !answer.isCut)
            try await eventually("it is closed") { growing.isClosed }
        }
    }

    @Test func bytesWhoseEndIsNotKnownGoInChunks() throws {
        let bytes = (0..<600_001).map { UInt8(truncatingIfNeeded: $0 / 3) }
        let box = Growing(bytes)
        try withServer(routes: { Self.serve(box.source, length: nil, on: $0) }) { server, port in
            let growing = box.source
            let asking = spawn { await ask(port, get("/growing")) }
            for head in [1, 2, 300_000, 600_001] {
                growing.grow(to: head)
                await LoopActor.settle()
            }
            growing.finish()
            let answer = await asking.value
            #expect(answer.body == bytes && !answer.isCut && answer.field("Transfer-Encoding") == "chunked")
        }
    }

    @Test(arguments: [UInt64?.none, 600_001]) func bytesThatWillNeverComeCutTheConnection(_ length: UInt64?) throws {
        let bytes = (0..<600_001).map { UInt8(truncatingIfNeeded: $0 / 3) }
        let box = Growing(bytes)
        try withServer(routes: { Self.serve(box.source, length: length, on: $0) }) { server, port in
            let record = Record()
            record.watch(server)
            let growing = box.source
            let asking = spawn { await ask(port, get("/growing")) }
            growing.grow(to: 400_000)
            growing.finish(UV_EIO.rawValue)
            let answer = await asking.value
            #expect(answer.isCut && answer.status == 200)
            #expect(answer.body.count <= 400_000 && answer.body.elementsEqual(bytes.prefix(answer.body.count)))
            try await eventually("it is told") { !record.errors.isEmpty }
            #expect(record.errors.first as? ByteSourceError == ByteSourceError(rawValue: UV_EIO.rawValue))
            #expect(record.events.map(\.bytes) == [400_000])
            try await eventually("it is closed") { growing.isClosed }
        }
    }

    /// A peer is not to blame for what is not there; one that has gone meanwhile is noticed.
    @Test func whoWaitsForBytesIsNotTimedOut() throws {
        let box = Growing([UInt8](repeating: 7, count: 100_000))
        let clock = LoopClock.manual()
        try withServer(clock: clock, routes: { Self.serve(box.source, length: 100_000, on: $0) }) { server, port in
            let record = Record()
            record.watch(server)
            let growing = box.source
            growing.grow(to: 1000)
            let client = Client(port: port)
            client.send(get("/growing"))
            try await eventually("it waits for more") { growing.looks >= 2 }
            await clock.advance(seconds: 600)
            #expect(record.events.isEmpty)
            growing.grow(to: 100_000)
            let answer = await elsewhere { client.answer() }
            #expect(answer.body.count == 100_000 && !answer.isCut)
            #expect(record.events.map(\.reason) == ["done"])
        }
    }

    @Test func whoResetsWhileItWaitsIsNoticed() throws {
        let box = Growing([UInt8](repeating: 7, count: 100_000))
        let clock = LoopClock.manual()
        try withServer(clock: clock, routes: { Self.serve(box.source, length: 100_000, on: $0) }) { server, port in
            let record = Record()
            record.watch(server)
            let growing = box.source
            growing.grow(to: 1000)
            let client = Client(port: port)
            client.send(get("/growing"))
            try await eventually("it waits for more") { growing.looks >= 2 }
            client.reset()
            let end = LoopClock.monotonic.deadline(after: 240)
            while record.events.isEmpty, LoopClock.monotonic.now < end { await clock.advance(seconds: 10) }
            #expect(record.events.map(\.reason) == ["closed"])
            try await eventually("it is closed") { growing.isClosed }
        }
    }

    /// Made on the loop, and known outside of it.
    final class Growing: @unchecked Sendable {
        let bytes: [UInt8]
        @LoopActor lazy var source = GrowingSource(bytes)

        init(_ bytes: [UInt8]) { self.bytes = bytes }
    }
}
