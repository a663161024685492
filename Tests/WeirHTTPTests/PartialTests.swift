import Testing

@testable import WeirHTTP

/// Which part of a representation a request gets.
@Suite struct RangeRequestTests {
    static let ranges: [(String, UInt64, RangeRequest)] = [
        ("bytes=0-0", 10, .part(0..<1)),
        ("bytes=0-9", 10, .part(0..<10)),
        ("bytes=3-", 10, .part(3..<10)),
        ("bytes=3-99", 10, .part(3..<10)),
        ("bytes=9-", 10, .part(9..<10)),
        ("bytes=10-", 10, .unsatisfiable),
        ("bytes=10-20", 10, .unsatisfiable),
        ("bytes=-3", 10, .part(7..<10)),
        ("bytes=-10", 10, .part(0..<10)),
        ("bytes=-99", 10, .part(0..<10)),
        ("bytes=-0", 10, .unsatisfiable),
        ("bytes=0-", 0, .unsatisfiable),
        ("bytes=-5", 0, .whole),
        ("BYTES=1-2", 10, .part(1..<3)),
        ("bytes= 1-2 ", 10, .part(1..<3)),
        ("bytes=,1-2,", 10, .part(1..<3)),
        ("bytes=1-2,4-5", 10, .whole),
        ("bytes=10-,20-", 10, .whole),
        ("bytes=5-3", 10, .whole),
        ("bytes=-", 10, .whole),
        ("bytes=", 10, .whole),
        ("bytes", 10, .whole),
        ("", 10, .whole),
        ("bytes=1", 10, .whole),
        ("bytes=a-b", 10, .whole),
        ("bytes=1-2-3", 10, .whole),
        ("bytes=--1", 10, .whole),
        ("bytes=+1-2", 10, .whole),
        ("bytes=1 -2", 10, .whole),
        ("items=0-1", 10, .whole),
        ("bytes =0-1", 10, .whole),
        ("bytes=0-99999999999999999999999999", 10, .part(0..<10)),
        ("bytes=99999999999999999999999999-", 10, .unsatisfiable),
        ("bytes=-99999999999999999999999999", 10, .part(0..<10)),
        ("bytes=0-", .max, .part(0..<(.max))),
        ("bytes=18446744073709551614-18446744073709551615", .max, .part(.max - 1..<(.max))),
        ("bytes=\u{661}-2", 10, .whole),
    ]

    @Test(arguments: ranges.indices) func oneRangeIsReadAndEverythingElseIsTheWhole(_ index: Int) {
        let (field, length, expected) = Self.ranges[index]
        #expect(RangeRequest([field], length: length) == expected, "\(field) of \(length)")
    }

    @Test func noFieldAndSeveralFieldsAreTheWhole() {
        #expect(RangeRequest([], length: 10) == .whole)
        #expect(RangeRequest(["bytes=0-1", "bytes=3-4"], length: 10) == .whole)
    }

    @Test func theAnswerSaysWhichPartItIs() {
        #expect(RangeRequest.part(3..<7).contentRange(of: 10) == "bytes 3-6/10")
        #expect(RangeRequest.unsatisfiable.contentRange(of: 10) == "bytes */10")
        #expect(RangeRequest.whole.contentRange(of: 10) == nil)
    }

    /// Whatever is asked, a part lies within the whole and is not empty.
    @Test func anyFieldIsRead() {
        var random = SystemRandomNumberGenerator()
        let pieces = [
            "bytes", "=", "-", ",", " ", "\t", "0", "1", "9", "18446744073709551615", "x", "=-", "\u{0}", "ü",
        ]
        for _ in 0..<20_000 {
            let field = (0..<Int.random(in: 0...9, using: &random)).map { _ in
                pieces.randomElement(using: &random) ?? ""
            }
            .joined()
            let length = ([0, 1, 10, .max] as [UInt64]).randomElement(using: &random) ?? 0
            for field in [field, "bytes=" + field] {
                if case .part(let range) = RangeRequest([field], length: length) {
                    #expect(!range.isEmpty && range.upperBound <= length, "\(field) of \(length)")
                }
            }
        }
    }
}

/// What a request comes to when it has conditions.
@Suite struct ConditionsTests {
    static let tag = EntityTag("abc")

    static func of(_ fields: Fields) -> Conditions { Conditions(fields, tag: tag, length: 10) }

    @Test func aTagThatIsLikeItIsNotSentAgain() {
        for value in [
            "\"abc\"", "W/\"abc\"", "*", " * ", "\"x\", \"abc\"", "\"x\",W/\"abc\" , \"y\"", "\"a,b\", \"abc\"",
        ] {
            #expect(Self.of(["If-None-Match": value]) == .notModified, "\(value)")
        }
        for value in ["\"abcd\"", "abc", "\"ab", "", "\"x\", y, \"abc\"", "w/\"abc\""] {
            #expect(Self.of(["If-None-Match": value]) == .answer(.whole), "\(value)")
        }
        let several: Fields = ["If-None-Match": "\"x\"", "if-none-match": "\"abc\""]
        #expect(Self.of(several) == .notModified)
    }

    @Test func aTagGoesBeforeADateWhichHoldsForNothing() {
        let date = "Fri, 20 Nov 2026 20:56:20 GMT"
        #expect(Self.of(["If-Modified-Since": date]) == .answer(.whole))
        #expect(Self.of(["If-None-Match": "\"x\"", "If-Modified-Since": date]) == .answer(.whole))
        #expect(Self.of(["If-None-Match": "\"abc\"", "If-Modified-Since": date]) == .notModified)
    }

