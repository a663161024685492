internal import WeirDatabase
internal import WeirStorage

/// What an artefact is known by: SHA-256 of everything that its bytes depend on, 64 small hexadecimal digits. The same key,
/// the same bytes: it is the artefact's ETag, and its file's name.
public struct ArtefactKey: Sendable, Hashable, CustomStringConvertible {
    /// Grows with every change of what is written for the same chapters.
    public static let generator = 1

    public let description: String

    /// Facts have no part in it: what a page holds counts by its chapter's revision.
    /// - Complexity: O(pages).
    public init(_ artefact: Artefact) {
        var digest = RunningDigest()
        // Each with its length in front, so that no two lists are one text.
        func add(_ words: [String]) {
            var text = ""
            for word in words { text += "\(word.utf8.count):\(word)" }
            digest.add(Array((text + "\n").utf8))
        }
        add(["weir", "\(Self.generator)", artefact.format.rawValue, artefact.isBook ? "book" : "chapter"])
        add([artefact.title, "\(artefact.chapters.count)"])
        for chapter in artefact.chapters {
            add([chapter.id, "\(chapter.revision)", chapter.title, "\(chapter.pages.count)"])
            for page in chapter.pages { add([page.objectKey, page.name]) }
        }
        description = digest.hex
    }
}
