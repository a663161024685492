import CWeirDownloads
import Testing
import WeirDatabase

@testable import WeirDownloads

@Suite("Layouts of ZIP archives")
struct ZipLayoutTests {
    /// Field by field, with a CRC of its own.
    struct NaiveZip {
        var bytes: [UInt8] = []
        var directory: [UInt8] = []
        var count: UInt64 = 0

        static func little(_ number: UInt64, _ bytes: Int) -> [UInt8] {
            (0..<bytes).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
        }

        static func crc(_ bytes: [UInt8]) -> UInt64 {
            var crc: UInt32 = 0xFFFF_FFFF
            for byte in bytes {
                crc ^= UInt32(byte)
                for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
            }
            return UInt64(~crc)
        }

        mutating func add(_ name: String, _ content: [UInt8], room: [UInt8] = []) {
            let offset = UInt64(bytes.count)
            let name = Array(name.utf8)
            let common =
                Self.little(20, 2) + Self.little(0x800, 2) + Self.little(0, 4) + Self.little(0x21, 2)
                + Self.little(Self.crc(content), 4) + Self.little(UInt64(content.count), 4)
                + Self.little(UInt64(content.count), 4) + Self.little(UInt64(name.count), 2)
            bytes += [0x50, 0x4B, 3, 4] + common + Self.little(UInt64(room.count), 2) + name + room + content
            directory += [0x50, 0x4B, 1, 2, 20, 3] + common + Self.little(0, 2 + 2 + 2 + 2)
            directory += Self.little(0o100644 << 16, 4) + Self.little(offset, 4) + name
            count += 1
        }

        var whole: [UInt8] {
            bytes + directory + [0x50, 0x4B, 5, 6] + Self.little(0, 4) + Self.little(count, 2) + Self.little(count, 2)
                + Self.little(UInt64(directory.count), 4) + Self.little(UInt64(bytes.count), 4) + Self.little(0, 2)
        }
    }

    static let room: [UInt8] = [0x20, 0xA2, 16, 0, 0x28, 0xA0, 12, 0] + [UInt8](repeating: 0, count: 12)

    /// Chapters of pages of random bytes.
    static func chapters(_ counts: [Int], _ objects: inout Objects, seed: UInt64 = 1) -> [Chapter] {
        var random = Seeded(seed)
        return counts.enumerated().map { chapter, count in
            let pages = (0..<count).map { number in
                let length = Int.random(in: 0...3000, using: &random)
                let content = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
                return objects.page("\(number + 100).bin", content)
            }
            return Chapter(id: "\(chapter)", title: "Chapter \(chapter + 1)", pages: pages, revision: 1)
        }
    }

    @Test func aChapterIsWhatANaiveWriterWrites() throws {
        var objects = Objects()
        let chapter = Self.chapters([17], &objects)[0]
        var naive = NaiveZip()
        for page in chapter.pages { naive.add(page.name, objects.bytes[page.objectKey]!) }
        let layout = try #require(try Layout(Artefact(.zip, of: chapter)))
        #expect(layout.length == UInt64(naive.whole.count))
        #expect(objects.content(of: layout) == naive.whole)

        var comic = NaiveZip()
        let information =
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<ComicInfo>\n  <Title>Chapter 1</Title>\n"
            + "  <PageCount>17</PageCount>\n</ComicInfo>\n"
        comic.add("ComicInfo.xml", Array(information.utf8))
        for page in chapter.pages { comic.add(page.name, objects.bytes[page.objectKey]!) }
        let cbz = try #require(try Layout(Artefact(.cbz, of: chapter)))
        #expect(objects.content(of: cbz) == comic.whole)
    }

    @Test func anArchiveOfArchivesIsWhatANaiveWriterWrites() throws {
        var objects = Objects()
        let chapters = Self.chapters([3, 0, 5], &objects)
        let book = Artefact(.zip, title: "A & B", chapters: chapters)
        var outer = NaiveZip()
        for chapter in chapters {
            var inner = NaiveZip()
            let information =
                "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<ComicInfo>\n  <Title>\(chapter.title)</Title>\n"
                + "  <Series>A &amp; B</Series>\n  <PageCount>\(chapter.pages.count)</PageCount>\n</ComicInfo>\n"
            inner.add("ComicInfo.xml", Array(information.utf8))
            for page in chapter.pages { inner.add(page.name, objects.bytes[page.objectKey]!) }
            outer.add("\(chapter.title).cbz", inner.whole, room: Self.room)
        }
        let layout = try #require(try Layout(book))
        #expect(objects.content(of: layout) == outer.whole)
    }

    @Test func aBookAsOneArchiveHasAFolderForEachChapter() throws {
        var objects = Objects()
        let chapters = Self.chapters([2, 1], &objects)
        let layout = try #require(try Layout(Artefact(.cbz, title: "Book", chapters: chapters)))
        let text = String(decoding: objects.content(of: layout), as: UTF8.self)
        for name in ["ComicInfo.xml", "Chapter 1/100.bin", "Chapter 1/101.bin", "Chapter 2/100.bin"] {
            #expect(text.contains(name))
        }
    }

