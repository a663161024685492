import Glibc
import TelegramStandIn
import Testing
import WeirHTTP
import WeirLoop

@testable import WeirMedia

@Suite struct TelegramUploadTests {
    @Test(arguments: TelegramKind.allCases)
    func anUploadArrivesByteForByte(kind: TelegramKind) throws {
        try withTelegram { standIn, client in
            let bytes = pattern(300_001, seed: kind.hashValue & 0xFFFF)
            var message = TelegramMessage(
                kind, to: .number(-1_001_234_567_890), .upload(.bytes(bytes, name: "Fête № 1.bin", type: "image/webp")),
                caption: "Zwei\r\nZeilen — \"quoted\" & <b>")
            message.isSilent = true
            let sent = try await client.send(message)
            let call = try #require(standIn.calls().first)
            #expect(standIn.count == 1)
            #expect(call.method.lowercased() == "send\(kind.rawValue)")
            #expect(call.way == .upload)
            #expect(call.chat == "-1001234567890")
            #expect(call.bytes == bytes.count)
            #expect(call.sha256 == sha256(bytes))
            #expect(call.name == "Fête № 1.bin")
            #expect(call.type == "image/webp")
            #expect(call.caption == "Zwei\r\nZeilen — \"quoted\" & <b>")
            let file = try #require(sent.file)
            #expect(file.kind == kind)
            #expect(file.id == call.fileID)
            #expect(file.uniqueID?.hasPrefix("AQAD\(call.sha256?.prefix(16) ?? "?")") == true)
            #expect(file.bytes == 300_001)
            #expect(!file.isWeak)
            #expect(sent.chat == -1_001_234_567_890)
            #expect(sent.message == 1)
        }
    }

    @Test func aFileIsSentFromItsDescriptorWhichStaysOpen() throws {
        try withTelegram { standIn, client in
            let bytes = pattern(1_000_003)
            let file = try Scratch(bytes)
            for (offset, length) in [(0, 1_000_003), (17, 999_986), (999_999, 1), (5, TelegramBody.pieceSize)] {
                let upload = TelegramUpload.file(
                    file.descriptor, offset: UInt64(offset), length: UInt64(length), name: "a.mp4")
                _ = try await client.send(TelegramMessage(.video, to: .number(7), .upload(upload)))
                let call = try #require(standIn.calls().last)
                #expect(call.sha256 == sha256(Array(bytes[offset..<(offset + length)])))
            }
            #expect(standIn.count == 4)
        }
    }

    @Test func aPipeIsSentAndClosed() throws {
        try withTelegram { standIn, client in
            let bytes = pattern(3_000_000)
            let (reader, writer) = try pipeEnds()
            // As fast as it is taken.
            let feeding = spawn { () -> Int in await feed(writer, bytes) }
            let upload = TelegramUpload.pipe(reader, length: 3_000_000, name: "", type: "no type")
            _ = try await client.send(TelegramMessage(.audio, to: .number(7), .upload(upload)))
            #expect(await feeding.value == bytes.count)
            let call = try #require(standIn.calls().last)
            #expect(call.sha256 == sha256(bytes))
            #expect(call.name == "audio.mp3")
            #expect(call.type == "application/octet-stream")
        }
    }

    @Test func aWriterIsHeldAtThePaceOfTheConnection() throws {
        try withTelegram { standIn, client in
            let piece = pattern(100_000)
            let upload = TelegramUpload.written(length: 20_000_000, name: "long.mp4") { body in
                for index in 1...200 {
                    try await body.write(piece)
                    #expect(body.written == UInt64(index * 100_000))
                }
            }
            _ = try await client.send(TelegramMessage(.video, to: .number(7), .upload(upload)))
            let call = try #require(standIn.calls().last)
            #expect(call.bytes == 20_000_000)
            #expect(call.sha256 == sha256((0..<200).flatMap { _ in piece }))
        }
    }

    @Test func whatIsTooLargeIsNotSent() throws {
        try withTelegram { standIn, client in
            func attempt(_ kind: TelegramKind, _ length: UInt64) async throws -> TelegramError {
                let (reader, _) = try pipeEnds()
                let upload = TelegramUpload.pipe(reader, length: length, name: "a")
                return try await telegramError { () async throws(TelegramError) in
                    try await client.send(TelegramMessage(kind, to: .number(1), .upload(upload)))
                }
            }
            for (kind, limit) in [(TelegramKind.photo, UInt64(10_000_000)), (.document, 50_000_000)] {
                let error = try await attempt(kind, limit + 1)
                #expect(error.kind == .tooLarge)
                #expect(error.isPermanent)
                #expect(error.reason.contains("\(limit + 1) bytes; expected at most \(limit)"))
            }
            #expect(try await attempt(.photo, 0).kind == .badFile)
            #expect(standIn.count == 0)
        }
    }

