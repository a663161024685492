import Testing
import WeirHTTP

@testable import WeirMedia

@Suite struct TelegramAnswerTests {
    private func stored(_ message: String, asked: TelegramKind) throws -> TelegramStored? {
        TelegramStored(in: try JSON(reading: Array(message.utf8)), asked: asked)
    }

    @Test func ofAPhotosSizesTheLargestIsTaken() throws {
        let sizes = [
            #"{"file_id":"s","file_unique_id":"us","width":90,"height":60}"#,
            #"{"file_id":"y","file_unique_id":"uy","file_size":77,"width":1280,"height":853}"#,
            #"{"file_id":"m","file_unique_id":"um","width":320,"height":213}"#,
        ]
        for order in [sizes, sizes.reversed()] {
            let file = try #require(try stored("{\"photo\":[\(order.joined(separator: ","))]}", asked: .photo))
            #expect(file == TelegramStored(id: "y", uniqueID: "uy", kind: .photo, bytes: 77, isWeak: false))
        }
        // Without dimensions the last one.
        let bare = try stored(#"{"photo":[{"file_id":"a"},{"file_id":"b"}]}"#, asked: .photo)
        #expect(bare == TelegramStored(id: "b", uniqueID: nil, kind: .photo, bytes: nil, isWeak: true))
    }

    @Test func aSilentVideoComesBackAsAnAnimation() throws {
        let message =
            #"{"animation":{"file_id":"A","file_unique_id":"u"},"document":{"file_id":"A","file_unique_id":"u"}}"#
        for asked in TelegramKind.allCases {
            let file = try #require(try stored(message, asked: asked))
            #expect(file.kind == .animation)
            #expect(file.isWeak == (asked != .animation))
        }
    }

    @Test func anyOtherFieldWithAFileWillDo() throws {
        for kind in TelegramKind.allCases where kind != .photo {
            let message = "{\"text\":\"x\",\"\(kind.rawValue)\":{\"file_id\":\"i\",\"file_unique_id\":\"\"}}"
            let file = try #require(try stored(message, asked: .photo))
            #expect(file == TelegramStored(id: "i", uniqueID: nil, kind: kind, bytes: nil, isWeak: true))
        }
    }

    @Test(arguments: [
        "{}", "[]", "null", #"{"photo":[]}"#, #"{"photo":{}}"#, #"{"photo":[{"file_id":""}]}"#,
        #"{"video":{"file_id":7}}"#, #"{"video":"x"}"#, #"{"document":[{"file_id":"a"}]}"#,
    ])
    func aMessageWithoutAFileHasNone(message: String) throws {
        #expect(try stored(message, asked: .photo) == nil)
        #expect(try stored(message, asked: .video) == nil)
    }

    @Test(arguments: [
        "", "{", "<html>", "[]", #"{"ok":true}"#, #"{"ok":"true","result":1}"#, #"{"result":{}}"#, "null",
    ])
    func whatIsNoAnswerIsNone(text: String) {
        #expect(TelegramAnswer(Array(text.utf8)) == nil)
    }

    @Test func anErrorsNumbersAreBroughtIntoRange() throws {
        let answer = try #require(
            TelegramAnswer(
                Array(
                    #"""
                    {"ok":false,"error_code":99999999999,"description":"a\nb\u0000c",
                     "parameters":{"retry_after":-7,"migrate_to_chat_id":-1001}}
                    """#.utf8)))
        #expect(answer.code == nil)
        #expect(answer.description == "a b c")
        #expect(answer.retryAfter == 1)
        #expect(answer.migratedTo == -1001)
        let long = try #require(
            TelegramAnswer(
                Array(
                    "{\"ok\":false,\"description\":\"\(String(repeating: "x", count: 9000))\",\"parameters\":{\"retry_after\":9e15}}"
                        .utf8)))
        #expect(long.description?.count == TelegramAnswer.descriptionLimit)
        #expect(long.retryAfter == TelegramAnswer.retryLimit)
    }
}
