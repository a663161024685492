import Glibc
import WeirDatabase
import WeirDownloads
import WeirLoop
import WeirStorage

// A program that makes downloads and drops them again until it is killed, so that a test can look at what it leaves.
//
//   weir-download-filler DIRECTORY CHAPTERS
//
// It prints "saved KEY" for each artefact that is in the cache, and "failed WHY".

/// In one write each, so that a line is whole or not there.
func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = write(1, bytes, bytes.count)
}

@LoopActor
func fill(_ directory: String, chapters: Int) async throws {
    let database = try await openDatabase(.sqlite, directory: directory)
    let store = try LocalStore(directory: directory + "/objects")
    let downloads = try Downloads(
        catalogue: database, index: database, store: store,
        options: DownloadOptions(directory: directory + "/downloads"))
    downloads.onEvent = { event in
        switch event {
        case .saved(let key, _, _): say("saved \(key)")
        case .failed(let key, let error): say("failed \(key): \(error)")
        case .bypassed(let key, let reason): say("failed \(key): \(reason)")
        default: break
        }
    }
    await downloads.start()
    let tasks = (0..<chapters).map { number in
        spawn { () async throws -> Void in
            let formats = [DownloadFormat.zip, .cbz]
            for round in 0... {
                let request = DownloadRequest(.chapter("c\(number)"), as: formats[round % formats.count])
                let download = try await downloads.find(request)
                try await download.begin()
                while downloads.state.fills.contains(where: { $0.key == download.key }) {
                    try await LoopClock.monotonic.sleep(for: 0.001)
                }
                download.close()
                if round % 3 == 2 { try await downloads.invalidate(.chapters(["c\(number)"])) }
            }
        }
    }
    for task in tasks { try await task.value }
}

let words = CommandLine.arguments
guard words.count == 3, let chapters = Int(words[2]) else { exit(2) }
do {
    try LoopActor.run { try await fill(words[1], chapters: chapters) }
} catch {
    say("failed \(error)")
    exit(1)
}
