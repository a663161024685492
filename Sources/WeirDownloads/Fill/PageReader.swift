internal import WeirDatabase
internal import WeirLoop
internal import WeirStorage

/// The runs of a layout with the streams of their pages, the next ones opened ahead.
@LoopActor
final class PageReader {
    enum Piece {
        case literal([UInt8])
        case page(PageRun, ObjectStream)
    }

    /// Pages that are opened ahead of the one that is read. What a store sends ahead waits in a socket's buffers.
    static let ahead = 2

    private enum Waiting {
        case literal([UInt8])
        case page(PageRun, Task<Result<ObjectStream, DownloadError>, Never>)
    }

    private let store: any ObjectStore
    private let layout: Layout
    private var runs: PageRuns
    private var waiting: [Waiting] = []
    private var opened = 0
    private var isOver = false

    init(_ store: any ObjectStore, _ layout: Layout, _ range: Range<UInt64>) {
        self.store = store
        self.layout = layout
        runs = PageRuns(layout, range)
    }

    func place(of page: Int) -> DownloadError.Place {
        DownloadError.Place(objectKey: layout.pages[page].objectKey, number: page + 1)
    }

    func facts(of page: Int) -> PageFacts? { layout.pages[page].facts }

    private func openAhead() {
        while !isOver, opened <= PageReader.ahead {
            guard let run = runs.next() else {
                isOver = true
                return
            }
            switch run {
            case .literal(let bytes): waiting.append(.literal(bytes))
            case .page(let run):
                opened += 1
                waiting.append(.page(run, spawn { await self.open(run) }))
            }
        }
    }

    private func open(_ run: PageRun) async -> Result<ObjectStream, DownloadError> {
        let page = layout.pages[run.page]
        do throws(DownloadError) {
            return .success(
                try await PageReader.open(
                    store, page, place(of: run.page), run.offset, run.end))
        } catch {
            return .failure(error)
        }
    }

    /// The bytes of a page, which is the one whose facts are known.
    static func open(
        _ store: any ObjectStore, _ page: Page, _ place: DownloadError.Place, _ begin: UInt64, _ end: UInt64
    ) async throws(DownloadError) -> ObjectStream {
        let stream: ObjectStream
        do throws(ObjectError) {
            let key = try ObjectKey(page.objectKey)
            let isWhole = begin == 0 && end == page.facts?.length
            stream = try await store.get(key, isWhole ? nil : .bytes(from: begin, count: end - begin))
        } catch {
            throw DownloadError(error, page: place)
        }
        guard let facts = page.facts else { return stream }
        if stream.info.length != facts.length {
            stream.close()
            throw DownloadError(
                stream.info.length < facts.length ? .pageShort : .pageChanged,
                "page \(place.number), \(page.objectKey), has \(stream.info.length) bytes, expected \(facts.length)",
                page: place)
        }
        if stream.info.etag != facts.etag {
            stream.close()
            throw DownloadError(
                .pageChanged, "page \(place.number), \(page.objectKey), is another object than it was", page: place)
        }
        return stream
    }

    /// What comes next; nil at the end.
    func next() async throws(DownloadError) -> Piece? {
        openAhead()
        guard !waiting.isEmpty else { return nil }
        switch waiting.removeFirst() {
        case .literal(let bytes): return .literal(bytes)
        case .page(let run, let opening):
            opened -= 1
            openAhead()
            return .page(run, try await opening.value.get())
        }
    }

    /// Returns when the page that comes next is open; it is the next one still.
    func prepare() async throws(DownloadError) {
        openAhead()
        for case .page(_, let opening) in waiting {
            _ = try await opening.value.get()
            return
        }
    }

    /// Lets go of what was opened.
    func close() {
        isOver = true
        for case .page(_, let opening) in waiting {
            opening.cancel()
            spawn { if case .success(let stream) = await opening.value { stream.close() } }
        }
        waiting = []
    }
}
