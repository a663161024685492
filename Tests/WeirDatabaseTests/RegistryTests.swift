import Testing
import WeirLoop

@testable import WeirDatabase

@Suite("The media registry")
struct RegistryTests {
    @Test("a medium is what it was when it was added, and is queued", arguments: Backend.all)
    func adding(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            let medium = Sample.medium(7, kind: .animation)
            let addition = try await database.add(medium, priority: Sample.priority(170, isSmall: true))
            #expect(addition.outcome == .added)
            let entry = try #require(try await database.entry(medium.key))
            #expect(entry == addition.entry)
            #expect(entry.medium == medium)
            let byNumber = try #require(try await database.entry(id: entry.id))
            #expect(byNumber == entry)
            let noNumber = try await database.entry(id: entry.id + 1)
            #expect(noNumber.isAbsent)
            #expect(entry.status == .warming && entry.phase == .queued)
            #expect(entry.priority == Sample.priority(170, isSmall: true))
            #expect(entry.attempts == 0 && entry.fence == 0)
            let empty = [entry.worker, entry.lastError, entry.file?.id].compactMap(\.self)
            #expect(empty.isEmpty)
            #expect(try await database.readyFile(medium.key).isAbsent)
            let absent = try await database.entry(Sample.key(7, kind: .photo))
            #expect(absent.isAbsent)
        }
    }

    @Test("the same medium again is merged, revived or ready, by its state", arguments: Backend.all)
    func again(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            let medium = Sample.medium(1)
            let first = try await database.add(medium, priority: Sample.priority(100)).entry

            let lower = try await database.add(medium, priority: Sample.priority(50))
            #expect(lower.outcome == .merged && lower.entry.priority.score == 100 && lower.entry.id == first.id)
            let higher = try await database.add(medium, priority: Sample.priority(150))
            #expect(higher.outcome == .merged && higher.entry.priority.score == 150)

            let job = try #require(try await RegistryTests.claimOne(database))
            #expect(try await database.settle([(job.lease, .failed(error: "too large"))]) == [true])
            test.clock.advance(seconds: 10)
            let revived = try await database.add(medium, priority: Sample.priority(90))
            #expect(revived.outcome == .revived && revived.entry.status == .warming && revived.entry.phase == .queued)
            #expect(revived.entry.priority.score == 90 && revived.entry.attempts == 0)
            #expect(revived.entry.enqueuedAt >= first.enqueuedAt + 10_000)

            let next = try #require(try await RegistryTests.claimOne(database))
            #expect(next.entry.fence == job.entry.fence + 1)
            #expect(try await database.settle([(next.lease, .ready(Sample.file(1)))]) == [true])
            let ready = try await database.add(medium, priority: Sample.priority(255))
            #expect(ready.outcome == .ready && ready.entry.priority.score == 90)
            #expect(ready.entry.file == Sample.file(1))
            #expect(try await database.counts() == JobCounts(ready: 1))
        }
    }

    @LoopActor
    static func claimOne(_ database: any Database) async throws -> LeasedJob? {
        try await database.claim(JobSelection(limit: 1), lease: 3600, worker: "test").first
    }

    @Test("lists come in pages, in the order of keys, by bot and status", arguments: Backend.all)
    func lists(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            var keys: [MediaKey] = []
            for number in [5, 3, 9, 1, 7, 12, 10] {
                for bot in ["shop", "Shop", "über"] {
                    let kind: MediaKind = number % 2 == 0 ? .video : .audio
                    let medium = Sample.medium(number, bot: bot, kind: kind)
                    keys.append(medium.key)
                    _ = try await database.add(medium, priority: Sample.priority(100))
                }
            }
            keys.sort()
            var query = MediaQuery(limit: 4)
            var listed: [MediaKey] = []
            repeat {
                let page = try await database.list(query)
                #expect(page.entries.count == min(4, keys.count - listed.count))
                listed += page.entries.map(\.medium.key)
                query.after = page.next
            } while query.after != nil
            #expect(listed == keys)

            let ofBot = try await database.list(MediaQuery(bot: "shop", limit: 100))
            #expect(ofBot.entries.map(\.medium.key) == keys.filter { $0.bot == "shop" })
            #expect(ofBot.next.isAbsent)
            #expect(try await database.list(MediaQuery(status: .failed)).entries.isEmpty)

            let failing = try await database.claim(JobSelection(limit: 3), lease: 3600, worker: "w")
            _ = try await database.settle(failing.map { ($0.lease, .failed(error: "no")) })
            let failed = try await database.list(MediaQuery(status: .failed))
            #expect(failed.entries.map(\.medium.key) == failing.map(\.entry.medium.key).sorted())
            #expect(failed.entries.allSatisfy { $0.lastError == "no" })
            let warming = try await database.list(MediaQuery(bot: "Shop", status: .warming, limit: 2))
            let rest = try await database.list(MediaQuery(bot: "Shop", status: .warming, after: warming.next))
            let failedKeys = Set(failed.entries.map(\.medium.key))
            #expect(
                (warming.entries + rest.entries).map(\.medium.key)
                    == keys.filter { $0.bot == "Shop" && !failedKeys.contains($0) })
        }
    }

    @Test("the kinds of the same bytes are media of their own, and share an object", arguments: Backend.all)
    func kinds(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            for kind in [MediaKind.photo, .document] {
                _ = try await database.add(Sample.medium(1, kind: kind), priority: Sample.priority(100))
            }
            let entries = try await database.entries(bot: "shop", sha256: Sample.digest(1))
            #expect(entries.map(\.medium.key.kind) == [.document, .photo])

            let object = Sample.medium(1, kind: .photo).objectKey
            #expect(try await database.isUsed(object: object))
            #expect(try await !database.isUsed(object: object + "x"))
            let first = try #require(try await database.remove(Sample.key(1, kind: .photo)))
            #expect(try await database.isUsed(object: object))
            #expect(first == Removal(medium: Sample.medium(1, kind: .photo), objectIsUnused: false))
            let second = try #require(try await database.remove(Sample.key(1, kind: .document)))
            #expect(second == Removal(medium: Sample.medium(1, kind: .document), objectIsUnused: true))
            #expect(try await !database.isUsed(object: object))
            let third = try await database.remove(Sample.key(1, kind: .document))
            #expect(third.isAbsent)
            #expect(try await database.counts() == JobCounts())
        }
    }

    @Test("who uploads what is removed, and added again, has lost it", arguments: Backend.all)
    func removedWhileLeased(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            let medium = Sample.medium(1)
            _ = try await database.add(medium, priority: Sample.priority(100))
            let job = try #require(try await RegistryTests.claimOne(database))
            _ = try await database.remove(medium.key)
            let again = try await database.add(medium, priority: Sample.priority(100))
            #expect(again.outcome == .added && again.entry.id > job.entry.id)
            _ = try await RegistryTests.claimOne(database)
            #expect(try await database.settle([(job.lease, .ready(Sample.file(1)))]) == [false])
            #expect(try await database.readyFile(medium.key).isAbsent)
        }
    }

    @Test("a refused file_id is warmed anew, once", arguments: Backend.all)
    func refusing(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            let medium = Sample.medium(1)
            _ = try await database.add(medium, priority: Sample.priority(100))
            let job = try #require(try await RegistryTests.claimOne(database))
            let weak = CachedFile(id: "AgAC\"\\{},'", uniqueID: nil, isWeak: true)
            _ = try await database.settle([(job.lease, .ready(weak))])
            #expect(try await database.readyFile(medium.key).holds(weak))

            #expect(try await database.refuse("another", of: medium.key, priority: Sample.priority(200)) == false)
            #expect(try await database.refuse(weak.id, of: medium.key, priority: Sample.priority(200)))
            #expect(try await database.refuse(weak.id, of: medium.key, priority: Sample.priority(200)) == false)
            #expect(try await database.readyFile(medium.key).isAbsent)
            let entry = try #require(try await database.entry(medium.key))
            #expect(entry.status == .warming && entry.phase == .queued && entry.priority.score == 200)
            #expect(entry.attempts == 0)

            let next = try #require(try await RegistryTests.claimOne(database))
            _ = try await database.settle([(next.lease, .ready(Sample.file(2)))])
            #expect(try await database.readyFile(medium.key).holds(Sample.file(2)))
        }
    }

    @Test("past the backlog new media are refused, those that are there are not", arguments: Backend.all)
    func backlog(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend, backlog: 3) { database, test in
            for number in 1...3 {
                _ = try await database.add(Sample.medium(number), priority: Sample.priority(100))
            }
            let refused = try await kind {
                _ = try await database.add(Sample.medium(4), priority: Sample.priority(100))
            }
            #expect(refused == .backlogFull)
            #expect(try await database.add(Sample.medium(2), priority: Sample.priority(1)).outcome == .merged)
            let counts = try await database.counts()
            #expect(counts.queued == 3 && counts.warming == 3)
            let absent = try await database.entry(Sample.key(4))
            #expect(absent.isAbsent)

            let job = try #require(try await RegistryTests.claimOne(database))
            _ = try await database.settle([(job.lease, .ready(Sample.file(1)))])
            test.clock.advance(seconds: 2)
            #expect(try await database.add(Sample.medium(4), priority: Sample.priority(100)).outcome == .added)
        }
    }

    @Test("what one database could not keep as it is, both refuse", arguments: Backend.all)
    func arguments(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            func medium(
                bot: String = "b", digest: String = Sample.digest(1), object: String = "o", bytes: Int64 = 1,
                name: String = ""
            ) -> Medium {
                let key = MediaKey(bot: bot, sha256: digest, kind: .photo)
                return Medium(key: key, objectKey: object, bytes: bytes, mime: "", name: name)
            }
            let wrong = [
                medium(bot: ""), medium(bot: "a\0b"), medium(digest: "abc"),
                medium(digest: Sample.digest(10).uppercased()),
                medium(object: ""), medium(bytes: -1), medium(name: String(repeating: "n", count: 1025)),
            ]
            for medium in wrong {
                let refused = try await kind { _ = try await database.add(medium, priority: Sample.priority(1)) }
                #expect(refused == .argument, "\(medium)")
            }
            #expect(try await database.add(medium(), priority: Sample.priority(1)).outcome == .added)
            let job = try #require(try await RegistryTests.claimOne(database))
            let nul = try await kind {
                _ = try await database.settle([(job.lease, .ready(CachedFile(id: "a\0b", uniqueID: nil)))])
            }
            #expect(nul == .argument)
            // An error's text comes from outside: what cannot be kept is replaced, what is too long is cut.
            let long = "a\0" + String(repeating: "ü", count: 2000)
            #expect(try await database.settle([(job.lease, .failed(error: long))]) == [true])
            let kept = try #require(try await database.entry(medium().key)?.lastError)
            #expect(kept.hasPrefix("a\u{FFFD}üü") && kept.utf8.count == 2000)
        }
    }

    @Test("a limiter's state is kept byte for byte, and replaced", arguments: Backend.all)
    func limiter(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            let none = try await database.limiterState(bot: "shop")
            #expect(none.isAbsent)
            let bytes = (0...255).map { UInt8($0) }
            try await database.saveLimiterState(bytes, bot: "shop")
            try await database.saveLimiterState([], bot: "other")
            #expect(try await database.limiterState(bot: "shop").holds(bytes))
            try await database.saveLimiterState([1], bot: "shop")
            #expect(try await database.limiterState(bot: "shop").holds([1]))
            #expect(try await database.limiterState(bot: "other").holds([]))
            let tooLong = try await kind {
                try await database.saveLimiterState(
                    [UInt8](repeating: 0, count: LimiterStateLimits.bytes + 1), bot: "shop")
            }
            #expect(tooLong == .argument)
        }
    }

    @Test("everything is there after closing and opening", arguments: Backend.all)
    func reopening(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, test in
            for number in 1...3 {
                _ = try await database.add(Sample.medium(number), priority: Sample.priority(100))
            }
            let job = try #require(try await RegistryTests.claimOne(database))
            _ = try await database.settle([(job.lease, .ready(Sample.file(1)))])
            let before = try await database.list(MediaQuery()).entries
            await database.close()
            let afterClosing = try await kind { _ = try await database.list(MediaQuery()) }
            #expect(afterClosing == .closed)

            let again = try await test.open()
            let after = try await again.list(MediaQuery()).entries
            await again.close()
            #expect(after == before && after.count == 3)
        }
    }
}
