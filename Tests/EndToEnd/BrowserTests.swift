import Glibc
import Testing

/// The page at `/`, in a real browser, with the mouse and the keyboard.
@Suite("The page in Chromium", .ownThread, .enabled(if: Peer.has("chromium")))
struct BrowserTests {
    private func open(_ weir: Daemon, _ body: (Browser) throws -> Void) throws {
        try Browser.open("http://127.0.0.1:\(weir.port)/") { browser in
            // All of them come with one answer.
            try browser.wait("the stations are there", for: "cards.size > 0")
            try body(browser)
        }
    }

    /// What stands in the card of a station.
    private static func card(_ name: String) -> String { "cards.get(\(Browser.quoted(name)))" }

    private static func says(_ script: String, _ text: String) -> String {
        "\(script).textContent.includes(\(Browser.quoted(text)))"
    }

    /// The page's own time of what it plays.
    private func time(_ browser: Browser) throws -> Double { try browser.number("player.audio.currentTime") }

    @Test("plays demo.wav: the sound's time goes on, and stops with the button")
    func plays() throws {
        try Daemon.run { weir in
            try open(weir) { browser in
                try browser.click("Play demo")
                let first = try eventually("it sounds") {
                    let time = try time(browser)
                    return time > 0.2 ? time : nil
                }
                try eventually("its time goes on") { try time(browser) > first + 1 ? true : nil }
                try browser.wait("it says so", for: Self.says("byId('notice')", "Playing demo."))
                // The tone's level, whatever the volume: -12 dBFS.
                try browser.evaluate("byId('volume').value = 0; byId('volume').dispatchEvent(new Event('input'))")
                try browser.wait(
                    "the meter shows the tone's level", for: "Math.abs(\(Self.card("demo")).level.value + 12) < 0.5")
                let listener = try #require(try weir.station("demo")["listeners"]?[0])
                #expect(listener["path"]?.text == "/live/demo.wav")
                #expect(listener["sent_bytes"]?.integer ?? 0 > 192_000)
                try browser.wait(
                    "the listener is shown",
                    for: Self.says("\(Self.card("demo")).listeners.body", listener["address"]?.text ?? "?"))
                try browser.click("Silence demo")
                try eventually("it listens no more") {
                    try weir.station("demo")["listeners"]?.items?.isEmpty == true ? true : nil
                }
                #expect(try weir.station("demo")["ends"]?["closed"]?.integer ?? 0 >= 1)
                #expect(try browser.text("player.audio.getAttribute('src') ?? ''") == "")
            }
        }
    }

    @Test("kicks, stops, starts and sets a title with the token, which is asked for once")
    func orders() throws {
        // However long the browser takes, who reads nothing is still there.
        let configuration = "live: { stations: [ { name: demo, source: { kind: tone }, slow: { timeout: 600 } } ] }"
        try Daemon.run(configuration) { weir in
            let (client, _) = try weir.listen("/live/demo.wav")
            let id = try #require(try weir.station("demo")["listeners"]?[0]?["id"]?.integer)
            try open(weir) { browser in
                try browser.click("Listeners: 1")
                try browser.click("Kick listener \(id) at 127.0.0.1:")
                try browser.wait("the token is asked for", for: "byId('token-dialog').open")
                #expect(try browser.text("document.activeElement.id") == "token")
                try browser.type("not the token")
                try browser.press(.enter)
                try browser.wait("a token has no spaces", for: Self.says("byId('token-problem')", "ASCII"))
                try browser.evaluate("byId('token').value = ''")
                try browser.type("wrong")
                try browser.press(.enter)
                try browser.wait(
                    "it was refused", for: Self.says("byId('token-problem')", "The server refused this token."))
                #expect(try weir.station("demo")["listeners"]?.items?.count == 1)
                #expect(try browser.evaluate("sessionStorage.getItem('weir.token')") == .null)
                try browser.type(try weir.token)
                try browser.press(.enter)
                _ = try client.receiveAll()
                try eventually("it was kicked") {
                    try weir.station("demo")["ends"]?["kicked"]?.integer == 1 ? true : nil
                }
                try browser.wait("it says so", for: Self.says("byId('notice')", "Done: kick listener \(id)"))
                #expect(try browser.text("sessionStorage.getItem('weir.token')") == (try weir.token))

                try browser.click("Recent ends: kicked 1")
                try browser.wait(
                    "the end is shown", for: Self.says("\(Self.card("demo")).ends.body", "kicked127.0.0.1:"))

                // No question any more.
                try browser.click("Stop demo")
                try weir.wait("demo", is: "stopped")
                try browser.wait("it is seen", for: "\(Self.card("demo")).state.textContent === 'stopped'")
                try browser.tab(to: "Start demo")
                try browser.press(.enter)
                try weir.wait("demo", is: "live")
                try browser.wait(
                    "what has nothing to do says so",
                    for: "\(Self.card("demo")).start.getAttribute('aria-disabled') === 'true'")
                try browser.click("Title of demo")
                try browser.type("Ärger & <Co>")
                try browser.press(.enter)
                try eventually("the title is set") {
                    try weir.station("demo")["title"]?.text == "Ärger & <Co>" ? true : nil
                }
                try browser.wait("it is shown", for: "\(Self.card("demo")).title.textContent === 'Ärger & <Co>'")

                try browser.click("Forget the token")
                #expect(try browser.evaluate("sessionStorage.length") == .number(0))
                try browser.click("Stop demo")
                try browser.wait("it is asked for again", for: "byId('token-dialog').open")
                try browser.press(.escape)
                try browser.wait("nothing is done", for: Self.says("byId('notice')", "Not done without a token"))
                #expect(try weir.station("demo")["state"]?.text == "live")
            }
            #expect(!weir.process.state.lines.contains { $0.contains(try! weir.token) }, "the token is not logged")
        }
    }

