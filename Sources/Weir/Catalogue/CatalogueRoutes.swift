internal import WeirDatabase
internal import WeirHTTP
internal import WeirLoop
internal import WeirStorage

/// `/catalog`: chapters and books, and the pages that are brought for them.
@LoopActor
struct CatalogueRoutes {
    /// Bytes of a chapter's or a book's JSON: 100 000 pages with keys and names of some 150 bytes each.
    nonisolated static let bodyLimit = 32 << 20
    /// Lines of a list, when nothing is said.
    static let listDefault = 100

    /// Throws when there is none at present.
    let catalogue: @LoopActor () async throws -> any Catalogue
    let pages: CataloguePages
    /// What was built of it is not right any more. After the change is durable.
    var onChange: @LoopActor (Invalidation) async -> Void = { _ in }
    /// A chapter that pages were put in; what they are like may be learnt now.
    var onPages: @LoopActor (_ chapter: String) -> Void = { _ in }

    func install(on router: Router) {
        router.on(.put, "/catalog/chapters/:id", bodyLimit: Self.bodyLimit) { try await putChapter($0) }
        router.get("/catalog/chapters", audience: .sameOrigin) { try await listChapters($0) }
        router.get("/catalog/chapters/:id", audience: .sameOrigin) { try await showChapter($0) }
        router.on(.delete, "/catalog/chapters/:id") { try await removeChapter($0) }
        router.post("/catalog/chapters/:id/refresh") { try await refreshChapter($0) }
        router.on(.put, "/catalog/books/:id", bodyLimit: Self.bodyLimit) { try await putBook($0) }
        router.get("/catalog/books", audience: .sameOrigin) { try await listBooks($0) }
        router.get("/catalog/books/:id", audience: .sameOrigin) { try await showBook($0) }
        router.on(.delete, "/catalog/books/:id") { try await removeBook($0) }
        router.on(.put, "/catalog/pages/:sha256", bodyLimit: CataloguePages.limit) { try await pages.put($0) }
        router.get("/catalog/pages/:sha256", audience: .sameOrigin) { try await pages.show($0) }
    }

    // MARK: Chapters

    private func putChapter(_ request: Request) async throws -> Response {
        let id = request.parameter("id")
        let bytes = try await request.body.collect()
        // A large one takes the time of a stream's flush: not on the loop.
        let given = try await onPool { try CatalogueJSON.chapter(id, bytes) }
        try await pages.check(given.pages, of: given.bytes)
        let chapter = Chapter(id: id, title: given.title ?? id, pages: given.pages)
        let change = try await ask { (catalogue) throws(DatabaseError) in try await catalogue.put(chapter) }
        if change.outcome != .unchanged {
            await onChange(.chapters([id]))
            onPages(id)
        }
        let line = CatalogueLine(
            id: id, title: chapter.title, count: chapter.pages.count, revision: change.revision)
        return answer(line, change, counted: "pages")
    }

    private func answer(_ line: CatalogueLine, _ change: CatalogueChange, counted: String) -> Response {
        .json(
            CatalogueJSON.line(line, counted: counted, outcome: change.outcome),
            status: change.outcome == .added ? 201 : 200)
    }

    private func showChapter(_ request: Request) async throws -> Response {
        let id = request.parameter("id")
        guard let chapter = try await ask({ (catalogue) throws(DatabaseError) in try await catalogue.chapter(id) })
        else {
            throw CatalogueRoutes.noChapter
        }
        let bytes = try await onPool { CatalogueJSON.chapter(chapter).bytes }
        return Response(
            200, fields: ["Content-Type": "application/json", "Cache-Control": "no-store"], body: .bytes(bytes))
    }

    private func removeChapter(_ request: Request) async throws -> Response {
        let id = request.parameter("id")
        guard try await ask({ (catalogue) throws(DatabaseError) in try await catalogue.removeChapter(id) }) else {
            throw CatalogueRoutes.noChapter
        }
        await onChange(.chapters([id]))
        return Response(204)
    }

