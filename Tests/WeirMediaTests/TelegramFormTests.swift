import Testing

@testable import WeirMedia

@Suite struct TelegramFormTests {
    @Test func aFormIsWrittenAsRFC7578HasIt() {
        let form = TelegramForm(
            [("chat_id", "7"), ("caption", "é\r\n--b")], file: "photo", name: "a b.jpg", type: "image/jpeg",
            boundary: "b0")
        #expect(form.type == "multipart/form-data; boundary=b0")
        let head = """
            --b0\r
            Content-Disposition: form-data; name="chat_id"\r
            \r
            7\r
            --b0\r
            Content-Disposition: form-data; name="caption"\r
            \r
            é\r
            --b\r
            --b0\r
            Content-Disposition: form-data; name="photo"; filename="a b.jpg"\r
            Content-Type: image/jpeg\r
            \r

            """
        #expect(String(decoding: form.head, as: UTF8.self) == head)
        #expect(String(decoding: form.tail, as: UTF8.self) == "\r\n--b0--\r\n")
    }

    @Test(arguments: [
        ("photo.jpg", "photo.jpg"), ("Fête № 1.png", "Fête № 1.png"), ("日本語.mp3", "日本語.mp3"),
        ("a\"b\\c/d.jpg", "a_b_c_d.jpg"), ("a\r\nX-Evil: 1\r\n\r\nbody", "a__X-Evil: 1____body"),
        ("nul\0.jpg", "nul_.jpg"), ("exe\u{202E}gpj.sh", "exe_gpj.sh"), ("", "photo.bin"), ("...", "photo.bin"),
        ("///", "photo.bin"), (" ", "photo.bin"), ("\r\n", "photo.bin"), ("😀.gif", "😀.gif"), (".x", ".x"),
    ])
    func aFilesNameFitsIntoAHeader(name: String, sent: String) {
        #expect(TelegramForm.name(name, fallback: "photo.bin") == sent)
    }

    @Test func aLongNameKeepsItsExtension() {
        let name = TelegramForm.name(String(repeating: "é", count: 500) + ".jpeg", fallback: "x")
        #expect(name.utf8.count <= TelegramForm.nameLimit)
        #expect(name.hasSuffix("é.jpeg"))
        let bare = TelegramForm.name(String(repeating: "é", count: 500), fallback: "x")
        #expect(bare == String(repeating: "é", count: 100))
        let dotted = TelegramForm.name("." + String(repeating: "x", count: 500), fallback: "x")
        #expect(dotted.utf8.count == TelegramForm.nameLimit)
    }

    @Test(arguments: [
        ("image/jpeg", "image/jpeg"), ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ("image", "application/octet-stream"), ("image/", "application/octet-stream"),
        ("a/b/c", "application/octet-stream"), ("image/jpeg\r\nX: 1", "application/octet-stream"),
        ("im age/jpeg", "application/octet-stream"), ("", "application/octet-stream"),
        ("image/jpég", "application/octet-stream"), (nil, "application/octet-stream"),
    ])
    func aMediaTypeThatIsNoneIsOctetStream(type: String?, sent: String) {
        #expect(TelegramForm.type(type) == sent)
    }

    @Test func boundariesAreNeverTheSame() {
        let boundaries = Set((0..<1000).map { _ in TelegramForm.boundary() })
        #expect(boundaries.count == 1000)
        #expect(boundaries.allSatisfy { $0.utf8.count == 37 })
    }

    @Test(arguments: [
        (TelegramKind.photo, 5_000_000, "image/jpeg", true), (.photo, 5_000_001, "image/jpeg", false),
        (.video, 20_000_000, "video/mp4", true), (.video, 20_000_001, "video/mp4", false),
        (.document, 10, "application/pdf", true), (.document, 10, "Application/ZIP; x=1", true),
        (.document, 10, "image/gif", true), (.document, 10, "text/plain", false), (.document, 10, "", false),
        (.audio, 0, "audio/mpeg", false),
    ])
    func onlySomeFilesAreFetchedByURL(kind: TelegramKind, bytes: UInt64, type: String, isFetched: Bool) {
        #expect(TelegramSizes().allowsURL(kind, bytes: bytes, type: type) == isFetched)
    }

    @Test(arguments: [
        ("42", TelegramChat.number(42), false), ("-1001234567890", .number(-1_001_234_567_890), true),
        ("@channel", .name("@channel"), true),
    ])
    func aChatIsANumberOrAName(text: String, chat: TelegramChat, isGroup: Bool) throws {
        let read = try #require(TelegramChat(text))
        #expect(read == chat)
        #expect(read.isGroup == isGroup)
        #expect(read.description == text)
    }

    @Test(arguments: [
        "", "0", "@", "@abc", "@with space", "channel", "4 2", "@\(String(repeating: "a", count: 33))", "1e5",
    ])
    func anythingElseIsNoChat(text: String) {
        #expect(TelegramChat(text) == nil)
    }
}
