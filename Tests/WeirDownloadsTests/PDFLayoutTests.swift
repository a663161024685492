import Testing
import WeirDatabase

@testable import WeirDownloads

@Suite("Layouts of PDFs")
struct PDFLayoutTests {
    static func text(_ pages: [[UInt8]], title: String = "Title") throws -> String {
        var objects = Objects()
        let pages = pages.enumerated().map { objects.page("\($0).\($1[0] == 0xFF ? "jpg" : "png")", $1) }
        let chapter = Chapter(id: "1", title: title, pages: pages)
        let layout = try #require(try Layout(Artefact(.pdf, of: chapter)))
        return String(decoding: objects.content(of: layout).map { $0 < 128 ? $0 : 0x3F }, as: UTF8.self)
    }

    static func reason(_ bytes: [UInt8], _ name: String) -> String? {
        var objects = Objects()
        let chapter = Chapter(id: "1", title: "", pages: [objects.page(name, bytes)])
        do {
            _ = try Layout(Artefact(.pdf, of: chapter))
        } catch .notForPDF(let page, let reason) {
            #expect(page.index == 0 && page.name == name)
            return reason
        } catch {}
        return nil
    }

    @Test func everyOffsetOfTheTableIsThatOfItsObject() throws {
        let text = Array(try Self.text((0..<600).map { _ in tinyJPEG() }).utf8)
        func number(_ range: Range<Int>) -> Int { Int(String(decoding: text[range], as: UTF8.self)) ?? -1 }
        let tail = String(decoding: text.suffix(200), as: UTF8.self)
        let start = try #require(Int(tail.split(separator: "\n").dropLast().last ?? ""))
        let head = String(decoding: text[start..<start + 20], as: UTF8.self)
        #expect(head.hasPrefix("xref\n0 1807\n"))
        // Three objects, three for each page, three nodes.
        #expect(tail.contains("/Size 1807 "))
        for object in 1...1806 {
            let line = start + 12 + 20 * object
            let offset = number(line..<line + 10)
            #expect(String(decoding: text[line + 10..<line + 20], as: UTF8.self) == " 00000 n \n")
            let begin = "\(object) 0 obj\n"
            try #require(String(decoding: text[offset..<offset + begin.utf8.count], as: UTF8.self) == begin)
        }
    }

    @Test func picturesAreDescribedAsTheyAre() throws {
        #expect(try Self.text([tinyJPEG(components: 1)]).contains("/ColorSpace /DeviceGray /Filter /DCTDecode"))
        #expect(try Self.text([tinyJPEG()]).contains("/ColorSpace /DeviceRGB /Filter /DCTDecode"))
        let plain = try Self.text([tinyJPEG(components: 4)])
        #expect(!plain.contains("/Decode "))
        let adobe: [UInt8] = [0xFF, 0xEE, 0, 14] + Array("Adobe".utf8) + [0, 100, 0, 0, 0, 0, 2]
        let marked = Array(tinyJPEG(components: 4)[..<2]) + adobe + tinyJPEG(components: 4)[2...]
        #expect(
            try Self.text([marked]).contains("/ColorSpace /DeviceCMYK /Filter /DCTDecode /Decode [1 0 1 0 1 0 1 0]"))
        let png = try Self.text([tinyPNG([[1, 2], [3]], colour: 3, chunks: [("PLTE", [1, 2, 3, 4, 5, 6])])])
        #expect(png.contains("/ColorSpace [/Indexed /DeviceRGB 1 8 0 R] /Filter /FlateDecode"))
        #expect(png.contains("/Predictor 15 /Colors 1 /BitsPerComponent 8 /Columns 5 >> /Length 3"))
        #expect(png.contains("stream\n\u{1}\u{2}\u{3}\nendstream"))
        #expect(png.contains("8 0 obj\n<< /Length 6 >>\nstream\n\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\nendstream"))
    }

    @Test func pagesAreAsLargeAsTheyMayBe() throws {
        func box(_ width: UInt16, _ height: UInt16) throws -> String {
            let text = try Self.text([tinyJPEG(width: width, height: height)])
            return String(text.split(separator: "/MediaBox [0 0 ")[1].prefix { $0 != "]" })
        }
        #expect(try box(800, 1200) == "800 1200")
        #expect(try box(14400, 1) == "14400 3")
        #expect(try box(30000, 20000) == "14400 9600")
        #expect(try box(28000, 20000) == "14400 10285.714")
        #expect(try box(1, 1) == "3 3")
        #expect(try box(2, 5) == "3 7.5")
    }

    @Test func titles() throws {
        #expect(try Self.text([tinyJPEG()], title: "A (b) \\ c").contains("/Title (A \\(b\\) \\\\ c) "))
        #expect(try Self.text([tinyJPEG()], title: "ü1😀").contains("/Title <FEFF00FC0031D83DDE00> "))
        #expect(try Self.text([tinyJPEG()], title: "a\nb").contains("/Title <FEFF0061000A0062> "))
    }

    @Test func theSamePagesHaveTheSameIdentifier() throws {
        func identifier(_ text: String) -> Substring { text.split(separator: "/ID [<")[1].prefix(32) }
        let one = try identifier(Self.text([tinyJPEG(), tinyPNG([[1]])]))
        let again = try identifier(Self.text([tinyJPEG(), tinyPNG([[1]])]))
        #expect(again == one)
        let other = try identifier(Self.text([tinyJPEG(), tinyPNG([[2]])]))
        #expect(other != one)
        let isHexadecimal = one.allSatisfy { $0.isHexDigit }
        #expect(isHexadecimal)
    }

    @Test func whatCannotBeInAPDFIsSaid() {
        var rare = tinyJPEG()
        rare[3] = 0xC9
        #expect(Self.reason(rare, "a.jpg")?.hasPrefix("its JPEG is of a rare kind (SOF9, 8 bits)") == true)
        #expect(Self.reason(tinyPNG([[1]], colour: 6), "a.png") == "it is a PNG that is not opaque")
        #expect(Self.reason(tinyPNG([[1]], chunks: [("tRNS", [0, 0])]), "a.png") == "it is a PNG that is not opaque")
        let pieces = (0..<600).map { [UInt8](repeating: 1, count: 1 + $0 % 2) }
        #expect(Self.reason(tinyPNG(pieces), "a.png") == "its PNG is in more than 256 runs of pieces")
        let gif = Array("GIF89a".utf8) + [1, 0, 1, 0, 0, 0, 0]
        #expect(Self.reason(gif, "a.gif") == "it is GIF; JPEG and PNG can be taken as they are")
        #expect(Self.reason([1, 2, 3], "a.bin")?.hasPrefix("it is damaged, or no picture that is known") == true)
    }

    @Test func noLongerThanItsTableCanSay() throws {
        var facts = learn(tinyJPEG())
        facts.length = 4_000_000_000
        let pages = (0..<3).map { Page(objectKey: "\($0)", name: "\($0).jpg", facts: facts) }
        let fits = Artefact(.pdf, of: Chapter(id: "1", title: "T", pages: Array(pages[..<2])))
        let long = try #require(try Layout(fits))
        #expect(long.length > 8_000_000_000)
        #expect(throws: LayoutError.tooLong("T")) {
            _ = try Layout(Artefact(.pdf, of: Chapter(id: "1", title: "T", pages: pages)))
        }
        // Each document has a table of its own.
        let books = (0..<3).map { Chapter(id: "\($0)", title: "T\($0)", pages: Array(pages[..<2])) }
        let longer = try #require(try Layout(Artefact(.pdfs, title: "B", chapters: books)))
        #expect(longer.length > 24_000_000_000)
    }
}