    @Test("commits a stream that is kept in files, and takes it back")
    func commits() throws {
        let source = try Tool.source("--rate", "1e6")
        let station = WarmStation(source: "{ kind: exec, command: \(source), autostart: always }", filled: 1)
        try station.run { weir, _ in
            try open(weir) { browser in
                try browser.click("Admin token")
                try browser.type(try weir.token)
                try browser.press(.enter)
                func isRequested() throws -> JSON? { try weir.station("tv")["warm"]?["commit_requested"] }
                #expect(try isRequested() == .bool(false))
                try browser.click("Commit tv")
                try eventually("it is committed") { try isRequested() == .bool(true) ? true : nil }
                #expect(try weir.station("tv")["warm"]?["committed"] == .bool(true))
                try browser.wait("it is shown", for: Self.says("\(Self.card("tv")).facts", ", committed"))
                try browser.click("Uncommit tv")
                try eventually("it is not any more") { try isRequested() == .bool(false) ? true : nil }
                #expect(try browser.evaluate("\(Self.card("tv")).play === undefined") == .bool(true))
            }
        }
    }

    /// Text that would be markup if anyone took it for that.
    private static let hostile = [
        "</script><script>window.hacked = 1</script>", "<img src=x onerror=\\\"window.hacked = 2\\\">",
        "<svg onload=window.hacked=3>\\\"'><iframe src=javascript:window.hacked=4>",
    ]

    @Test("what others say is text: titles, errors of sources, names of senders")
    func text() throws {
        let configuration = """
            live:
              stations:
                - { name: tone, source: { kind: tone } }
                - { name: sent, source: { kind: push, stall_timeout: 1h } }
                - name: broken
                  source: { kind: exec, command: [sh, -c, "echo \\"$1\\" >&2; exit 3", sh, "\(Self.hostile[1])"] }
            """
        try Daemon.run(configuration) { weir in
            let bearer = "Authorization: Bearer \(try weir.token)"
            let title = "{\"title\": \"\(Self.hostile[0])\"}"
            let set = try weir.request(
                "POST", "/live/tone/metadata", [bearer, "Content-Type: application/json"], body: title)
            #expect(set.status == 200)
            let agent = Self.hostile[2].replacing("\\", with: "")
            let sender = try weir.client()
            try sender.send(
                "SOURCE /live/sent HTTP/1.0\r\n\(bearer)\r\nUser-Agent: \(agent)\r\nice-name: \(agent)\r\n\r\n")
            try sender.send([UInt8](repeating: 1, count: 400))
            try weir.wait("sent", is: "live")
            try eventually("the source has failed") {
                try weir.station("broken")["last_error"]?.text?.contains("onerror") == true ? true : nil
            }
            try open(weir) { browser in
                for (place, words) in [
                    ("\(Self.card("tone")).title", set.json?["title"]?.text ?? "?"),
                    ("\(Self.card("sent")).facts", agent),
                    ("\(Self.card("broken")).error", Self.hostile[1].replacing("\\", with: "")),
                ] {
                    try browser.wait("\(words) is shown", for: Self.says(place, words))
                }
                try browser.wait("health is shown", for: "byId('health').textContent === 'degraded'")
                // What stands in the document by itself, and nothing else.
                #expect(try browser.number("document.querySelectorAll('img, svg, iframe, main script').length") == 0)
                #expect(try browser.number("document.scripts.length") == 1)
                #expect(try browser.evaluate("window.hacked === undefined") == .bool(true))
                #expect(try browser.takeComplaints() == [])

                // If any of it were taken for markup: the policy stops it, and these tests see that.
                let image = "<img src=x onerror=\"window.hacked = 5\">"
                try browser.evaluate("document.body.insertAdjacentHTML('beforeend', \(Browser.quoted(image)))")
                try eventually("the policy stops it") {
                    try browser.takeComplaints().contains { $0.contains("Content Security Policy") } ? true : nil
                }
                #expect(try browser.evaluate("window.hacked === undefined") == .bool(true))
            }
        }
    }

