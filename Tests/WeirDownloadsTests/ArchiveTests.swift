import Glibc
import Testing
import WeirDatabase

@testable import WeirDownloads

/// Pictures of every kind, by `Tests/Downloads/pictures.py`.
struct Pictures {
    struct Picture {
        let name: String
        let bytes: [UInt8]
        /// What was written there, as far as a PDF has to know.
        let text: String
        let orientation: UInt8
        /// 0: no PDF can hold it; 1: it shows four quarters.
        let pdf: Int
    }

    static let scripts =
        #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
        .joined(separator: "/") + "/Downloads"

    /// Whether what reads archives is there, or must be.
    static let arePossible =
        getenv("WEIR_ALLOW_SKIP").map { String(cString: $0) } == "0"
        || system(
            "/usr/bin/python3 -c 'import PIL' 2>/dev/null && for p in unzip bsdtar qpdf mutool pdfinfo pdftoppm;"
                + " do command -v $p >/dev/null || exit 1; done") == 0

    let folder = Folder()
    var all: [Picture] = []

    init() throws {
        try #require(system("/usr/bin/python3 '\(Pictures.scripts)/pictures.py' '\(folder.path)/pictures'") == 0)
        let lines = String(decoding: try folder.read("pictures/facts.tsv"), as: UTF8.self)
        for line in lines.split(separator: "\n") {
            let words = line.split(separator: "\t").map(String.init)
            var text = "1 \(words[1]) \(words[2])x\(words[3]) \(words[4]) \(words[5])"
            if words[6] != "1" { text += " orientation=\(words[6])" }
            if words[7] == "1" { text += " alpha" }
            if words[8] == "1" { text += " interlaced" }
            all.append(
                Picture(
                    name: words[0], bytes: try folder.read("pictures/\(words[0])"), text: text,
                    orientation: UInt8(words[6]) ?? 0, pdf: Int(words[9]) ?? 0))
        }
        #expect(all.count >= 40)
    }
}

