internal import CWeirStorage
internal import Glibc
internal import WeirLoop

/// What a store keeps of an object beside its bytes: an extended attribute of its file, `user.weir`, with the SHA-256, the
/// length, the time of the file's last change and the type. Where there are no such attributes, and for a file that
/// somebody else has put there or changed, the SHA-256 is made anew; the type is lost.
struct LocalMark: Equatable {
    static let name = "user.weir"
    static let limit = 1024

    var digest: String
    var length: UInt64
    /// Nanoseconds since 1970.
    var modified: Int64
    var type: String?

    var text: String { "1 \(digest) \(length) \(modified) \(type ?? "")" }

    init(digest: String, length: UInt64, modified: Int64, type: String?) {
        self.digest = digest
        self.length = length
        self.modified = modified
        self.type = type
    }

    init?(_ text: String) {
        let words = text.split(separator: " ", maxSplits: 4, omittingEmptySubsequences: false)
        guard words.count == 5, words[0] == "1", words[1].utf8.count == 64, let length = UInt64(words[2]),
            let modified = Int64(words[3])
        else { return nil }
        self.init(
            digest: String(words[1]), length: length, modified: modified,
            type: words[4].isEmpty ? nil : String(words[4]))
    }

    /// Of an open file; nil when it has none.
    static func read(_ descriptor: Int32) -> LocalMark? {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = weir_file_attribute(descriptor, name, &bytes, bytes.count)
        return count > 0 ? LocalMark(String(decoding: bytes[..<count], as: UTF8.self)) : nil
    }

    /// Where there are no attributes the object does without.
    func write(_ descriptor: Int32) {
        let bytes = Array(text.utf8)
        if bytes.count <= LocalMark.limit {
            _ = weir_file_set_attribute(descriptor, LocalMark.name, bytes, bytes.count)
        }
    }

    /// What is known of an open file, and learnt if need be. `.damaged` when it is not as long as it was.
    static func of(_ descriptor: Int32, _ facts: stat) throws(ObjectError) -> LocalMark {
        let length = UInt64(facts.st_size)
        let modified = facts.modified
        let known = read(descriptor)
        if let known {
            guard known.length == length else {
                throw ObjectError(.damaged, "the file has \(length) bytes, \(known.length) were stored")
            }
            if known.modified == modified { return known }
        }
        var digest = [UInt8](repeating: 0, count: Int(WEIR_SHA256_SIZE))
        let status = weir_file_digest(descriptor, 0, length, &digest)
        guard status == 0 else { throw ObjectError(file: CoreError(rawValue: status), "the file cannot be read") }
        let mark = LocalMark(digest: SHA256.hex(digest), length: length, modified: modified, type: known?.type)
        mark.write(descriptor)
        return mark
    }
}

extension stat {
    /// Nanoseconds since 1970.
    var modified: Int64 { Int64(st_mtim.tv_sec) * 1_000_000_000 + Int64(st_mtim.tv_nsec) }
}
