import Glibc
import Testing

/// A headless Chromium with one page, steered by its DevTools protocol: messages in JSON, each with a zero byte behind
/// it, to its descriptor 3 and from its descriptor 4 (`--remote-debugging-pipe`).
final class Browser {
    /// What the page did by itself: `Runtime.exceptionThrown` and the like.
    struct Event {
        let method: String
        let parameters: JSON
    }

    private let process: Process
    private let profile: Scratch
    private let wire: Int32
    private var received: [UInt8] = []
    private var number = 0
    private var session: String?
    private(set) var events: [Event] = []

    /// Opens `url`, and ends with `body`. What the page complained about by then is a failure of the test, unless
    /// `body` took it.
    static func open(_ url: String, _ body: (Browser) throws -> Void) throws {
        let browser = try Browser()
        defer { browser.process.end() }
        do {
            try browser.open(url)
            try body(browser)
        } catch {
            throw Failure(
                "\(error)\nThe page: \((try? browser.text("document.body.innerText")) ?? "")\n\(browser.complaints)")
        }
        #expect(browser.complaints.isEmpty)
        _ = try? browser.call("Browser.close")
        // Its helpers write into the profile until they are gone.
        _ = try? browser.process.waitForExit(10)
    }

    private init() throws {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw Failure.system("socketpair")
        }
        wire = ends[0]
        profile = try Scratch()
        defer { close(ends[1]) }
        var command = [
            "chromium", "--headless=new", "--remote-debugging-pipe", "--user-data-dir=\(profile.path)",
            "--no-first-run", "--no-default-browser-check", "--disable-gpu", "--disable-dev-shm-usage",
            "--disable-breakpad",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
            "--mute-audio", "--window-size=1100,900",
        ]
        // Its sandbox refuses to be root's.
        if getuid() == 0 { command.append("--no-sandbox") }
        process = try Process(command + ["about:blank"], sockets: [ends[1], ends[1]])
    }

    deinit {
        process.end()
        close(wire)
    }

    private func open(_ url: String) throws {
        let target = try eventually("the browser has a page") {
            try call("Target.getTargets")["targetInfos"]?.items?.first { $0["type"]?.text == "page" }?["targetId"]
        }
        session = try call("Target.attachToTarget", ["targetId": target, "flatten": .bool(true)])["sessionId"]?.text
        for domain in ["Page", "Runtime", "Log"] { try call("\(domain).enable") }
        try call("Page.navigate", ["url": .string(url)])
        try wait("the page is there", for: "document.readyState === 'complete' && location.href !== 'about:blank'")
    }

    // MARK: The protocol

    /// Its answer, or a failure with what it says is wrong.
    @discardableResult
    func call(_ method: String, _ parameters: [String: JSON] = [:]) throws -> JSON {
        number += 1
        var message: [String: JSON] = [
            "id": .number(Double(number)), "method": .string(method), "params": .object(parameters),
        ]
        if let session { message["sessionId"] = .string(session) }
        try Stream.write(Array(JSON.object(message).written.utf8) + [0], to: wire, Deadline())
        while true {
            let answer = try receive()
            guard let id = answer["id"] else {
                if let method = answer["method"]?.text, let parameters = answer["params"] {
                    events.append(Event(method: method, parameters: parameters))
                }
                continue
            }
            guard id.integer == UInt64(number) else { continue }
            if let error = answer["error"] { throw Failure("\(method): \(error["message"]?.text ?? "refused")") }
            return answer["result"] ?? .null
        }
    }

    private func receive() throws -> JSON {
        let deadline = Deadline()
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            if let end = received.firstIndex(of: 0) {
                let text = String(decoding: received[..<end], as: UTF8.self)
                received.removeSubrange(...end)
                guard let message = JSON(text) else { throw Failure("no JSON from the browser: \(text.prefix(200))") }
                return message
            }
            var ready = pollfd(fd: wire, events: Int16(POLLIN), revents: 0)
            guard poll(&ready, 1, deadline.milliseconds) > 0 else { throw Failure("the browser does not answer") }
            let count = read(wire, &chunk, chunk.count)
            guard count > 0 else {
                throw Failure("the browser is gone: \(process.state.lines.suffix(5).joined(separator: "\n"))")
            }
            received.append(contentsOf: chunk[..<count])
        }
    }

    // MARK: The page

    /// What a script gives; a promise is waited for.
    @discardableResult
    func evaluate(_ script: String) throws -> JSON {
        let answer = try call(
            "Runtime.evaluate",
            ["expression": .string(script), "awaitPromise": .bool(true), "returnByValue": .bool(true)])
        if let error = answer["exceptionDetails"] {
            throw Failure("\(script): \(error["exception"]?["description"]?.text ?? error["text"]?.text ?? "")")
        }
        return answer["result"]?["value"] ?? .null
    }

    func text(_ script: String) throws -> String { try evaluate(script).text ?? "" }
    func number(_ script: String) throws -> Double { try evaluate(script).number ?? .nan }

    /// Chooses files in an input of files, as its dialog would.
    func choose(_ files: [String], in script: String) throws {
        let answer = try call("Runtime.evaluate", ["expression": .string(script)])
        guard let object = answer["result"]?["objectId"] else { throw Failure("\(script) is no element") }
        try call("DOM.setFileInputFiles", ["files": .array(files.map { .string($0) }), "objectId": object])
    }

    /// Waits until a script gives true.
    func wait(_ what: String, for script: String) throws {
        try eventually(what) { try evaluate(script) == .bool(true) ? true : nil }
    }

    /// A script's string.
    static func quoted(_ text: String) -> String { JSON.string(text).written }

    /// The element with this label, name or text, as a script.
    private func find(_ label: String) -> String {
        let label = Browser.quoted(label)
        return """
            [...document.querySelectorAll('button, a, input, summary')].find((one) => one.checkVisibility() &&
              (one.getAttribute('aria-label') ?? one.textContent.trim()).startsWith(\(label)))
            """
    }

    /// Presses the mouse where something is. What begins with `label` is meant: a label, or else a text.
    func click(_ label: String) throws {
        try wait("there is \"\(label)\"", for: "\(find(label)) !== undefined")
        // The page may move between the look and the press: then once more.
        try eventually("\"\(label)\" is hit") {
            let place = try evaluate(
                """
                (() => {
                  const one = \(find(label));
                  if (!one) return null;
                  one.scrollIntoView({ block: 'center' });
                  window.hit = false;
                  window.addEventListener('click', (event) => { window.hit = one.contains(event.target); }, { capture: true, once: true });
                  const box = one.getBoundingClientRect();
                  return [box.x + box.width / 2, box.y + box.height / 2];
                })()
                """)
            guard let x = place[0], let y = place[1] else { return Bool?.none }
            for kind in ["mousePressed", "mouseReleased"] {
                try call(
                    "Input.dispatchMouseEvent",
                    [
                        "type": .string(kind), "x": x, "y": y, "button": .string("left"), "buttons": .number(1),
                        "clickCount": .number(1),
                    ])
            }
            return try evaluate("window.hit") == .bool(true) ? true : nil
        }
    }

    enum Key: String {
        case tab = "Tab"
        case enter = "Enter"
        case space = "Space"
        case escape = "Escape"

        var code: Double {
            switch self {
            case .tab: 9
            case .enter: 13
            case .space: 32
            case .escape: 27
            }
        }
        var text: String? {
            switch self {
            case .enter: "\r"
            case .space: " "
            case .tab, .escape: nil
            }
        }
    }

    func press(_ key: Key) throws {
        var parameters: [String: JSON] = [
            "key": .string(key == .space ? " " : key.rawValue), "code": .string(key.rawValue),
            "windowsVirtualKeyCode": .number(key.code),
        ]
        if let text = key.text { parameters["text"] = .string(text) }
        parameters["type"] = .string(key.text == nil ? "rawKeyDown" : "keyDown")
        try call("Input.dispatchKeyEvent", parameters)
        parameters["type"] = .string("keyUp")
        parameters["text"] = nil
        try call("Input.dispatchKeyEvent", parameters)
    }

    /// Goes from one thing to the next until the one that begins with `label` has the focus.
    func tab(to label: String) throws {
        for _ in 0..<100 {
            try press(.tab)
            if try evaluate("document.activeElement === (\(find(label)))") == .bool(true) { return }
        }
        throw Failure("\"\(label)\" cannot be reached by keyboard")
    }

    /// Types into what has the focus.
    func type(_ text: String) throws { try call("Input.insertText", ["text": .string(text)]) }

    /// As on a machine that prefers it.
    func prefer(_ scheme: String) throws {
        try call(
            "Emulation.setEmulatedMedia",
            [
                "features": .array([
                    .object(["name": .string("prefers-color-scheme"), "value": .string(scheme)])
                ])
            ])
    }

    /// Whether it has a network.
    func setOnline(_ isOnline: Bool) throws {
        try call("Network.enable")
        try call(
            "Network.emulateNetworkConditions",
            [
                "offline": .bool(!isOnline), "latency": .number(0), "downloadThroughput": .number(-1),
                "uploadThroughput": .number(-1),
            ])
    }

    /// A picture of all of the page, in PNG.
    func picture() throws -> [UInt8] {
        let answer = try call(
            "Page.captureScreenshot", ["format": .string("png"), "captureBeyondViewport": .bool(true)])
        guard let text = answer["data"]?.text, let bytes = Base64.decode(text) else { throw Failure("no picture") }
        return bytes
    }

    /// Exceptions, and what a policy stopped.
    var complaints: [String] {
        events.compactMap { event in
            switch event.method {
            case "Runtime.exceptionThrown":
                event.parameters["exceptionDetails"]?["exception"]?["description"]?.text ?? "an exception"
            case "Log.entryAdded" where event.parameters["entry"]?["source"]?.text == "security":
                event.parameters["entry"]?["text"]?.text
            default: nil
            }
        }
    }

    /// The complaints so far, which are none any more.
    func takeComplaints() throws -> [String] {
        // What was before this answer has been received.
        try evaluate("0")
        defer { events = [] }
        return complaints
    }
}

extension JSON {
    /// As text, in ASCII.
    var written: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .number(let number): number == number.rounded() ? "\(Int(number))" : "\(number)"
        case .string(let text): JSON.quote(text)
        case .array(let items): "[" + items.map(\.written).joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.map { JSON.quote($0.key) + ":" + $0.value.written }.joined(separator: ",") + "}"
        }
    }

    private static func quote(_ text: String) -> String {
        let units = text.utf16.map { unit in
            switch unit {
            case 0x22, 0x5C: "\\" + String(UnicodeScalar(UInt8(unit)))
            case 0x20..<0x7F: String(UnicodeScalar(UInt8(unit)))
            default:
                "\\u" + String(repeating: "0", count: 4 - String(unit, radix: 16).count) + String(unit, radix: 16)
            }
        }
        return "\"" + units.joined() + "\""
    }
}

/// RFC 4648 §4.
enum Base64 {
    static func decode(_ text: String) -> [UInt8]? {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var values = [UInt8](repeating: 255, count: 256)
        for (value, letter) in alphabet.enumerated() { values[Int(letter)] = UInt8(value) }
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for letter in text.utf8 where letter != UInt8(ascii: "=") {
            let value = values[Int(letter)]
            guard value < 64 else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return bytes
    }
}
