internal import WeirDatabase
internal import WeirLoop

/// A generation that several readers share, and that is kept when it is whole.
@LoopActor
final class SharedFill {
    let fill: Fill
    let artefact: Artefact
    let strategy: DownloadStrategy
    /// What the request said that it was for.
    let book: String?
    /// What it is made of has changed meanwhile: it is not kept.
    var isStale = false

    init(_ fill: Fill, _ artefact: Artefact, _ strategy: DownloadStrategy, book: String?) {
        (self.fill, self.artefact, self.strategy, self.book) = (fill, artefact, strategy, book)
    }

    func isMade(of what: Invalidation) -> Bool {
        switch what {
        case .chapters(let ids): artefact.chapters.contains { ids.contains($0.id) }
        case .books(let ids): book.map { ids.contains($0) } ?? false
        case .key(let key): fill.key == key
        }
    }
}

/// How the generation of an artefact began.
enum Beginning: Sendable {
    case fill(SharedFill)
    /// It has come into the cache meanwhile.
    case hit(ArtefactCache.Entry)
    /// There will be no copy: each reader has to have its own.
    case none
    case failed(DownloadError)
}
