internal import Glibc
internal import WeirLoop

/// Where a chapter's pages come from: a directory, an archive, a picture, or objects that are in the store already.
enum ChapterSource {
    /// Directories within each other that are looked into, and files that are found.
    static let depthMax = 8
    static let filesMax = 100_000

    /// A page before it is in the store.
    struct Picture: Sendable {
        enum Bytes: Sendable {
            case file(String)
            case archived(Archive, Archive.Entry)
            /// It is there.
            case object(String)
        }

        let bytes: Bytes
        /// What it is called in the chapter.
        let name: String
        /// `image/jpeg`; nil when nobody knows.
        let type: String?
        /// Bytes, before they are read.
        let length: UInt64
    }

    struct Found: Sendable {
        var pictures: [Picture] = []
        /// What is no picture.
        var skipped: [String] = []
    }

    /// What an argument stands for. Waits for the disk.
    static func find(_ argument: String) throws -> Found {
        var facts = stat()
        guard stat(argument, &facts) == 0 else {
            guard errno == ENOENT || errno == ENOTDIR, !argument.hasPrefix("/"), !argument.hasPrefix("./") else {
                throw CoreError(errno: errno)
            }
            let object = Picture(
                bytes: .object(argument), name: PictureName.last(argument), type: nil, length: 0)
            return Found(pictures: [object])
        }
        if facts.st_mode & S_IFMT == S_IFDIR { return try directory(argument) }
        let ending = argument.lowercased()
        if ending.hasSuffix(".cbz") || ending.hasSuffix(".zip") { return try archive(argument) }
        guard let type = PictureName.type(of: PictureName.last(argument)) else {
            throw Archive.Failure("neither a directory, a CBZ or ZIP archive, nor a picture")
        }
        let picture = Picture(
            bytes: .file(argument), name: PictureName.last(argument), type: type, length: UInt64(facts.st_size))
        return Found(pictures: [picture])
    }

    private static func archive(_ path: String) throws -> Found {
        let archive = try Archive(path: path)
        var found = Found()
        for entry in archive.entries.sorted(by: { NaturalOrder.precedes($0.name, $1.name) }) {
            if let type = PictureName.type(of: entry.name) {
                found.pictures.append(
                    Picture(
                        bytes: .archived(archive, entry), name: PictureName.last(entry.name), type: type,
                        length: entry.size))
            } else {
                found.skipped.append(entry.name)
            }
        }
        return found
    }

    private static func directory(_ path: String) throws -> Found {
        var files: [(path: String, length: UInt64)] = []
        try walk(path, "", depth: 0, &files)
        var found = Found()
        for file in files.sorted(by: { NaturalOrder.precedes($0.path, $1.path) }) {
            if let type = PictureName.type(of: file.path) {
                found.pictures.append(
                    Picture(
                        bytes: .file("\(path)/\(file.path)"), name: PictureName.last(file.path), type: type,
                        length: file.length))
            } else {
                found.skipped.append(file.path)
            }
        }
        return found
    }

    /// Regular files below `root`, by their paths in it. Links to directories are not followed.
    private static func walk(
        _ root: String, _ prefix: String, depth: Int, _ files: inout [(path: String, length: UInt64)]
    ) throws {
        let directory = prefix.isEmpty ? root : "\(root)/\(prefix)"
        guard depth <= depthMax else { throw Archive.Failure("\(directory) lies deeper than \(depthMax) directories") }
        guard let stream = opendir(directory) else { throw CoreError(errno: errno) }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name == "." || name == ".." { continue }
            let path = prefix.isEmpty ? name : "\(prefix)/\(name)"
            var facts = stat()
            guard lstat("\(root)/\(path)", &facts) == 0 else { throw CoreError(errno: errno) }
            if facts.st_mode & S_IFMT == S_IFDIR {
                try walk(root, path, depth: depth + 1, &files)
                continue
            }
            if facts.st_mode & S_IFMT == S_IFLNK { guard stat("\(root)/\(path)", &facts) == 0 else { continue } }
            guard facts.st_mode & S_IFMT == S_IFREG else { continue }
            guard files.count < filesMax else { throw Archive.Failure("\(root) has more than \(filesMax) files") }
            files.append((path, UInt64(facts.st_size)))
        }
    }
}
