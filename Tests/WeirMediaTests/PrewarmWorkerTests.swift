import TelegramStandIn
import Testing
import WeirDatabase
import WeirLoop
import WeirStorage

@testable import WeirMedia

@Suite("The prewarm worker")
struct PrewarmWorkerTests {
    @Test("uploads each medium once, and keeps what Telegram calls it")
    func uploads() throws {
        try MediaWorld.run { world in
            world.worker.start()
            var additions: [Addition] = []
            for index in 0..<30 {
                additions.append(try await world.add(pattern(1000 + index, seed: index), MediaKind.allCases[index % 5]))
            }
            for addition in additions {
                let entry = try await world.wait(addition, is: .ready)
                #expect(try !#require(entry.file).id.isEmpty)
                #expect(entry.attempts == 1)
            }
            #expect(Set(world.uploads) == Set(additions.map(\.entry.medium.key.sha256)))
            #expect(world.uploads.count == 30)
            #expect(world.worker.counters.ready == 30)
            #expect(world.worker.starts.count == 30 && world.worker.dispatches.count == 30)
            #expect(world.worker.dispatches.sum <= world.worker.starts.sum)
            // In turn.
            #expect(Set(world.standIn.calls().compactMap(\.chat)) == ["1", "2", "3"])
            let counts = try await world.database.counts()
            #expect(counts.ready == 30 && counts.warming == 0)
        }
    }

    @Test("takes the same bytes in once, under their digest; as another kind they are another medium of one object")
    func duplicates() throws {
        try MediaWorld.run { world in
            let bytes = pattern(5000)
            let first = try await world.add(bytes)
            let second = try await world.add(bytes)
            let third = try await world.add(bytes, .audio)
            #expect(first.outcome == .added)
            #expect(second.outcome == .merged)
            #expect(second.entry.id == first.entry.id)
            #expect(third.outcome == .added)
            #expect(first.entry.medium.key.sha256 == SHA256.hex(of: bytes))
            let objects = try await world.store.list(prefix: "", after: nil, limit: 10).objects
            #expect(objects.map(\.key.text) == ["media/" + SHA256.hex(of: bytes)])
            world.worker.start()
            _ = try await world.wait(first, is: .ready)
            _ = try await world.wait(third, is: .ready)
            #expect(world.uploads.count == 2)
            #expect(try await world.add(bytes).outcome == .ready)
            // The object goes with the last medium that has it.
            #expect(try await world.library.remove(first.entry.medium.key))
            #expect(try await world.store.list(prefix: "", after: nil, limit: 10).objects.count == 1)
            #expect(try await world.library.remove(third.entry.medium.key))
            #expect(try await world.store.list(prefix: "", after: nil, limit: 10).objects.isEmpty)
            #expect(!(try await world.library.remove(third.entry.medium.key)))
        }
    }

    @Test("refuses what is empty or too large, and what is one too many; nothing of it stays")
    func refusals() throws {
        try MediaWorld.run({ $0.prewarm.backlog = 1 }) { world in
            await #expect(throws: MediaLibrary.Refusal.self) { try await world.add([]) }
            await #expect(throws: MediaLibrary.Refusal.self) { try await world.add(pattern(1_000_001)) }
            #expect(try await world.store.list(prefix: "", after: nil, limit: 10).objects.isEmpty)
            try await world.add(pattern(10))
            do {
                try await world.add(pattern(11, seed: 1))
                Issue.record("it was taken")
            } catch MediaLibrary.Refusal.database(let error) {
                #expect(error.kind == .backlogFull)
            }
            #expect(try await world.store.list(prefix: "", after: nil, limit: 10).objects.count == 1)
            // An object that another medium has stays.
            await #expect(throws: MediaLibrary.Refusal.self) { try await world.add(pattern(10), .audio) }
            #expect(try await world.store.list(prefix: "", after: nil, limit: 10).objects.count == 1)
            try await eventually("no file is left") { Folder.names(world.folder.path + "/cache").isEmpty }
        }
    }

