import Glibc
import Testing
import WeirDatabase

@testable import WeirDownloads

/// Archives that 32 bits, or 16, do not hold, as files whose pages are holes.
@Suite("Large archives, as others read them", .enabled(if: Pictures.arePossible))
struct LargeArchiveTests {
    /// What `large.py` prints.
    static func entries(_ layout: Layout, read: Bool) throws -> [String] {
        let folder = Folder()
        let file = open(folder("archive.zip"), O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        try #require(file >= 0)
        defer { close(file) }
        try #require(ftruncate(file, off_t(layout.length)) == 0)
        var position: UInt64 = 0
        for segment in layout.segments {
            if case .literal(let bytes) = segment {
                try #require(pwrite(file, bytes, bytes.count, off_t(position)) == bytes.count)
            }
            position += segment.count
        }
        let command =
            "/usr/bin/python3 '\(Pictures.scripts)/large.py' \(read ? "--read" : "") '\(folder("archive.zip"))'"
        let pipe = try #require(popen("\(command) 2>&1", "re"))
        var said = ""
        var line = [CChar](repeating: 0, count: 4000)
        while fgets(&line, 4000, pipe) != nil {
            said += line.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        }
        #expect(pclose(pipe) == 0, "\(said)")
        return said.split(separator: "\n").map(String.init)
    }

    static func chapter(_ title: String, _ lengths: [UInt64]) -> Chapter {
        let pages = lengths.enumerated().map {
            Page(objectKey: "\(title)/\($0)", name: "\($0).bin", facts: ZipLayoutTests.holes($1))
        }
        return Chapter(id: title, title: title, pages: pages)
    }

    @Test func longerThanFourGigabytes() throws {
        let chapter = Self.chapter("T", [5 << 30, 10, 0xFFFF_FFFE, 20])
        let layout = try #require(try Layout(Artefact(.zip, of: chapter)))
        let entries = try Self.entries(layout, read: scale > 1)
        #expect(entries == ["0.bin 5368709120", "1.bin 10", "2.bin 4294967294", "3.bin 20", "4"])
    }

    @Test func anArchiveInsideThatIsLongerThanFourGigabytes() throws {
        let chapters = [Self.chapter("A", [10]), Self.chapter("B", [5 << 30, 3]), Self.chapter("C", [7])]
        let layout = try #require(try Layout(Artefact(.zip, title: "Book", chapters: chapters)))
        let entries = try Self.entries(layout, read: scale > 1)
        #expect(entries.count == 4)
        #expect(entries[1].hasPrefix("B.cbz 53687"))
    }

    @Test func moreThan65535Entries() throws {
        let chapter = Self.chapter("T", [UInt64](repeating: 1, count: 70_000))
        let layout = try #require(try Layout(Artefact(.zip, of: chapter)))
        let entries = try Self.entries(layout, read: true)
        #expect(entries == ["70000"])
    }
}
