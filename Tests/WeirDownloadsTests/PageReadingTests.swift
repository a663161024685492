import Testing
import WeirDatabase

@testable import WeirDownloads

@Suite("What pages are")
struct PageReadingTests {
    /// The same bytes, however they are cut; the damage, if there is any.
    static func facts(_ bytes: [UInt8]) -> (ImageFacts?, String?) {
        let reading = PageReading()
        bytes.withUnsafeBytes { reading.read($0) }
        let whole = reading.facts(etag: "")
        for piece in [1, 2, 3, 7, 64] { #expect(learn(bytes, piece: piece).image == whole.image) }
        return (whole.image, reading.damage)
    }

    @Test func aJPEG() throws {
        let bytes = tinyJPEG(width: 1200, height: 1800)
        let facts = try #require(Self.facts(bytes).0)
        #expect(facts.text == "1 jpeg 1200x1800 rgb 8")
        #expect(learn(bytes).length == UInt64(bytes.count))
        #expect(Self.facts(tinyJPEG(components: 1)).0?.colour == .grey)
        #expect(Self.facts(tinyJPEG(components: 4)).0?.text == "1 jpeg 40x60 cmyk 8")
        // Adobe's marker, and components that are called R, G and B.
        let adobe: [UInt8] = [0xFF, 0xEE, 0, 14] + Array("Adobe".utf8) + [0, 100, 0, 0, 0, 0, 2]
        let marked = Array(tinyJPEG(components: 4)[..<2]) + adobe + tinyJPEG(components: 4)[2...]
        #expect(Self.facts(marked).0?.text == "1 jpeg 40x60 cmyk 8 inverted")
        var named = tinyJPEG()
        for (index, name) in "RGB".utf8.enumerated() { named[12 + 3 * index] = name }
        #expect(Self.facts(named).0?.text == "1 jpeg 40x60 rgb 8 untransformed")
    }

    @Test(arguments: [
        (Array(tinyJPEG()[..<15]), "it ends early"),
        ([0xFF, 0xD8, 0xFF, 0xD9], "it ends before its pixels"),
        ([0xFF, 0xD8, 0xFF, 0xDA, 0, 2], "its pixels come before their size"),
        ([0xFF, 0xD8, 0xFF, 0xE0, 0, 1], "a segment's length is less than 2"),
        ([0xFF, 0xD8, 0x00, 0xE0], "something is where a marker must be"),
        (tinyJPEG(width: 0), "it has no pixels"),
        (tinyJPEG(components: 2), "its number of colours is not 1, 3 or 4"),
    ])
    func aDamagedJPEG(bytes: [UInt8], damage: String) {
        let (facts, why) = Self.facts(bytes)
        #expect(facts == nil)
        #expect(why == damage)
    }

    @Test func aPNG() throws {
        let pieces: [[UInt8]] = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10], []]
        let bytes = tinyPNG(pieces, colour: 3, chunks: [("PLTE", [9, 8, 7, 6, 5, 4])])
        let facts = try #require(Self.facts(bytes).0)
        #expect(facts.data == [.init(offset: 59, count: 3, pieces: 3), .init(offset: 104, count: 1)])
        #expect(facts.dataCRC32 == learn(Array(1...10)).crc32)
        #expect(facts.palette == .init(offset: 41, count: 6, crc32: learn([9, 8, 7, 6, 5, 4]).crc32))
        #expect(Array(bytes[59..<62]) == [1, 2, 3] && bytes[104] == 10)
    }

    @Test func aPNGInTooManyPieces() throws {
        let pieces = (0..<600).map { [UInt8](repeating: 1, count: 1 + $0 % 2) }
        let facts = try #require(Self.facts(tinyPNG(pieces)).0)
        #expect(facts.data.isEmpty)
        #expect(facts.dataCRC32 == 0)
        let most = try #require(Self.facts(tinyPNG(Array(pieces[..<256]))).0)
        #expect(most.data.count == 256)
        #expect(ImageFacts(text: most.text) == most)
    }

    @Test(arguments: [
        (tinyPNG([], colour: 0), "it ends before its pixels"),
        (tinyPNG([[1]], colour: 3), "it has no palette"),
        (tinyPNG([[1]], colour: 1), "its header says what PNG does not know"),
        (tinyPNG([[1]], colour: 3, chunks: [("PLTE", [1, 2])]), "its palette is none"),
        (Array(tinyPNG([[1]])[..<40]), "it ends early"),
        (tinyPNG([[1]], chunks: [("IDAT", [2]), ("tIME", [])]), "its pixels are in several places"),
        (tinyPNG([[1]], chunks: [("IHDR", [UInt8](repeating: 1, count: 13))]), "its header is not where it must be"),
    ])
    func aDamagedPNG(bytes: [UInt8], damage: String) {
        let (facts, why) = Self.facts(bytes)
        #expect(facts == nil)
        #expect(why == damage)
    }

    @Test func aWebPThatIsShorterThanItSays() {
        var bytes = Array("RIFF".utf8) + [30, 0, 0, 0] + Array("WEBPVP8L".utf8) + [10, 0, 0, 0, 0x2F, 4, 0, 1, 0]
        #expect(Self.facts(bytes).1 == "it is shorter than it says")
        bytes += [UInt8](repeating: 0, count: 13)
        #expect(Self.facts(bytes).0?.text == "1 webp 5x5 unknown 0")
    }

    @Test func whatIsNoPictureIsNotDamagedEither() {
        for bytes in [
            [], [0xFF], Array("GIF88a....".utf8), Array("%PDF-1.7 and so on".utf8), [0x89, 0x50, 1, 2, 3, 4, 5, 6],
        ] {
            let (facts, why) = Self.facts(bytes)
            #expect(facts == nil)
            #expect(why == nil)
        }
    }

    @Test(arguments: [
        "", "1", "2 jpeg 1x1 rgb 8", "1 jpg 1x1 rgb 8", "1 jpeg 0x1 rgb 8", "1 jpeg 1x1 rgb 8 ", "1 jpeg 1x1 rgb 08",
        "1 jpeg 1x1 rgb 8 alpha alpha", "1 jpeg 1x1 rgb 8 orientation=9", "1 jpeg 1x1 rgb 8 orientation=1",
        "1 png 1x1 rgb 8 data=1 18446744073709551615+1", "1 png 1x1 rgb 8 data=1 1+0", "1 png 1x1 rgb 8 1+1",
        "1 png 1x1 rgb 8 data=1 1+9223372036854775807*9223372036854775807", "1 jpeg 4294967296x1 rgb 8",
        "1 png 1x1 rgb 8 palette=1:3", "1 png 1x1 rgb 8 palette=18446744073709551615:3:0", "1 png 1x1 rgb 8 alpha=1",
    ])
    func aTextThatSaysNothing(text: String) {
        #expect(ImageFacts(text: text) == nil)
    }

    @Test func textsGiveBackWhatTheyWereMadeOf() {
        var random = Seeded(1)
        for _ in 0..<1000 * scale {
            var facts = ImageFacts(
                format: .allCases.randomElement(using: &random)!,
                width: UInt32.random(in: 1...UInt32.max, using: &random),
                height: UInt32.random(in: 1...70000, using: &random))
            facts.colour = .allCases.randomElement(using: &random)!
            facts.bits = UInt8.random(in: 0...16, using: &random)
            facts.orientation = UInt8.random(in: 1...8, using: &random)
            facts.hasAlpha = Bool.random(using: &random)
            facts.isInterlaced = Bool.random(using: &random)
            facts.process = UInt8.random(in: 0...15, using: &random)
            facts.isUntransformed = Bool.random(using: &random)
            facts.isInverted = Bool.random(using: &random)
            if Bool.random(using: &random) {
                facts.palette = .init(
                    offset: random.next() >> 2, count: 768, crc32: UInt32.random(in: 0...UInt32.max, using: &random))
            }
            for _ in 0..<Int.random(in: 0...4, using: &random) {
                facts.data.append(
                    .init(
                        offset: random.next() >> 2, count: UInt64.random(in: 1...1 << 31, using: &random),
                        pieces: UInt64.random(in: 1...9999, using: &random)))
                facts.dataCRC32 = UInt32.random(in: 0...UInt32.max, using: &random)
            }
            #expect(ImageFacts(text: facts.text) == facts)
        }
    }
}