    private func refreshChapter(_ request: Request) async throws -> Response {
        let id = request.parameter("id")
        guard try await ask({ (catalogue) throws(DatabaseError) in try await catalogue.forget(chapter: id) }) else {
            throw CatalogueRoutes.noChapter
        }
        await onChange(.chapters([id]))
        onPages(id)
        return Response(204)
    }

    private func listChapters(_ request: Request) async throws -> Response {
        try await list(request, "chapters", counted: "pages") { (catalogue, after, limit) throws(DatabaseError) in
            try await catalogue.chapters(after: after, limit: limit)
        }
    }

    // MARK: Books

    private func putBook(_ request: Request) async throws -> Response {
        let id = request.parameter("id")
        let bytes = try await request.body.collect()
        let book = try await onPool { try CatalogueJSON.book(id, bytes) }
        let change = try await ask { (catalogue) throws(DatabaseError) in try await catalogue.put(book) }
        if change.outcome != .unchanged { await onChange(.books([id])) }
        let line = CatalogueLine(
            id: id, title: book.title, count: book.chapters.count, revision: change.revision)
        return answer(line, change, counted: "chapters")
    }

    private func showBook(_ request: Request) async throws -> Response {
        let id = request.parameter("id")
        guard let book = try await ask({ (catalogue) throws(DatabaseError) in try await catalogue.book(id) }) else {
            throw CatalogueRoutes.noBook
        }
        return .json(CatalogueJSON.book(book))
    }

    private func removeBook(_ request: Request) async throws -> Response {
        let id = request.parameter("id")
        guard try await ask({ (catalogue) throws(DatabaseError) in try await catalogue.removeBook(id) }) else {
            throw CatalogueRoutes.noBook
        }
        await onChange(.books([id]))
        return Response(204)
    }

    private func listBooks(_ request: Request) async throws -> Response {
        try await list(request, "books", counted: "chapters") { (catalogue, after, limit) throws(DatabaseError) in
            try await catalogue.books(after: after, limit: limit)
        }
    }

    // MARK: Both

    private func list(
        _ request: Request, _ name: String, counted: String,
        _ lines: @LoopActor (any Catalogue, String?, Int) async throws(DatabaseError) -> [CatalogueLine]
    ) async throws -> Response {
        var limit = CatalogueRoutes.listDefault
        if let text = request.query["limit"] {
            guard let number = Int(text), (1...CatalogueLimits.list).contains(number) else {
                throw HTTPError.badRequest("limit is 1 to \(CatalogueLimits.list)", code: "BAD_LIMIT")
            }
            limit = number
        }
        let after = request.query["after"]
        let bounded = limit
        let found = try await ask { (catalogue) throws(DatabaseError) in try await lines(catalogue, after, bounded) }
        return .json(
            .object([
                (name, .array(found.map { CatalogueJSON.line($0, counted: counted) })),
                ("next", found.count == limit ? found.last.map { .string($0.id) } ?? .null : .null),
            ]))
    }

    private func ask<Value: Sendable>(
        _ question: @LoopActor (any Catalogue) async throws(DatabaseError) -> Value
    ) async throws -> Value {
        let catalogue = try await opened()
        do throws(DatabaseError) {
            return try await question(catalogue)
        } catch {
            throw CatalogueRoutes.error(error)
        }
    }

    private func opened() async throws -> any Catalogue {
        do {
            return try await catalogue()
        } catch let error as DatabaseError {
            throw CatalogueRoutes.error(error)
        } catch let error as CoreError where error == .closed {
            throw HTTPError.unavailable("SHUTTING_DOWN", "this server is shutting down")
        }
    }

    // MARK: What is wrong

    static let noChapter = HTTPError(404, "NO_CHAPTER", "there is no such chapter")
    static let noBook = HTTPError(404, "NO_BOOK", "there is no such book")

    static func error(_ error: DatabaseError) -> HTTPError {
        error.kind == .argument
            ? .badRequest(error.message, code: "BAD_CATALOGUE")
            : .unavailable("DATABASE_UNAVAILABLE", "the database does not answer: \(error.message)")
    }
}
