internal import WeirDatabase
internal import WeirHTTP
internal import WeirLive

/// Media as others read them.
enum MediaJSON {
    static func entry(_ entry: MediaEntry) -> JSON {
        let medium = entry.medium
        var members: [(String, JSON)] = [
            ("bot", .string(medium.key.bot)), ("sha256", .string(medium.key.sha256)),
            ("kind", .string(medium.key.kind.rawValue)), ("bytes", .integer(medium.bytes)),
            ("status", .string(entry.status.rawValue)), ("id", .integer(entry.id)), ("mime", .string(medium.mime)),
            ("name", .string(medium.name)), ("priority", .integer(Int64(entry.priority.score))),
            ("attempts", .integer(Int64(entry.attempts))), ("created_at", time(entry.createdAt)),
            ("updated_at", time(entry.updatedAt)),
        ]
        if let file = entry.file {
            members += [
                ("file_id", .string(file.id)), ("file_unique_id", file.uniqueID.map { .string($0) } ?? .null),
                ("weak", .bool(file.isWeak)),
            ]
        }
        if let retry = entry.nextRetryAt { members.append(("next_retry_at", time(retry))) }
        if let error = entry.lastError { members.append(("last_error", .string(error))) }
        return .object(members)
    }

    static func time(_ milliseconds: Int64) -> JSON { .string(WallClock.text(milliseconds * 1_000_000)) }

    /// Where the next page of a list begins.
    static func cursor(_ key: MediaKey) -> String { "\(key.bot).\(key.sha256).\(key.kind.rawValue)" }

    static func key(cursor: String) -> MediaKey? {
        let parts = cursor.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, let sha256 = try? MediaRoutes.digest(String(parts[1])),
            let kind = MediaKind(rawValue: String(parts[2]))
        else { return nil }
        return MediaKey(bot: String(parts[0]), sha256: sha256, kind: kind)
    }
}
