/// What both databases refuse before they are asked: texts that one of them could not keep as they are.
enum ArgumentCheck {
    /// Bytes of a bot's slug, MIME type or worker's name; of an object's key or a file's name; of a `file_id`.
    static let shortMax = 255
    static let longMax = 1024
    static let fileMax = 1024

    static func medium(_ medium: Medium) throws(DatabaseError) {
        try key(medium.key)
        try text(medium.objectKey, "the object's key", 1...longMax)
        try text(medium.mime, "the MIME type", 0...shortMax)
        try text(medium.name, "the file's name", 0...longMax)
        guard medium.bytes >= 0 else { throw DatabaseError(.argument, "a medium cannot have \(medium.bytes) bytes") }
    }

    static func key(_ key: MediaKey) throws(DatabaseError) {
        try text(key.bot, "the bot's slug", 1...shortMax)
        try digest(key.sha256)
    }

    static func digest(_ sha256: String) throws(DatabaseError) {
        let isDigest =
            sha256.utf8.count == 64
            && sha256.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        guard isDigest else {
            throw DatabaseError(.argument, "a SHA-256 is 64 hexadecimal digits in lower case")
        }
    }

    static func file(_ file: CachedFile) throws(DatabaseError) {
        try text(file.id, "the file_id", 1...fileMax)
        if let uniqueID = file.uniqueID { try text(uniqueID, "the file_unique_id", 0...fileMax) }
    }

    static func limiterState(_ state: [UInt8], bot: String) throws(DatabaseError) {
        try text(bot, "the bot's slug", 1...shortMax)
        guard state.count <= LimiterStateLimits.bytes else {
            throw DatabaseError(
                .argument, "a limiter's state has \(state.count) bytes; expected at most \(LimiterStateLimits.bytes)")
        }
    }

    /// PostgreSQL's texts hold no NUL.
    static func text(_ text: String, _ what: String, _ bytes: ClosedRange<Int>) throws(DatabaseError) {
        guard bytes.contains(text.utf8.count) else {
            throw DatabaseError(
                .argument, "\(what) has \(text.utf8.count) bytes; expected \(bytes.lowerBound) to \(bytes.upperBound)")
        }
        guard !text.utf8.contains(0) else { throw DatabaseError(.argument, "\(what) holds a NUL byte") }
    }

    /// An error's text, as much of it as is kept.
    static func errorText(_ text: String) -> String {
        var kept = ""
        var bytes = 0
        for scalar in text.unicodeScalars {
            let scalar = scalar.value == 0 ? "\u{FFFD}" : scalar
            bytes += UTF8.width(scalar)
            if bytes > PrewarmLimits.errorBytes { break }
            kept.unicodeScalars.append(scalar)
        }
        return kept
    }
}