    @Test("says that the server is gone, and that it is back; asks nothing while nobody looks")
    func lost() throws {
        try Daemon.run { weir in
            try open(weir) { browser in
                try browser.wait("there is no alarm", for: "byId('alarm').hidden")
                try browser.setOnline(false)
                try browser.wait("the alarm is shown", for: "!byId('alarm').hidden")
                try browser.wait(
                    "it says what it is about", for: Self.says("byId('alarm')", "The server has not answered since"))
                #expect(try browser.evaluate("document.body.classList.contains('lost')") == .bool(true))
                try browser.setOnline(true)
                try browser.wait("the alarm is gone", for: "byId('alarm').hidden")
                try browser.wait("it says so", for: Self.says("byId('notice')", "The server answers again."))

                let asked =
                    "performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/live')).length"
                let before = try browser.number(
                    """
                    (async () => {
                      Object.defineProperty(document, 'hidden', { get: () => true, configurable: true });
                      while (refresh.isAsking) await new Promise((resolve) => setTimeout(resolve, 10));
                      const before = \(asked);
                      await refresh.turn();
                      await refresh.turn();
                      return \(asked) - before;
                    })()
                    """)
                #expect(before == 0)
                let seen = try browser.number(asked)
                try browser.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
                try browser.wait("it asks again", for: "\(asked) > \(seen)")

                #expect(try weir.end(SIGTERM) == .code(0))
                try browser.wait("the end of the server is shown", for: "!byId('alarm').hidden")
            }
        }
    }

    @Test("can be read by day and by night", .enabled(if: Peer.has("curl")), arguments: ["light", "dark"])
    func contrast(scheme: String) throws {
        let configuration = """
            live:
              stations:
                - { name: vinyl, source: { kind: tone }, listeners: { max: 100 }, slow: { timeout: 600 } }
                - name: tv
                  format: ts
                  source: { kind: exec, command: \(try Tool.source("--rate", "1e6")), autostart: always }
                - { name: night, source: { kind: exec, command: [sh, -c, "echo no such device >&2; exit 1"] } }
            """
        try Daemon.run(configuration) { weir in
            let (idle, _) = try weir.listen("/live/vinyl.wav")
            defer { idle.close() }
            let (left, _) = try weir.listen("/live/vinyl.pcm")
            left.close()
            let listening = try Process(
                ["curl", "-sS", "-o", "/dev/null", "http://127.0.0.1:\(weir.port)/live/vinyl.wav"])
            defer { listening.end() }
            _ = try weir.request(
                "POST", "/live/vinyl/metadata", ["Authorization: Bearer \(try weir.token)"], body: "title=One+More+Time"
            )
            try eventually("one listens, one does not, one has left, and a source has failed") {
                let station = try weir.station("vinyl")
                let isSo = station["listeners"]?.items?.count == 2 && station["ends"]?["closed"]?.integer == 1
                return try isSo && weir.station("night")["state"]?.text == "failed" ? true : nil
            }
            try open(weir) { browser in
                try browser.prefer(scheme)
                try browser.click("Admin token")
                try browser.type(try weir.token)
                try browser.press(.enter)
                try browser.click("Listeners: 2")
                try browser.click("Recent ends: closed 1")
                try browser.wait("the end is shown", for: Self.says("\(Self.card("vinyl")).ends.body", "closed"))
                try browser.wait("the stream is known", for: Self.says("\(Self.card("tv")).facts", "access point"))
                // The ratio of luminances (WCAG 2.2, 1.4.3) of each text that is shown to the ground it stands on.
                let poor = try browser.evaluate(
                    """
                    (() => {
                      const parse = (text) => text.match(/[\\d.]+/g).map(Number);
                      const linear = (one) => one <= 10.31 ? one / 3294.6 : ((one / 255 + 0.055) / 1.055) ** 2.4;
                      const luminance = (rgb) => {
                        const [r, g, b] = rgb.map(linear);
                        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
                      };
                      const ground = (node) => {
                        for (; node; node = node.parentElement) {
                          const color = parse(getComputedStyle(node).backgroundColor);
                          if (color.length === 3 || color[3] === 1) return color.slice(0, 3);
                        }
                        return [255, 255, 255];
                      };
                      const hasText = (node) => [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
                      const poor = [];
                      let seen = 0;
                      for (const node of document.querySelectorAll('body *')) {
                        if (!node.checkVisibility() || !hasText(node)) continue;
                        seen += 1;
                        const ink = luminance(parse(getComputedStyle(node).color).slice(0, 3));
                        const paper = luminance(ground(node));
                        const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
                        if (ratio < 4.5) poor.push(node.textContent.slice(0, 40) + ' ' + ratio.toFixed(2));
                      }
                      return seen > 30 ? poor : ['only ' + seen + ' texts'];
                    })()
                    """)
                #expect(poor == .array([]))
                let ground = try browser.text("getComputedStyle(document.body).backgroundColor")
                #expect(ground == (scheme == "dark" ? "rgb(21, 23, 26)" : "rgb(247, 247, 245)"))
                // To look at: build/page-light.png, build/page-dark.png. Those in docs were made here.
                try Disk.write("\(Tool.root)/build/page-\(scheme).png", try browser.picture())
                // Every control has a name.
                let nameless = try browser.number(
                    """
                    [...document.querySelectorAll('button, a, input, summary')].filter((one) =>
                      !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length)).length
                    """)
                #expect(nameless == 0)
            }
        }
    }
}
