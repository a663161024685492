import Glibc
import Testing

@testable import Weir

@Suite("Archives that chapters come from")
struct ArchiveTests {
    /// One file of an archive that a test makes.
    struct File {
        var name: String
        var bytes: [UInt8]
        var method: UInt16 = 0
        /// What the directory says, where that is not so.
        var size: UInt32?
        var crc32: UInt32?
        var flags: UInt16 = 0x800
    }

    private static func number(_ value: UInt64, _ width: Int) -> [UInt8] {
        (0..<width).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
    }

    /// CRC-32, bit by bit.
    private static func crc32(_ bytes: [UInt8]) -> UInt32 {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        return ~crc
    }

    static func archive(_ files: [File], comment: String = "") -> [UInt8] {
        var bytes: [UInt8] = []
        var directory: [UInt8] = []
        for file in files {
            let name = Array(file.name.utf8)
            let facts =
                number(UInt64(file.crc32 ?? crc32(file.bytes)), 4) + number(UInt64(file.bytes.count), 4)
                + number(UInt64(file.size ?? UInt32(file.bytes.count)), 4) + number(UInt64(name.count), 2)
            let common = number(20, 2) + number(UInt64(file.flags), 2) + number(UInt64(file.method), 2)
            directory += number(0x0201_4b50, 4) + number(20, 2) + common + number(0, 4) + facts
            directory += number(0, 2) + number(0, 2) + number(0, 2) + number(0, 2) + number(0, 4)
            directory += number(UInt64(bytes.count), 4) + name
            bytes += number(0x0403_4b50, 4) + common + number(0, 4) + facts + number(0, 2) + name + file.bytes
        }
        let count = number(UInt64(files.count), 2)
        let end =
            number(0x0605_4b50, 4) + number(0, 4) + count + count + number(UInt64(directory.count), 4)
            + number(UInt64(bytes.count), 4) + number(UInt64(comment.utf8.count), 2) + Array(comment.utf8)
        return bytes + directory + end
    }

    /// Opens bytes as an archive, and reads all that is in it.
    private static func read(_ bytes: [UInt8], limit: Int = 1 << 20) throws -> [(name: String, bytes: [UInt8])] {
        var template = Array("/tmp/weir-archive.XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer {
            close(descriptor)
            unlink(path)
        }
        let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        try #require(count == bytes.count)
        let archive = try Archive(path: path)
        return try archive.entries.map { ($0.name, try archive.read($0, limit: limit)) }
    }

    private static func refusal(_ bytes: [UInt8], limit: Int = 1 << 20) throws -> String {
        do {
            _ = try read(bytes, limit: limit)
        } catch let failure as Archive.Failure {
            return failure.description
        }
        return ""
    }

    private static let page = File(name: "ü/1.jpg", bytes: Array("page one".utf8))

    @Test("stored and deflated files, directories and comments are read")
    func reading() throws {
        // "hello" by fixed Huffman codes (RFC 1951).
        let packed: [UInt8] = [0xCB, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]
        let deflated = File(
            name: "2.jpg", bytes: packed, method: 8, size: 5, crc32: ArchiveTests.crc32(Array("hello".utf8)))
        let files = [ArchiveTests.page, File(name: "dir/", bytes: []), deflated, File(name: "e.png", bytes: [])]
        let found = try ArchiveTests.read(ArchiveTests.archive(files, comment: "PK\u{5}\u{6}"))
        #expect(found.map(\.name) == ["ü/1.jpg", "2.jpg", "e.png"])
        #expect(found.map(\.bytes) == [ArchiveTests.page.bytes, Array("hello".utf8), []])
        #expect(try ArchiveTests.read(ArchiveTests.archive([])).isEmpty)
    }

    @Test(
        "names that leave the archive are refused",
        arguments: ["../1.jpg", "/etc/1.jpg", "a/../../1.jpg", "a\\..\\1.jpg", "a\u{0}.jpg", ""])
    func outside(_ name: String) throws {
        let refusal = try ArchiveTests.refusal(ArchiveTests.archive([File(name: name, bytes: [1])]))
        #expect(refusal.contains("outside of the archive"))
    }

    @Test("files that are not what the directory says are refused, and bombs before they take memory")
    func lies() throws {
        var file = ArchiveTests.page
        file.crc32 = 7
        #expect(try ArchiveTests.refusal(ArchiveTests.archive([file])) == "its CRC-32 is wrong")
        file = ArchiveTests.page
        file.size = 9
        #expect(try ArchiveTests.refusal(ArchiveTests.archive([file])) == "its sizes do not agree")
        file.method = 8
        #expect(try ArchiveTests.refusal(ArchiveTests.archive([file])).contains("damaged"))
        file.size = 500_000_000
        #expect(try ArchiveTests.refusal(ArchiveTests.archive([file])).contains("expected at most"))
        #expect(try ArchiveTests.refusal(ArchiveTests.archive([file]), limit: .max) == "its sizes do not agree")
        file = ArchiveTests.page
        file.flags |= 1
        #expect(try ArchiveTests.refusal(ArchiveTests.archive([file])).contains("is encrypted"))
        file = ArchiveTests.page
        file.method = 14
        #expect(try ArchiveTests.refusal(ArchiveTests.archive([file])).contains("method 14"))

        // Two files that share their bytes.
        let bytes = [UInt8](repeating: 1, count: 4000)
        var overlapping = ArchiveTests.archive([File(name: "1.jpg", bytes: bytes), File(name: "2.jpg", bytes: [])])
        let record = overlapping.count - 22 - 51 + 20
        overlapping.replaceSubrange(record..<record + 8, with: overlapping[record - 51..<record - 43])
        #expect(try ArchiveTests.refusal(overlapping).contains("overlap"))
    }

    @Test("no archive that is cut or changed anywhere traps")
    func damage() throws {
        let whole = ArchiveTests.archive([ArchiveTests.page, File(name: "2.jpg", bytes: [1, 2, 3])], comment: "c")
        for count in 0..<whole.count {
            let refused = (try? ArchiveTests.read(Array(whole[..<count]))) == nil
            #expect(refused)
        }
        var numbers = SystemRandomNumberGenerator()
        for offset in whole.indices {
            for value in [0, 1, 0x7F, 0x80, 0xFF, UInt8.random(in: 0...255, using: &numbers)] {
                var changed = whole
                changed[offset] = value
                _ = try? ArchiveTests.read(changed)
            }
        }
    }

    @Test("pages stand in the order in which people number them")
    func order() {
        let sorted = [
            "", "1.jpg", "01.jpg", "2.jpg", "10.jpg", "a/2.jpg", "a/10.jpg", "A1.jpg", "a2.jpg", "a 1.jpg",
            "99999999999999999999999.jpg", "b.jpg", "B1", "ä.jpg",
        ].sorted(by: NaturalOrder.precedes)
        #expect(
            sorted == [
                "", "01.jpg", "1.jpg", "2.jpg", "10.jpg", "99999999999999999999999.jpg", "a/2.jpg", "a/10.jpg",
                "a 1.jpg", "A1.jpg", "a2.jpg", "b.jpg", "B1", "ä.jpg",
            ])
    }

    @Test("pictures are known by their names; hidden files are none")
    func names() {
        #expect(PictureName.type(of: "a/b.JPEG") ?? "" == "image/jpeg")
        #expect(PictureName.type(of: "1.webp") ?? "" == "image/webp")
        for name in ["a.txt", "jpg", ".jpg", "a/.1.jpg", "__MACOSX/1.jpg", ".a/1.jpg", ""] {
            #expect(PictureName.type(of: name) == nil)
        }
    }
}