    @Test func nothingIsAnArchiveToo() throws {
        let objects = Objects()
        let chapter = Chapter(id: "1", title: "Empty", pages: [])
        let zip = try #require(try Layout(Artefact(.zip, of: chapter)))
        #expect(objects.content(of: zip) == [0x50, 0x4B, 5, 6] + [UInt8](repeating: 0, count: 18))
        let none = try #require(try Layout(Artefact(.zip, title: "None", chapters: [])))
        #expect(none.length == 22)
        let writer = try LayoutWriter(Artefact(.zip, title: "None", chapters: [chapter]))
        #expect(writer.next == nil)
    }

    @Test func moreEntriesThanSixteenBitsHold() throws {
        let facts = PageFacts(length: 1, crc32: 0xD202_EF8D, etag: "")
        let pages = (0..<70_000).map { Page(objectKey: "page", name: "\($0).bin", facts: facts) }
        let layout = try #require(try Layout(Artefact(.zip, of: Chapter(id: "1", title: "Many", pages: pages))))
        // Numbers as they are would not be in order for who compares letters.
        var objects = Objects()
        objects.bytes["page"] = [0]
        let first = objects.content(of: layout, in: 0..<45)
        #expect(String(decoding: first[30..<43], as: UTF8.self) == "00001 0.bin\u{0}P")
        let end = objects.content(of: layout, in: layout.length - 98..<layout.length)
        #expect(Array(end[0..<4]) == [0x50, 0x4B, 6, 6])
        #expect(Array(end[24..<32]) == NaiveZip.little(70_000, 8))
        #expect(Array(end[56..<60]) == [0x50, 0x4B, 6, 7])
        let start = end[48..<56].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let size = end[40..<48].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        #expect(start + size + 98 == layout.length)
        #expect(Array(end[64..<72]) == NaiveZip.little(start + size, 8))
        #expect(Array(end[84..<88]) == [0xFF, 0xFF, 0xFF, 0xFF])
    }

    @Test func lengthsThatThirtyTwoBitsDoNotHold() throws {
        let large = PageFacts(length: 5 << 30, crc32: 7, etag: "")
        let edge = PageFacts(length: 0xFFFF_FFFF, crc32: 8, etag: "")
        let small = PageFacts(length: 10, crc32: 9, etag: "")
        let pages = [
            Page(objectKey: "1", name: "1.bin", facts: large), Page(objectKey: "2", name: "2.bin", facts: edge),
            Page(objectKey: "3", name: "3.bin", facts: small),
        ]
        let artefact = Artefact(.zip, of: Chapter(id: "1", title: "Large", pages: pages))
        let layout = try #require(try Layout(artefact))
        let segments = layout.segments
        guard case .literal(let header) = segments[0], case .literal(let end) = segments.last else {
            Issue.record("an archive begins and ends with literals")
            return
        }
        #expect(header.count == 30 + 5 + 20)
        #expect(Array(header[18..<26]) == [UInt8](repeating: 0xFF, count: 8))
        let length = NaiveZip.little(5 << 30, 8)
        #expect(Array(header[35..<39]) == [1, 0, 16, 0])
        #expect(Array(header[39..<55]) == length + length)
        #expect(Array(end[0..<4]) == [0x50, 0x4B, 1, 2])
        let third: UInt64 = 110 + 0x1_4000_0000 + 0xFFFF_FFFF
        #expect(layout.length == third + 35 + 10 + UInt64(end.count))
        // The small one has a Zip64 field for where it is, and nothing else in it.
        let last = Array(end[150...])
        #expect(Array(last[20..<24]) == NaiveZip.little(10, 4))
        #expect(Array(last[24..<28]) == NaiveZip.little(10, 4))
        #expect(Array(last[51..<55]) == [1, 0, 8, 0])
        #expect(Array(last[55..<63]) == NaiveZip.little(third, 8))
        #expect(segments.contains(.page(0, offset: 0, count: 5 << 30)))
    }

    /// Of zeros, by doubling.
    static func holes(_ length: UInt64) -> PageFacts {
        var (crc, count): (UInt32, UInt64) = (weir_crc32(0, [0], 1), 1)
        var (whole, done): (UInt32, UInt64) = (0, 0)
        var left = length
        while left > 0 {
            if left & 1 == 1 {
                whole = weir_crc32_combine(whole, crc, count)
                done += count
            }
            crc = weir_crc32_combine(crc, crc, count)
            count *= 2
            left >>= 1
        }
        return PageFacts(length: done, crc32: whole, etag: "")
    }

    @Test func holesHaveTheCRCOfZeros() {
        #expect(Self.holes(0).crc32 == 0)
        let zeros = [UInt8](repeating: 0, count: 100_001)
        #expect(Self.holes(100_001) == PageFacts(length: 100_001, crc32: weir_crc32(0, zeros, 100_001), etag: ""))
    }
}
