import CWeir
import Glibc
import Testing
import WeirDatabase
import WeirHTTP
import WeirLoop
import WeirStorage

@testable import WeirDownloads

/// A directory for one world; it goes with what is in it.
final class Place: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/weir-fills.XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil)
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit { system("rm -rf '\(path)'") }

    /// Names in a directory of it, hidden ones too.
    func names(_ folder: String) -> [String] {
        guard let stream = opendir("\(path)/\(folder)") else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}

/// Downloads on one loop: SQLite and artefacts in a directory of their own, pages in a store that does what a test says.
@LoopActor
final class DownloadWorld {
    let place: Place
    let clock: LoopClock
    let database: any Database
    let pages: PageStore
    let space: FillSpace
    private(set) var downloads: Downloads
    private(set) var events: [DownloadEvent] = []
    private var options: DownloadOptions

    struct Setting: Sendable {
        var options = DownloadOptions(directory: "")
        var isManual = true
        var isStarted = true
        var write: FillSpace.Write?
        /// Lives longer than the world.
        nonisolated(unsafe) var data: UnsafeMutableRawPointer?
    }

    nonisolated static func run(
        _ change: (inout Setting) -> Void = { _ in }, _ body: @escaping @LoopActor (DownloadWorld) async throws -> Void
    ) throws {
        var setting = Setting()
        let place = Place()
        setting.options.directory = place.path + "/downloads"
        change(&setting)
        try LoopActor.runInTurn { [setting] in
            let world = try await DownloadWorld(setting, place)
            do {
                try await body(world)
            } catch {
                await world.close()
                throw error
            }
            await world.close()
        }
    }

    private init(_ setting: Setting, _ place: Place) async throws {
        self.place = place
        options = setting.options
        clock = setting.isManual ? .manual() : .monotonic
        database = try await openDatabase(.sqlite, directory: place.path)
        pages = PageStore()
        space = try FillSpace(write: setting.write, data: setting.data)
        // However slow the machine: only a disk that is a test's gives up.
        if setting.write == nil { space.setPatience(600_000) }
        downloads = try Downloads(
            catalogue: database, index: database, store: pages, options: options, clock: clock, space: space)
        downloads.onEvent = { [weak self] in self?.events.append($0) }
        if setting.isStarted { await downloads.start() }
    }

    func close() async {
        pages.open()
        await downloads.close()
        await database.close()
    }

    /// Ends what there is, and begins anew in the same directory.
    func restart() async throws {
        await downloads.close()
        downloads = try Downloads(
            catalogue: database, index: database, store: pages, options: options, clock: clock, space: space)
        downloads.onEvent = { [weak self] in self?.events.append($0) }
        await downloads.start()
    }

    var counters: DownloadCounters { downloads.counters }
    var files: [String] { place.names("downloads") }
    func path(_ key: String) -> String { "\(place.path)/downloads/\(key)" }

    /// A chapter whose pages have these lengths; their facts are known, unless a test wants to learn them.
    @discardableResult
    func chapter(_ id: String, _ lengths: [Int], known: Bool = true) async throws -> Chapter {
        var chapter = Chapter(id: id, title: "Chapter \(id)", pages: [])
        for (index, length) in lengths.enumerated() {
            let key = "\(id)/\(index)"
            chapter.pages.append(Page(objectKey: key, name: "\(index)"))
            pages.put(key, pattern(length, seed: index &* 7919 &+ id.utf8.count))
        }
        _ = try await database.put(chapter)
        if known {
            let found = try await downloads.learner.learn(chapter.pages, .demand) { _ in }
            try await database.learn(found)
            pages.reads = [:]
        }
        return try #require(try await database.chapter(id))
    }

    func find(_ id: String, _ format: DownloadFormat = .zip) async throws -> Download {
        try await downloads.find(DownloadRequest(.chapter(id), as: format))
    }

    /// What an artefact has to be, from the pages as the store has them.
    func expected(_ id: String, _ format: DownloadFormat = .zip) async throws -> [UInt8] {
        let chapter = try #require(try await database.chapter(id))
        let layout = try #require(try Layout(Artefact(format, of: chapter)))
        return layout.segments.flatMap { segment -> [UInt8] in
            switch segment {
            case .literal(let bytes): return bytes
            case .page(let page, let offset, let count):
                return Array(pages.objects[layout.pages[page].objectKey]![Int(offset)..<Int(offset + count)])
            }
        }
    }

    /// All of a download, by a reader of its own.
    func fetch(_ id: String, _ format: DownloadFormat = .zip, _ range: Range<UInt64>? = nil) async throws -> [UInt8] {
        let download = try await find(id, format)
        return try await Reader(download, range).rest()
    }
}

/// Bytes that are different at every position, near enough; of another seed, others.
func pattern(_ count: Int, seed: Int = 0) -> [UInt8] {
    var state = UInt64(truncatingIfNeeded: seed) &+ 0x9e37_79b9_7f4a_7c15
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 56)
    }
}

/// Waits for what another thread, or the pool, does.
@LoopActor
func eventually(_ what: Comment, _ condition: @LoopActor () -> Bool, location: SourceLocation = #_sourceLocation)
    async throws
{
    let end = LoopClock.monotonic.deadline(after: 240)
    while !condition() {
        guard LoopClock.monotonic.now < end else {
            Issue.record(what, sourceLocation: location)
            return
        }
        try await LoopClock.monotonic.sleep(for: 0.001)
    }
}
