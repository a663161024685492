import Testing

@testable import WeirDownloads

@Suite("Names of entries")
struct EntryNameTests {
    @Test(arguments: [
        ("001.jpg", "001.jpg"), ("../../etc/passwd", "_.._.._etc_passwd"), ("/etc/passwd", "_etc_passwd"),
        ("..\\..\\x.jpg", "_.._.._x.jpg"), ("C:\\x.jpg", "C__x.jpg"), ("..", "_"), (".", "_"), ("", "_"),
        (" ", "_"), ("a\u{0}b\nc\u{7F}.jpg", "abc.jpg"), ("gpj.\u{202E}exe", "gpj.exe"),
        ("x. . .", "x"), (".hidden", "_.hidden"), ("con.jpg", "_con.jpg"), ("COM1", "_COM1"), ("lpt9.x.y", "_lpt9.x.y"),
        ("con .jpg", "_con .jpg"), ("console.jpg", "console.jpg"), ("COM10.jpg", "COM10.jpg"),
        ("a<b>c|d?e*f\".jpg", "a_b_c_d_e_f_.jpg"), ("第1話 – ü.jpg", "第1話 – ü.jpg"), ("a\u{3000}b", "a b"),
        ("👩‍👧.png", "👩‍👧.png"),
    ])
    func aSafeName(wish: String, name: String) {
        #expect(EntryNames.safe(wish) == name)
    }

    @Test func aLongNameKeepsItsEnding() {
        let long = EntryNames.safe(String(repeating: "ü", count: 300) + ".jpeg")
        #expect(long == String(repeating: "ü", count: 72) + ".jpeg")
        let title = EntryNames.safe(String(repeating: "x", count: 300), ending: ".cbz")
        #expect(title.utf8.count == EntryNames.maxBytes && title.hasSuffix("x.cbz"))
        let pile = "a" + String(repeating: "\u{301}", count: 500) + ".jpg"
        #expect(EntryNames.safe(pile) == "_.jpg")
        #expect(
            EntryNames.safe(String(repeating: "x", count: 200) + "." + String(repeating: "y", count: 20)).utf8.count
                == EntryNames.maxBytes)
    }

    @Test func namesInOrderStay() {
        for names in [["1.jpg", "2.jpg", "9.jpg"], ["01.jpg", "02.jpg", "10.jpg"], ["cover.jpg", "p001.jpg"], []] {
            #expect(EntryNames.ordered(names) == names)
        }
    }

    @Test func othersGetTheirNumber() {
        let numbers = (1...10).map { "\($0).jpg" }
        #expect(EntryNames.ordered(numbers).first == "01 1.jpg")
        #expect(EntryNames.ordered(numbers).last == "10 10.jpg")
        // In order by letters, not by numbers.
        #expect(EntryNames.ordered(["10.jpg", "9.jpg"]) == ["1 10.jpg", "2 9.jpg"])
        #expect(EntryNames.ordered(["a.jpg", "A.jpg"]) == ["1 a.jpg", "2 A.jpg"])
        #expect(EntryNames.ordered(["a.jpg", "a.jpg"]) == ["1 a.jpg", "2 a.jpg"])
        // One letter, or a letter and its mark.
        #expect(EntryNames.ordered(["u\u{308}.jpg", "\u{FC}.jpg"]).first?.hasPrefix("1 ") == true)
        #expect(EntryNames.ordered(["01.jpg", "1.jpg"]).first == "1 01.jpg")
        #expect(EntryNames.ordered(["comicinfo.XML"]) == ["1 comicinfo.XML"])
        #expect(EntryNames.ordered(["b", "a"], ending: ".cbz") == ["1 b.cbz", "2 a.cbz"])
    }
}
