import Glibc
import Testing

/// The stand-in for Telegram's Bot API, a process of its own.
struct StandIn {
    /// Its base URL.
    let api: String
    private let port: UInt16

    /// Runs one for `body`; `control` is as its `--help` says.
    static func run(_ control: String = #"{"rates":null}"#, _ body: (StandIn) throws -> Void) throws {
        let program =
            Daemon.program.split(separator: "/", omittingEmptySubsequences: false).dropLast()
            .joined(separator: "/") + "/telegram-stand-in"
        let process = try Process([program, "--control", control], input: .pipe)
        defer { process.end() }
        let line = process.wait { $0.text.hasSuffix("\n") || $0.isOver ? $0.text : nil }
        guard let line, line.hasPrefix("http://"), let port = UInt16(line.dropLast().split(separator: ":").last ?? "")
        else { throw Failure("the stand-in did not start: \(process.state.lines.joined(separator: "\n"))") }
        try body(StandIn(api: String(line.dropLast()), port: port))
        process.closeInput()
        #expect(try process.waitForExit() == .code(0))
    }

    private func ask(_ method: String, _ target: String, _ body: String = "") throws -> JSON {
        let client = try Client(port: port)
        let length = method == "POST" ? "Content-Length: \(body.utf8.count)\r\n" : ""
        try client.send("\(method) \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\(length)\r\n\(body)")
        guard let json = try client.reply().json else { throw Failure("no JSON from the stand-in") }
        return json
    }

    /// The calls behind a number, all of them.
    func calls(after number: Int = 0) throws -> [JSON] {
        var calls: [JSON] = []
        while true {
            let page = try ask("GET", "/calls?after=\(number + calls.count)")["calls"]?.items ?? []
            if page.isEmpty { return calls }
            calls += page
        }
    }

    func counts() throws -> JSON { try ask("GET", "/counts") }
    func count() throws -> Int { Int(try counts()["calls"]?.number ?? 0) }

    /// Changes how it behaves.
    func control(_ json: String) throws { _ = try ask("POST", "/control", json) }

    /// The digests of the files that were taken, as often as they were.
    func taken() throws -> [String] {
        try calls().filter { $0["status"]?.number ?? -1 == 200 && $0["way"]?.text ?? "id" != "id" }.compactMap {
            $0["sha256"]?.text
        }
    }
}
