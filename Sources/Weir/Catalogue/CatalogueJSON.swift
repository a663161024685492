internal import WeirDatabase
internal import WeirHTTP

/// Chapters and books as others write and read them.
enum CatalogueJSON {
    /// A chapter that was asked for.
    struct Given: Sendable {
        var title: String?
        var pages: [WeirDatabase.Page]
        /// How long objects are said to be, by the pages' places; nil where nothing is said.
        var bytes: [UInt64?]
    }

    // MARK: Reading

    /// `{"title"?, "pages": ["key" | {"key", "name"?, "bytes"?, "type"?, "crc32"?}]}`. Any thread.
    static func chapter(_ id: String, _ bytes: [UInt8]) throws -> Given {
        let members = try object(bytes, ["title", "pages"])
        guard let items = members["pages"]?.items else { throw wrong("pages, a list") }
        guard items.count <= CatalogueLimits.pages else {
            throw wrong("at most \(CatalogueLimits.pages) pages, and has \(items.count)")
        }
        var given = Given(title: try title(members), pages: [], bytes: [])
        given.pages.reserveCapacity(items.count)
        for (index, item) in items.enumerated() {
            let (page, length) = try page(item, index + 1)
            given.pages.append(page)
            given.bytes.append(length)
        }
        return given
    }

    private static func page(_ item: JSON, _ number: Int) throws -> (WeirDatabase.Page, UInt64?) {
        if let key = item.text { return (WeirDatabase.Page(objectKey: key, name: name(of: key)), nil) }
        guard case .object(let members) = item else { throw wrong("page \(number) as a key or an object") }
        for (name, _) in members where !["key", "name", "bytes", "type", "crc32"].contains(name) {
            throw wrong("key, name, bytes, type and crc32 in page \(number), and nothing else")
        }
        guard let key = item["key"]?.text else { throw wrong("key as text in page \(number)") }
        let given = item["name"].flatMap { $0 == .null ? nil : $0 }
        guard let name = given == nil ? name(of: key) : given?.text else {
            throw wrong("name as text in page \(number)")
        }
        var length: UInt64?
        if let bytes = item["bytes"], bytes != .null {
            guard let number = bytes.whole.flatMap(UInt64.init(exactly:)) else {
                throw wrong("bytes as a whole number in page \(number)")
            }
            length = number
        }
        return (WeirDatabase.Page(objectKey: key, name: name.isEmpty ? CatalogueJSON.name(of: key) : name), length)
    }

    /// The last part of a key that is not empty; else the key.
    static func name(of key: String) -> String { key.split(separator: "/").last.map { String($0) } ?? key }

    /// `{"title"?, "chapters": ["id"]}`. Any thread.
    static func book(_ id: String, _ bytes: [UInt8]) throws -> Book {
        let members = try object(bytes, ["title", "chapters"])
        guard let items = members["chapters"]?.items else { throw wrong("chapters, a list of ids") }
        let chapters = try items.enumerated().map { index, item in
            // A number is an id to whoever counts.
            guard let id = item.text ?? item.whole.map({ String($0) }) else {
                throw wrong("chapter \(index + 1) as an id")
            }
            return id
        }
        return Book(id: id, title: try title(members) ?? id, chapters: chapters)
    }

    private static func object(_ bytes: [UInt8], _ names: [String]) throws -> JSON {
        let json: JSON
        do throws(JSON.Problem) { json = try JSON(reading: bytes) } catch {
            throw HTTPError.badRequest("\(error)", code: "BAD_JSON")
        }
        guard case .object(let members) = json else { throw wrong("an object") }
        for (name, _) in members where !names.contains(name) {
            throw wrong("\(names.joined(separator: " and ")), and nothing else")
        }
        return json
    }

    private static func title(_ members: JSON) throws -> String? {
        guard let title = members["title"], title != .null else { return nil }
        guard let text = title.text else { throw wrong("title as text") }
        return text
    }

    private static func wrong(_ expected: String) -> HTTPError {
        .badRequest("the body is not what it should be; expected \(expected)", code: "BAD_CATALOGUE")
    }

    // MARK: Writing

    static func line(_ line: CatalogueLine, counted: String, outcome: CatalogueChange.Outcome? = nil) -> JSON {
        var members: [(String, JSON)] = [
            ("id", .string(line.id)), ("title", .string(line.title)), (counted, .integer(Int64(line.count))),
            ("revision", .integer(line.revision)),
        ]
        if let outcome { members.append(("outcome", .string("\(outcome)"))) }
        return .object(members)
    }

    static func chapter(_ chapter: Chapter) -> JSON {
        .object([
            ("id", .string(chapter.id)), ("title", .string(chapter.title)), ("revision", .integer(chapter.revision)),
            ("pages", .array(chapter.pages.map { page($0) })),
        ])
    }

    private static func page(_ page: WeirDatabase.Page) -> JSON {
        var members: [(String, JSON)] = [("key", .string(page.objectKey)), ("name", .string(page.name))]
        if let facts = page.facts {
            members += [("bytes", .integer(Int64(clamping: facts.length))), ("crc32", .string(hex(facts.crc32)))]
            if let image = facts.image {
                members += [
                    ("type", .string("image/\(image.format.rawValue)")), ("width", .integer(Int64(image.width))),
                    ("height", .integer(Int64(image.height))),
                ]
            }
        }
        return .object(members)
    }

    private static func hex(_ crc32: UInt32) -> String {
        let digits = String(crc32, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    static func book(_ book: Book) -> JSON {
        .object([
            ("id", .string(book.id)), ("title", .string(book.title)), ("revision", .integer(book.revision)),
            ("chapters", .array(book.chapters.map { .string($0) })),
        ])
    }
}
