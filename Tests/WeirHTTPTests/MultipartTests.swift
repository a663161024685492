import Testing
import WeirLoop

@testable import WeirHTTP

/// What a form consists of, or why it is none.
private struct Form: Equatable {
    var parts: [MultipartPart] = []
    var bodies: [[UInt8]] = []
    var isComplete = false
    var error: String?

    /// Reads `bytes` in pieces that end at `cuts`.
    init(_ bytes: [UInt8], cuts: [Int], type: String = "multipart/form-data; boundary=B0undary") {
        do throws(MultipartError) {
            var parser = try MultipartParser(contentType: type)
            var start = 0
            for end in cuts + [bytes.count] {
                parser.append(Array(bytes[start..<end]))
                start = end
                try drain(&parser)
            }
            try parser.finish()
            isComplete = true
        } catch {
            self.error = error.reason
        }
    }

    private mutating func drain(_ parser: inout MultipartParser) throws(MultipartError) {
        while true {
            switch try parser.next() {
            case .more, .end: return
            case .part(let part):
                parts.append(part)
                bodies.append([])
            case .bytes(let bytes): bodies[bodies.count - 1] += bytes
            case .partEnd: break
            }
        }
    }
}

@Suite("Forms")
struct MultipartTests {
    private static let sample =
        "preamble\r\n--B0undary  \r\nContent-Disposition: form-data; name=\"bot\"\r\n\r\nshop\r\n--B0undary\r\n"
        + "content-disposition: form-data; name=\"file\"; filename=\"C:\\dir\\a %22b\\\".jpg\"\r\n"
        + "Content-Type: image/jpeg\r\n\r\n\r\n--B0undar\r\n--\r\r\n\r\n--B0undary\r\n"
        + "Content-Disposition: form-data; name=empty\r\n\r\n\r\n--B0undary\r\n"
        + "Content-Disposition: form-data; name=none\r\n\r\n--B0undary--\t\r\nepilogue --B0undary"

    private static let expected = [
        MultipartPart(name: "bot"), MultipartPart(name: "file", fileName: "a \"b\".jpg", type: "image/jpeg"),
        MultipartPart(name: "empty"), MultipartPart(name: "none"),
    ]
    private static let bodies = ["shop", "\r\n--B0undar\r\n--\r\r\n", "", ""]

    @Test("is the same however its bytes are cut in two, in three, and one by one")
    func splits() {
        let bytes = Array(Self.sample.utf8)
        func check(_ cuts: [Int]) {
            let form = Form(bytes, cuts: cuts)
            #expect((form.error ?? "") + "\(form.isComplete)" == "true", "cut at \(cuts)")
            #expect(form.parts == Self.expected, "cut at \(cuts)")
            #expect(form.bodies == Self.bodies.map { Array($0.utf8) }, "cut at \(cuts)")
        }
        check([])
        check(Array(0..<bytes.count))
        for one in 0...bytes.count {
            check([one])
            for two in stride(from: one, through: bytes.count, by: 17) { check([one, two]) }
        }
    }

