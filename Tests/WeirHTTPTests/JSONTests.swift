import Testing
import WeirHTTP

@Suite struct JSONTests {
    private func read(_ text: String) -> String? {
        (try? JSON(reading: Array(text.utf8))).map { $0.description }
    }

    @Test(arguments: [
        (#" {"a" : [1, -2.5, true,false,null], "b":{}} "#, #"{"a":[1,-2.5,true,false,null],"b":{}}"#),
        (#""\"\\\/\b\f\n\r\t\u0041\uD83D\uDE00""#, "\"\\\"\\\\/\\u0008\\u000c\\u000a\\u000d\\u0009A😀\""),
        ("9223372036854775807", "9223372036854775807"), ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"), ("1e3", "1000"), ("[]", "[]"), ("\"\"", "\"\""),
    ])
    func valuesAreRead(text: String, written: String) {
        #expect(read(text) == written)
    }

    @Test(arguments: [
        "", " ", "{", "[", "[1,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "01", "-", "1.", ".5", "1e", "+1",
        "NaN",
        "Infinity", "tru", "True", "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\n\"", "1 2", "[] x", "// c", "'a'", "\u{FEFF}1", "]", "}", ",", ":", "--1", "1-", "nulll",
    ])
    func whatIsNoJSONIsRefused(text: String) {
        #expect(read(text) == nil)
    }

    @Test func bytesThatAreNoTextAreRefused() {
        for bytes: [UInt8] in [[0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0xFF]] {
            #expect(throws: JSON.Problem.self) { try JSON(reading: bytes) }
        }
    }

    @Test func aProblemSaysWhereItIs() {
        let problem = #expect(throws: JSON.Problem.self) { try JSON(reading: Array("{\"a\":1,\"b\"}".utf8)) }
        #expect(problem?.offset == 10)
        #expect(problem?.reason == "a colon is expected")
    }

    @Test func depthIsBounded() {
        func nested(_ depth: Int) -> [UInt8] {
            Array(repeating: UInt8(ascii: "["), count: depth) + Array(repeating: UInt8(ascii: "]"), count: depth)
        }
        #expect(throws: Never.self) { try JSON(reading: nested(JSON.depthLimit)) }
        #expect(throws: JSON.Problem.self) { try JSON(reading: nested(JSON.depthLimit + 1)) }
        #expect(throws: JSON.Problem.self) { try JSON(reading: Array(repeating: UInt8(ascii: "["), count: 1_000_000)) }
    }

    /// Every beginning of a document, and the document with every byte changed, is a value or a problem.
    @Test func nothingTraps() throws {
        let text = Array(#"{"ok":true,"n":[-1.5e+3,0,"é\u00e9\ud83d\ude00"],"o":{"x":null}}"#.utf8)
        _ = try JSON(reading: text)
        for end in text.indices { #expect(throws: JSON.Problem.self) { try JSON(reading: Array(text[..<end])) } }
        var values = 0
        for index in text.indices {
            for byte in UInt8.min...UInt8.max {
                var changed = text
                changed[index] = byte
                if (try? JSON(reading: changed)) != nil { values += 1 }
            }
        }
        #expect(values > text.count && values < text.count * 256)
    }

    @Test func valuesAreFoundByName() throws {
        let json = try JSON(reading: Array(#"{"a":{"b":[7,"x",false,2.0,1.5]},"a":1}"#.utf8))
        let items = try #require(json["a"]?["b"]?.items)
        #expect(items.map(\.whole) == [7, nil, nil, 2, nil])
        #expect(items.map(\.text) == [nil, "x", nil, nil, nil])
        #expect(items.map(\.flag) == [nil, nil, false, nil, nil])
        #expect(json["c"] == nil)
        #expect(items[0]["a"] == nil)
    }
}
