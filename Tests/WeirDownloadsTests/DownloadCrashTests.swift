import CWeir
import Glibc
import Testing
import WeirDatabase
import WeirLoop
import WeirStorage

@testable import WeirDownloads

@Suite("Downloads: crashes")
struct DownloadCrashTests {
    /// The program of `Tests/DownloadFiller`, which lies beside the one that runs the tests.
    private static let program: String = {
        var path = [CChar](repeating: 0, count: Int(PATH_MAX))
        _ = readlink("/proc/self/exe", &path, path.count - 1)
        let own = path.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        return own.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
            + "/weir-download-filler"
    }()

    /// How often the program is killed; `WEIR_SCALE` multiplies.
    private static let kills: Int = {
        let scale = getenv("WEIR_SCALE").flatMap { Int(String(cString: $0)) } ?? 1
        return 5 * min(max(scale, 1), 100)
    }()
    private static let chapters = 20

    /// Runs the program until it has printed so many lines, and kills it; what it printed.
    private static func run(_ directory: String, lines: Int) throws -> [String] {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        try #require(socketpair(AF_UNIX, kind, 0, &ends) == 0)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        let arguments: [String] = [program, directory, "\(chapters)"]
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var pid: pid_t = 0
        let status = posix_spawnp(&pid, program, &actions, nil, &words, environ)
        posix_spawn_file_actions_destroy(&actions)
        close(ends[1])
        let output = try #require(fdopen(ends[0], "r"))
        defer { fclose(output) }
        try #require(status == 0)
        var found: [String] = []
        var line: UnsafeMutablePointer<CChar>?
        var room = 0
        defer { free(line) }
        while getline(&line, &room, output) > 0, let line {
            found.append(String(cString: line).split(separator: "\n").first.map { String($0) } ?? "")
            if found.count == lines { kill(pid, SIGKILL) }
        }
        var code: Int32 = 0
        while waitpid(pid, &code, 0) < 0 && errno == EINTR {}
        return found
    }

    @Test("killed at any moment of twenty generations, no partial artefact is left, and index and directory agree")
    func killed() throws {
        let seed = getenv("WEIR_SEED").flatMap { Int(String(cString: $0)) } ?? Int(getpid())
        var random = Chance(seed)
        let place = Place()
        let path = place.path
        try LoopActor.runInTurn {
            let database = try await openDatabase(.sqlite, directory: path)
            let store = try LocalStore(directory: path + "/objects")
            for number in 0..<Self.chapters {
                var chapter = Chapter(id: "c\(number)", title: "Chapter \(number)", pages: [])
                for page in 0..<3 {
                    let key = "c\(number)/\(page)"
                    _ = try await store.put(try ObjectKey(key), .bytes(pattern(20_000 + 9000 * number, seed: page)))
                    chapter.pages.append(Page(objectKey: key, name: "\(page)"))
                }
                _ = try await database.put(chapter)
            }
            await store.close()
            await database.close()
        }
        for round in 0..<Self.kills {
            let lines = try Self.run(path, lines: 1 + random.below(60))
            let failures = lines.filter { $0.hasPrefix("failed") }
            #expect(failures.isEmpty && !lines.isEmpty, "seed \(seed), round \(round)")
            try LoopActor.runInTurn {
                let database = try await openDatabase(.sqlite, directory: path)
                let store = try LocalStore(directory: path + "/objects")
                let downloads = try Downloads(
                    catalogue: database, index: database, store: store,
                    options: DownloadOptions(directory: path + "/downloads"))
                await downloads.start()
                let rows = try await database.rows(after: nil, limit: 1000)
                #expect(rows.map(\.key).sorted() == place.names("downloads"), "seed \(seed), round \(round)")
                for row in rows {
                    let file = open("\(path)/downloads/\(row.key)", O_RDONLY)
                    let isWhole = ArtefactDirectory.crc32(file, from: 0, count: row.bytes, of: 0) == row.crc32
                    close(file)
                    #expect(isWhole, "seed \(seed), round \(round)")
                }
                // Each is what it would be if it were made now.
                for number in [0, Self.chapters - 1] {
                    let chapter = try #require(try await database.chapter("c\(number)"))
                    let download = try await downloads.find(DownloadRequest(.chapter("c\(number)"), as: .zip))
                    let bytes = try await Reader(download).rest()
                    var whole: [UInt8] = []
                    let known = try #require(try await database.chapter(chapter.id))
                    let layout = try #require(try Layout(Artefact(.zip, of: known)))
                    for segment in layout.segments {
                        switch segment {
                        case .literal(let literal): whole += literal
                        case .page(let page, let offset, let count):
                            let all = pattern(20_000 + 9000 * number, seed: page)
                            whole += all[Int(offset)..<Int(offset + count)]
                        }
                    }
                    #expect(bytes == whole, "seed \(seed), round \(round)")
                }
                await downloads.close()
                await store.close()
                await database.close()
            }
        }
    }
}
