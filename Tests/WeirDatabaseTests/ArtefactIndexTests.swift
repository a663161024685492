import Testing
import WeirLoop

@testable import WeirDatabase

@Suite("The index of artefacts")
struct ArtefactIndexTests {
    static func row(_ number: Int, chapters: [String], book: String? = nil) -> ArtefactRow {
        ArtefactRow(
            key: Sample.digest(number), bytes: UInt64(number) << 32, crc32: .max - UInt32(number), format: "cbz",
            chapters: chapters, book: book, cost: 120, hits: 0, created: 1000, used: 2000)
    }

    @Test("a row is what was recorded; its uses are counted; it is removed once", arguments: Backend.all)
    func rows(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, _ in try await ArtefactIndexTests.rows(of: database) }
    }

    @LoopActor
    static func rows(of index: any ArtefactIndex) async throws {
        let row = row(7, chapters: ["b", "a", "b"], book: "über")
        try await index.record(row)
        #expect(try await index.find(row.key).holds(row))
        let absent = try await index.find(Sample.digest(8))
        #expect(absent.isAbsent)

        try await index.touch([row.key: 3, Sample.digest(8): 1])
        let touched = try #require(try await index.find(row.key))
        #expect(touched.hits == 3 && touched.used > 1_500_000_000_000 && touched.created == 1000)
        try await index.touch([:])

        // Built again.
        var again = row
        again.chapters = ["c"]
        again.book = nil
        again.created = 0
        again.used = 0
        try await index.record(again)
        let found = try #require(try await index.find(row.key))
        #expect(found.chapters == ["c"] && found.book.isAbsent && found.hits == 0)
        #expect(found.created > 1_500_000_000_000 && found.used == found.created)
        #expect(try await index.invalidate(.chapters(["a", "b"])).isEmpty)
        #expect(try await index.invalidate(.books(["über"])).isEmpty)

        #expect(try await index.remove(row.key))
        #expect(try await index.remove(row.key) == false)
        #expect(try await index.invalidate(.chapters(["c"])).isEmpty)
        var wrong = row
        wrong.key = "x"
        let refused = try await kind { try await index.record(wrong) }
        #expect(refused == .argument)
    }

    @Test("all rows come in pages, in the order of keys", arguments: Backend.all)
    func pages(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, _ in try await ArtefactIndexTests.pages(of: database) }
    }

    @LoopActor
    static func pages(of index: any ArtefactIndex) async throws {
        for number in [4, 2, 9, 7, 1, 3, 8] { try await index.record(row(number, chapters: ["\(number)"])) }
        var listed: [ArtefactRow] = []
        while true {
            let page = try await index.rows(after: listed.last?.key, limit: 3)
            listed += page
            if page.count < 3 { break }
        }
        #expect(listed == [1, 2, 3, 4, 7, 8, 9].map { row($0, chapters: ["\($0)"]) })
    }

    @Test("an invalidation takes what was built of it, and nothing else", arguments: Backend.all)
    func invalidation(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, _ in try await ArtefactIndexTests.invalidation(of: database) }
    }

    @LoopActor
    static func invalidation(of index: any ArtefactIndex) async throws {
        try await index.record(row(1, chapters: ["a"]))
        try await index.record(row(2, chapters: ["a", "b"], book: "x"))
        try await index.record(row(3, chapters: ["b"], book: "y"))
        try await index.record(row(4, chapters: ["c"], book: "x"))
        try await index.record(row(5, chapters: ["d"]))
        func left() async throws -> [String] { try await index.rows(after: nil, limit: 100).map(\.key) }

        #expect(try await index.invalidate(.chapters(["nothing", "a"])).sorted() == [1, 2].map { Sample.digest($0) })
        #expect(try await left() == [3, 4, 5].map { Sample.digest($0) })
        #expect(try await index.invalidate(.books(["x"])) == [Sample.digest(4)])
        #expect(try await index.invalidate(.key(Sample.digest(5))) == [Sample.digest(5)])
        #expect(try await index.invalidate(.key(Sample.digest(5))).isEmpty)
        #expect(try await index.invalidate(.chapters([])).isEmpty)
        #expect(try await left() == [Sample.digest(3)])
    }
}
