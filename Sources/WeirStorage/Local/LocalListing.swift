/// A listing of a local store: directories are read in the order of keys, and only those that can hold what is asked for.
struct LocalListing {
    let files: LocalFiles
    let prefix: [UInt8]
    let after: [UInt8]?
    let limit: Int

    private var keys: [[UInt8]] = []
    private var isFull: Bool { keys.count > limit }

    init(files: LocalFiles, prefix: String, after: String?, limit: Int) {
        self.files = files
        self.prefix = Array(prefix.utf8)
        self.after = after.map { Array($0.utf8) }
        self.limit = limit
    }

    private struct Entry {
        let name: [UInt8]
        let kind: LocalPath.Kind
        /// What the keys of it begin with, or are.
        let key: [UInt8]
    }

    /// On the pool.
    /// - Complexity: O(n log n) for the n names in the directories that are read.
    mutating func run() throws(ObjectError) -> ObjectList {
        try walk(files.root, [])
        let isCut = isFull
        var objects: [ObjectInfo] = []
        for key in keys.prefix(limit) {
            // It may have gone meanwhile, and what is damaged is told by whoever wants to read it.
            let key = ObjectKey(known: String(decoding: key, as: UTF8.self))
            do throws(ObjectError) {
                objects.append(try files.head(key))
            } catch {
                if error.kind == .notFound || error.kind == .damaged { continue }
                throw error.during("list", key)
            }
        }
        let last = keys.prefix(limit).last.map { String(decoding: $0, as: UTF8.self) }
        return ObjectList(objects: objects, next: isCut ? last : nil)
    }

    private mutating func walk(_ folder: String, _ begun: [UInt8]) throws(ObjectError) {
        var entries: [Entry] = []
        for name in try LocalFiles.names(folder) {
            guard let (kind, bytes) = LocalPath.read(name) else { continue }
            let key = begun + bytes + (kind == .folder ? [UInt8(ascii: "/")] : [])
            if canHold(key, isWhole: kind == .object) { entries.append(Entry(name: name, kind: kind, key: key)) }
        }
        entries.sort { $0.key.lexicographicallyPrecedes($1.key) }
        for entry in entries {
            if isFull { return }
            if entry.kind == .object {
                keys.append(entry.key)
            } else {
                try walk("\(folder)/\(String(decoding: entry.name, as: UTF8.self))", entry.key)
            }
        }
    }

    private func canHold(_ key: [UInt8], isWhole: Bool) -> Bool {
        if isWhole {
            guard !key.isEmpty, key.starts(with: prefix) else { return false }
            guard let after else { return true }
            return after.lexicographicallyPrecedes(key)
        }
        guard key.starts(with: prefix) || prefix.starts(with: key) else { return false }
        guard let after else { return true }
        return after.starts(with: key) || after.lexicographicallyPrecedes(key)
    }
}
