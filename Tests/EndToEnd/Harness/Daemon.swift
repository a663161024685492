import Glibc
import Testing

/// `weir serve` with what it printed and logged.
final class Daemon {
    /// A line of the log.
    struct Event {
        let message: String
        let fields: JSON

        subscript(name: String) -> String? { fields[name]?.text }
        func number(_ name: String) -> UInt64? { fields[name]?.integer }
    }

    let process: Process
    let port: UInt16
    let data: String
    /// The file of its configuration, when it has one.
    let configuration: String
    private var events: [Event] = []
    private var parsed = 0

    /// The program beside the bundle of these tests, whatever kind of build it is.
    static let program: String = {
        guard let path = realpath("/proc/self/exe", nil) else { return "weir" }
        defer { free(path) }
        let bundle = String(cString: path).split(separator: "/", omittingEmptySubsequences: false)
        return (bundle.dropLast() + ["weir"]).joined(separator: "/")
    }()

    /// Starts the daemon for `body`, and stops it afterwards: it must still run then unless `body` itself waited for its
    /// end, and end in order.
    ///
    /// `descriptors` is its limit of open files; `under` is a command that becomes the daemon. Everything is logged, as
    /// JSON.
    static func run(
        _ configuration: String? = nil, options: [String] = ["--log-format", "json", "--log-level", "debug"],
        environment: [String: String] = [:], descriptors: Int? = nil, under: [String] = [],
        input: Process.Input = .nothing, _ body: (Daemon) throws -> Void
    ) throws {
        let scratch = try Scratch()
        var command = [program, "serve", "--listen", "127.0.0.1:0", "--data", scratch.path + "/data"] + options
        if let configuration {
            try Disk.write(scratch.path + "/weir.yml", configuration.utf8)
            command += ["--config", scratch.path + "/weir.yml"]
        }
        if let descriptors { command = ["sh", "-c", "ulimit -n \(descriptors) && exec \"$@\"", "sh"] + command }
        command = under + command
        let process = try Process(
            command, input: input, environment: ["WEIR_SHUTDOWN_GRACE": "5"].merging(environment) { $1 })
        defer { process.end() }
        let daemon = try Daemon(process, data: scratch.path + "/data", configuration: scratch.path + "/weir.yml")
        do {
            try body(daemon)
        } catch {
            // Without the questions that the tests ask again and again.
            let lines = process.state.lines.filter { !$0.contains("\"target\":\"/live\"") }
            throw Failure("\(error)\nThe daemon's last lines:\n\(lines.suffix(25).joined(separator: "\n"))")
        }
        if daemon.isExpectedToRun {
            #expect(process.exit == nil, "it ended by itself: \(process.state.lines.suffix(5))")
            process.signal(SIGTERM)
            let exit = try process.waitForExit()
            #expect(exit == .code(0), "\(process.state.lines.suffix(5))")
        }
    }

    private var isExpectedToRun = true

    private init(_ process: Process, data: String, configuration: String) throws {
        self.process = process
        self.data = data
        self.configuration = configuration
        // The last line of what it prints at the start; the sockets listen before that.
        let port = process.wait { printed -> UInt16? in
            guard let mark = printed.text.firstRange(of: "http://127.0.0.1:"), printed.text.hasSuffix("\n") else {
                return nil
            }
            return UInt16(printed.text[mark.upperBound...].prefix { $0.isNumber })
        }
        guard let port else { throw Failure("not started:\n\(process.state.lines.joined(separator: "\n"))") }
        self.port = port
    }

    // MARK: Asking

    func client(receiveBuffer: Int32? = nil) throws -> Client { try Client(port: port, receiveBuffer: receiveBuffer) }

    /// A request on a connection of its own.
    func request(
        _ method: String, _ target: String, _ fields: [String] = [], body: String = "", host: String = "localhost"
    ) throws -> Reply {
        let client = try client()
        var lines = ["\(method) \(target) HTTP/1.1", "Host: \(host)", "Connection: close"] + fields
        if !body.isEmpty { lines.append("Content-Length: \(body.utf8.count)") }
        try client.send(lines.joined(separator: "\r\n") + "\r\n\r\n" + body)
        return try client.reply(bodiless: method == "HEAD")
    }

    func get(_ target: String, _ fields: [String] = []) throws -> Reply { try request("GET", target, fields) }

    /// A request with the admin token.
    func order(_ method: String, _ target: String) throws -> Reply {
        try request(method, target, ["Authorization: Bearer \(try token)"])
    }

