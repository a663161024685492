import Testing
import WeirDatabase
import WeirLoop

@testable import WeirMedia

@Suite("Known identifiers")
struct KnownFilesTests {
    private func key(_ number: Int, _ kind: MediaKind = .photo) -> MediaKey {
        MediaKey(bot: "shop", sha256: String(number), kind: kind)
    }

    private func file(_ number: Int) -> CachedFile { CachedFile(id: "f\(number)", uniqueID: nil) }

    @Test("are as many as may be, and those that are used stay")
    func bound() throws {
        try LoopActor.runInTurn {
            let known = KnownFiles()
            known.remember(file(-1), as: key(-1))
            var most = 0
            for number in 0..<(3 * KnownFiles.limit) {
                known.remember(file(number), as: key(number))
                most = max(most, known.count)
                if number % 1000 == 0 { #expect(known[key(-1)] == file(-1)) }
            }
            #expect(most <= KnownFiles.limit && most >= KnownFiles.limit / 2)
            #expect(known[key(0)] == nil)
            let last = 3 * KnownFiles.limit - 1
            #expect(known[key(last)] == file(last))
            known.remember(file(7), as: key(last))
            #expect(known[key(last)] == file(7))
            known.forget(key(last))
            #expect(known[key(last)] == nil)
        }
    }

    @Test("are found by their bytes alone")
    func find() throws {
        try LoopActor.runInTurn {
            let known = KnownFiles()
            known.remember(file(1), as: key(1, .audio))
            #expect(known.find(bot: "shop", sha256: "1") == key(1, .audio))
            #expect(known.find(bot: "other", sha256: "1") == nil)
            #expect(known.find(bot: "shop", sha256: "2") == nil)
        }
    }
}
