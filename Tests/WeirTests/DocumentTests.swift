import Testing
import WeirHTTP

@testable import Weir

@Suite struct DocumentTests {
    /// A tree in one line: scalars with their kind, everything with its place.
    static func show(_ node: Node) -> String {
        let content =
            switch node.content {
            case .scalar(let text, let kind): "\(kind) \(text)"
            case .list(let nodes): "[\(nodes.map(show).joined(separator: ", "))]"
            case .map(let entries):
                "{\(entries.map { "\($0.key)@\($0.keyMark.line):\($0.keyMark.column)=\(show($0.value))" }.joined(separator: ", "))}"
            case .refused: "refused"
            }
        return "\(content)@\(node.mark.line):\(node.mark.column)"
    }

    static func json(_ text: String) throws -> Node {
        try JSONReader.read(DocumentText(Array(text.utf8)))
    }

    @Test func jsonHasPlacesInCharacters() throws {
        let node = try Self.json("{ \"é\": [1, -2.5e3,\n  true ], \"b\":null , \"c\": \"\" }\n")
        #expect(
            Self.show(node)
                == "{é@1:3=[number 1@1:9, number -2.5e3@1:12, boolean true@2:3]@1:8, b@2:11=null null@2:15, c@2:22=text @2:27}@1:1"
        )
        #expect(node["b"]?.isNull == true && node["x"] == nil && node["c"]?["d"] == nil)
    }

    @Test(arguments: [
        (#""a\"\\\/\b\f\n\r\t""#, "a\"\\/\u{8}\u{C}\n\r\t"), (#""\u00e9\u20AC""#, "é€"), (#""\ud83d\ude00""#, "😀"),
        ("\"😀\"", "😀"), (#""\u0000""#, "\u{0}"),
    ])
    func jsonText(text: String, expected: String) throws {
        let node = try Self.json(text)
        guard case .scalar(let value, .text) = node.content else {
            Issue.record("not text")
            return
        }
        #expect(value == expected)
    }

    @Test(arguments: [
        ("", "1:1 the document ends where a value is expected"),
        ("{", "1:2 unexpected end of the document; expected a key in quotes"),
        ("[1,]", "1:4 unexpected ]; expected a value"), ("[1 2]", "1:4 unexpected 2; expected , or ]"),
        ("{\"a\" 1}", "1:6 unexpected 1; expected : after the key"),
        ("{\"a\":1,}", "1:8 unexpected }; expected a key in quotes"),
        ("{a:1}", "1:2 unexpected a; expected a key in quotes"),
        ("{'a':1}", "1:2 unexpected ' (JSON quotes with \"); expected a key in quotes"),
        ("// no\n{}", "1:1 unexpected comment (JSON has none); expected a value"),
        ("{} {}", "1:4 unexpected { after the end of the document"),
        ("01", "1:1 `01` is not a value of JSON; expected text in quotes, a number, true, false or null"),
        ("1_000", "1:1 `1_000` is not a value of JSON; expected text in quotes, a number, true, false or null"),
        ("NaN", "1:1 `NaN` is not a value of JSON; expected text in quotes, a number, true, false or null"),
        ("+1", "1:1 `+1` is not a value of JSON; expected text in quotes, a number, true, false or null"),
        ("\"a", "1:1 text without a closing quote"), ("\"a\\", "1:3 text without a closing quote"),
        ("\"a\nb\"", "1:3 control character 0x0A in text; expected an escape such as \\n"),
        ("\"\\x\"", "1:2 unknown escape; expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX"),
        ("\"\\u12g4\"", "1:2 \\u without four hexadecimal digits"),
        ("\"\\u", "1:2 \\u without four hexadecimal digits"),
        ("\"\\ud83d\"", "1:2 half of a surrogate pair; expected \\uD800-\\uDBFF then \\uDC00-\\uDFFF"),
        ("\"\\ude00\\ud83d\"", "1:2 half of a surrogate pair; expected \\uD800-\\uDBFF then \\uDC00-\\uDFFF"),
        ("\"\\ud83d\\u0041\"", "1:2 half of a surrogate pair; expected \\uD800-\\uDBFF then \\uDC00-\\uDFFF"),
        ("\u{0}", "1:1 unexpected control character 0x00; expected a value"),
    ])
    func jsonFaults(text: String, expected: String) {
        let fault = #expect(throws: DocumentFault.self) { try Self.json(text) }
        #expect(fault.map { "\($0.mark.line):\($0.mark.column) \($0.message)" } == expected)
    }

    @Test func jsonIsBoundedInDepth() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try Self.json(nested(DocumentText.depthLimit))
        let fault = #expect(throws: DocumentFault.self) { try Self.json(nested(DocumentText.depthLimit + 1)) }
        #expect(fault?.message == "nested too deeply; expected at most 32 levels")
        #expect(throws: DocumentFault.self) { try Self.json(nested(1_000_000)) }
    }

    @Test(arguments: [
        ([0xFF], 1, 1), ([0x61, 0x0A, 0xC3, 0xA9, 0xC3], 2, 2), ([0xC0, 0x80], 1, 1), ([0xED, 0xA0, 0x80], 1, 1),
        ([0xF5, 0x80, 0x80, 0x80], 1, 1),
    ])
    func invalidTextHasItsPlace(bytes: [UInt8], line: Int, column: Int) {
        let fault = #expect(throws: DocumentFault.self) { try DocumentText(bytes) }
        #expect(fault?.mark == Mark(line: line, column: column))
        #expect(fault?.message.hasPrefix("invalid UTF-8: byte 0x") == true)
    }

    #if YAML
        @Test func yamlHasPlacesInCharactersAndKindsByItsCoreSchema() throws {
            let text = """
                é: [yes, true, "true", 1, "1", 0x1, 1_000, ~, null, '', -1.5, 010]
                b:
                  - c: |
                      text
                  -
                """
            let (node, faults) = try YAMLReader.read(DocumentText(Array(text.utf8)))
            #expect(faults == [])
            #expect(
                node.map(Self.show)
                    == "{é@1:1=[text yes@1:5, boolean true@1:10, text true@1:16, number 1@1:24, text 1@1:27, text 0x1@1:32,"
                    + " number 1_000@1:37, null ~@1:44, null null@1:47, text @1:53, number -1.5@1:57, text 010@1:63]@1:4,"
                    + " b@2:1=[{c@3:5=text text\n@3:8}@3:5, null @5:4]@3:3}@1:1")
        }
    #endif

    // MARK: JSON out

    @Test func jsonIsWrittenInOrderOnOneLine() {
        let value: JSON = [
            "z": 1, "a": [true, false, nil, -5, 1.5, "text"], "position": .unsigned(.max), "empty": [:], "none": [],
            "whole": 3.0, "tiny": 1e-7, "nan": .number(.nan), "infinite": .number(-.infinity),
        ]
        #expect(
            value.description
                == #"{"z":1,"a":[true,false,null,-5,1.5,"text"],"position":18446744073709551615,"empty":{},"none":[],"whole":3,"tiny":1e-07,"nan":null,"infinite":null}"#
        )
    }

    @Test func whatIsWrittenReadsBackTheSame() throws {
        let text = String(String.UnicodeScalarView((0...0x250).compactMap(Unicode.Scalar.init))) + "\u{2028}😀\""
        guard case .scalar(let read, .text) = try Self.json(JSON.string(text).description).content else {
            Issue.record("not text")
            return
        }
        #expect(Array(read.unicodeScalars) == Array(text.unicodeScalars))
        for number in [0.1, 1e21, -2.5e-300, Double.leastNonzeroMagnitude, 1.7976931348623157e308, 123456789.125] {
            guard case .scalar(let read, .number) = try Self.json(JSON.number(number).description).content else {
                Issue.record("\(number) is not a number")
                continue
            }
            #expect(Double(read) == number)
        }
    }
}
