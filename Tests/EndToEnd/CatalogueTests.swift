import Glibc
import Testing

/// `weir chapter`, `weir book` and the routes behind them.
@Suite("The catalogue", .ownThread)
struct CatalogueTests {
    private static func weir(_ daemon: Daemon, _ words: [String]) throws -> Peer.Result {
        try Peer.run(
            [Daemon.program] + words + ["--data", daemon.data, "--server", "http://127.0.0.1:\(daemon.port)"],
            within: 2 * Pace.patience)
    }

    private static func put(_ daemon: Daemon, _ target: String, _ body: String) throws -> Reply {
        try daemon.request(
            "PUT", target, ["Authorization: Bearer \(try daemon.token)", "Content-Type: application/json"], body: body)
    }

    private static func code(_ reply: Reply) -> String { reply.json?["error"]?["code"]?.text ?? "" }

    @Test("a directory and archives of any kind become chapters with their bytes, in the order of people")
    func imports() throws {
        let scratch = try Scratch()
        // An archive as Python writes it: stored, deflated, with Zip64 fields, with a comment.
        let script = """
            import sys, zipfile, os
            folder = sys.argv[1]
            os.makedirs(folder + '/pages/sub')
            for n in (1, 2, 10): open(f'{folder}/pages/{n}.jpg', 'wb').write(b'page %d ' % n * 5000)
            open(folder + '/pages/sub/11.PNG', 'wb').write(b'page 11')
            open(folder + '/pages/notes.txt', 'w').write('none')
            open(folder + '/pages/.hidden.jpg', 'w').write('none')
            for name, kind in (('stored.cbz', zipfile.ZIP_STORED), ('deflated.zip', zipfile.ZIP_DEFLATED)):
                with zipfile.ZipFile(f'{folder}/{name}', 'w', kind) as z:
                    z.comment = b'a comment PK\\x05\\x06 of its own'
                    for n in (10, 1, 2):
                        with z.open(f'Kapitel ü/{n}.jpg', 'w', force_zip64=True) as f:
                            f.write(b'page %d ' % n * 5000)
                    z.writestr('Kapitel ü/11.PNG', b'page 11')
                    z.writestr('ComicInfo.xml', '<x/>')
                    z.writestr('__MACOSX/._1.jpg', 'none')
            """
        _ = try Peer.demand("python3", "-c", script, scratch.path)
        try Daemon.run { weir in
            var pages: [[String]] = []
            for (id, source) in [("dir", "pages"), ("stored", "stored.cbz"), ("deflated", "deflated.zip")] {
                let added = try CatalogueTests.weir(
                    weir, ["chapter", "add", id, "--title", "Títle \(id)", "\(scratch.path)/\(source)"])
                #expect(added.exit == .code(0), "\(added.errors)")
                #expect(added.text.contains("4  \(id)  Títle \(id)"))
                #expect(added.errors.contains("2 files are no picture and left out"), "\(added.errors)")
                let chapter = try #require(try weir.get("/catalog/chapters/\(id)").json)
                #expect(chapter["title"]?.text ?? "" == "Títle \(id)")
                let items = try #require(chapter["pages"]?.items)
                #expect(items.compactMap { $0["name"]?.text } == ["1.jpg", "2.jpg", "10.jpg", "11.PNG"])
                pages.append(items.compactMap { $0["key"]?.text })
            }
            // The same pictures are the same objects.
            #expect(pages[0].count == 4 && pages[1] == pages[0] && pages[2] == pages[0])
            for (key, text) in zip(pages[0], ["page 1 ", "page 2 ", "page 10 "]) {
                let bytes = try Peer.run([Daemon.program, "object", "get", key, "-", "--data", weir.data])
                #expect(bytes.text == String(repeating: text, count: 5000))
            }

            let book = try CatalogueTests.weir(weir, ["book", "add", "b1", "--title", "Band", "dir", "stored", "dir"])
            #expect(book.exit == .code(0), "\(book.errors)")
            #expect(try CatalogueTests.weir(weir, ["book", "show", "b1"]).text == "b1: Band\ndir\nstored\ndir\n")
            #expect(try CatalogueTests.weir(weir, ["book", "ls"]).text == "     3  b1  Band\n")
            let list = try CatalogueTests.weir(weir, ["chapter", "ls"]).text
            #expect(
                list == "     4  deflated  Títle deflated\n     4  dir  Títle dir\n     4  stored  Títle stored\n")
            let shown = try CatalogueTests.weir(weir, ["chapter", "show", "dir"])
            #expect(shown.text.split(separator: "\n").count == 5)

            // Objects that are in the store already, by their keys.
            let keyed = try CatalogueTests.weir(weir, ["chapter", "add", "keyed"] + pages[0].prefix(2))
            #expect(keyed.exit == .code(0), "\(keyed.errors)")
            let missing = try CatalogueTests.weir(weir, ["chapter", "add", "none", pages[0][0], "pages/none"])
            #expect(missing.exit == .code(1))
            #expect(missing.errors.contains("PAGE_MISSING: page 2 is not in the object store: pages/none"))

            #expect(try CatalogueTests.weir(weir, ["chapter", "rm", "dir", "keyed"]).exit == .code(0))
            #expect(try CatalogueTests.weir(weir, ["chapter", "rm", "dir"]).exit == .code(1))
            #expect(try CatalogueTests.weir(weir, ["book", "rm", "b1"]).exit == .code(0))
            #expect(try weir.get("/catalog/chapters/dir").status == 404)
            #expect(try weir.get("/catalog/books/b1").status == 404)
        }
    }

    @Test("what is put is what is got; what is wrong is refused with its reason and the page's number")
    func routes() throws {
        try Daemon.run { weir in
            let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
            let key = "pages/\(digest)"
            let token = "Authorization: Bearer \(try weir.token)"
            let page = "/catalog/pages/\(digest)"
            #expect(try weir.request("PUT", page, [], body: "hello").status == 401)
            let forged = try weir.request("PUT", page, [token], body: "hullo")
            #expect(forged.status == 422 && CatalogueTests.code(forged) == "BAD_DIGEST")
            #expect(try weir.get(page).status == 404)
            let first = try weir.request("PUT", page, [token, "Content-Type: image/png"], body: "hello")
            #expect(first.status == 201 && first.json?["key"]?.text ?? "" == key, "\(first.text)")
            #expect(try weir.request("PUT", page, [token], body: "hello").status == 200)
            let shown = try weir.get(page)
            #expect(shown.status == 200 && shown.json?["bytes"]?.number ?? -1 == 5)
            #expect(shown.json?["type"]?.text ?? "" == "image/png")

            let body = #"{"title":"T","pages":["\#(key)",{"key":"\#(key)","name":"b.png","bytes":5,"crc32":"x"}]}"#
            #expect(try weir.request("PUT", "/catalog/chapters/1", [], body: body).status == 401)
            let added = try CatalogueTests.put(weir, "/catalog/chapters/1", body)
            #expect(added.status == 201 && added.json?["outcome"]?.text ?? "" == "added", "\(added.text)")
            let again = try CatalogueTests.put(weir, "/catalog/chapters/1", body)
            #expect(again.status == 200 && again.json?["outcome"]?.text ?? "" == "unchanged")
            #expect(again.json?["revision"]?.number ?? 1 == added.json?["revision"]?.number ?? 2)
            let chapter = try #require(try weir.get("/catalog/chapters/1").json)
            #expect(chapter["pages"]?.items?.compactMap { $0["name"]?.text } ?? [] == [digest, "b.png"])
            let refreshed = try weir.order("POST", "/catalog/chapters/1/refresh")
            #expect(refreshed.status == 204)
            let newer = try #require(try weir.get("/catalog/chapters/1").json)
            #expect(newer["revision"]?.number ?? 0 > chapter["revision"]?.number ?? .infinity)

            for (text, code, word) in [
                ("{", "BAD_JSON", "at byte 1"), ("[]", "BAD_CATALOGUE", "an object"),
                (#"{"pages":[],"x":1}"#, "BAD_CATALOGUE", "title and pages"), ("{}", "BAD_CATALOGUE", "pages, a list"),
                (#"{"pages":["\#(key)",7]}"#, "BAD_CATALOGUE", "page 2"),
                (#"{"pages":["\#(key)",{"name":"x"}]}"#, "BAD_CATALOGUE", "page 2"),
                (#"{"pages":["\#(key)",""]}"#, "BAD_KEY", "page 2"),
                (#"{"pages":["\#(key)","\#(key)","none"]}"#, "PAGE_MISSING", "page 3"),
                (#"{"pages":["\#(key)",{"key":"\#(key)","bytes":6}]}"#, "PAGE_LENGTH", "page 2"),
            ] {
                let refused = try CatalogueTests.put(weir, "/catalog/chapters/2", text)
                #expect((400..<500).contains(refused.status) && CatalogueTests.code(refused) == code, "\(refused.text)")
                #expect(refused.json?["error"]?["message"]?.text?.contains(word) ?? false, "\(refused.text)")
            }
            let comma = try CatalogueTests.put(weir, "/catalog/chapters/a,b", body)
            #expect(comma.status == 400 && CatalogueTests.code(comma) == "BAD_CATALOGUE")
            let book = try CatalogueTests.put(weir, "/catalog/books/1", #"{"chapters":["1",1,"later"]}"#)
            #expect(book.status == 201, "\(book.text)")
            let shownBook = try #require(try weir.get("/catalog/books/1").json)
            #expect(shownBook["chapters"]?.items?.compactMap(\.text) ?? [] == ["1", "1", "later"])
            let wrong = try CatalogueTests.put(weir, "/catalog/books/2", #"{"chapters":[[]]}"#)
            #expect(wrong.status == 400 && CatalogueTests.code(wrong) == "BAD_CATALOGUE")

            for number in 0..<5 {
                #expect(try CatalogueTests.put(weir, "/catalog/chapters/c\(number)", #"{"pages":[]}"#).status == 201)
            }
            var ids: [String] = []
            var after = ""
            while true {
                let list = try #require(try weir.get("/catalog/chapters?limit=2\(after)").json)
                ids += list["chapters"]?.items?.compactMap { $0["id"]?.text } ?? []
                guard let next = list["next"]?.text else { break }
                after = "&after=\(next)"
            }
            #expect(ids == ["1", "c0", "c1", "c2", "c3", "c4"])
            #expect(try weir.get("/catalog/chapters?limit=0").status == 400)
            #expect(try weir.order("DELETE", "/catalog/chapters/1").status == 204)
            #expect(try weir.order("DELETE", "/catalog/chapters/1").status == 404)
        }
    }
}
