import TelegramStandIn
import Testing
import WeirDatabase
import WeirLoop

@testable import WeirMedia

/// What the download cache saves the object store, with all that stands around it.
@Suite("Media in the download cache")
struct PrewarmCacheTests {
    @Test("are warmed without a get when they have just come in")
    func fresh() throws {
        try MediaWorld.run({ $0.caches = true }) { world in
            world.worker.start()
            for index in 0..<20 { try await world.add(pattern(10_000 + index, seed: index)) }
            try await eventually("all are ready") { world.worker.counters.ready == 20 }
            #expect(world.objects.puts == 20)
            #expect(world.objects.gets == 0)
            #expect(world.cache.counters.hits == 20 && world.cache.counters.misses == 0)
            #expect(world.cache.counters.saved == 20 * 10_000 + 190)
            #expect(Set(world.uploads).count == 20 && world.uploads.count == 20)
        }
    }

    @Test("are fetched once, whoever wants them: a hundred sends of one that is cold")
    func singleFlight() throws {
        try MediaWorld.run({ $0.caches = true }) { world in
            let addition = try await world.add(pattern(500_000))
            world.cache.remove(addition.entry.medium.objectKey)
            let sends = (0..<100).map { index in
                spawn { try await world.send(addition, wait: 60, chat: Int64(1000 + index)) }
            }
            await LoopActor.settle()
            world.worker.start()
            for send in sends { #expect(try await send.value.way == .fileID) }
            #expect(world.objects.gets == 1 && world.objects.bytes == 500_000)
            #expect(world.uploads.count == 1)
            #expect(world.standIn.calls().count { $0.way == .id } == 100)
            #expect(Set(world.standIn.calls().filter { $0.way == .id }.compactMap(\.chat)).count == 100)
            #expect(world.sender.counters.joined == 100)
        }
    }

    @Test("are fetched once for all their kinds, and for every identifier that Telegram forgets")
    func repeats() throws {
        try MediaWorld.run({ $0.caches = true }) { world in
            let count = 20
            var additions: [Addition] = []
            for index in 0..<count {
                for kind in MediaKind.allCases {
                    additions.append(try await world.add(pattern(20_000, seed: index), kind))
                }
            }
            for addition in additions { world.cache.remove(addition.entry.medium.objectKey) }
            world.worker.start()
            try await eventually("all are ready") { world.worker.counters.ready == additions.count }
            world.standIn.forgetFiles()
            for addition in additions {
                // Uploaded to the chat, or by the worker, if that is faster: once, as the count says.
                _ = try await world.send(addition, wait: 60)
                #expect(try await world.send(addition, wait: 60).way == .fileID)
            }
            let uploads = world.uploads.count
            #expect(uploads == 2 * additions.count)
            #expect(world.objects.gets == count)
            let saved = uploads - world.objects.gets
            #expect(world.cache.counters.hits + world.cache.counters.joined == UInt64(saved))
            #expect(world.cache.counters.saved == UInt64(saved * 20_000))
            print("\(uploads) uploads: \(world.objects.gets) gets, \(saved) and \(saved * 20_000) bytes saved")
        }
    }

    @Test("stay out of it when they are ready already")
    func ready() throws {
        try MediaWorld.run({ $0.caches = true }) { world in
            world.worker.start()
            let first = try await world.add(pattern(1000))
            _ = try await world.wait(first, is: .ready)
            world.cache.remove(first.entry.medium.objectKey)
            let again = try await world.add(pattern(1000))
            #expect(again.outcome == .ready)
            #expect(world.cache.count == 0)
            let other = try await world.add(pattern(1000), .audio)
            #expect(other.outcome == .added)
            #expect(world.cache.count == 1)
        }
    }

    @Test("are not waited for by an attempt whose lease is lost, nor fetched for nobody")
    func lostLease() throws {
        try MediaWorld.run {
            $0.caches = true
            $0.prewarm.intervalMilliseconds = 3_600_000
        } _: { world in
            let clock = LoopClock.manual()
            let addition = try await world.add(pattern(1000))
            world.cache.remove(addition.entry.medium.objectKey)
            world.objects.holding = clock
            world.worker.start()
            try await eventually("it is being fetched") { clock.waitingTimers == 1 }
            world.objects.holding = nil
            // It goes to somebody else, and the worker hears of that.
            world.databaseClock.advance(seconds: 36_001)
            #expect(try await world.database.sweep(attempts: 5).expired == 1)
            let taken = try await world.database.claim([addition.entry.id], lease: 36_000, worker: "other")
            let job = try #require(taken.first)
            try #require(world.worker.held[addition.entry.id]).lose()
            try await eventually("the attempt has ended") { world.worker.counters.lost == 1 }
            try await eventually("so has the fetch") { world.objects.cancelled == 1 }
            #expect(world.worker.active == 0)
            // The next one begins anew.
            #expect(try await world.database.settle([(job.lease, .release)]) == [true])
            _ = try await world.wait(addition, is: .ready)
            #expect(world.objects.gets == 2)
        }
    }
}
