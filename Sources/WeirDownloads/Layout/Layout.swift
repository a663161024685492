public import WeirDatabase

/// What an artefact consists of, computed without building it: its length, and the bytes of any range.
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

    /// The pages that segments speak of, in the order of the artefact.
    public let pages: [Page]
    private let parts: LayoutParts

    /// Bytes of the whole.
    public var length: UInt64 { parts.length }

    init(_ parts: LayoutParts, pages: [Page]) {
        self.parts = parts
        self.pages = pages
    }

    /// Of an artefact whose pages' facts are all known; nil when some are not.
    /// - Complexity: O(pages).
    public init?(_ artefact: Artefact) throws(LayoutError) {
        guard artefact.isKnown else { return nil }
        var writer = try LayoutWriter(artefact)
        while let page = writer.next {
            guard let facts = writer.pages[page].facts else { return nil }
            _ = try writer.append(facts)
        }
        self = writer.layout
    }

    /// Of segments that are there already.
    public init(segments: [Segment], pages: [Page]) {
        var parts = LayoutParts()
        for segment in segments {
            switch segment {
            case .literal(let bytes): parts.append(bytes)
            case .page(let page, let offset, let count):
                parts.append(page: page, offset: offset, count: count, crc32: 0)
            }
        }
        self.init(parts, pages: pages)
    }

    /// All of them. A long artefact has many: `segments(in:)` takes it in steps.
    public var segments: [Segment] { segments(in: 0..<length) }

    /// The bytes of a range, end to end; what lies behind the end is left out.
    /// - Complexity: O(log(pages) + segments of the range).
    public func segments(in range: Range<UInt64>) -> [Segment] { parts.segments(in: range) }
}