    @Test("has as many jobs under way as it may, and begins the next when one ends")
    func concurrency() throws {
        try MediaWorld.run {
            $0.isManual = true
            $0.standIn.latency = 1...1
        } _: { world in
            world.worker.start()
            for index in 0..<20 { try await world.add(pattern(100 + index, seed: index)) }
            for round in 1...4 {
                try await eventually("five are under way") { world.telegramClock.waitingTimers == 5 }
                #expect(world.worker.active == 5)
                await world.telegramClock.advance(seconds: 1)
                try await eventually("they are answered") { world.standIn.count == round * 5 }
            }
            try await eventually("all are ready") { world.worker.counters.ready == 20 }
            #expect(world.standIn.mostUnderWay == 5)
        }
    }

    @Test("keeps a slot for small media")
    func smallSlot() throws {
        try MediaWorld.run {
            $0.isManual = true
            $0.standIn.latency = 1...1
            $0.prewarm.smallBytes = 1000
        } _: { world in
            world.worker.start()
            for index in 0..<8 { try await world.add(pattern(2000 + index, seed: index), .video) }
            try await eventually("four large ones are under way") { world.telegramClock.waitingTimers == 4 }
            await LoopActor.settle()
            #expect(world.worker.active == 4)
            let small = try await world.add(pattern(10), .photo)
            try await eventually("the small one too") { world.telegramClock.waitingTimers == 5 }
            #expect(world.worker.active == 5)
            while world.standIn.count < 9 {
                await world.telegramClock.advance(seconds: 1)
                try await LoopClock.monotonic.sleep(for: 0.002)
            }
            _ = try await world.wait(small, is: .ready)
            #expect(world.standIn.calls(limit: 5).contains { $0.method == "sendPhoto" })
        }
    }

    @Test("starts jobs in the order of their scores, and of their coming among equals")
    func order() throws {
        try MediaWorld.run {
            $0.prewarm.concurrency = 1
            $0.prewarm.queue = 7
            // However slow the machine: none gets older than these.
            $0.prewarm.priority.age.below = 36_000
            $0.prewarm.agingCap = 36_000
        } _: { world in
            var additions: [Addition] = []
            for index in 0..<40 {
                let size = [50, 150_000, 999_000][index % 3] + index
                additions.append(try await world.add(pattern(size, seed: index), MediaKind.allCases[index % 5]))
            }
            let expected = additions.sorted {
                ($1.entry.priority.score, $0.entry.id) < ($0.entry.priority.score, $1.entry.id)
            }.map(\.entry.medium.key.sha256)
            world.worker.start()
            for addition in additions { _ = try await world.wait(addition, is: .ready) }
            #expect(world.uploads == expected)
        }
    }

    @Test("tries again what may go better, as often as configured; what cannot, not")
    func failures() throws {
        try MediaWorld.run {
            $0.prewarm.concurrency = 1
            $0.prewarm.retry.attempts = 3
        } _: { world in
            world.worker.start()
            world.standIn.options.faults = [
                StandInFault(.error(500, "Internal Server Error"), times: 2)
            ]
            let recovering = try await world.wait(try await world.add(pattern(10)), is: .ready)
            #expect(recovering.attempts == 3)
            #expect(recovering.lastError ?? "" == "")
            world.standIn.options.faults = [StandInFault(.error(500, "Internal Server Error"), times: 9)]
            let dead = try await world.add(pattern(11))
            let entry = try await world.wait(dead, is: .failed)
            #expect(entry.attempts == 3)
            #expect(try #require(entry.lastError).contains("500"))
            world.standIn.options.faults = [StandInFault(.error(400, "Bad Request: IMAGE_PROCESS_FAILED"))]
            let wrong = try await world.wait(try await world.add(pattern(12), .photo), is: .failed)
            #expect(wrong.attempts == 1)
            #expect(try #require(wrong.lastError).contains("IMAGE_PROCESS_FAILED"))
            // Requeued, it begins anew.
            #expect(try await world.database.requeue(.key(dead.entry.medium.key)) == 1)
            #expect(try await world.wait(dead, is: .ready).attempts == 1)
            #expect(world.worker.counters.failed == 2)
            #expect(world.worker.counters.retried == 4)
        }
    }

