import CWeirDownloads
import Glibc
import Testing
import WeirDatabase

@testable import WeirDownloads

/// Counts grow with `WEIR_SCALE`.
let scale = max(1, getenv("WEIR_SCALE").flatMap { Int(String(cString: $0)) } ?? 1)

/// A directory for one test; it goes with what is in it.
final class Folder: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/weir-downloads.XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil)
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit { system("rm -rf '\(path)'") }

    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        let file = try #require(fopen(self(name), "we"))
        let written = fwrite(bytes, 1, bytes.count, file)
        #expect(fclose(file) == 0)
        #expect(written == bytes.count)
    }

    func read(_ name: String) throws -> [UInt8] {
        let file = try #require(fopen(self(name), "re"))
        defer { fclose(file) }
        var facts = stat()
        #expect(fstat(fileno(file), &facts) == 0)
        var bytes = [UInt8](repeating: 0, count: Int(facts.st_size))
        #expect(fread(&bytes, 1, bytes.count, file) == bytes.count)
        return bytes
    }
}

/// Numbers that are the same at every run (SplitMix64).
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}

/// Bytes as a page's facts, read in pieces.
func learn(_ bytes: [UInt8], piece: Int = .max) -> PageFacts {
    let reading = PageReading()
    bytes.withUnsafeBytes { bytes in
        var start = 0
        while start < bytes.count {
            let end = start + min(piece, bytes.count - start)
            reading.read(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            start = end
        }
    }
    return reading.facts(etag: "etag")
}

/// Objects in memory, and what a layout makes of them.
struct Objects {
    var bytes: [String: [UInt8]] = [:]

    mutating func page(_ name: String, _ content: [UInt8]) -> Page {
        let key = "\(bytes.count)/\(name)"
        bytes[key] = content
        return Page(objectKey: key, name: name, facts: learn(content))
    }

    func content(of segments: [Layout.Segment], pages: [Page]) -> [UInt8] {
        var content: [UInt8] = []
        for segment in segments {
            switch segment {
            case .literal(let bytes): content += bytes
            case .page(let page, let offset, let count):
                content += bytes[pages[page].objectKey]![Int(offset)..<Int(offset + count)]
            }
        }
        return content
    }

    func content(of layout: Layout, in range: Range<UInt64>? = nil) -> [UInt8] {
        content(of: layout.segments(in: range ?? 0..<layout.length), pages: layout.pages)
    }
}

/// The smallest JPEG that a reader believes: a frame and nothing behind it.
func tinyJPEG(width: UInt16 = 40, height: UInt16 = 60, components: UInt8 = 3, tail: [UInt8] = []) -> [UInt8] {
    var bytes: [UInt8] = [0xFF, 0xD8, 0xFF, 0xC0, 0, 8 + 3 * components, 8]
    bytes += [UInt8(height >> 8), UInt8(height & 255), UInt8(width >> 8), UInt8(width & 255), components]
    for component in 0..<components { bytes += [component + 1, 0x11, 0] }
    return bytes + [0xFF, 0xDA, 0, 2] + tail + [0xFF, 0xD9]
}

/// A PNG that is in order up to its pixels, which are none.
func tinyPNG(_ data: [[UInt8]], colour: UInt8 = 0, chunks: [(String, [UInt8])] = []) -> [UInt8] {
    func chunk(_ type: String, _ content: [UInt8]) -> [UInt8] {
        let count = UInt32(content.count)
        let length = (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * $0)) }
        return length + Array(type.utf8) + content + [1, 2, 3, 4]
    }
    var bytes: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10]
    bytes += chunk("IHDR", [0, 0, 0, 5, 0, 0, 0, 7, 8, colour, 0, 0, 0])
    for (type, content) in chunks { bytes += chunk(type, content) }
    for piece in data { bytes += chunk("IDAT", piece) }
    return bytes + chunk("IEND", [])
}
