import Glibc
import Synchronization
import WeirDatabase
import WeirLoop

// A program that writes to a database, so that a test can kill it, or take its disk away.
//
//   weir-database-writer jobs DIRECTORY WRITERS    adds, claims and completes media until it is killed
//   weir-database-writer full DIRECTORY BYTES      adds until no file can grow past BYTES, and then has room again
//   weir-database-writer quota DIRECTORY BYTES     the same, of a user's quota
//   weir-database-writer limit DIRECTORY BYTES     the same, of the size of a file
//
// What the database has acknowledged is a line: "added N", "ready N".

/// In one write each, so that a line is whole or not there.
func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = write(1, bytes, bytes.count)
}

func medium(_ number: Int) -> Medium {
    let hex = String(number, radix: 16)
    let digest = String(repeating: "0", count: 64 - hex.count) + hex
    return Medium(
        key: MediaKey(bot: "shop", sha256: digest, kind: .photo), objectKey: digest, bytes: Int64(number),
        mime: "image/jpeg", name: "")
}

@LoopActor
func jobs(_ directory: String, writers: Int) async throws {
    let database = try await openDatabase(.sqlite, directory: directory)
    let tasks = (0..<writers).map { writer in
        spawn { @LoopActor () async throws -> Void in
            var number = writer
            while true {
                number += writers
                _ = try await database.add(medium(number), priority: JobPriority(score: 100, isSmall: false))
                say("added \(number)")
                let selection = JobSelection(limit: 1)
                for job in try await database.claim(selection, lease: 3600, worker: "w\(writer)") {
                    let file = CachedFile(id: "file-\(job.entry.medium.bytes)", uniqueID: nil)
                    if try await database.settle([(job.lease, .ready(file))]) == [true] {
                        say("ready \(job.entry.medium.bytes)")
                    }
                }
            }
        }
    }
    for task in tasks { try await task.value }
}

@LoopActor
func full(_ directory: String, bytes: Int64, saying number: Int32) async throws {
    Room.install(saying: number)
    let database = try await openDatabase(.sqlite, directory: directory)
    Room.left.store(bytes, ordering: .sequentiallyConsistent)
    var number = 0
    var refusals = 0
    while refusals < 3 {
        number += 1
        do throws(DatabaseError) {
            _ = try await database.add(medium(number), priority: JobPriority(score: 100, isSmall: false))
            say("added \(number)")
        } catch {
            refusals += 1
            say("refused \(error.kind.rawValue) \(database.state == .ok ? "ok" : "failing")")
        }
    }
    // What is there can be read.
    say("counted \(try await database.counts().queued)")
    Room.left.store(0, ordering: .sequentiallyConsistent)
    for _ in 0..<50 {
        number += 1
        _ = try await database.add(medium(number), priority: JobPriority(score: 100, isSmall: false))
        say("added \(number)")
    }
    say("state \(database.state == .ok ? "ok" : "failing")")
    await database.close()
}

let words = CommandLine.arguments
guard words.count == 4, let number = Int64(words[3]) else { exit(2) }
do {
    try LoopActor.run {
        if let error = ["full": ENOSPC, "quota": EDQUOT, "limit": EFBIG][words[1]] {
            try await full(words[2], bytes: number, saying: error)
        } else {
            try await jobs(words[2], writers: Int(number))
        }
    }
} catch {
    say("error \(error)")
    exit(1)
}
