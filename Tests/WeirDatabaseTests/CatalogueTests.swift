import Testing
import WeirLoop

@testable import WeirDatabase

@Suite("The catalogue")
struct CatalogueTests {
    static func page(_ number: Int, name: String? = nil) -> Page {
        Page(objectKey: "pages/\(Sample.digest(number))", name: name ?? "\(number).jpg")
    }

    static func chapter(_ id: String, _ pages: [Page], title: String = "Kapitel – 1/2 \u{1F4D6} \"x\"\n") -> Chapter {
        Chapter(id: id, title: title, pages: pages)
    }

    static func facts(_ number: Int) -> PageFacts {
        var image = ImageFacts(format: .jpeg, width: UInt32(number) + 1, height: 1800)
        image.colour = .rgb
        image.bits = 8
        return PageFacts(
            length: UInt64(number) * 1000, crc32: .max - UInt32(number), etag: "etag-\(number)", image: image)
    }

    @Test("a chapter is what was put, and its revision grows with every change", arguments: Backend.all)
    func chapters(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, _ in
            let pages = [
                CatalogueTests.page(1), CatalogueTests.page(2, name: "ü \\ \"{,}\".png"), CatalogueTests.page(1),
            ]
            var chapter = CatalogueTests.chapter("one", pages)
            let added = try await database.put(chapter)
            #expect(added.outcome == .added)
            chapter.revision = added.revision
            #expect(try await database.chapter("one").holds(chapter))
            #expect(try await database.put(chapter) == CatalogueChange(outcome: .unchanged, revision: added.revision))

            var last = added.revision
            let changes: [(inout Chapter) -> Void] = [
                { $0.title = "Another" }, { $0.pages.swapAt(0, 1) }, { $0.pages[0].name = "other.png" },
                { $0.pages[2].objectKey = "pages/other" }, { $0.pages.removeLast() },
                { $0.pages += (10..<300).map { CatalogueTests.page($0) } }, { $0.pages = [] },
                { $0.title = "" }, { $0.title = "\u{FC}" }, { $0.title = "u\u{308}" },
            ]
            for change in changes {
                change(&chapter)
                let changed = try await database.put(chapter)
                #expect(changed.outcome == .changed && changed.revision > last)
                last = changed.revision
                chapter.revision = last
                #expect(try await database.chapter("one").holds(chapter))
                #expect(try await database.put(chapter).outcome == .unchanged)
            }
            let absent = try await database.chapter("two")
            #expect(absent.isAbsent)
            #expect(try await database.removeChapter("one"))
            #expect(try await database.removeChapter("one") == false)
            // What was built under an older revision is never taken for the new one's.
            let again = try await database.put(chapter)
            #expect(again.outcome == .added && again.revision > last)
        }
    }

    @Test("a book is what was put, in its order, also of chapters that are not there", arguments: Backend.all)
    func books(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, _ in
            var book = Book(id: "b", title: "Band 1", chapters: ["3", "1", "2", "3"])
            let added = try await database.put(book)
            #expect(added.outcome == .added)
            book.revision = added.revision
            #expect(try await database.book("b").holds(book))
            #expect(try await database.put(book).outcome == .unchanged)
            var last = added.revision
            for chapters in [["1", "3", "2", "3"], [], (0..<CatalogueLimits.chapters).map { "chapter-\($0)" }] {
                book.chapters = chapters
                let changed = try await database.put(book)
                #expect(changed.outcome == .changed && changed.revision > last)
                last = changed.revision
                book.revision = last
                #expect(try await database.book("b").holds(book))
            }
            #expect(try await database.removeBook("b"))
            #expect(try await database.removeBook("b") == false)
            let gone = try await database.book("b")
            #expect(gone.isAbsent)
        }
    }

    @Test("lists come in pages, in the order of ids' bytes", arguments: Backend.all)
    func lists(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, _ in
            let ids = ["b", "a", "B", "10", "9", "ä", "z-1", "z"]
            var revisions: [String: Int64] = [:]
            for (count, id) in ids.enumerated() {
                let pages = (0..<count).map { CatalogueTests.page($0) }
                revisions[id] = try await database.put(CatalogueTests.chapter(id, pages, title: "T \(id)")).revision
                _ = try await database.put(Book(id: id, title: "B \(id)", chapters: Array(ids[..<count])))
            }
            let sorted = ids.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            for isBooks in [false, true] {
                var listed: [CatalogueLine] = []
                while true {
                    let after = listed.last?.id
                    let lines =
                        isBooks
                        ? try await database.books(after: after, limit: 3)
                        : try await database.chapters(after: after, limit: 3)
                    listed += lines
                    if lines.count < 3 { break }
                }
                #expect(listed.map(\.id) == sorted)
                #expect(listed.map(\.count) == sorted.compactMap { ids.firstIndex(of: $0) })
                #expect(listed.allSatisfy { $0.title == (isBooks ? "B " : "T ") + $0.id })
                if !isBooks { #expect(listed.allSatisfy { revisions[$0.id] == $0.revision }) }
            }
        }
    }

    @Test("what was learnt of an object stays while a chapter has it, and is every chapter's", arguments: Backend.all)
    func facts(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, _ in
            var one = CatalogueTests.chapter("one", [CatalogueTests.page(1), CatalogueTests.page(2)])
            let two = CatalogueTests.chapter("two", [CatalogueTests.page(2), CatalogueTests.page(3)])
            _ = try await database.put(one)
            _ = try await database.put(two)
            var known: [String: PageFacts] = [:]
            for number in 1...4 { known[CatalogueTests.page(number).objectKey] = CatalogueTests.facts(number) }
            known[CatalogueTests.page(3).objectKey]?.image = nil
            try await database.learn(known)
            try await database.learn([:])
            func found(_ id: String) async throws -> [PageFacts?] {
                try #require(try await database.chapter(id)).pages.map(\.facts)
            }
            #expect(try await found("one") == [CatalogueTests.facts(1), CatalogueTests.facts(2)])
            #expect(try await found("two") == [CatalogueTests.facts(2), known[CatalogueTests.page(3).objectKey]])

            // Other words for a page are another's in place of it.
            try await database.learn([CatalogueTests.page(1).objectKey: CatalogueTests.facts(9)])
            #expect(try await found("one") == [CatalogueTests.facts(9), CatalogueTests.facts(2)])

            // Changed, they keep what is known; page 4 was nobody's when it was told of, 1 is nobody's meanwhile.
            one.pages = [CatalogueTests.page(2), CatalogueTests.page(4)]
            _ = try await database.put(one)
            #expect(try await found("one") == [CatalogueTests.facts(2), nil])
            one.pages = [CatalogueTests.page(1), CatalogueTests.page(2)]
            _ = try await database.put(one)
            #expect(try await found("one") == [nil, CatalogueTests.facts(2)])

            #expect(try await database.removeChapter("two"))
            #expect(try await found("one") == [nil, CatalogueTests.facts(2)])
            _ = try await database.put(two)
            #expect(try await found("two") == [CatalogueTests.facts(2), nil])
        }
    }

    @Test("objects that changed are forgotten by all chapters that have them", arguments: Backend.all)
    func forgetting(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, _ in
            var revisions: [String: Int64] = [:]
            for (id, numbers) in [("one", [1, 2]), ("two", [2, 3]), ("three", [3]), ("none", [])] {
                let chapter = CatalogueTests.chapter(id, numbers.map { CatalogueTests.page($0) })
                revisions[id] = try await database.put(chapter).revision
            }
            for number in 1...3 {
                try await database.learn([CatalogueTests.page(number).objectKey: CatalogueTests.facts(number)])
            }
            #expect(try await database.forget(chapter: "one"))
            var grown: [String] = []
            var known: [String: [Bool]] = [:]
            for id in ["one", "two", "three", "none"] {
                let chapter = try #require(try await database.chapter(id))
                if chapter.revision > revisions[id] ?? 0 { grown.append(id) }
                known[id] = chapter.pages.map { $0.facts != nil }
            }
            #expect(grown == ["one", "two"])
            #expect(known == ["one": [false, false], "two": [false, true], "three": [true], "none": []])
            #expect(try await database.forget(chapter: "none"))
            #expect(try await database.forget(chapter: "nowhere") == false)
        }
    }

    @Test("a chapter of the most pages that one may have", arguments: Backend.all)
    func large(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, _ in
            let pages = (0..<CatalogueLimits.pages).map { CatalogueTests.page($0) }
            _ = try await database.put(CatalogueTests.chapter("large", pages))
            #expect(try #require(try await database.chapter("large")).pages.count == CatalogueLimits.pages)
            #expect(try await database.chapters(after: nil, limit: 1).map(\.count) == [CatalogueLimits.pages])
            let refused = try await kind {
                _ = try await database.put(CatalogueTests.chapter("larger", pages + [CatalogueTests.page(0)]))
            }
            #expect(refused == .argument)
            #expect(try await database.removeChapter("large"))
        }
    }

    @Test("what one of them could not keep is refused by both", arguments: Backend.all)
    func refusals(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, _ in
            let long = String(repeating: "x", count: 5000)
            let ids = ["", ".", "..", "a/b", "a,b", "a\nb", "\u{7F}", "a\u{0}", String(long.prefix(256))]
            for id in ids {
                let chapter = try await kind { _ = try await database.put(CatalogueTests.chapter(id, [])) }
                #expect(chapter == .argument)
                let book = try await kind { _ = try await database.put(Book(id: id, title: "", chapters: [])) }
                #expect(book == .argument)
                let listed = try await kind { _ = try await database.put(Book(id: "b", title: "", chapters: [id])) }
                #expect(listed == .argument)
            }
            for page in [
                Page(objectKey: "", name: "x"), Page(objectKey: "x", name: ""), Page(objectKey: "a\u{0}", name: "x"),
                Page(objectKey: long, name: "x"), Page(objectKey: "x", name: long),
            ] {
                let refused = try await kind { _ = try await database.put(CatalogueTests.chapter("x", [page])) }
                #expect(refused == .argument)
            }
            let titled = try await kind { _ = try await database.put(CatalogueTests.chapter("x", [], title: long)) }
            #expect(titled == .argument)
            let huge = PageFacts(length: .max, crc32: 0, etag: "")
            let learnt = try await kind { try await database.learn(["x": huge]) }
            #expect(learnt == .argument)
            #expect(try await database.chapters(after: nil, limit: 10).isEmpty)
            #expect(try await database.books(after: nil, limit: 10).isEmpty)
        }
    }

    @Test("many who change one chapter at once leave one of their states, whole", arguments: Backend.all)
    func concurrent(_ backend: Backend) throws {
        try DatabaseUnderTest.run(backend) { database, _ in
            let states = (1...12).map { number in
                CatalogueTests.chapter("one", (0..<number).map { CatalogueTests.page($0 * number) }, title: "\(number)")
            }
            let putting = states.map { chapter in
                spawn { @LoopActor () async throws -> Int64 in try await database.put(chapter).revision }
            }
            var revisions: Set<Int64> = []
            for task in putting { revisions.insert(try await task.value) }
            #expect(revisions.count == states.count)
            let left = try #require(try await database.chapter("one"))
            #expect(left.revision == revisions.max())
            let state = try #require(states.first { $0.title == left.title })
            #expect(left.pages == state.pages)
        }
    }
}