    var token: String { get throws { String(try Disk.text(data + "/admin.token").prefix { !$0.isNewline }) } }

    /// What `GET /live` says of a station.
    func station(_ name: String) throws -> JSON {
        let reply = try get("/live")
        guard let station = reply.json?["stations"]?.items?.first(where: { $0["name"]?.text == name }) else {
            throw Failure("no station \(name) in \(reply.status) \(reply.text)")
        }
        return station
    }

    /// Waits for a station to be in a state, and gives what `GET /live` says then.
    @discardableResult
    func wait(_ name: String, is state: String, within seconds: Double = Pace.patience) throws -> JSON {
        try eventually("\(name) is \(state)", within: seconds) {
            let station = try station(name)
            return station["state"]?.text == state ? station : nil
        }
    }

    /// Waits for a station to have had so many bytes.
    func wait(_ name: String, hasHad bytes: UInt64) throws {
        try eventually("\(name) has had \(bytes) bytes") {
            try station(name)["position"]?.integer ?? 0 >= bytes ? true : nil
        }
    }

    /// Waits until it has these children and no others, those that it has not reaped among them.
    func wait(forChildren expected: [pid_t]) throws {
        try eventually("the children are \(expected)") {
            ProcessTable.children(of: process.pid).map(\.pid).sorted() == expected.sorted() ? true : nil
        }
    }

    /// Every sample of `/metrics`, by name and labels as they are written.
    func metrics() throws -> [String: Double] {
        var samples: [String: Double] = [:]
        for line in try get("/metrics").text.split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " ") else { continue }
            samples[String(line[..<space])] = Double(line[line.index(after: space)...])
        }
        return samples
    }

    /// `weir_live_disconnects_total` of a station, by reason, without those that are zero.
    func disconnects(_ station: String) throws -> [String: Double] {
        var counts: [String: Double] = [:]
        let start = "weir_live_disconnects_total{station=\"\(station)\",reason=\""
        for (name, value) in try metrics() where name.hasPrefix(start) && value > 0 {
            counts[String(name.dropFirst(start.count).dropLast(2))] = value
        }
        return counts
    }

    /// Joins a station; what is left to read is the body.
    func listen(
        _ target: String, _ fields: [String] = [], receiveBuffer: Int32? = nil
    ) throws -> (client: Client, head: ResponseHead) {
        let client = try client(receiveBuffer: receiveBuffer)
        try client.send(
            (["GET \(target) HTTP/1.1", "Host: localhost"] + fields).joined(separator: "\r\n") + "\r\n\r\n")
        let head = try client.head()
        guard head.status == 200 else { throw Failure("\(target): \(head.status) \(try client.receiveAll())") }
        return (client, head)
    }

    // MARK: The log

    /// Waits for an event of the log, an earlier one too.
    @discardableResult
    func event(
        _ message: String, within seconds: Double = Pace.patience, where isMeant: (Event) -> Bool = { _ in true }
    ) throws -> Event {
        let found = process.wait(seconds) { printed -> Event? in
            read(printed)
            return events.first { $0.message == message && isMeant($0) }
        }
        guard let found else { throw Failure("no event \"\(message)\" as it is meant") }
        return found
    }

    /// All events so far.
    func events(_ message: String) -> [Event] {
        read(process.state)
        return events.filter { $0.message == message }
    }

    private func read(_ printed: Process.Printed) {
        for line in printed.lines[parsed...] {
            guard let fields = JSON(line), let message = fields["message"]?.text else { continue }
            events.append(Event(message: message, fields: fields))
        }
        parsed = printed.lines.count
    }

    // MARK: Reloading

    /// Gives it another configuration, and waits until it says what became of that.
    @discardableResult
    func reload(_ text: String, expecting message: String = "configuration applied") throws -> Event {
        try Disk.write(configuration + ".new", text.utf8)
        guard rename(configuration + ".new", configuration) == 0 else { throw Failure.system("rename") }
        return try reload(expecting: message)
    }

    @discardableResult
    func reload(expecting message: String = "configuration applied") throws -> Event {
        let before = events(message).count
        process.signal(SIGHUP)
        return try eventually(message) {
            let found = events(message)
            return found.count > before ? found.last : nil
        }
    }

    // MARK: Ending

    /// Sends a signal, if any, and waits for the end, which `run` then does not bring about.
    func end(_ signal: Int32?, within seconds: Double = Pace.patience) throws -> Process.Exit {
        isExpectedToRun = false
        if let signal { process.signal(signal) }
        return try process.waitForExit(seconds)
    }
}
