internal import WeirDatabase
internal import WeirDownloads
internal import WeirHTTP

/// What requests for downloads say: pure.
enum DownloadQuery {
    /// Longest id of a chapter or a book, in bytes.
    static let idLimit = 255
    /// Ids that one invalidation may name.
    static let invalidationLimit = 1000

    /// `chapters=1,2,3`.
    static func chapters(_ list: String?) throws -> DownloadRequest.Subject {
        guard let list, !list.isEmpty else {
            throw HTTPError.badRequest(
                "chapters is missing; expected their ids with commas between", code: "NO_CHAPTERS")
        }
        let ids = list.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard ids.count <= DownloadRequest.chapterLimit else {
            throw HTTPError.badRequest(
                "\(ids.count) chapters; expected at most \(DownloadRequest.chapterLimit)", code: "TOO_MANY_CHAPTERS")
        }
        for (index, id) in ids.enumerated() where id.isEmpty || id.utf8.count > idLimit {
            throw HTTPError.badRequest(
                "chapter \(index + 1) of the list is \(id.isEmpty ? "empty" : "longer than \(idLimit) bytes")",
                code: "BAD_CHAPTER")
        }
        guard Set(ids).count == ids.count else {
            throw HTTPError.badRequest("a chapter is in the list twice", code: "BAD_CHAPTER")
        }
        return .chapters(ids)
    }

    /// `chapter=`, `book=` or `chapters=`.
    static func subject(_ query: Target.Query) throws -> DownloadRequest.Subject {
        let given = ["chapter", "book", "chapters"].filter { query[$0] != nil }
        guard given.count == 1 else {
            throw HTTPError.badRequest("expected one of chapter, book and chapters", code: "NO_SUBJECT")
        }
        if let id = query["chapter"] { return .chapter(id) }
        if let id = query["book"] { return .book(id) }
        return try chapters(query["chapters"])
    }

    /// A chapter is a CBZ unless something else is said; several are a ZIP of these.
    static func format(_ text: String?, of subject: DownloadRequest.Subject) throws -> DownloadFormat {
        var isChapter = false
        if case .chapter = subject { isChapter = true }
        let formats = DownloadFormat.allCases.filter { !isChapter || $0 != .pdfs }
        guard let text else { return isChapter ? .cbz : .zip }
        guard let format = DownloadFormat(rawValue: text), formats.contains(format) else {
            throw HTTPError.badRequest(
                "format is \(alternatives(formats.map(\.rawValue)))", code: "BAD_FORMAT")
        }
        return format
    }

    /// `Content-Type`.
    static func type(of format: DownloadFormat, _ subject: DownloadRequest.Subject) -> String {
        switch format {
        case .zip, .pdfs: "application/zip"
        case .cbz: "application/vnd.comicbook+zip"
        case .pdf: "application/pdf"
        }
    }

    static func suffix(of format: DownloadFormat, _ subject: DownloadRequest.Subject) -> String {
        switch format {
        case .zip, .pdfs: "zip"
        case .cbz: "cbz"
        case .pdf: "pdf"
        }
    }

    /// `{"chapters":["1"],"books":["2"],"key":"…"}`.
    static func invalidations(_ body: [UInt8]) throws -> [Invalidation] {
        let json: JSON
        do throws(JSON.Problem) { json = try JSON(reading: body) } catch {
            throw HTTPError.badRequest("\(error)", code: "BAD_JSON")
        }
        guard case .object(let members) = json else {
            throw HTTPError.badRequest("the body is not a JSON object", code: "BAD_JSON")
        }
        var what: [Invalidation] = []
        for (name, value) in members {
            switch name {
            case "chapters": what.append(.chapters(try ids(value, name)))
            case "books": what.append(.books(try ids(value, name)))
            case "key":
                guard case .string(let key) = value, isKey(key) else {
                    throw HTTPError.badRequest("key is not 64 hexadecimal digits in lower case", code: "BAD_KEY")
                }
                what.append(.key(key))
            default:
                throw HTTPError.badRequest(
                    "\(quoted(name)) is unknown; expected chapters, books or key", code: "BAD_MEMBER")
            }
        }
        if what.isEmpty {
            throw HTTPError.badRequest("nothing is named; expected chapters, books or key", code: "NO_SUBJECT")
        }
        return what
    }

    private static func ids(_ value: JSON, _ name: String) throws -> [String] {
        let wrong = HTTPError.badRequest(
            "\(name) is not a list of at most \(invalidationLimit) ids", code: "BAD_IDS")
        guard case .array(let items) = value, (1...invalidationLimit).contains(items.count) else { throw wrong }
        return try items.map { item in
            guard case .string(let id) = item, (1...idLimit).contains(id.utf8.count) else { throw wrong }
            return id
        }
    }

    private static func isKey(_ text: String) -> Bool {
        text.utf8.count == 64
            && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}