    @Test("that is damaged anywhere is read the same way, or refused for the same reason, however it is cut")
    func mutations() {
        var random = SystemRandomNumberGenerator()
        var refused = 0
        for _ in 0..<3000 {
            var bytes = Array(Self.sample.utf8)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: at)
                case 2: bytes.insert([13, 10, 45, 34, 0][Int.random(in: 0..<5, using: &random)], at: at)
                default: bytes.removeSubrange(at..<min(bytes.count, at + 9))
                }
            }
            let whole = Form(bytes, cuts: [])
            let cuts = (0..<Int.random(in: 1...6, using: &random)).map { _ in
                Int.random(in: 0...bytes.count, using: &random)
            }.sorted()
            #expect(Form(bytes, cuts: cuts) == whole, "\(bytes) cut at \(cuts)")
            #expect(Form(bytes, cuts: Array(0..<bytes.count)) == whole, "\(bytes)")
            if whole.error != nil { refused += 1 }
        }
        #expect(refused > 100 && refused < 2900)
    }

    @Test(
        "is refused when it can be read in two ways, or not at all",
        arguments: [
            ("--B0undary\r\nContent-Disposition: form-data; name=a\r\n\r\nx", "ends before"),
            ("--B0undary--extra", "the end of its line"),
            ("--B0undaryX\r\n", "the end of its line"),
            ("--B0undary\nContent-Disposition: form-data; name=a\n\nx\n--B0undary--", "the end of its line"),
            ("--B0undary\r\nContent-Type: text/plain\r\n\r\nx\r\n--B0undary--", "which field"),
            ("--B0undary\r\n\r\nx\r\n--B0undary--", "which field"),
            ("--B0undary\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--B0undary--", "which field"),
            ("--B0undary\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\nx\r\n--B0undary--", "which field"),
            (
                "--B0undary\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b"
                    + "\r\n\r\n--B0undary--", "which field"
            ),
            ("--B0undary\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\nx\r\n--B0undary--", "line of a part's"),
            ("--B0undary\r\nContent-Disposition: form-data; name=\"a\rb\"\r\n\r\n--B0undary--", "line of a part's"),
            ("--B0undary\r\nContent-Disposition : form-data; name=a\r\n\r\nx\r\n--B0undary--", "line of a part's"),
            (
                "--B0undary\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\n",
                "transfer encoding"
            ),
            (String(repeating: "x", count: 2000), "begin with its boundary"),
            ("--B0undary\r\nA: " + String(repeating: "x", count: 9000), "larger than 8192"),
            ("--B0undary" + String(repeating: " ", count: 70), "the end of its line"),
            (
                String(
                    repeating: "--B0undary\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n", count: 65),
                "more than 64 parts"
            ),
        ])
    func refusals(text: String, reason: String) {
        let bytes = Array(text.utf8)
        for cuts in [[], Array(0..<bytes.count)] {
            let form = Form(bytes, cuts: cuts)
            let error = form.error ?? ""
            #expect(error.contains(reason), "\(error)")
            #expect(!form.isComplete)
        }
    }

    @Test(
        "needs a type with a boundary",
        arguments: [
            "text/plain", "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"a ",
            "multipart/form-data; boundary=\"a \"", "multipart/form-data; boundary=a; boundary=b",
            "multipart/form-data; boundary=a b", "multipart/form-data; boundary=a\u{7f}",
            "multipart/form-data; boundary=" + String(repeating: "x", count: 71), "",
        ])
    func types(type: String) {
        #expect(Form([], cuts: [], type: type).error != nil)
    }

    @Test("may have a boundary in quotes, and parameters that say nothing here")
    func quotedBoundary() {
        let type = "Multipart/Form-Data; charset=utf-8;  Boundary=\"a'(b)+_,-./:=? c\" ;"
        let text = "--a'(b)+_,-./:=? c\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--a'(b)+_,-./:=? c--"
        let form = Form(Array(text.utf8), cuts: [], type: type)
        #expect(form.isComplete)
        #expect(form.bodies == [[0x31]])
    }

    @Test("is read from a request, its parts passed over where nobody reads them")
    func request() throws {
        try withServer { router in
            router.post("/form", audience: .anyone, bodyLimit: 1_000_000) { request in
                let form = try MultipartForm(request)
                var words: [String] = []
                while let part = try await form.nextPart() {
                    if part.name == "skipped" { continue }
                    let text = String(decoding: try await form.collect(limit: 1000), as: UTF8.self)
                    words.append("\(part.name)=\(text)")
                }
                return .text(words.joined(separator: " "))
            }
        } _: { _, port in
            func part(_ name: String, _ text: String) -> String {
                "--B\r\nContent-Disposition: form-data; name=\"\(name)\"\r\n\r\n\(text)\r\n"
            }
            func send(_ body: String, type: String = "multipart/form-data; boundary=B") async -> Client.Answer {
                await ask(
                    port, post("/form", "Content-Type: \(type)", "Content-Length: \(body.utf8.count)", body: body))
            }
            let long = String(repeating: "\r\n--", count: 50_000)
            let good = await send(part("a", "1") + part("skipped", long) + part("b", "2") + "--B--\r\n" + "rest")
            #expect(good.text == "a=1 b=2")
            let cut = await send(part("a", "1"))
            #expect(cut.status == 400)
            #expect(cut.text.contains("BAD_MULTIPART"))
            #expect(await send("x", type: "text/plain").status == 400)
            #expect(await send(part("a", long) + "--B--").status == 413)
        }
    }
}
