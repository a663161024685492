import Glibc
import Testing

/// The media on the page: what is uploaded there, what waits, what failed.
@Suite("Media in Chromium", .ownThread, .enabled(if: Peer.has("chromium")))
struct MediaPageTests {
    private static func says(_ script: String, _ text: String) -> String {
        "\(script).textContent.includes(\(Browser.quoted(text)))"
    }

    private static func fact(_ term: String, _ text: String) -> String {
        "media.values.get(\(Browser.quoted(term)))?.lastChild.textContent === \(Browser.quoted(text))"
    }

    @Test("takes files in, shows what waits and why, and requeues what failed")
    func uploads() throws {
        // The first photo is refused, for good; the same one again is not.
        let control = """
            {"rates":null,"faults":[{"do":"error","method":"sendPhoto","status":400,"description":"Bad Request: IMAGE_PROCESS_FAILED"}]}
            """
        try StandIn.run(control) { telegram in
            try Daemon.run(MediaTests.configuration(telegram)) { weir in
                let scratch = try Scratch()
                let files = try MediaTests.files(5, in: scratch.path)
                try Browser.open("http://127.0.0.1:\(weir.port)/") { browser in
                    try browser.wait("the panel is there", for: "!byId('media').hidden")
                    try browser.click("Pause the worker")
                    try browser.type(try weir.token)
                    try browser.press(.enter)
                    try browser.wait("it pauses", for: "media.state.textContent === 'paused'")

                    try browser.choose(files, in: "media.upload.files")
                    try browser.click("Upload")
                    try browser.wait("they are taken", for: Self.says("byId('notice')", "5 files taken."))
                    #expect(try browser.number("media.upload.list.querySelectorAll('.ok').length") == 5)
                    try browser.wait("they wait", for: Self.fact("Warming", "5"))
                    let media = try MediaTests.media(weir)
                    #expect(media.count == 5)
                    let names = media.compactMap { $0["name"]?.text }.sorted()
                    #expect(names == ["0.jpg", "1.mp4", "2.mp3", "3.pdf", "4.gif"])
                    #expect(Set(media.compactMap { $0["kind"]?.text }).count == 5, "by their types")

                    // Those that this worker has claimed, or any in the database.
                    let photo = try #require(media.first { $0["kind"]?.text ?? "" == "photo" })
                    let id = Int(try #require(photo["id"]?.number))
                    let why = try #require(try weir.get("/prewarm?explain=\(id)").json)
                    #expect(why["job"]?["state"]?.text ?? "" == "queued")
                    let rules = why["rules"]?.items?.compactMap { $0["rule"]?.text } ?? []
                    #expect(rules.prefix(3) == ["base", "bytes < 100000", "kind = photo"])
                    #expect(try weir.get("/prewarm?explain=\(id + 1000)").status == 404)
                    #expect(try weir.get("/prewarm?explain=first").status == 400)

                    try browser.click("Resume the worker")
                    try browser.wait("four are ready", for: Self.fact("Ready", "4"))
                    try browser.wait("one is given up", for: Self.fact("Given up", "1"))
                    try browser.click("Given up: 1")
                    try browser.wait(
                        "its error is shown", for: Self.says("media.failed.body", "IMAGE_PROCESS_FAILED"))
                    try browser.click("Requeue photo 0.jpg")
                    try browser.wait("it is ready now", for: Self.fact("Ready", "5"))
                    try browser.wait(
                        "nothing is given up", for: Self.says("media.failed.note", "Nothing was given up."))

                    // A file that is refused says why.
                    try Disk.write("\(scratch.path)/empty.jpg", [])
                    try browser.choose(["\(scratch.path)/empty.jpg"], in: "media.upload.files")
                    try browser.click("Upload")
                    try browser.wait(
                        "it is refused", for: Self.says("media.upload.list", "the file is empty (400)"))
                }
            }
        }
    }

    @Test("is not there without bots")
    func absent() throws {
        try Daemon.run { weir in
            try Browser.open("http://127.0.0.1:\(weir.port)/") { browser in
                try browser.wait("the stations are there", for: "cards.size > 0")
                try browser.wait("health was asked", for: "byId('health').textContent === 'ok'")
                #expect(try browser.evaluate("byId('media').hidden") == .bool(true))
            }
        }
    }
}