@Suite("Archives, as others read them", .enabled(if: Pictures.arePossible))
struct ArchiveTests {
    @Test func picturesAreReadAsTheyWereMade() throws {
        for picture in try Pictures().all {
            let facts = learn(picture.bytes)
            let image = try #require(facts.image, "\(picture.name)")
            var plain = image
            plain.process = 0
            plain.isInverted = false
            plain.palette = nil
            plain.data = []
            plain.dataCRC32 = 0
            #expect(plain.text == picture.text, "\(picture.name)")
            #expect(image.isInverted == picture.name.hasPrefix("cmyk"))
            if picture.name == "progressive.jpg" { #expect(image.process == 2) }
            for piece in [1, 13, 4096] { #expect(learn(picture.bytes, piece: piece) == facts) }
            if image.format == .png {
                let data = image.data.flatMap { run in
                    (0..<run.pieces).flatMap { index in
                        let start = Int(run.offset + index * (run.count + ImageFacts.Run.gap))
                        return picture.bytes[start..<start + Int(run.count)]
                    }
                }
                #expect(learn(data).crc32 == image.dataCRC32)
            }
        }
    }

    /// What archives must hold, in the files that `archives.py` reads.
    final class Expectations {
        let folder: Folder
        var list = ""
        private var count = 0

        init(_ folder: Folder) { self.folder = folder }

        func note(_ lines: [String]) throws -> String {
            count += 1
            try folder.write("expected-\(count)", Array(lines.map { $0 + "\n" }.joined().utf8))
            return folder("expected-\(count)")
        }

        /// The pages' names; `key` is the picture's file.
        func pages(_ chapter: Chapter, folder: String = "") -> [String] {
            zip(EntryNames.ordered(chapter.pages.map(\.name)), chapter.pages).map {
                "\(folder)\($0)\t\(self.folder.path)/pictures/\($1.objectKey)"
            }
        }

        func document(_ title: String, _ chapters: [Chapter]) throws -> String {
            try note(
                ["title\t\(title)"]
                    + chapters.flatMap { $0.pages.map { "-\t\(self.folder.path)/pictures/\($0.objectKey)" } })
        }

        func add(_ artefact: Artefact) throws {
            let chapters = artefact.chapters
            let information = "ComicInfo.xml\t*"
            let expected: String
            switch artefact.format {
            case .zip where !artefact.isBook: expected = try note(pages(chapters[0]))
            case .zip:
                let names = EntryNames.ordered(chapters.map(\.title), ending: ".cbz")
                expected = try note(
                    zip(names, chapters).map { "\($0)\tzip\t\(try note([information] + pages($1)))" })
            case .cbz where !artefact.isBook: expected = try note([information] + pages(chapters[0]))
            case .cbz:
                let names = EntryNames.ordered(chapters.map(\.title), ending: "/")
                expected = try note(
                    [information] + zip(names, chapters).flatMap { pages($1, folder: $0) })
            case .pdf: expected = try document(artefact.title, chapters)
            case .pdfs:
                let names = EntryNames.ordered(chapters.map(\.title), ending: ".pdf")
                expected = try note(zip(names, chapters).map { "\($0)\tpdf\t\(try document($1.title, [$1]))" })
            }
            count += 1
            let kind = artefact.format == .pdf ? "pdf" : "zip"
            list += "\(kind)\t\(folder.path)/\(count).\(artefact.format)\t\(expected)\n"
            let layout = try #require(try Layout(artefact))
            try folder.write("\(count).\(artefact.format)", Self.content(layout, folder))
        }

        /// As it goes out: segment by segment, in ranges.
        static func content(_ layout: Layout, _ folder: Folder) throws -> [UInt8] {
            var objects = Objects()
            for page in layout.pages where objects.bytes[page.objectKey] == nil {
                objects.bytes[page.objectKey] = try folder.read("pictures/\(page.objectKey)")
            }
            var content: [UInt8] = []
            while UInt64(content.count) < layout.length {
                let start = UInt64(content.count)
                content += objects.content(of: layout, in: start..<start + 100_000)
            }
            return content
        }

        func check(everyPage: Bool = false) throws {
            try folder.write("list", Array(list.utf8))
            let command = "/usr/bin/python3 '\(Pictures.scripts)/archives.py'\(everyPage ? " --every-page" : "")"
            let pipe = try #require(popen("\(command) '\(folder.path)/list' 2>&1", "re"))
            var said = ""
            var line = [CChar](repeating: 0, count: 4000)
            while fgets(&line, 4000, pipe) != nil {
                said += line.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
            }
            #expect(pclose(pipe) == 0, "\(said)")
            print("archives: \(said)", terminator: "")
        }
    }

    @Test func everyKindOfPictureIsShownAsItIs() throws {
        let pictures = try Pictures()
        let expectations = Expectations(pictures.folder)
        func chapter(_ pictures: [Pictures.Picture], _ title: String) -> Chapter {
            let pages = pictures.map { Page(objectKey: $0.name, name: $0.name, facts: learn($0.bytes)) }
            return Chapter(id: title, title: title, pages: pages)
        }
        try expectations.add(Artefact(.zip, of: chapter(pictures.all, "All")))
        try expectations.add(Artefact(.pdf, of: chapter(pictures.all.filter { $0.pdf > 0 }, "All – für alle")))
        try expectations.check(everyPage: true)
        for picture in pictures.all where picture.pdf == 0 {
            #expect(throws: LayoutError.self) { _ = try Layout(Artefact(.pdf, of: chapter([picture], "None"))) }
        }
    }

    /// Two catalogues; 200 at full scale.
    @Test func randomCatalogues() throws {
        let pictures = try Pictures()
        var random = Seeded(getenv("WEIR_SEED").flatMap { UInt64(String(cString: $0)) } ?? 1)
        let titles = [
            "Chapter", "第1話 – ü 😀", "a/b\\c:d", "..", "same", "same", "CON", "Kapitel 10", "(x) \\ y", "a\u{202E}b",
        ]
        for _ in 0..<min(2 * scale, 200) {
            let expectations = Expectations(pictures.folder)
            let facts = pictures.all.map { ($0, learn($0.bytes)) }
            func chapter(_ id: Int, forPDF: Bool) -> Chapter {
                let most = Int.random(in: 0..<20, using: &random) == 0 ? 500 : 12
                let pages = (0..<Int.random(in: forPDF ? 1...most : 0...most, using: &random)).map { number in
                    let (picture, facts) = facts.filter { $0.0.pdf > 0 || !forPDF }.randomElement(using: &random)!
                    let ending = picture.name.split(separator: ".").last ?? ""
                    let names = [picture.name, "\(number).\(ending)", "páge.\(ending)", "../\(number).\(ending)"]
                    return Page(objectKey: picture.name, name: names.randomElement(using: &random)!, facts: facts)
                }
                return Chapter(id: "\(id)", title: titles.randomElement(using: &random)!, pages: pages, revision: 1)
            }
            for format in DownloadFormat.allCases {
                let isPDF = format == .pdf || format == .pdfs
                try expectations.add(Artefact(format, of: chapter(0, forPDF: isPDF)))
                let chapters = (0..<Int.random(in: 1...4, using: &random)).map { chapter($0, forPDF: isPDF) }
                try expectations.add(
                    Artefact(format, title: titles.randomElement(using: &random)!, chapters: chapters))
            }
            try expectations.check()
        }
    }
}
