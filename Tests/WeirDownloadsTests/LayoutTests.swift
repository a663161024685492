import CWeirDownloads
import Testing
import WeirDatabase

@testable import WeirDownloads

@Suite("Layouts")
struct LayoutTests {
    /// Artefacts of all formats, of pages that are no pictures but for PDFs.
    static func artefacts(_ objects: inout Objects, seed: UInt64) -> [Artefact] {
        var random = Seeded(seed)
        let chapters = (0..<4).map { chapter in
            let pages = (0..<Int.random(in: 1...12, using: &random)).map { number in
                let tail = (0..<Int.random(in: 0...2000, using: &random)).map { UInt8(truncatingIfNeeded: $0) }
                if Bool.random(using: &random) {
                    return objects.page("p\(number).jpg", tinyJPEG(tail: tail))
                }
                let pieces = (0..<Int.random(in: 1...9, using: &random)).map { _ in
                    [UInt8](repeating: 7, count: [1, 5, 40].randomElement(using: &random)!)
                }
                let isIndexed = Bool.random(using: &random)
                return objects.page(
                    "p\(number).png",
                    tinyPNG(pieces, colour: isIndexed ? 3 : 0, chunks: isIndexed ? [("PLTE", [1, 2, 3, 4, 5, 6])] : []))
            }
            return Chapter(id: "\(chapter)", title: "Title \(chapter)", pages: pages, revision: 1)
        }
        return [
            Artefact(.zip, of: chapters[0]), Artefact(.cbz, of: chapters[1]), Artefact(.pdf, of: chapters[2]),
            Artefact(.zip, title: "Book", chapters: chapters), Artefact(.cbz, title: "Book", chapters: chapters),
            Artefact(.pdf, title: "Book", chapters: chapters), Artefact(.pdfs, title: "Book", chapters: chapters),
        ]
    }

    /// 1400 ranges; 20 000 at full scale.
    @Test func everyRangeIsTheSliceOfTheWhole() throws {
        var objects = Objects()
        var random = Seeded(3)
        let rounds = min(200 * scale, 20_000 / 7 + 1)
        for artefact in Self.artefacts(&objects, seed: 2) {
            let layout = try #require(try Layout(artefact))
            let whole = objects.content(of: layout)
            #expect(UInt64(whole.count) == layout.length)
            for _ in 0..<rounds {
                let start = UInt64.random(in: 0...layout.length, using: &random)
                let end = UInt64.random(in: start...layout.length + 5, using: &random)
                let slice = objects.content(of: layout, in: start..<end)
                try #require(slice[...] == whole[Int(start)..<min(Int(end), whole.count)])
            }
            #expect(layout.segments(in: layout.length..<layout.length + 9).isEmpty)
            // No two literals in a row: one read of memory each.
            let segments = layout.segments
            for (one, next) in zip(segments, segments.dropFirst()) {
                if case .literal = one, case .literal = next { Issue.record("literals in a row") }
            }
        }
    }

    @Test func aWriterThatLearnsAsItGoesWritesTheSameBytes() throws {
        var objects = Objects()
        for artefact in Self.artefacts(&objects, seed: 4) {
            let layout = try #require(try Layout(artefact))
            let whole = objects.content(of: layout)
            var unknown = artefact
            for chapter in unknown.chapters.indices {
                for page in unknown.chapters[chapter].pages.indices {
                    unknown.chapters[chapter].pages[page].facts = nil
                }
            }
            let none = try Layout(unknown)
            #expect(none == nil)
            #expect(ArtefactKey(unknown) == ArtefactKey(artefact))
            #expect(unknown.estimate == UInt64(layout.pages.count) << 21)

            // As a fill does: what is laid out is written, what is made good is written once more.
            var writer = try LayoutWriter(unknown)
            var file: [UInt8] = []
            func write(_ range: Range<UInt64>) {
                let bytes = objects.content(of: writer.segments(in: range), pages: writer.pages)
                if file.count < Int(range.upperBound) {
                    file += [UInt8](repeating: 0, count: Int(range.upperBound) - file.count)
                }
                file.replaceSubrange(Int(range.lowerBound)..<Int(range.upperBound), with: bytes)
            }
            write(0..<writer.position)
            while let page = writer.next {
                let before = writer.position
                let bytes = objects.bytes[writer.pages[page].objectKey]!
                let lead = writer.lead(length: UInt64(bytes.count))
                let patch = try writer.append(learn(bytes, piece: 100))
                #expect(writer.settled <= writer.position)
                #expect(artefact.isNested || writer.settled == writer.position)
                #expect(patch == nil || artefact.isNested)
                if let patch { #expect(patch.upperBound <= writer.settled) }
                write(before..<writer.position)
                if let patch { write(patch) }
                // What is settled is never written again.
                #expect(file[..<Int(writer.settled)] == whole[..<Int(writer.settled)])
                let isWhole = !writer.pages[page].name.hasSuffix("png") || ![.pdf, .pdfs].contains(artefact.format)
                if isWhole {
                    let place = before + lead
                    #expect(
                        writer.segments(in: place..<place + UInt64(bytes.count))
                            == [.page(page, offset: 0, count: UInt64(bytes.count))])
                }
            }
            #expect(file == whole)
            #expect(writer.settled == layout.length)
            #expect(writer.layout.length == layout.length)
        }
    }

