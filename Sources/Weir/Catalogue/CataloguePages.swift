internal import Glibc
internal import WeirDatabase
internal import WeirHTTP
internal import WeirLoop
internal import WeirStorage

/// Pages in the object store: whether they are there, and taking them in under their digest.
@LoopActor
final class CataloguePages {
    /// Bytes of a page that is brought.
    nonisolated static let limit = 64 << 20
    /// What the keys of such pages begin with.
    nonisolated static let prefix = "pages/"
    /// Objects that are looked for at once.
    static let parallel = 16
    /// Bytes of an upload in memory.
    static let blockSize = 256 << 10

    private let store: any ObjectStore
    /// Where an upload waits until its digest is known; it has no name there.
    private let directory: String

    init(store: any ObjectStore, directory: String) {
        self.store = store
        self.directory = directory
    }

    // MARK: Looking

    /// Throws what is wrong with the first page that cannot be used: its key, no such object, another length.
    func check(_ pages: [WeirDatabase.Page], of lengths: [UInt64?]) async throws {
        var search = PageSearch()
        for (index, page) in pages.enumerated() {
            let key: ObjectKey
            do throws(ObjectError) { key = try ObjectKey(page.objectKey) } catch {
                throw CataloguePages.error(error, index, page)
            }
            search.add(key, index, lengths[index])
        }
        let queue = PageQueue(search)
        let workers = (0..<min(CataloguePages.parallel, max(1, queue.count))).map { _ in
            spawn { [store] in
                while let wanted = queue.next() {
                    do throws(ObjectError) {
                        let info = try await store.head(wanted.key)
                        for place in wanted.places where place.length.map({ $0 != info.length }) ?? false {
                            queue.fail(place.index, .length(info.length))
                        }
                    } catch {
                        queue.fail(wanted.places[0].index, .store(error))
                    }
                }
            }
        }
        await withTaskCancellationHandler {
            for worker in workers { await worker.value }
        } onCancel: {
            for worker in workers { worker.cancel() }
        }
        guard let (index, failure) = queue.failure else { return }
        let page = pages[index]
        switch failure {
        case .store(let error): throw CataloguePages.error(error, index, page)
        case .length(let found):
            throw HTTPError(
                422, "PAGE_LENGTH",
                "page \(index + 1) has \(found) bytes, and not \(lengths[index] ?? 0): \(page.objectKey)",
                detail: CataloguePages.detail(index, page))
        }
    }

    private static func error(_ error: ObjectError, _ index: Int, _ page: WeirDatabase.Page) -> HTTPError {
        let detail = detail(index, page)
        switch error.kind {
        case .notFound:
            return HTTPError(
                422, "PAGE_MISSING", "page \(index + 1) is not in the object store: \(page.objectKey)", detail: detail)
        case .key:
            return HTTPError(400, "BAD_KEY", "page \(index + 1): \(error.message)", detail: detail)
        default:
            return HTTPError(
                502, "STORE_FAILED", "page \(index + 1): the object store failed: \(error.message)", detail: detail)
        }
    }

    private static func detail(_ index: Int, _ page: WeirDatabase.Page) -> [(String, JSON)] {
        [("page", .integer(Int64(index + 1))), ("key", .string(page.objectKey))]
    }

    // MARK: Taking in

    /// Keeps the body as `pages/SHA256`, if that is its digest. The same page twice is one object.
    func put(_ request: Request) async throws -> Response {
        let sha256 = try MediaRoutes.digest(request.parameter("sha256"))
        let spool = try await PageSpool(in: directory)
        var digest = RunningDigest()
        var block: [UInt8] = []
        while true {
            let piece = try await request.body.next()
            if let piece { if block.isEmpty { block = piece } else { block += piece } }
            if block.count >= CataloguePages.blockSize || (piece == nil && !block.isEmpty) {
                digest = try await spool.write(block, digest)
                block = []
            }
            if piece == nil { break }
        }
        guard spool.length > 0 else { throw HTTPError.badRequest("the page is empty", code: "EMPTY_PAGE") }
        guard digest.hex == sha256 else {
            throw HTTPError(
                422, "BAD_DIGEST", "what came is not what it is called: its SHA-256 is \(digest.hex)")
        }
        let type = request.fields["Content-Type"]
        do throws(ObjectError) {
            let key = try ObjectKey(CataloguePages.prefix + sha256)
            do throws(ObjectError) {
                let found = try await store.head(key)
                if found.length == spool.length { return answer(found, status: 200) }
            } catch {
                // Whatever is wrong with it, it is written anew.
                guard error.kind == .notFound || error.kind == .damaged else { throw error }
            }
            let source = ObjectSource.file(spool.descriptor, length: spool.length)
            return answer(try await store.put(key, source, ObjectFacts(type: type)), status: 201)
        } catch {
            throw HTTPError.unavailable("STORE_FAILED", "the object store failed: \(error.message)")
        }
    }

    func show(_ request: Request) async throws -> Response {
        let sha256 = try MediaRoutes.digest(request.parameter("sha256"))
        do throws(ObjectError) {
            return answer(try await store.head(try ObjectKey(CataloguePages.prefix + sha256)), status: 200)
        } catch {
            if error.kind == .notFound { throw HTTPError(404, "NO_PAGE", "there is no such page") }
            throw HTTPError.unavailable("STORE_FAILED", "the object store failed: \(error.message)")
        }
    }

    private func answer(_ info: ObjectInfo, status: Int) -> Response {
        .json(
            .object([
                ("key", .string(info.key.text)), ("bytes", .integer(Int64(clamping: info.length))),
                ("type", info.type.map { .string($0) } ?? .null),
            ]), status: status)
    }
}

/// Which objects are looked for, each once, and for which pages.
private struct PageSearch: Sendable {
    struct Wanted: Sendable {
        let key: ObjectKey
        var places: [(index: Int, length: UInt64?)]
    }

    var wanted: [Wanted] = []
    private var found: [ObjectKey: Int] = [:]

    mutating func add(_ key: ObjectKey, _ index: Int, _ length: UInt64?) {
        if let place = found[key] {
            wanted[place].places.append((index, length))
        } else {
            found[key] = wanted.count
            wanted.append(Wanted(key: key, places: [(index, length)]))
        }
    }
}

/// Objects to be looked for, and the first page that something is wrong with.
@LoopActor
private final class PageQueue {
    enum Failure {
        case store(ObjectError)
        case length(UInt64)
    }

    private let search: PageSearch
    private var started = 0
    private(set) var failure: (index: Int, failure: Failure)?

    init(_ search: PageSearch) { self.search = search }

    var count: Int { search.wanted.count }

    /// Nil also when something is wrong: those before it are under way already.
    func next() -> PageSearch.Wanted? {
        guard failure == nil, started < count, !Task.isCancelled else { return nil }
        started += 1
        return search.wanted[started - 1]
    }

    func fail(_ index: Int, _ failure: Failure) {
        if let first = self.failure, first.index <= index { return }
        self.failure = (index, failure)
    }
}