    @Test func aPhotoOfTheLargestSizePasses() throws {
        try withTelegram { standIn, client in
            let bytes = [UInt8](repeating: 7, count: 10_000_000)
            _ = try await client.send(TelegramMessage(.photo, to: .number(1), .upload(.bytes(bytes, name: "a.jpg"))))
            #expect(standIn.calls().last?.bytes == 10_000_000)
        }
    }

    // MARK: Trouble with the source

    @Test func aFileThatIsShorterThanItShouldBeIsTheSourcesError() throws {
        try withTelegram { standIn, client in
            let file = try Scratch(pattern(70_000))
            let upload = TelegramUpload.file(file.descriptor, length: 70_001, name: "a.bin")
            let error = try await telegramError { () async throws(TelegramError) in
                try await client.send(TelegramMessage(.document, to: .number(1), .upload(upload)))
            }
            #expect(error.kind == .source)
            #expect(error.reason == "the file cannot be read: it ended after 70000 of 70001 bytes")
            #expect(!error.isPermanent && !error.mayHaveArrived)
            try await eventually("the stand-in sees the cut") { standIn.count == 1 }
            #expect(standIn.calls().last?.status == 0)
        }
    }

    @Test func aWriterThatThrowsOrWritesTooMuchIsTheSourcesError() throws {
        struct Lost: Error {}
        try withTelegram { _, client in
            for write: @LoopActor (TelegramBody) async throws -> Void in [
                { _ in throw Lost() }, { try await $0.write(pattern(1001)) }, { try await $0.write(pattern(999)) },
            ] {
                let upload = TelegramUpload.written(length: 1000, name: "a.bin", write)
                let error = try await telegramError { () async throws(TelegramError) in
                    try await client.send(TelegramMessage(.document, to: .number(1), .upload(upload)))
                }
                #expect(error.kind == .source)
                #expect(!error.mayHaveArrived)
            }
        }
    }

    /// Its descriptor is its owner's again after the call: nobody may read it any more.
    @Test func anAnswerBeforeTheFilesEndEndsTheReading() throws {
        try withTelegram { options in
            options.faults = [StandInFault(.cut(after: 100_000))]
        } _: { standIn, client in
            var isReading = false
            let upload = TelegramUpload.written(length: 40_000_000, name: "a.mp4") { body in
                isReading = true
                defer { isReading = false }
                for _ in 0..<400 { try await body.write(pattern(100_000)) }
            }
            let error = try await telegramError { () async throws(TelegramError) in
                try await client.send(TelegramMessage(.video, to: .number(1), .upload(upload)))
            }
            #expect(!isReading)
            #expect(error.kind == .connection)
            #expect(!error.mayHaveArrived)
        }
    }

    @Test func aCancelledCallLeavesAPipeThatNobodyFills() throws {
        try withTelegram { standIn, client in
            let (reader, writer) = try pipeEnds()
            let upload = TelegramUpload.pipe(reader, length: 1_000_000, name: "a.bin")
            let calling = spawn { () throws -> TelegramSent in
                try await client.send(TelegramMessage(.document, to: .number(1), .upload(upload)))
            }
            #expect(await feed(writer, pattern(1000), closes: false) == 1000)
            try await eventually("the call has begun") { standIn.underWay == 1 }
            calling.cancel()
            let result = await calling.result
            let error = #expect(throws: TelegramError.self) { try result.get() }
            #expect(error?.kind == .cancelled)
            // A child that is being started elsewhere may have it for a moment.
            try await eventually("the pipe's other end is closed") {
                send(writer, "x", 1, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)) == -1 && errno == EPIPE
            }
            close(writer)
        }
    }
}

// MARK: - Pipes

/// The ends of a socket pair: to be read, and to be written.
func pipeEnds() throws -> (reader: Int32, writer: Int32) {
    var ends: [Int32] = [-1, -1]
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    try #require(socketpair(AF_UNIX, kind, 0, &ends) == 0)
    return (ends[0], ends[1])
}

/// Writes as fast as it is taken; how much that was. A socket, so that a reader that has left is no signal.
@LoopActor
func feed(_ descriptor: Int32, _ bytes: [UInt8], closes: Bool = true) async -> Int {
    var done = 0
    guard let poll = try? Poll(descriptor: descriptor) else { return 0 }
    while done < bytes.count {
        let count = bytes.withUnsafeBytes {
            send(descriptor, $0.baseAddress! + done, $0.count - done, Int32(MSG_NOSIGNAL))
        }
        if count > 0 {
            done += count
        } else if errno == EAGAIN {
            _ = await poll.wait(for: .writable)
        } else {
            break
        }
    }
    poll.close()
    if closes { close(descriptor) }
    return done
}