    @Test func keysDifferWithWhatTheBytesDependOn() {
        let pages = [Page(objectKey: "a", name: "a.jpg"), Page(objectKey: "b", name: "b.jpg")]
        let one = Chapter(id: "1", title: "One", pages: pages, revision: 3)
        var later = one
        later.revision = 4
        var renamed = one
        renamed.title = "Eins"
        let two = Chapter(id: "2", title: "Two", pages: [], revision: 1)
        let artefacts = [
            Artefact(.zip, of: one), Artefact(.cbz, of: one), Artefact(.pdf, of: one), Artefact(.zip, of: later),
            Artefact(.zip, of: renamed), Artefact(.zip, title: "One", chapters: [one]),
            Artefact(.zip, title: "B", chapters: [one, two]), Artefact(.zip, title: "B", chapters: [two, one]),
            Artefact(.zip, title: "C", chapters: [one, two]), Artefact(.pdfs, title: "C", chapters: [one, two]),
        ]
        let keys = artefacts.map { ArtefactKey($0).description }
        #expect(Set(keys).count == artefacts.count)
        #expect(keys.map(\.utf8.count) == keys.map { _ in 64 })
        #expect(ArtefactKey(artefacts[0]) == ArtefactKey(artefacts[0]))
    }

    @Test func aPageThatIsNotWhatItsNameSaysIsNamed() throws {
        var objects = Objects()
        let png = objects.page("a.jpg", tinyPNG([[1]]))
        let text = objects.page("b.webp", Array("no picture".utf8))
        let honest = objects.page("c.txt", Array("no picture".utf8))
        func error(_ pages: [Page], _ format: DownloadFormat = .zip) -> LayoutError? {
            do {
                _ = try Layout(Artefact(format, of: Chapter(id: "1", title: "T", pages: pages)))
                return nil
            } catch {
                return error
            }
        }
        #expect(error([honest]) == nil)
        #expect(
            error([honest, png])?.description == "page 2, 'a.jpg' (object '0/a.jpg'), is named as JPEG, but is PNG")
        #expect(
            error([text])?.description
                == "page 1, 'b.webp' (object '1/b.webp'), is named as WebP, but is damaged or no picture")
        #expect(error([text])?.page?.objectKey == "1/b.webp")
        #expect(
            error([honest], .pdf)?.description.contains("page 1, 'c.txt' (object '2/c.txt'), cannot be in a PDF")
                == true)
        #expect(error([], .pdf) == .noPages("T"))
        #expect(error([], .pdf)?.description == "'T' has no pages, and a PDF must have one")
    }

    /// The archives that Python reads say the same of its zlib.
    @Test func combinedCRCsAreThoseOfTheWhole() {
        var random = Seeded(5)
        for length in [0, 1, 2, 255, 4096, 100_000] {
            let bytes = (0..<length + 31).map { _ in UInt8.random(in: 0...255, using: &random) }
            let whole = weir_crc32(0, bytes, bytes.count)
            let first = weir_crc32(0, bytes, 31)
            let second = weir_crc32(0, Array(bytes[31...]), length)
            #expect(weir_crc32_combine(first, second, UInt64(length)) == whole)
        }
        #expect(weir_crc32_combine(0, 5, 1 << 63) == 5)
    }
}