    @Test("does not count what Telegram's limits, or a wrong token, put off")
    func postponed() throws {
        try MediaWorld.run {
            $0.prewarm.retry.attempts = 1
            $0.standIn.tokens = ["1:other"]
        } _: { world in
            world.worker.start()
            let addition = try await world.add(pattern(10))
            try await eventually("it is put off") { world.worker.counters.postponed == 1 }
            let entry = try await world.entry(addition)
            #expect(entry.status == .warming)
            #expect(entry.phase == .waiting)
            #expect(entry.attempts == 0)
            #expect(try #require(entry.lastError).contains("401"))
            let due = try #require(entry.nextRetryAt)
            #expect(due - entry.updatedAt >= 60_000)
        }
    }

    @Test("gives up a medium whose object is missing, or not as long as it was")
    func missingObject() throws {
        try MediaWorld.run { world in
            let missing = try await world.add(pattern(10))
            let short = try await world.add(pattern(20, seed: 1))
            try await world.store.delete(ObjectKey(missing.entry.medium.objectKey))
            _ = try await world.store.put(ObjectKey(short.entry.medium.objectKey), .bytes([1]))
            world.worker.start()
            let first = try await world.wait(missing, is: .failed)
            #expect(try #require(first.lastError).contains("missing"))
            let second = try await world.wait(short, is: .failed)
            #expect(try #require(second.lastError).contains("1 bytes, 20 were recorded"))
            #expect(world.standIn.count == 0)
        }
    }

    @Test("that stalled past its lease cannot undo what another did meanwhile")
    func fencing() throws {
        try MediaWorld.run {
            $0.isManual = true
            $0.standIn.latency = 1...1
            $0.prewarm.intervalMilliseconds = 3_600_000
        } _: { world in
            world.worker.start()
            let addition = try await world.add(pattern(10))
            try await eventually("it is under way") { world.telegramClock.waitingTimers == 1 }
            world.databaseClock.advance(seconds: 36_001)
            #expect(try await world.database.sweep(attempts: 5).expired == 1)
            let taken = try await world.database.claim([addition.entry.id], lease: 36_000, worker: "other")
            let job = try #require(taken.first)
            let other = CachedFile(id: "other", uniqueID: "u")
            #expect(try await world.database.settle([(job.lease, .ready(other))]) == [true])
            await world.telegramClock.advance(seconds: 1)
            try await eventually("the first one has ended") { world.worker.counters.lost == 1 }
            #expect(world.worker.counters.ready == 0)
            #expect(try #require(try await world.entry(addition).file) == other)
        }
    }

    @Test("gives back at shutdown what is under way, and does not count it")
    func shutdown() throws {
        try MediaWorld.run {
            $0.isManual = true
            $0.standIn.latency = 1...1
        } _: { world in
            world.worker.start()
            let addition = try await world.add(pattern(10))
            try await eventually("it is under way") { world.telegramClock.waitingTimers == 1 }
            await world.worker.stop(grace: 0)
            let entry = try await world.entry(addition)
            #expect(entry.phase == .queued)
            #expect(entry.attempts == 0)
            #expect(world.worker.counters.released == 1)
            #expect(world.worker.active == 0)
        }
    }

    @Test("begins nothing while it is paused, and drains to nothing under way")
    func pausing() throws {
        try MediaWorld.run {
            $0.isManual = true
            $0.standIn.latency = 1...1
            $0.prewarm.concurrency = 1
        } _: { world in
            world.worker.start()
            world.worker.pause()
            try await world.add(pattern(10))
            let second = try await world.add(pattern(11))
            await LoopActor.settle()
            #expect(world.worker.active == 0)
            world.worker.resume()
            try await eventually("one is under way") { world.telegramClock.waitingTimers == 1 }
            let draining = spawn { await world.worker.drain() }
            await LoopActor.settle()
            #expect(world.worker.state == .draining)
            await world.telegramClock.advance(seconds: 1)
            await draining.value
            #expect(world.worker.state == .paused)
            #expect(world.worker.counters.ready == 1)
            #expect(world.standIn.count == 1)
            world.worker.resume()
            try await eventually("the other is under way") { world.telegramClock.waitingTimers == 1 }
            await world.telegramClock.advance(seconds: 1)
            _ = try await world.wait(second, is: .ready)
        }
    }
}
