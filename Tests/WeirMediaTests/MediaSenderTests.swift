import TelegramStandIn
import Testing
import WeirDatabase
import WeirHTTP
import WeirLoop

@testable import WeirMedia

@Suite("Sending media")
struct MediaSenderTests {
    @Test("that are ready is one call, by their identifier")
    func ready() throws {
        try MediaWorld.run { world in
            world.worker.start()
            let addition = try await world.add(pattern(10), .photo)
            let entry = try await world.wait(addition, is: .ready)
            let before = world.standIn.count
            let outcome = try await world.send(addition)
            #expect(outcome.way == .fileID)
            #expect(outcome.fileID == (try #require(entry.file).id))
            let calls = world.standIn.calls(after: before)
            #expect(calls.compactMap(\.way) == [.id])
            #expect(calls.compactMap(\.chat) == ["77"])
            #expect(calls.map(\.method) == ["sendPhoto"])
            #expect(world.sender.counters.hits == 1)
        }
    }

    @Test("that are not warm yet is refused without a wait, and joins their upload with one, before all others")
    func joining() throws {
        try MediaWorld.run {
            $0.isManual = true
            $0.standIn.latency = 1...1
            $0.prewarm.concurrency = 1
        } _: { world in
            world.worker.start()
            var additions: [Addition] = []
            for index in 0..<4 { additions.append(try await world.add(pattern(100 + index, seed: index))) }
            try await eventually("the first is under way") { world.telegramClock.waitingTimers == 1 }
            let last = additions[3]
            do {
                _ = try await world.send(last)
                Issue.record("it was sent")
            } catch MediaSend.Refusal.notReady(let entry) {
                #expect(entry.status == .warming)
            }
            var isOver = false
            let sending = spawn {
                defer { isOver = true }
                return try await world.send(last, wait: 60)
            }
            try await eventually("it is before the others") {
                world.worker.jobs(limit: 10).dropFirst().first?.id == last.entry.id
            }
            while !isOver {
                await world.telegramClock.advance(seconds: 1)
                try await LoopClock.monotonic.sleep(for: 0.002)
            }
            #expect(try await sending.value.way == .fileID)
            // The first, the last, and the send itself; perhaps the next one's upload by now.
            #expect(world.uploads.prefix(2) == [additions[0], last].map(\.entry.medium.key.sha256)[...])
            #expect(world.sender.counters.notReady == 1)
        }
    }

    @Test("whose identifier Telegram refuses uploads them to the chat, and keeps the new one")
    func refusedIdentifier() throws {
        try MediaWorld.run { world in
            world.worker.start()
            let addition = try await world.add(pattern(10))
            let old = try await world.wait(addition, is: .ready)
            world.worker.pause()
            world.standIn.forgetFiles()
            let outcome = try await world.send(addition, wait: 60)
            #expect(outcome.way == .upload)
            let new = try await world.wait(addition, is: .ready)
            #expect(try #require(new.file).id == outcome.fileID)
            #expect(try #require(old.file).id != outcome.fileID)
            #expect(try #require(world.standIn.calls().last?.chat) == "77")
            #expect(world.uploads.count == 2)
            #expect(try await world.send(addition).way == .fileID)
            #expect(world.sender.counters.refusedIDs == 1)
        }
    }

    @Test("of a bot without a warm-up chat uploads them once, to where they are wanted")
    func withoutWarmupChats() throws {
        try MediaWorld.run({ $0.warmupChats = [] }) { world in
            world.worker.start()
            let addition = try await world.add(pattern(10))
            try await eventually("the worker leaves it for later") { world.worker.counters.postponed == 1 }
            #expect(try await world.send(addition, wait: 60).way == .upload)
            #expect(try await world.send(addition).way == .fileID)
            #expect(world.standIn.calls().compactMap(\.way) == [.upload, .id])
        }
    }

    @Test("to a chat that Telegram has closed are refused when that takes longer than they wait, and say how long")
    func closedChat() throws {
        try MediaWorld.run { world in
            world.worker.start()
            let addition = try await world.add(pattern(10))
            _ = try await world.wait(addition, is: .ready)
            world.standIn.options.faults = [
                StandInFault(.error(429, "Too Many Requests: retry after 3600", [("retry_after", 3600)]))
            ]
            do {
                _ = try await world.send(addition, wait: 60)
                Issue.record("it was sent")
            } catch MediaSend.Refusal.telegram(let error) {
                #expect(error.retryAfter ?? 0 == 3600)
            }
            let calls = world.standIn.count
            for wait in [0, 10, 60] as [Double] {
                do {
                    _ = try await world.send(addition, wait: wait)
                    Issue.record("it was sent")
                } catch MediaSend.Refusal.limited(let seconds) {
                    #expect(seconds > 600 && seconds <= 3601)
                }
            }
            #expect(world.standIn.count == calls)
        }
    }

    @Test("that nobody knows, for a bot that nobody knows, and to a chat that refuses, says so")
    func refusals() throws {
        try MediaWorld.run { world in
            world.worker.start()
            let addition = try await world.add(pattern(10))
            _ = try await world.wait(addition, is: .ready)
            var send = MediaSend(bot: "other", chat: .number(1), sha256: addition.entry.medium.key.sha256)
            await #expect(throws: MediaSend.Refusal.self) { try await world.sender.send(send) }
            send.bot = "shop"
            send.sha256 = String(repeating: "0", count: 64)
            do {
                _ = try await world.sender.send(send)
                Issue.record("it was sent")
            } catch MediaSend.Refusal.noMedium {}
            world.standIn.options.faults = [StandInFault(.error(403, "Forbidden: bot was kicked"))]
            do {
                _ = try await world.send(addition)
                Issue.record("it was sent")
            } catch MediaSend.Refusal.telegram(let error) {
                #expect(error.kind == .kicked)
            }
            // That is the chat's, and not the medium's.
            #expect(try await world.send(addition).way == .fileID)
        }
    }
}
