import WeirHTTP

/// The files that the stand-in's bots have sent: facts, no bytes.
struct StandInFiles {
    /// Files that are remembered; the identifiers of older ones are wrong.
    static let limit = 200_000

    struct File {
        let kind: String
        let bot: String
        let bytes: Int
        let sha256: String
        let name: String?
        let type: String?
    }

    private var files: [String: File] = [:]
    private var order: [String] = []
    private var oldest = 0
    private var made: UInt64 = 0

    /// A new identifier; of the same file there may be several.
    mutating func add(_ file: File) -> String {
        made += 1
        let prefix = ["photo": "AgAC", "video": "BAAC", "audio": "CQAC", "document": "BQAC", "animation": "CgAC"]
        let id = "\(prefix[file.kind] ?? "AAAC")AgQAAx\(file.bot)-\(String(made, radix: 36))_\(file.sha256.prefix(12))"
        files[id] = file
        order.append(id)
        if order.count - oldest > Self.limit {
            files[order[oldest]] = nil
            oldest += 1
            if oldest > Self.limit {
                order.removeFirst(oldest)
                oldest = 0
            }
        }
        return id
    }

    subscript(id: String) -> File? { files[id] }

    /// They are known no longer: as when a bot has moved to another data centre.
    mutating func forget() {
        files = [:]
        order = []
        oldest = 0
    }

    /// The same for all bots and for good.
    static func uniqueID(_ sha256: String, _ size: String = "") -> String { "AQAD\(sha256.prefix(16))\(size)" }
}

// MARK: - Messages

extension StandInFiles {
    /// The members of a message that hold a file, and the identifier to send it by.
    /// - Parameter known: what it was sent by, which it keeps; of a photo the largest size alone comes back then.
    mutating func members(
        _ kind: String, _ file: File, _ options: StandInOptions, known: String?
    ) -> (members: [(String, JSON)], id: String) {
        func object(_ id: String, _ size: String = "", _ more: [(String, JSON)] = []) -> JSON {
            var members: [(String, JSON)] = [("file_id", .string(id))]
            if !options.omitsUniqueIDs {
                members.append(("file_unique_id", .string(StandInFiles.uniqueID(file.sha256, size))))
            }
            members.append(("file_size", .integer(Int64(file.bytes))))
            return .object(members + more)
        }
        var named: [(String, JSON)] = []
        if let name = file.name { named.append(("file_name", .string(name))) }
        if let type = file.type { named.append(("mime_type", .string(type))) }
        if kind == "photo" {
            var sizes: [JSON] = []
            var last = ""
            let all = [("s", 90, 60), ("m", 320, 213), ("x", 800, 533), ("y", 1280, 853)]
            for (size, width, height) in known == nil ? all[...] : all.suffix(1) {
                last = known ?? add(file)
                sizes.append(
                    object(last, size, [("width", .integer(Int64(width))), ("height", .integer(Int64(height)))]))
            }
            return ([("photo", .array(options.reversesPhotoSizes ? sizes.reversed() : sizes))], last)
        }
        let id = known ?? add(file)
        let moving: [(String, JSON)] = [("duration", 12), ("width", 640), ("height", 360)]
        switch kind {
        case "animation":
            // As document too, for programs that know no animations.
            return ([("animation", object(id, "", moving + named)), ("document", object(id, "", named))], id)
        case "video": return ([("video", object(id, "", moving + named))], id)
        case "audio": return ([("audio", object(id, "", [("duration", 12)] + named))], id)
        default: return ([(kind, object(id, "", named))], id)
        }
    }
}
