import Glibc
import Testing
import WeirLoop

@testable import WeirDatabase

/// A directory for one test; it goes with what is in it.
final class Folder: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/weir-database.XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil)
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit { system("rm -rf '\(path)'") }

    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }
}

/// Media that differ by a number.
enum Sample {
    static func digest(_ number: Int) -> String {
        let hex = String(number, radix: 16)
        return String(repeating: "0", count: 64 - hex.count) + hex
    }

    static func key(_ number: Int, bot: String = "shop", kind: MediaKind = .photo) -> MediaKey {
        MediaKey(bot: bot, sha256: digest(number), kind: kind)
    }

    static func medium(_ number: Int, bot: String = "shop", kind: MediaKind = .photo) -> Medium {
        Medium(
            key: key(number, bot: bot, kind: kind), objectKey: "media/\(digest(number))", bytes: Int64(number) * 1000,
            mime: "image/jpeg", name: "Bild \(number) – ü.jpg")
    }

    static func priority(_ score: Int, isSmall: Bool = false) -> JobPriority {
        JobPriority(score: score, isSmall: isSmall)
    }

    static func file(_ number: Int) -> CachedFile {
        CachedFile(id: "file-\(number)", uniqueID: "unique-\(number)")
    }
}

/// The kind of the `DatabaseError` that `body` throws. Fails when it throws none.
@LoopActor
func kind(of body: @LoopActor () async throws -> Void) async throws -> DatabaseError.Kind {
    do {
        try await body()
    } catch let error as DatabaseError {
        return error.kind
    }
    throw NothingThrown()
}

struct NothingThrown: Error {}

/// AddressSanitizer trips over optionals that `#expect` compares.
extension Optional {
    var isAbsent: Bool {
        switch self {
        case .none: true
        case .some: false
        }
    }
}

extension Optional where Wrapped: Equatable {
    func holds(_ value: Wrapped) -> Bool { map { $0 == value } ?? false }
}
