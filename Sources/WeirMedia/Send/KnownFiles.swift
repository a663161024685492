internal import WeirDatabase
internal import WeirLoop

/// The identifiers of media that were sent or warmed of late: what can be sent while the database is away. On the loop's
/// thread.
@LoopActor
final class KnownFiles {
    /// Media that are remembered, at most: some 2 MB. Of more the older half is forgotten.
    nonisolated static let limit = 10_000

    /// Filled one after the other: what is found in the old one comes into the new one.
    private var young: [MediaKey: CachedFile] = [:]
    private var old: [MediaKey: CachedFile] = [:]

    nonisolated init() {}

    var count: Int { young.count + old.count }

    subscript(key: MediaKey) -> CachedFile? {
        guard let file = young[key] ?? old[key] else { return nil }
        remember(file, as: key)
        return file
    }

    /// One of these bytes, as the first kind of which there is one.
    func find(bot: String, sha256: String) -> MediaKey? {
        MediaKind.allCases.map { MediaKey(bot: bot, sha256: sha256, kind: $0) }.first { self[$0] != nil }
    }

    func remember(_ file: CachedFile, as key: MediaKey) {
        if young[key] == file { return }
        old[key] = nil
        young[key] = file
        guard young.count >= KnownFiles.limit / 2 else { return }
        old = young
        young = [:]
    }

    func forget(_ key: MediaKey) {
        young[key] = nil
        old[key] = nil
    }
}
