/// What a request for a representation with an entity tag comes to (RFC 9110 §13.2.2): pure. No `Last-Modified` is sent
/// beside the tag, so that conditions on a date hold for nothing.
public enum Conditions: Sendable, Equatable {
    /// 200 or 206, or 416.
    case answer(RangeRequest)
    /// 304.
    case notModified
    /// 412.
    case failed

    /// Of a GET or HEAD.
    public init(_ fields: Fields, tag: EntityTag, length: UInt64) {
        let matches = fields.values("If-Match")
        if !matches.isEmpty, !Conditions.holds(EntityTag.list(matches), { tag.isSame(as: $0) }) {
            self = .failed
            return
        }
        // `If-Modified-Since` counts for nothing beside it.
        let others = fields.values("If-None-Match")
        if !others.isEmpty, Conditions.holds(EntityTag.list(others), { tag.isLike($0) }) {
            self = .notModified
            return
        }
        let range = RangeRequest(fields.values("Range"), length: length)
        let conditions = fields.values("If-Range")
        // A tag that is weak, or a date, does not say that the bytes are the same (§13.1.5).
        let isSame =
            conditions.isEmpty
            || conditions.count == 1 && EntityTag.list(conditions) == .tags([tag]) && !tag.isWeak
        self = .answer(isSame ? range : .whole)
    }

    private static func holds(_ list: EntityTag.List, _ matches: (EntityTag) -> Bool) -> Bool {
        switch list {
        case .any: true
        case .tags(let tags): tags.contains(where: matches)
        }
    }
}
