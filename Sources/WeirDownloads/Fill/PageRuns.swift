internal import WeirDatabase

/// Bytes of an object that are left out, and those behind them that are taken.
struct PageSpan: Sendable, Hashable {
    var skip: UInt64
    var count: UInt64
}

/// The bytes of a range of a layout, in the order and the pieces in which they are read: a page that is cut into segments
/// with little between them is one read.
struct PageRuns: Sequence, IteratorProtocol, Sendable {
    enum Run: Sendable, Hashable {
        case literal([UInt8])
        case page(PageRun)
    }

    /// Bytes of a layout that are looked at in one step.
    static let step: UInt64 = 64 << 20
    /// Bytes between two segments that are read and thrown away, rather than asked for anew.
    static let gap: UInt64 = 65536
    /// Spans of one read.
    static let spanLimit = 4096

    private let layout: Layout
    private let end: UInt64
    private var position: UInt64
    /// In reverse.
    private var segments: [Layout.Segment] = []

    init(_ layout: Layout, _ range: Range<UInt64>) {
        self.layout = layout
        position = range.lowerBound
        end = Swift.min(range.upperBound, layout.length)
    }

    private mutating func look() -> Layout.Segment? {
        if segments.isEmpty, position < end {
            let next = Swift.min(end, position + PageRuns.step)
            segments = layout.segments(in: position..<next).reversed()
            position = next
        }
        return segments.last
    }

    mutating func next() -> Run? {
        guard let first = look() else { return nil }
        segments.removeLast()
        guard case .page(let page, let offset, let count) = first else {
            guard case .literal(let bytes) = first else { return nil }
            return .literal(bytes)
        }
        var run = PageRun(page: page, offset: offset, end: offset + count, spans: [PageSpan(skip: 0, count: count)])
        while case .page(page, let offset, let count)? = look(), offset >= run.end,
            offset - run.end <= PageRuns.gap, run.spans.count < PageRuns.spanLimit
        {
            segments.removeLast()
            if offset == run.end {
                run.spans[run.spans.count - 1].count += count
            } else {
                run.spans.append(PageSpan(skip: offset - run.end, count: count))
            }
            run.end = offset + count
        }
        return .page(run)
    }
}

/// What is read of a page at once.
struct PageRun: Sendable, Hashable {
    /// An index of the layout's pages.
    var page: Int
    /// Of the first byte in the object, and behind the last.
    var offset: UInt64
    var end: UInt64
    var spans: [PageSpan]
}
