public import WeirDatabase

/// What an artefact consists of, computed without building it: its length, its ETag, and the bytes of any range.
///
/// A pure value. Segments lie end to end; where one begins is the sum of those before it.
public struct Layout: Sendable {
    public enum Segment: Sendable, Hashable {
        /// Bytes that are the format's own.
        case literal([UInt8])
        /// Bytes of a page's object: `pages[page]`, from `offset` on, `count` of them.
        case page(Int, offset: UInt64, count: UInt64)

        public var count: UInt64 {
            switch self {
            case .literal(let bytes): UInt64(bytes.count)
            case .page(_, _, let count): count
            }
        }
    }

    public let segments: [Segment]
    /// The pages that segments speak of, in the order of the artefact.
    public let pages: [Page]
    /// Bytes of the whole.
    public let length: UInt64

    public init(segments: [Segment], pages: [Page]) {
        self.segments = segments
        self.pages = pages
        length = segments.reduce(0) { $0 &+ $1.count }
    }
}