    @Test func aConditionThatFailsIsSaid() {
        #expect(Self.of(["If-Match": "\"x\""]) == .failed)
        #expect(Self.of(["If-Match": "W/\"abc\""]) == .failed)
        #expect(Self.of(["If-Match": "\"x\", \"abc\""]) == .answer(.whole))
        #expect(Self.of(["If-Match": "*"]) == .answer(.whole))
        #expect(Self.of(["If-Match": "\"abc\"", "If-None-Match": "\"abc\""]) == .notModified)
    }

    @Test func aRangeHoldsForTheSameBytesOnly() {
        let part = Conditions.answer(.part(2..<5))
        #expect(Self.of(["Range": "bytes=2-4"]) == part)
        #expect(Self.of(["Range": "bytes=2-4", "If-Range": "\"abc\""]) == part)
        for value in ["W/\"abc\"", "\"x\"", "Fri, 20 Nov 2026 20:56:20 GMT", "\"abc\", \"x\"", "*", ""] {
            #expect(Self.of(["Range": "bytes=2-4", "If-Range": value]) == .answer(.whole), "\(value)")
        }
        // What is not the same is sent whole, also when its range would not be there.
        #expect(Self.of(["Range": "bytes=20-", "If-Range": "\"x\""]) == .answer(.whole))
        #expect(Self.of(["Range": "bytes=20-", "If-Range": "\"abc\""]) == .answer(.unsatisfiable))
        #expect(Self.of(["Range": "bytes=2-4", "If-None-Match": "\"abc\""]) == .notModified)
        let weak = Conditions(
            ["Range": "bytes=2-4", "If-Range": "W/\"abc\""], tag: EntityTag("abc", isWeak: true), length: 10)
        #expect(weak == .answer(.whole))
    }
}

/// What a download is called.
@Suite struct ContentDispositionTests {
    static func name(_ title: String) -> String { ContentDisposition.fileName(title: title, extension: "cbz") }
    static func field(_ title: String) -> String { ContentDisposition.attachment(title: title, extension: "cbz") }

    static let titles: [(String, String)] = [
        ("Chapter 1", "attachment; filename=\"Chapter 1.cbz\""),
        ("Say \"Hi\"", "attachment; filename=\"Say \\\"Hi\\\".cbz\""),
        ("Fate/Zero", "attachment; filename=\"Fate-Zero.cbz\""),
        ("..\\..\\x", "attachment; filename=\"-..-x.cbz\""),
        ("../../etc/passwd", "attachment; filename=\"-..-etc-passwd.cbz\""),
        ("one\r\nSet-Cookie: a=b", "attachment; filename=\"one Set-Cookie: a=b.cbz\""),
        ("a\u{0}b\u{7f}c", "attachment; filename=\"abc.cbz\""),
        ("", "attachment; filename=\"download.cbz\""),
        (" ... ", "attachment; filename=\"download.cbz\""),
        ("end. ", "attachment; filename=\"end.cbz\""),
        ("進撃", "attachment; filename=\"__.cbz\"; filename*=UTF-8''%E9%80%B2%E6%92%83.cbz"),
        ("Käse 100%", "attachment; filename=\"K_se 100_.cbz\"; filename*=UTF-8''K%C3%A4se%20100%25.cbz"),
        ("50%41", "attachment; filename=\"50_41.cbz\"; filename*=UTF-8''50%2541.cbz"),
        ("a'b*c", "attachment; filename=\"a'b*c.cbz\""),
        ("👩‍🚀", "attachment; filename=\"_.cbz\"; filename*=UTF-8''%F0%9F%91%A9%E2%80%8D%F0%9F%9A%80.cbz"),
        // U+202E would show `exe.cbz` as `zbc.exe`.
        ("abc\u{202e}exe", "attachment; filename=\"abcexe.cbz\""),
        ("\u{2066}a\u{2069}\u{200f}\u{61c}\u{feff}b", "attachment; filename=\"ab.cbz\""),
    ]

    @Test(arguments: titles.indices) func aTitleBecomesTheNameOfAFile(_ index: Int) {
        let (title, expected) = Self.titles[index]
        #expect(Self.field(title) == expected)
    }

    @Test func aLongTitleIsCutBetweenCharactersAndKeepsItsExtension() {
        #expect(Self.name(String(repeating: "x", count: 300)) == String(repeating: "x", count: 236) + ".cbz")
        let wide = Self.name(String(repeating: "撃", count: 300))
        #expect(wide == String(repeating: "撃", count: 78) + ".cbz")
        let families = Self.name(String(repeating: "👨‍👩‍👧‍👦", count: 300))
        #expect(families == String(repeating: "👨‍👩‍👧‍👦", count: 9) + ".cbz")
        #expect(ContentDisposition.fileName(title: "a b", extension: "zip") == "a b.zip")
    }

    /// Whatever a title is, the field is one line of printable ASCII.
    @Test func anyTitleMakesAField() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            var title = ""
            for _ in 0..<Int.random(in: 0...40, using: &random) {
                let value = UInt32.random(in: 0...(Bool.random(using: &random) ? 0x7f : 0x10ffff), using: &random)
                if let scalar = Unicode.Scalar(value) { title.unicodeScalars.append(scalar) }
            }
            let field = Self.field(title)
            #expect(field.utf8.allSatisfy { (0x20...0x7e).contains($0) }, "\(title.debugDescription)")
            #expect(!Self.name(title).contains("/") && Self.name(title).utf8.count <= ContentDisposition.nameLimit)
            #expect(Self.name(title).hasSuffix(".cbz") && field.utf8.count < 1200)
        }
    }
}
